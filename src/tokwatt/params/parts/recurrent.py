"""Linear recurrences, and layers of several kinds in one LLM."""

from tokwatt.params.llms.configuration import Configuration
from tokwatt.params.parts.experts import (
    dense_blocks,
    dense_layers_of,
    nemotron_experts,
    routed,
)
from tokwatt.params.parts.types import Fields


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


def key_delta_networks(config: Configuration) -> Fields:
    """Kimi's delta networks between layers of latent attention.

    Their parameters: queries, keys, values with convolutions, decay and gate through a head's width
    (the gate at once, where it has full rank), two rates, norm and output.
    """
    linear = config.required("linear_attn_config")
    hidden, heads = config.whole("hidden_size"), linear.whole("num_heads")
    width, kernel = linear.whole("head_dim"), linear.whole("short_conv_kernel_size")
    inner = heads * width
    low_rank = hidden * width + width * inner
    gate = hidden * inner if linear.flag("use_full_rank_gate") else low_rank
    projections = 4 * hidden * inner + low_rank + gate + hidden * heads
    return {
        "linear_layers": len(linear.entries("kda_layers", int)),
        "linear_state": inner * width + 3 * inner * (kernel - 1),
        "linear_parameters": projections + 3 * inner * kernel + inner + heads + width,
    }


def lightning_attention(config: Configuration) -> Fields:
    """Linear attention between layers of full attention, those marked 1.

    Its parameters: queries, keys, values, gate, output and a norm.
    """
    marks = config.entries("attn_type_list", int)
    if marks and (len(marks) != config.layers or set(marks) - {0, 1}):
        raise config.refused("attn_type_list", f"{config.layers} numbers, 0 or 1")
    width = config.whole("head_dim")
    inner = config.whole("num_attention_heads") * width
    return {
        "linear_layers": config.layers_of("linear_attention", marks.count(0)),
        "linear_state": inner * width,
        "linear_parameters": 5 * config.whole("hidden_size") * inner + inner,
    }


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
        **(_mamba_mixer(config) if "M" in pattern else {}),
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
    heads, head_dim = config.whole("mamba_n_heads"), config.whole("mamba_d_head")
    groups, state = config.whole("mamba_n_groups"), config.whole("mamba_d_state")
    mixer = _mamba2(config, heads, head_dim, groups, state, config.whole("mamba_d_conv"))
    return {"linear_layers": types.count("mamba"), **mixer}


def jamba_mixers(config: Configuration) -> Fields:
    """Mamba-1 in all layers but every n-th, which attends.

    Its parameters: input, convolution with bias, rates and states from the input, output.
    """
    hidden, state = config.whole("hidden_size"), config.whole("mamba_d_state")
    kernel, rank = config.whole("mamba_d_conv"), config.whole("mamba_dt_rank")
    inner = hidden * config.whole("mamba_expand")
    attending = _periodic(config, "attn_layer")
    mixing = inner * (rank + 2 * state) + (rank + 1) * inner + inner * (state + 1)
    return {
        "linear_layers": config.layers - attending,
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


def _mamba_mixer(config: Configuration) -> Fields:
    """Mamba-2: input projection, convolution with bias, three rates a head, norm and output."""
    heads, head_dim = config.whole("mamba_num_heads"), config.whole("mamba_head_dim")
    groups, state = config.whole("n_groups"), config.whole("ssm_state_size")
    return _mamba2(config, heads, head_dim, groups, state, config.whole("conv_kernel"))


def _mamba2(
    config: Configuration, heads: int, head_dim: int, groups: int, state: int, kernel: int
) -> Fields:
    hidden, inner = config.whole("hidden_size"), heads * head_dim
    convolved = inner + 2 * groups * state
    projections = hidden * (2 * inner + convolved + heads)
    return {
        "linear_state": inner * state + convolved * (kernel - 1),
        "linear_parameters": projections + convolved * (kernel + 1) + 3 * heads + inner,
    }
