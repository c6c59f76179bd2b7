"""Feed-forward blocks without experts."""

from tokwatt.params.llms.configuration import Configuration, Fields


def dense_blocks(config: Configuration) -> Fields:
    """One feed-forward block in every layer."""
    return {"feed_forward": config.whole("intermediate_size")}


def plain_blocks(config: Configuration) -> Fields:
    """One feed-forward block without a gate in every layer: two matrices."""
    return {**dense_blocks(config), "feed_forward_matrices": 2}


def adjusted_blocks(config: Configuration) -> Fields:
    """Dense blocks of LFM2, whose width may be two thirds of the written one, rounded up."""
    width = config.whole("block_ff_dim", 0) or config.whole("intermediate_size")
    if config.get("block_auto_adjust_ff_dim") is not False:
        multiple = config.whole("block_multiple_of", 256) or 1
        scaled = int(2 * width / 3) * config.number("block_ffn_dim_multiplier", 1.0)
        width = -(-int(scaled) // multiple) * multiple
    return {"feed_forward": width}
