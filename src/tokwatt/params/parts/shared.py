"""What layers share or look up: a cache of another layer, tables of each layer or of n-grams."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.attention import grouped_attention
from tokwatt.params.parts.recurrent import mamba1
from tokwatt.params.parts.windows import sliding_windows


def _shared_caches(config: Configuration) -> Fields:
    """The last layers, which read the cache of an earlier layer of their kind."""
    shared = config.whole("num_kv_shared_layers", 0, most=config.layers)
    types = config.entries("layer_types", str)[-shared:] if shared else []
    if len(types) != shared:
        raise config.refused("layer_types", f"{config.layers} types, by which caches are shared")
    sliding = types.count("sliding_attention")
    return {"kv_shared_layers": shared - sliding, "sliding_kv_shared_layers": sliding}


def _layer_tables(config: Configuration) -> Fields:
    """Embeddings of each layer, looked up by the token: Gemma-3n and the small ones of Gemma-4."""
    width = config.layers * config.whole("hidden_size_per_layer_input", 0)
    rows = config.whole("vocab_size_per_layer_input", config.whole("vocab_size"))
    return {"table_parameters": width * rows}


def ngram_tables(config: Configuration) -> Fields:
    """Embeddings of n-grams, all of them together as wide as the stream: LongCat-Flash-Lite."""
    if config.get("ngram_vocab_size_ratio") is None:
        return {}
    rows = int(config.number("ngram_vocab_size_ratio") * config.whole("vocab_size"))
    return {"table_parameters": rows * config.whole("hidden_size")}


def global_attention(config: Configuration) -> Fields:
    """Full layers with other heads than those with a sliding window; values may be their keys.

    Layers that share a cache have queries alone.
    """
    sliding, shared = sliding_windows(every=6)(config), _shared_caches(config)
    layers, heads = config.layers, config.whole("num_attention_heads")
    kv_heads, head_dim = config.whole("num_key_value_heads"), config.whole("head_dim")
    global_heads = config.whole("num_global_key_value_heads", 0) or kv_heads
    global_dim = config.whole("global_head_dim", 0) or head_dim
    matrices = 1 if config.flag("attention_k_eq_v") else 2
    slid = sliding["sliding_layers"]
    queries = 2 * heads * (slid * head_dim + (layers - slid) * global_dim)
    windowed = 2 * kv_heads * head_dim * (slid - shared["sliding_kv_shared_layers"])
    full = matrices * global_heads * global_dim * (layers - slid - shared["kv_shared_layers"])
    parameters = (queries + windowed + full) / layers + _of_each_layer(config)
    return {
        **sliding,
        **shared,
        **_layer_tables(config),
        "kv_heads": global_heads,
        "head_dim": global_dim,
        "sliding_kv_heads": kv_heads,
        "sliding_head_dim": head_dim,
        "attention_parameters": config.whole("hidden_size") * parameters,
    }


def _of_each_layer(config: Configuration) -> int:
    """Width of what brings a layer its embedding: made of the stream, gated and projected back."""
    return 3 * config.whole("hidden_size_per_layer_input", 0)


def nested_layers(config: Configuration) -> Fields:
    """Gemma-3n: every fifth layer is full, and beside each a low-rank one and several streams."""
    heads, kv_heads = config.whole("num_attention_heads"), config.whole("num_key_value_heads")
    streams, hidden = config.whole("altup_num_inputs"), config.whole("hidden_size")
    grouped = 2 * (heads + kv_heads) * config.whole("head_dim")
    low_rank = 2 * config.whole("laurel_rank") + _of_each_layer(config)
    converted = 2 * (streams - 1) * hidden / config.layers
    return {
        **sliding_windows(every=5)(config),
        **_shared_caches(config),
        **_layer_tables(config),
        "feed_forward": config.alike("intermediate_size"),
        "attention_parameters": hidden * (grouped + low_rank + streams + converted),
    }


def decoder_hybrid(config: Configuration) -> Fields:
    """SambaY: Mamba-1 and windows by turns, one full layer, then gates and queries on what is kept.

    Of the second half, recurrences are a gate alone (two projections), and attention has no keys.
    """
    layers, grouped = config.layers, grouped_attention(config)
    if layers % 4 or config.whole("mb_per_layer", 2) != 2:
        raise config.refused("mb_per_layer", "2, in a multiple of 4 layers")
    hidden, mixers = config.whole("hidden_size"), layers // 2
    gates = cross = layers // 4 - 1
    mamba = mamba1(config, config.whole("mamba_dt_rank", -(-hidden // 16)))
    gate = 2 * hidden * hidden * config.whole("mamba_expand", 2)
    queries = 2 * config.whole("num_attention_heads") * grouped["head_dim"]
    own_keys = 2 * grouped["kv_heads"] * grouped["head_dim"] * (mixers - cross) / mixers
    return {
        **grouped,
        "sliding_layers": layers // 4,
        "sliding_window": config.whole("sliding_window"),
        "kv_shared_layers": cross,
        "attention_parameters": hidden * (queries + own_keys),
        "linear_layers": mixers,
        "linear_state": mamba["linear_state"] * (mixers - gates) / mixers,
        "linear_parameters": (mamba["linear_parameters"] * (mixers - gates) + gate * gates)
        / mixers,
    }
