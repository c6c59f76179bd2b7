"""Sparse attention whose indexer keeps one key for several tokens, between delta networks."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.attention import grouped_attention, latent_attention
from tokwatt.params.parts.recurrent import delta_networks, key_delta_networks

SPARSE = "deepseek_sparse_attention"


def pooled_latents(config: Configuration) -> Fields:
    """GLM-5.3-Flash: latents, often without positions, an indexer, and Kimi's delta networks.

    The indexer has queries from the latent, a key and a gate to pool keys, a weight for each head;
    a pool keeps an 8-bit key with a 32-bit scale, as vLLM does.
    """
    types = config.entries("layer_types", str)
    if len(types) != config.layers or set(types) - {"linear_attention", SPARSE}:
        raise config.refused("layer_types", f"{config.layers} of linear_attention and {SPARSE}")
    sparse, rope = types.count(SPARSE), config.whole("qk_rope_head_dim", 0)
    heads, width = config.whole("index_n_heads"), config.whole("index_head_dim")
    queries = config.whole("q_lora_rank") * heads * width
    keys = config.whole("hidden_size") * (2 * width + heads)
    return {
        **latent_attention(config.changed({"qk_rope_head_dim": rope or 1})),
        **key_delta_networks(config),
        "rope_dim": rope,
        "linear_layers": config.layers - sparse,
        "index_parameters": sparse * (queries + keys),
        "index_cache": sparse * (width + 4) / config.positive("index_kpool", 1),
    }


def pooled_groups(config: Configuration) -> Fields:
    """Qwen3.8-Flash-Next: gated grouped queries, an indexer, and gated delta networks.

    A pool keeps a 16-bit key. Around each mixer and each block, streams are mixed at low rank, and
    some layers look up n-grams.
    """
    grouped, delta = grouped_attention(config), delta_networks(config)
    hidden, streams = config.whole("hidden_size"), config.whole("hc_count")
    sparse = config.layers - delta["linear_layers"]
    mixing = 2 * hidden * streams * (2 * config.whole("hc_lowrank") + streams)
    heads = 3 * config.whole("num_attention_heads") + 2 * grouped["kv_heads"]
    keys, width = config.whole("indexer_kv_heads"), config.whole("indexer_head_dim")
    tables = len(config.entries("ple_layer_ids", int))
    rows = config.whole("ngram_vocab_size_base", most=2**32) if tables else 0
    return {
        **grouped,
        **delta,
        "attention_parameters": hidden * heads * grouped["head_dim"] + mixing,
        "linear_parameters": delta["linear_parameters"] + mixing,
        "index_parameters": sparse * hidden * width * (config.whole("indexer_n_heads") + keys),
        "index_cache": sparse * keys * width * 2 / config.whole("indexer_compress_ratio"),
        "table_parameters": tables * rows * config.whole("ple_embed_dim", hidden),
    }
