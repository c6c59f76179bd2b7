"""How the configuration of each family of LLMs becomes the fields of an architecture."""

from collections.abc import Callable

from tokwatt.params.configuration import Configuration

Fields = dict[str, int]
Part = Callable[[Configuration], Fields]


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
    return {
        "kv_heads": config.whole("num_key_value_heads", heads, most=heads),
        "head_dim": _head_dim(config),
    }


def _head_dim(config: Configuration) -> int:
    for key in ("head_dim", "attention_head_dim"):
        if config.section.raw.get(key) is not None:
            return config.whole(key)
    width, rest = divmod(config.whole("hidden_size"), config.whole("num_attention_heads"))
    if rest:
        wanted = "a whole number, as hidden_size is no multiple of num_attention_heads"
        raise config.section.fail("is missing", wanted, "head_dim")
    return width


def latent_attention(config: Configuration) -> Fields:
    """Multi-head latent attention (MLA)."""
    return {
        "kv_heads": config.whole("num_attention_heads"),
        "head_dim": config.whole("v_head_dim"),
        "kv_latent": config.whole("kv_lora_rank"),
        "rope_dim": config.whole("qk_rope_head_dim"),
        "query_latent": config.whole("q_lora_rank", 0),
        "nope_dim": config.whole("qk_nope_head_dim"),
        "value_dim": config.whole("v_head_dim"),
    }


def sliding_windows(every: int) -> Part:
    """Sliding-window attention in all layers but the n-th ones."""

    def part(config: Configuration) -> Fields:
        period = config.positive("sliding_window_pattern", every)
        return _sliding(config, config.layers - config.layers // period)

    return part


def mistral_window(config: Configuration) -> Fields:
    """Sliding-window attention in every layer, or in none."""
    window = config.whole("sliding_window", 0)
    return {"sliding_layers": config.layers if window else 0, "sliding_window": window}


def qwen_window(config: Configuration) -> Fields:
    """Sliding-window attention after the first layers, where it is switched on."""
    if not config.flag("use_sliding_window"):
        return {}
    return _sliding(config, config.layers - config.whole("max_window_layers", 0, config.layers))


def _sliding(config: Configuration, otherwise: int) -> Fields:
    layers = config.layers_of("sliding_attention", otherwise)
    window = config.whole("sliding_window") if layers else 0
    return {"sliding_layers": layers, "sliding_window": window}


def chunked_attention(config: Configuration) -> Fields:
    """Attention within chunks in layers with positions, which hold no more than such a window."""
    period = config.positive("no_rope_layer_interval", 4)
    positions = config.entries("no_rope_layers", int)
    chunked = positions.count(1) if positions else config.layers - config.layers // period
    window = config.whole("attention_chunk_size", 0)
    layers = config.layers_of("chunked_attention", chunked) if window else 0
    return {"sliding_layers": layers, "sliding_window": window if layers else 0}


def delta_networks(config: Configuration) -> Fields:
    """Gated delta networks between layers of gated full attention.

    Their parameters: queries, keys, values, gate, two rates a head, convolution, norm, output.
    """
    hidden = config.whole("hidden_size")
    heads = config.whole("linear_num_value_heads")
    kernel = config.whole("linear_conv_kernel_dim")
    key_dim = config.whole("linear_key_head_dim")
    value_dim = config.whole("linear_value_head_dim")
    keys = config.whole("linear_num_key_heads") * key_dim
    values = heads * value_dim
    convolved = 2 * keys + values
    projections = hidden * (convolved + values + 2 * heads) + values * hidden
    period = config.positive("full_attention_interval", 4)
    others = config.layers - config.layers // period
    return {
        "attention_gate": 1,
        "linear_layers": config.layers_of("linear_attention", others),
        "linear_state": values * key_dim + convolved * (kernel - 1),
        "linear_parameters": projections + convolved * kernel + 2 * heads + value_dim,
    }


def mamba_hybrid(config: Configuration) -> Fields:
    """Layers of Mamba-2, attention, and feed-forward blocks without a gate, one letter each."""
    pattern = config.section.raw.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or len(pattern) != config.layers or set(pattern) - set("M*-E"):
        letters = f"{config.layers} letters of M, *, - and E"
        raise config.refused("hybrid_override_pattern", letters)
    dense_layers = pattern.count("-")
    return {
        "feed_forward_matrices": 2,
        "feed_forward_layers": dense_layers + pattern.count("E"),
        **(_nemotron_experts(config, dense_layers) if "E" in pattern else dense_blocks(config)),
        "linear_layers": pattern.count("M"),
        **(_mamba_mixer(config) if "M" in pattern else {}),
    }


def _mamba_mixer(config: Configuration) -> Fields:
    """Mamba-2: input projection, convolution with bias, three rates a head, norm and output."""
    hidden = config.whole("hidden_size")
    heads = config.whole("mamba_num_heads")
    kernel = config.whole("conv_kernel")
    inner = heads * config.whole("mamba_head_dim")
    state = config.whole("ssm_state_size")
    convolved = inner + 2 * config.whole("n_groups") * state
    projections = hidden * (2 * inner + convolved + heads)
    return {
        "linear_state": inner * state + convolved * (kernel - 1),
        "linear_parameters": projections + convolved * (kernel + 1) + 3 * heads + inner,
    }


def dense_blocks(config: Configuration) -> Fields:
    """One feed-forward block in every layer."""
    return {"feed_forward": config.whole("intermediate_size")}


def local_experts(config: Configuration) -> Fields:
    """Experts in every layer, nothing beside them."""
    return _routed(config, "num_local_experts", "intermediate_size")


def qwen_experts(config: Configuration) -> Fields:
    """Experts in every n-th layer but for some by number, and a shared expert of its own width."""
    period = config.whole("decoder_sparse_step", 1)
    if period < 1:
        raise config.refused("decoder_sparse_step", "at least 1")
    without = {
        layer
        for layer in config.entries("mlp_only_layers", int)
        if 0 <= layer < config.layers and (layer + 1) % period == 0
    }
    return {
        **_routed(config, "num_experts", "moe_intermediate_size"),
        "shared_feed_forward": config.whole("shared_expert_intermediate_size", 0),
        **_dense_layers(config, config.layers - config.layers // period + len(without)),
    }


def deepseek_experts(config: Configuration) -> Fields:
    """Experts after the first layers, and shared experts as wide as the routed ones."""
    if config.whole("moe_layer_freq", 1) != 1:
        raise config.refused("moe_layer_freq", "1")
    routed = _routed(config, "n_routed_experts", "moe_intermediate_size")
    shared = config.whole("n_shared_experts", 0)
    return {
        **routed,
        "shared_feed_forward": shared * routed["expert_feed_forward"],
        **_dense_layers(config, config.whole("first_k_dense_replace", 0, most=config.layers)),
    }


def llama4_experts(config: Configuration) -> Fields:
    """Experts in every n-th layer, each with a shared one as wide."""
    period = config.whole("interleave_moe_layer_step", 1, most=config.layers)
    if period < 1:
        raise config.refused("interleave_moe_layer_step", "at least 1")
    routed = local_experts(config)
    dense = _dense_layers(config, config.layers - config.layers // period, "intermediate_size_mlp")
    return {**routed, "shared_feed_forward": routed["expert_feed_forward"], **dense}


def _nemotron_experts(config: Configuration, dense_layers: int) -> Fields:
    """Experts of a hybrid, and a shared one of its own width."""
    if config.whole("moe_latent_size", 0):
        raise config.refused("moe_latent_size", "no experts behind a latent")
    return {
        **_routed(config, "n_routed_experts", "moe_intermediate_size"),
        "shared_feed_forward": config.whole("moe_shared_expert_intermediate_size", 0),
        **_dense_layers(config, dense_layers),
    }


def _routed(config: Configuration, count: str, width: str) -> Fields:
    """Routed experts, under the names that a family gives their number and width."""
    number = config.whole(count)
    return {
        "expert_feed_forward": config.whole(width),
        "experts": number,
        "active_experts": config.whole("num_experts_per_tok", most=number),
    }


def _dense_layers(config: Configuration, count: int, width: str = "intermediate_size") -> Fields:
    """Dense layers of a mixture of experts; without any, their width means nothing."""
    return {"dense_layers": count, "feed_forward": config.whole(width)} if count else {}


FAMILIES: dict[str, tuple[Part, ...]] = {
    "deepseek_v2": (latent_attention, deepseek_experts),
    "deepseek_v3": (latent_attention, deepseek_experts),
    "deepseek_v32": (latent_attention, deepseek_experts),
    "gemma2": (grouped_attention, dense_blocks, sliding_windows(every=2)),
    "gemma3": (grouped_attention, dense_blocks, sliding_windows(every=6)),
    "glm4_moe": (grouped_attention, deepseek_experts),
    "glm_moe_dsa": (latent_attention, deepseek_experts),
    "gpt_oss": (grouped_attention, local_experts, sliding_windows(every=2)),
    "kimi_k2": (latent_attention, deepseek_experts),
    "llama": (grouped_attention, dense_blocks),
    "llama4": (grouped_attention, llama4_experts, chunked_attention),
    "minimax_m2": (grouped_attention, local_experts),
    "mistral": (grouped_attention, dense_blocks, mistral_window),
    "mixtral": (grouped_attention, local_experts, mistral_window),
    "nemotron_h": (grouped_attention, mamba_hybrid),
    "qwen2": (grouped_attention, dense_blocks, qwen_window),
    "qwen3": (grouped_attention, dense_blocks, qwen_window),
    "qwen3_moe": (grouped_attention, qwen_experts, qwen_window),
    "qwen3_5": (grouped_attention, dense_blocks, delta_networks),
    "qwen3_5_moe": (grouped_attention, qwen_experts, delta_networks),
    "qwen3_next": (grouped_attention, qwen_experts, delta_networks),
}
"""How each `model_type` (without `_text`) is read."""
