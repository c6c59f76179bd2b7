"""Linear recurrences, and layers of several kinds in one LLM."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.blocks import dense_blocks
from tokwatt.params.parts.experts import dense_layers_of, nemotron_experts, routed

NEMOTRON = ("mamba_num_heads", "mamba_head_dim", "n_groups", "ssm_state_size", "conv_kernel")
GRANITE = ("mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state", "mamba_d_conv")
"""Keys of heads, their width, groups, state and kernel of a layer of Mamba-2."""


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
        "attention_gate": int(config.get("attn_output_gate") is not False),
        "linear_layers": config.layers_of("linear_attention", others),
        "linear_state": values * key_dim + convolved * (kernel - 1),
        "linear_parameters": projections + convolved * kernel + 2 * heads + value_dim,
    }


def key_delta_networks(config: Configuration) -> Fields:
    """Kimi's delta networks between layers of latent attention, or of gated grouped attention.

    Their parameters: queries, keys, values with convolutions, decay and gate through a head's width
    (the gate at once, where it has full rank), two rates, norm and output.
    """
    linear = config.required("linear_attn_config")
    full_ranks = int(linear.flag("use_full_rank_gate"))
    attending = config.entries("gqa_layers", int)
    layers = config.layers - len(attending) if attending else len(linear.entries("kda_layers", int))
    gated = config.flag("use_gqa_gate") or config.flag("mla_use_output_gate")
    return {
        "attention_gate": int(gated),
        "linear_layers": layers,
        **_key_delta(config, linear, linear.whole("num_heads"), full_ranks),
    }


def _key_delta(config: Configuration, linear: Configuration, heads: int, full_ranks: int) -> Fields:
    """One of Kimi's delta networks, with none, one or both of gate and decay at full rank."""
    hidden = config.whole("hidden_size")
    width, kernel = linear.whole("head_dim"), linear.whole("short_conv_kernel_size")
    inner = heads * width
    low_rank = hidden * width + width * inner
    projections = (4 + full_ranks) * hidden * inner + (2 - full_ranks) * low_rank + hidden * heads
    return {
        "linear_state": inner * width + 3 * inner * (kernel - 1),
        "linear_parameters": projections + 3 * inner * kernel + inner + heads + width,
    }


def lightning_attention(config: Configuration) -> Fields:
    """Linear attention between layers of full attention, those marked 1."""
    marks = config.marks("attn_type_list") if config.get("attn_type_list") else []
    return {
        "linear_layers": config.layers_of("linear_attention", marks.count(0)),
        **_lightning(config),
    }


def _lightning(config: Configuration) -> Fields:
    """Its parameters: queries, keys, values, gate, output and a norm."""
    width = config.whole("head_dim")
    inner = config.whole("num_attention_heads") * width
    return {
        "linear_state": inner * width,
        "linear_parameters": 5 * config.whole("hidden_size") * inner + inner,
    }


def grouped_recurrences(config: Configuration) -> Fields:
    """Ling: the last layer of each group, and what is left over, attends; the others are linear.

    They are Kimi's delta networks where they convolve, lightning attention elsewhere.
    """
    size = config.period("layer_group_size", most=config.layers)
    groups, heads = config.layers // size, config.whole("num_attention_heads")
    convolves = config.get("short_conv_kernel_size") is not None
    full_ranks = 2 * int(config.flag("no_kda_lora"))
    mixer = _key_delta(config, config, heads, full_ranks) if convolves else _lightning(config)
    gate = config.get("gated_attention_proj_granularity_type") == "element_wise"
    return {"attention_gate": int(gate), "linear_layers": groups * (size - 1), **mixer}


LETTERS = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
"""Kinds of layers, and their letters."""


def mamba_hybrid(config: Configuration) -> Fields:
    """Layers of Mamba-2, attention, and feed-forward blocks without a gate, one letter each."""
    pattern = _pattern(config)
    dense_layers = pattern.count("-")
    return {
        "feed_forward_matrices": 2,
        "feed_forward_layers": dense_layers + pattern.count("E"),
        **(nemotron_experts(config, dense_layers) if "E" in pattern else dense_blocks(config)),
        "linear_layers": pattern.count("M"),
        **(_mamba2(config, NEMOTRON) if "M" in pattern else {}),
    }


def _pattern(config: Configuration) -> str:
    """Kinds of layers by letters, from letters or from words."""
    words = config.entries("layers_block_type", str)
    if words and config.get("hybrid_override_pattern") is None:
        if set(words) - set(LETTERS):
            raise config.refused("layers_block_type", f"only {', '.join(LETTERS)}")
        return "".join(LETTERS[word] for word in words)
    pattern = config.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or len(pattern) != config.layers or set(pattern) - set("M*-E"):
        letters = f"{config.layers} letters of M, *, - and E"
        raise config.refused("hybrid_override_pattern", letters)
    return pattern


def granite_hybrid(config: Configuration) -> Fields:
    """Layers of Mamba-2 and of attention by `layer_types`, each with a feed-forward block."""
    types = config.entries("layer_types", str) or config.entries("layers_block_type", str)
    if len(types) != config.layers or set(types) - {"mamba", "attention"}:
        raise config.refused("layer_types", f"{config.layers} of mamba and attention")
    return {"linear_layers": types.count("mamba"), **_mamba2(config, GRANITE)}


def bamba_hybrid(config: Configuration) -> Fields:
    """Layers of Mamba-2 but for those whose numbers are listed, which attend."""
    attending = config.entries("attn_layer_indices", int)
    if set(attending) - set(range(config.layers)):
        raise config.refused("attn_layer_indices", f"numbers of layers below {config.layers}")
    return {"linear_layers": config.layers - len(set(attending)), **_mamba2(config, GRANITE)}


def parallel_hybrid(config: Configuration) -> Fields:
    """Mamba-2 and attention side by side in every layer, as Falcon-H1 has them."""
    layers = config.layers
    return {"linear_layers": layers, "parallel_layers": layers, **_mamba2(config, GRANITE)}


def short_convolutions(config: Configuration) -> Fields:
    """Gated short convolutions between layers of full attention, as LFM2 has them.

    Their parameters: two gates and what they gate, convolution, output. The state is as wide as an
    activation.
    """
    hidden, kernel = config.whole("hidden_size"), config.whole("conv_L_cache")
    others = config.layers - len(config.entries("full_attn_idxs", int))
    return {
        "linear_layers": config.layers_of("conv", others),
        "linear_state": hidden * (kernel - 1),
        "linear_parameters": hidden * (4 * hidden + kernel),
        "state_width": 2,
    }


GRIFFIN = ("recurrent", "recurrent", "attention")
"""Kinds of Griffin's layers, over and over, where none are listed."""


def gated_recurrences(config: Configuration) -> Fields:
    """Griffin: gated linear recurrences (RG-LRU), and attention in a window in every third layer.

    Their parameters: two inputs and an output, convolution with bias, two gates in a block for each
    head with biases, and a decay. Source: RecurrentGemma in transformers, arXiv:2402.19427.
    """
    kinds = config.entries("block_types", str) or [*GRIFFIN]
    if set(kinds) - set(GRIFFIN):
        raise config.refused("block_types", f"only {' and '.join(dict.fromkeys(GRIFFIN))}")
    attending = (kinds * config.layers)[: config.layers].count("attention")
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    width, kernel = config.positive("lru_width", hidden), config.positive("conv1d_width", 4)
    if width % heads:
        raise config.refused("lru_width", f"a multiple of the {heads} heads")
    gates = 2 * width * (width // heads + 1)
    window = config.positive("attention_window_size", 2048)
    return {
        "sliding_layers": attending,
        "sliding_window": window if attending else 0,
        "linear_layers": config.layers - attending,
        "linear_state": width * kernel,
        "linear_parameters": 3 * hidden * width + width * (kernel + 2) + gates,
    }


def jamba_mixers(config: Configuration) -> Fields:
    """Mamba-1 in all layers but every n-th, which attends."""
    attending = _periodic(config, "attn_layer")
    mixer = mamba1(config, config.whole("mamba_dt_rank"))
    return {"linear_layers": config.layers - attending, **mixer}


def mamba1(config: Configuration, rank: int) -> Fields:
    """Mamba-1: input, convolution with bias, rates and states from the input, output."""
    hidden, state = config.whole("hidden_size"), config.whole("mamba_d_state", 16)
    kernel, inner = config.whole("mamba_d_conv", 4), hidden * config.whole("mamba_expand", 2)
    mixing = inner * (rank + 2 * state) + (rank + 1) * inner + inner * (state + 1)
    return {
        "linear_state": inner * state + inner * (kernel - 1),
        "linear_parameters": 3 * hidden * inner + inner * (kernel + 1) + mixing,
    }


def jamba_experts(config: Configuration) -> Fields:
    """Experts in every n-th layer, a dense block of the same width in the others."""
    experts = routed(config, "num_experts", "intermediate_size")
    with_experts = _periodic(config, "expert_layer")
    return {**experts, **dense_layers_of(config, config.layers - with_experts)}


def _periodic(config: Configuration, kind: str) -> int:
    """Layers of a kind: one in each period, from an offset."""
    period = config.whole(f"{kind}_period")
    return len(range(config.whole(f"{kind}_offset", 0), config.layers, period))


def _mamba2(config: Configuration, keys: tuple[str, ...]) -> Fields:
    """Mamba-2: input projection, convolution with bias, three rates a head, norm and output."""
    heads, head_dim, groups, state, kernel = map(config.whole, keys)
    hidden, inner = config.whole("hidden_size"), heads * head_dim
    convolved = inner + 2 * groups * state
    projections = hidden * (2 * inner + convolved + heads)
    return {
        "linear_state": inner * state + convolved * (kernel - 1),
        "linear_parameters": projections + convolved * (kernel + 1) + 3 * heads + inner,
    }
