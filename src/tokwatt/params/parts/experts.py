"""Experts, under the names that families give them."""

from tokwatt.params.llms.configuration import Configuration, Fields


def local_experts(config: Configuration) -> Fields:
    """Experts in every layer, nothing beside them."""
    return routed(config, "num_local_experts", "intermediate_size")


def qwen_experts(config: Configuration) -> Fields:
    """Experts in every n-th layer but for some by number, and a shared expert of its own width."""
    period = config.period("decoder_sparse_step")
    without = {
        layer
        for layer in config.entries("mlp_only_layers", int)
        if 0 <= layer < config.layers and (layer + 1) % period == 0
    }
    dense = config.layers - config.layers // period + len(without)
    types = config.entries("mlp_layer_types", str)
    return {
        **routed(config, "num_experts", "moe_intermediate_size"),
        "shared_feed_forward": config.whole("shared_expert_intermediate_size", 0),
        **dense_layers_of(config, types.count("dense") if types else dense),
    }


def deepseek_experts(config: Configuration) -> Fields:
    """Experts after the first layers, and shared experts as wide as the routed ones."""
    experts = routed(config, "n_routed_experts", "moe_intermediate_size")
    shared = config.whole("n_shared_experts", 0)
    return {
        **experts,
        "shared_feed_forward": shared * experts["expert_feed_forward"],
        **dense_layers_of(config, _layers_before_experts(config)),
    }


def _layers_before_experts(config: Configuration) -> int:
    """Dense layers: those marked 0 where layers are marked, or else the first ones."""
    if isinstance(config.get("moe_layer_freq"), list):
        return config.marks("moe_layer_freq").count(0)
    if config.whole("moe_layer_freq", 1) != 1:
        raise config.refused("moe_layer_freq", "1")
    if isinstance(numbers := config.get("moe_layers_enum"), str):
        return config.layers - len(numbers.split(","))
    first = config.whole("num_dense_layers", 0, most=config.layers)
    first = config.whole("first_k_dense_replace", first, most=config.layers)
    mixed, types = config.entries("is_moe_layer", bool), config.entries("mlp_layer_types", str)
    listed = mixed.count(False) + types.count("dense")
    return listed if mixed or types else first


def kimi_experts(config: Configuration) -> Fields:
    """Experts after the first layers, which may work on a latent, and shared ones as wide."""
    experts = routed(config, "num_experts", "moe_intermediate_size", "num_experts_per_token")
    shared = config.whole("num_shared_experts", 0)
    return {
        **experts,
        "expert_latent": config.whole("routed_expert_hidden_size", 0),
        "shared_feed_forward": shared * experts["expert_feed_forward"],
        **dense_layers_of(config, _layers_before_experts(config)),
    }


def numbered_experts(config: Configuration) -> Fields:
    """Experts after the first layers, and shared ones by their number, as Ling has them."""
    experts = routed(config, "num_experts", "moe_intermediate_size")
    width = config.whole("moe_shared_expert_intermediate_size", 0)
    shared = config.whole("num_shared_experts", 0)
    return {
        **experts,
        "shared_feed_forward": shared * (width or experts["expert_feed_forward"]),
        **dense_layers_of(config, _layers_before_experts(config)),
    }


def prefixed_experts(config: Configuration) -> Fields:
    """Experts and shared ones of one width, after the first layers with another, as Cohere's."""
    width = config.whole("intermediate_size")
    first = _layers_before_experts(config)
    return {
        **routed(config, "num_experts", "intermediate_size"),
        "shared_feed_forward": config.whole("num_shared_experts", 0) * width,
        **dense_layers_of(config, first, "prefix_dense_intermediate_size"),
    }


def ernie_experts(config: Configuration) -> Fields:
    """Experts from one layer to another, and a number of shared ones as wide."""
    experts = routed(config, "moe_num_experts", "moe_intermediate_size", "moe_k")
    shared = config.whole("moe_num_shared_experts", 0)
    last = config.whole("moe_layer_end_index", config.layers - 1, most=config.layers - 1)
    if config.whole("moe_layer_interval", 1) != 1:
        raise config.refused("moe_layer_interval", "1")
    mixed = last + 1 - config.whole("moe_layer_start_index", 0, most=last)
    return {
        **experts,
        "shared_feed_forward": shared * experts["expert_feed_forward"],
        **dense_layers_of(config, config.layers - mixed),
    }


def hunyuan_experts(config: Configuration) -> Fields:
    """Experts after the first layers and shared ones as wide, each number one or one a layer."""
    if config.flag("use_cla"):
        raise config.refused("use_cla", "false, a cache of its own for each layer")
    width = config.alike("moe_intermediate_size", "intermediate_size")
    return {
        "expert_feed_forward": width,
        "experts": config.alike("num_experts"),
        "active_experts": config.alike("moe_topk"),
        "shared_feed_forward": config.alike("num_shared_expert") * width,
        **dense_layers_of(config, config.whole("moe_layer_num_skipped", 0, most=config.layers)),
    }


def minimax_experts(config: Configuration) -> Fields:
    """Experts after the first layers, with shared ones, as MiniMax-M3 names them."""
    shared = config.whole("n_shared_experts", 0)
    width = config.whole("shared_intermediate_size", 0)
    return {
        **local_experts(config),
        "shared_feed_forward": shared * width,
        **dense_layers_of(config, _layers_before_experts(config), "dense_intermediate_size"),
    }


def step_experts(config: Configuration) -> Fields:
    """Experts after the first layers, with a shared one, as Step-3.7 names them."""
    return {
        **routed(config, "num_experts", "moe_intermediate_size"),
        "shared_feed_forward": config.whole("share_expert_dim", 0),
        **dense_layers_of(config, _layers_before_experts(config)),
    }


def grok_experts(config: Configuration) -> Fields:
    """Experts in every layer, and beside them a dense block where `residual_moe` says so."""
    beside = config.whole("intermediate_size") if config.flag("residual_moe") else 0
    experts = routed(config, "num_local_experts", "moe_intermediate_size")
    return {**experts, "shared_feed_forward": beside}


def shortcut_experts(config: Configuration) -> Fields:
    """LongCat: a layer attends twice, each time before a dense block; one has experts beside it.

    Of the experts that a token is sent to, those that compute nothing count as none.
    """
    layers, width = config.whole("num_layers"), config.whole("intermediate_size")
    number = config.whole("n_routed_experts")
    every = number + config.whole("zero_expert_num", 0)
    return {
        "layers": 2 * layers,
        "dense_layers": layers,
        "feed_forward": width,
        "shared_feed_forward": width,
        "expert_feed_forward": config.whole("expert_ffn_hidden_size"),
        "experts": number,
        "active_experts": config.whole("moe_topk", most=every) * number / every,
    }


def gemma_experts(config: Configuration) -> Fields:
    """A dense block in every layer, and beside it experts where they are switched on.

    Layers that share a cache may have it twice as wide.
    """
    if not config.flag("enable_moe_block"):
        wider = config.whole("num_kv_shared_layers", 0) if config.flag("use_double_wide_mlp") else 0
        return {"feed_forward": config.whole("intermediate_size") * (1 + wider / config.layers)}
    experts = routed(config, "num_experts", "moe_intermediate_size", "top_k_experts")
    return {**experts, "shared_feed_forward": config.whole("intermediate_size")}


def olmoe_experts(config: Configuration) -> Fields:
    """Experts in every layer, counted as Qwen's are and as wide as a dense block."""
    return routed(config, "num_experts", "intermediate_size")


def granite_experts(config: Configuration) -> Fields:
    """Experts in every layer beside a shared block; the block alone where there are none."""
    shared = config.whole("shared_intermediate_size", 0)
    if not config.whole("num_local_experts", 0):
        return {"feed_forward": shared or config.whole("intermediate_size")}
    return {**local_experts(config), "shared_feed_forward": shared}


def llama4_experts(config: Configuration) -> Fields:
    """Experts in every n-th layer, each with a shared one as wide."""
    period = config.period("interleave_moe_layer_step", most=config.layers)
    experts = local_experts(config)
    dense = dense_layers_of(
        config, config.layers - config.layers // period, "intermediate_size_mlp"
    )
    return {**experts, "shared_feed_forward": experts["expert_feed_forward"], **dense}


def nemotron_experts(config: Configuration, dense_layers: int) -> Fields:
    """Experts of a hybrid, and a shared one of its own width."""
    return {
        "expert_latent": config.whole("moe_latent_size", 0),
        **routed(config, "n_routed_experts", "moe_intermediate_size"),
        "shared_feed_forward": config.whole("moe_shared_expert_intermediate_size", 0),
        **dense_layers_of(config, dense_layers),
    }


def routed(
    config: Configuration, count: str, width: str, active: str = "num_experts_per_tok"
) -> Fields:
    """Routed experts, under the names of their number and width, and of how many a token uses."""
    number = config.whole(count)
    return {
        "expert_feed_forward": config.whole(width),
        "experts": number,
        "active_experts": config.whole(active, most=number),
    }


def dense_layers_of(config: Configuration, count: int, width: str = "intermediate_size") -> Fields:
    """Dense layers of a mixture of experts; without any, their width means nothing."""
    return {"dense_layers": count, "feed_forward": config.whole(width)} if count else {}
