"""What stands beside the usual layers: blocks beside experts, and layers or experts of images."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.attention import grouped_attention
from tokwatt.params.parts.experts import (
    dense_layers_of,
    ernie_experts,
    hunyuan_experts,
    local_experts,
)

ERNIE = ("moe_num_experts", "moe_intermediate_size", "moe_layer_start_index", "moe_layer_end_index")
"""Keys of Ernie-VL that have a number for text and another for images."""


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
    if types := config.entries("mlp_layer_types", str):
        ends = {"moe_layer_start_index": [types.count("dense")] * 2}
        config = config.changed({**ends, "moe_layer_end_index": config.layers})
    numbers, widths, first, last = (_both(config, key) for key in ERNIE)
    of_text = (numbers[0], widths[0], first[0], min(last[0], config.layers - 1))
    fields = ernie_experts(config.changed(dict(zip(ERNIE, of_text, strict=True))))
    if not any(isinstance(config.get(key), list) for key in ERNIE):
        return fields
    layers = config.layers - fields.get("dense_layers", 0)
    image = 3 * config.whole("hidden_size") * widths[1]
    return {**fields, "table_parameters": layers * numbers[1] * image}


def _both(config: Configuration, key: str) -> tuple[int, int]:
    """The numbers of text and of images, or one of both."""
    if not isinstance(config.get(key), list):
        return (config.whole(key), config.whole(key))
    numbers = config.entries(key, int)
    if len(numbers) != 2 or min(numbers) < 0:
        raise config.refused(key, "a number of text and one of images, of at least 0")
    return (numbers[0], numbers[1])


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
