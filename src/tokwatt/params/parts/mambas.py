"""LLMs of recurrences alone, each layer a mixer without a feed-forward block."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.recurrent import bamba_hybrid, mamba1


def mamba1_alone(config: Configuration) -> Fields:
    """Mamba-1 in every layer, of which every channel is a head of its own.

    Rates come from a sixteenth of the stream unless the rank is written, as in mamba and
    falcon_mamba of transformers.
    """
    if config.get("n_groups") is not None:
        raise config.refused("n_groups", "none, as only Mamba-2 has groups")
    hidden = config.whole("hidden_size")
    rank = config.get("time_step_rank")
    rank = -(-hidden // 16) if rank in (None, "auto") else config.whole("time_step_rank")
    inner = config.whole("intermediate_size", 2 * hidden)
    if inner != 2 * hidden:
        raise config.refused("intermediate_size", f"{2 * hidden}, twice as wide as the stream")
    return {
        **{"query_heads": inner, "kv_heads": 1, "head_dim": 1},
        "linear_layers": config.layers,
        **mamba1(config, rank),
    }


def mamba2_alone(config: Configuration) -> Fields:
    """Mamba-2 in every layer, whose heads stand under the names of attention's."""
    heads = config.whole("num_attention_heads")
    width = config.whole("head_dim")
    groups = config.whole("n_groups")
    as_hybrid = {"mamba_n_heads": heads, "mamba_d_head": width, "mamba_n_groups": groups}
    return {"kv_heads": 1, "head_dim": width, **bamba_hybrid(config.changed(as_hybrid))}
