"""Attention in windows: in which layers, and how long they are."""

from tokwatt.params.llms.configuration import Configuration, Fields, Part


def sliding_windows(every: int) -> Part:
    """Sliding-window attention in all layers but the n-th ones."""

    def part(config: Configuration) -> Fields:
        period = config.positive("sliding_window_pattern", every)
        return _sliding(config, config.layers - config.layers // period)

    return part


def mistral_window(config: Configuration) -> Fields:
    """Sliding-window attention in the layers of that type, in every one where no types are listed.

    There is none without a window, nor where it is switched off.
    """
    window = config.whole("sliding_window", 0)
    on = window and config.get("use_sliding_window") is not False
    return _sliding(config, config.layers if on else 0)


def lettered_windows(config: Configuration) -> Fields:
    """Sliding-window attention by letters over and over: L in a window, G in full."""
    if not config.whole("sliding_window", 0):
        return _sliding(config, 0)
    pattern = config.get("sliding_window_pattern")
    if not isinstance(pattern, str) or not pattern or set(pattern) - {"L", "G"}:
        raise config.refused("sliding_window_pattern", "letters L and G")
    letters = pattern * config.layers
    return _sliding(config, letters[: config.layers].count("L"))


def gated_windows(config: Configuration) -> Fields:
    """Sliding-window attention in all layers but every n-th, each with an output gate."""
    period = config.positive("global_attn_every_n_layers", 4)
    return {"attention_gate": 1, **_sliding(config, config.layers - config.layers // period)}


def step_windows(config: Configuration) -> Fields:
    """Sliding-window attention in all layers but every fourth, with queries of their own."""
    sliding = sliding_windows(every=4)(config)
    other = config.inner("attention_other_setting")
    if other is None:
        return sliding
    heads, kv_heads = config.whole("num_attention_heads"), config.whole("num_key_value_heads")
    share = sliding["sliding_layers"] / config.layers
    queries = heads + share * (other.whole("num_attention_heads") - heads)
    width = config.whole("hidden_size") * config.whole("head_dim")
    return {**sliding, "attention_parameters": 2 * width * (queries + kv_heads)}


def qwen_window(config: Configuration) -> Fields:
    """Sliding-window attention in layers of that type or after the first, where it is switched on.

    Types of layers alone switch it on as well, unless it is said to be off.
    """
    said = config.get("use_sliding_window")
    typed = said is None and "sliding_attention" in config.entries("layer_types", str)
    if not (typed or config.flag("use_sliding_window")):
        return {}
    return _sliding(config, config.layers - config.whole("max_window_layers", 0, config.layers))


def chunked_attention(config: Configuration) -> Fields:
    """Attention within chunks in layers with positions, which hold no more than such a window."""
    period = config.positive("no_rope_layer_interval", 4)
    positions = config.entries("no_rope_layers", int)
    chunked = positions.count(1) if positions else config.layers - config.layers // period
    window = config.whole("attention_chunk_size", 0)
    layers = config.layers_of("chunked_attention", chunked) if window else 0
    return {"sliding_layers": layers, "sliding_window": window if layers else 0}


def _sliding(config: Configuration, otherwise: int) -> Fields:
    layers = config.layers_of("sliding_attention", otherwise)
    window = config.whole("sliding_window") if layers else 0
    return {"sliding_layers": layers, "sliding_window": window}
