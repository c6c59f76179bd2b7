"""Attention: grouped, latent, sparse or compressed."""

from tokwatt.params.llms.configuration import Configuration, Fields

OVERLAPPING = 4
"""The ratio of DeepSeek-V4 whose entries overlap and have an indexer."""


def trunk(config: Configuration) -> Fields:
    """What every family has."""
    return {
        "layers": config.layers,
        "hidden": config.whole("hidden_size"),
        "query_heads": config.whole("num_attention_heads"),
        "vocabulary": config.whole("vocab_size"),
        "trained_context": config.whole("max_position_embeddings", 0),
        "tied_embeddings": int(config.flag("tie_word_embeddings")),
    }


def grouped_attention(config: Configuration) -> Fields:
    """Grouped-query attention; `head_dim` defaults to a head's share of the residual stream."""
    heads = config.whole("num_attention_heads")
    kv_heads, head_dim = config.whole("num_key_value_heads", heads, most=heads), _head_dim(config)
    if not kv_heads or heads % kv_heads:
        raise config.refused(
            "num_key_value_heads", f"one that divides the {heads} heads of queries"
        )
    return {"kv_heads": kv_heads, "head_dim": head_dim}


def _head_dim(config: Configuration) -> int:
    for key in ("head_dim", "attention_head_dim"):
        if config.get(key) is not None:
            return config.whole(key)
    width, rest = divmod(config.whole("hidden_size"), config.whole("num_attention_heads"))
    if rest:
        wanted = "a whole number, as hidden_size is no multiple of num_attention_heads"
        raise config.section.fail("is missing", wanted, "head_dim")
    return width


def factored_attention(config: Configuration) -> Fields:
    """Grouped queries that are made of one narrow query, as Step-3 has them (MFA)."""
    grouped = grouped_attention(config)
    hidden, narrow = config.whole("hidden_size"), config.whole("share_q_dim")
    queries = config.whole("num_attention_heads") * grouped["head_dim"]
    keys_and_values = 2 * grouped["kv_heads"] * grouped["head_dim"]
    parameters = narrow * (hidden + queries) + hidden * (keys_and_values + queries)
    return {**grouped, "attention_parameters": parameters}


def queries_by_layer(config: Configuration) -> Fields:
    """Grouped attention whose layers each have a number of queries of their own, as Laguna's."""
    heads = config.entries("num_attention_heads_per_layer", int)
    if len(heads) != config.layers:
        raise config.refused("num_attention_heads_per_layer", f"{config.layers} numbers")
    grouped = grouped_attention(config)
    queries = sum(heads) / len(heads)
    width = 2 * config.whole("hidden_size") * grouped["head_dim"]
    return {**grouped, "attention_parameters": width * (queries + grouped["kv_heads"])}


def latent_attention(config: Configuration) -> Fields:
    """Multi-head latent attention (MLA)."""
    return {
        "kv_heads": config.whole("num_attention_heads"),
        "head_dim": config.whole("v_head_dim"),
        "kv_latent": config.whole("kv_lora_rank"),
        "rope_dim": config.whole("qk_rope_head_dim"),
        "query_latent": config.whole("q_lora_rank", 0),
        "attention_gate": int(config.flag("mla_use_output_gate")),
        "nope_dim": config.whole("qk_nope_head_dim"),
        "value_dim": config.whole("v_head_dim"),
    }


def indexer(config: Configuration) -> Fields:
    """Latent attention with an indexer: 8-bit keys with a 32-bit scale, in layers that have one.

    Its parameters: queries from the latent, one key, a weight for each head.
    """
    types = config.entries("indexer_types", str)
    layers = types.count("full") if types else config.layers
    heads, width = config.whole("index_n_heads"), config.whole("index_head_dim")
    hidden = config.whole("hidden_size")
    queries = config.whole("q_lora_rank") * heads * width
    return {
        "index_parameters": layers * (queries + hidden * (width + heads)),
        "index_cache": layers * _index_bytes(width),
    }


def _index_bytes(width: int) -> int:
    """An 8-bit key with a 32-bit scale for each 128 of its elements."""
    return width + 4 * -(-width // 128)


def block_indexer(config: Configuration) -> Fields:
    """Grouped attention to blocks that an indexer chooses: one 16-bit key for all its heads."""
    sparse = config.inner("sparse_attention_config")
    if sparse is None:
        return {}
    layers = sum(sparse.entries("sparse_attention_freq", int)) or config.layers
    heads, width = sparse.whole("sparse_num_index_heads"), sparse.whole("sparse_index_dim")
    return {
        "index_parameters": layers * config.whole("hidden_size") * width * (heads + 1),
        "index_cache": layers * width * 2,
    }


def hybrid_windows(config: Configuration) -> Fields:
    """Full and sliding-window layers by a pattern of 0 and 1, each kind with heads of its own."""
    pattern, hidden = config.marks("hybrid_layer_pattern"), config.whole("hidden_size")
    keys = ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim")
    full = [config.whole(key) for key in keys]
    slid = [config.whole(f"swa_{key}", other) for key, other in zip(keys, full, strict=True)]
    if slid[2:] != full[2:]:
        raise config.refused("swa_head_dim", f"{full[2]}, as wide as head_dim")
    each = [
        hidden * (queries * (key + value) + heads * (key + value))
        for queries, heads, key, value in (full, slid)
    ]
    layers = sum(pattern)
    return {
        "kv_heads": full[1],
        "head_dim": (full[2] + full[3]) / 2,
        "sliding_layers": layers,
        "sliding_window": config.whole("sliding_window"),
        "sliding_kv_heads": slid[1],
        "attention_parameters": (layers * each[1] + (len(pattern) - layers) * each[0])
        / len(pattern),
    }


def compressed_attention(config: Configuration) -> Fields:
    """DeepSeek-V4: a window of latents, and one latent for every 4 or 128 tokens before it.

    Layers of a ratio of 4 compress twice over and choose by an indexer; a ratio of 0 is the window
    alone. Parameters: queries and output through latents, one key-value, what compresses.
    """
    ratios = config.entries("compress_ratios", int)[: config.layers]
    if len(ratios) != config.layers or min(ratios, default=0) < 0:
        raise config.refused("compress_ratios", f"{config.layers} numbers of at least 0")
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    width, rope = config.whole("head_dim"), config.whole("qk_rope_head_dim")
    queries, outputs = config.whole("q_lora_rank"), config.whole("o_lora_rank")
    index_heads, index_width = config.whole("index_n_heads"), config.whole("index_head_dim")
    base = hidden * (queries + width) + queries * heads * width
    base += outputs * (heads * width + config.whole("o_groups") * hidden)
    twice = ratios.count(OVERLAPPING)
    once = sum(ratio > 0 for ratio in ratios) - twice
    compressors = 2 * hidden * width * (2 * twice + once)
    indexers = queries * index_heads * index_width + hidden * (index_heads + 4 * index_width)
    return {
        "kv_heads": heads,
        "head_dim": width,
        "kv_latent": width - rope,
        "rope_dim": rope,
        "query_latent": queries,
        "nope_dim": width - rope,
        "value_dim": width,
        "sliding_layers": config.layers,
        "sliding_window": config.whole("sliding_window"),
        "kept_layers": sum(1 / ratio for ratio in ratios if ratio),
        "attention_parameters": base + compressors / config.layers,
        "index_parameters": twice * indexers,
        "index_cache": twice * _index_bytes(index_width) / OVERLAPPING,
    }


def blocks_of_their_own(config: Configuration) -> Fields:
    """Layers that each have their own heads and widths, or lack attention: nemotron-nas."""
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    blocks = config.sections("block_configs")
    attention = [block.required("attention") for block in blocks]
    groups = [part.whole("n_heads_in_group") for part in attention if not part.flag("no_op")]
    linear = any(part.flag("replace_with_linear") for part in attention)
    if len(blocks) != config.layers or linear or len(set(groups)) != 1:
        wanted = f"{config.layers} blocks whose attention, where they have any, has as many heads"
        raise config.refused("block_configs", wanted)
    widths = [_nas_width(block.required("ffn"), hidden) for block in blocks]
    return {
        "kv_heads": heads // groups[0],
        "head_dim": hidden // heads,
        "linear_layers": len(blocks) - len(groups),
        "feed_forward": sum(widths) / len(widths),
    }


def _nas_width(block: Configuration, hidden: int) -> int:
    """Two thirds of a multiple of the residual stream, rounded up to whole 256."""
    if block.flag("no_op"):
        return 0
    if block.flag("replace_with_linear"):
        raise block.refused("replace_with_linear", "false")
    return -(-int(2 * block.number("ffn_mult") * hidden / 3) // 256) * 256
