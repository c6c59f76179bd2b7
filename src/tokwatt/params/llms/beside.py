"""What stands beside the usual layers: blocks beside experts, and layers or experts of images."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.attention import grouped_attention
from tokwatt.params.parts.experts import (
    dense_layers_of,
    ernie_experts,
    hunyuan_experts,
    local_experts,
)


def residual_experts(config: Configuration) -> Fields:
    """Experts in every n-th layer, and beside them a dense block as wide as the stream: Arctic."""
    period = config.positive("moe_layer_frequency", 2)
    beside = config.whole("hidden_size") if config.flag("parallel_attn_mlp_res") else 0
    return {
        **local_experts(config),
        "shared_feed_forward": beside,
        **dense_layers_of(config, config.layers - config.layers // period),
    }


def image_layers(config: Configuration) -> Fields:
    """Layers that attend to an image alone: they have parameters, but keep nothing of a text.

    Source: cross-attention layers of Llama 3.2 Vision.
    """
    layers = config.entries("cross_attention_layers", int)
    if len(set(layers)) != len(layers) or set(layers) - set(range(config.layers)):
        wanted = f"different numbers of layers below {config.layers}"
        raise config.refused("cross_attention_layers", wanted)
    grouped = grouped_attention(config)
    heads = config.whole("num_attention_heads") + grouped["kv_heads"]
    return {
        **grouped,
        "linear_layers": len(layers),
        "linear_parameters": 2 * config.whole("hidden_size") * heads * grouped["head_dim"],
    }


def image_experts(config: Configuration) -> Fields:
    """Ernie-VL: two numbers of each key, of the experts of a text and of those of an image.

    A text never reads the latter, so that they count as tables.
    """
    changed = {key: _of_text(config, key) for key in ERNIE}
    last = min(changed["moe_layer_end_index"], config.layers - 1)
    text = config.changed({**changed, "moe_layer_end_index": last})
    widths = config.get("moe_intermediate_size")
    experts, fields = config.get("moe_num_experts"), ernie_experts(text)
    if not isinstance(widths, list):
        return fields
    number = experts[-1] if isinstance(experts, list) else changed["moe_num_experts"]
    mixed = config.layers - fields.get("dense_layers", 0)
    width = 3 * config.whole("hidden_size") * widths[-1]
    return {**fields, "table_parameters": mixed * number * width}


ERNIE = ("moe_num_experts", "moe_intermediate_size", "moe_layer_start_index", "moe_layer_end_index")
"""Keys of Ernie-VL that have a number for text and another for images."""


def _of_text(config: Configuration, key: str) -> int:
    """The first of two numbers, or the only one."""
    value = config.get(key)
    pair = isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
    if pair and min(value) >= 0:
        return config.changed({key: value[0]}).whole(key)
    return config.whole(key)


def shared_keys(config: Configuration) -> Fields:
    """Hunyuan-Large (CLA): one layer of each few makes keys and values, and all of them read these.

    Source: cross-layer attention, arXiv:2405.12981.
    """
    experts = hunyuan_experts(config.changed({"use_cla": None}))
    if not config.flag("use_cla"):
        return experts
    few = config.whole("cla_share_factor", most=config.layers)
    grouped, layers = grouped_attention(config), config.layers
    making = -(-layers // few)
    heads = config.whole("num_attention_heads") + grouped["kv_heads"] * making / layers
    return {
        **experts,
        "kv_shared_layers": layers - making,
        "attention_parameters": 2 * config.whole("hidden_size") * heads * grouped["head_dim"],
    }
