"""Blocks and attention of the first LLMs: no gate, tables of positions, one head of keys."""

from tokwatt.params.llms.configuration import Configuration, Fields, Part
from tokwatt.params.parts.attention import grouped_attention


def fourfold_blocks(config: Configuration) -> Fields:
    """One block without a gate in every layer, unless said four times as wide as the stream.

    Source: defaults of GPT-2, GPT-J, BLOOM, Falcon and MPT in transformers.
    """
    width = config.whole("intermediate_size", 0)
    wider = config.whole("hidden_size") * config.number("expansion_ratio", 4.0)
    return {"feed_forward": width or int(wider), "feed_forward_matrices": 2}


def halved_blocks(config: Configuration) -> Fields:
    """One gated block in every layer, whose written width is that of gate and value together.

    Source: the first Qwen, Molmo and RecurrentGemma, whose projections are half as wide as what is
    written.
    """
    width = config.whole("intermediate_size")
    if width % 2:
        raise config.refused("intermediate_size", "an even number, of gate and value together")
    return {"feed_forward": width // 2}


def olmo_blocks(config: Configuration) -> Fields:
    """The first OLMo: gated blocks whose written width is that of gate and value, a padded table.

    Source: OLMoConfig of allenai/OLMo; a width that is left out is a multiple of the stream.
    """
    if config.get("activation_type") not in (None, "swiglu"):
        raise config.refused("activation_type", "swiglu")
    if config.flag("multi_query_attention"):
        raise config.refused("multi_query_attention", "false, or n_kv_heads")
    wider = int(config.whole("hidden_size") * config.number("mlp_ratio", 4.0))
    return {
        "feed_forward": config.positive("mlp_hidden_size", wider) // 2,
        "vocabulary": config.positive("embedding_size", config.whole("vocab_size")),
    }


def position_table(further: int = 0) -> Part:
    """A learned row for each position, and further ones before the first (two in OPT)."""

    def part(config: Configuration) -> Fields:
        rows = config.whole("max_position_embeddings") + further
        return {"table_parameters": rows * config.whole("hidden_size")}

    return part


def positions_unless_slopes(config: Configuration) -> Fields:
    """MPT: a table of positions, unless scores fall off along a slope instead (ALiBi)."""
    attention = config.inner("attn_config")
    sloped = attention is not None and attention.flag("alibi")
    return {} if sloped else position_table()(config)


def embeddings_as_wide(config: Configuration) -> Fields:
    """OPT: positions, and a refusal of embeddings that are narrower than the stream."""
    hidden = config.whole("hidden_size")
    if config.whole("word_embed_proj_dim", hidden) != hidden:
        raise config.refused("word_embed_proj_dim", f"{hidden}, as wide as the stream")
    return position_table(2)(config)


def multi_query_attention(config: Configuration) -> Fields:
    """One head of keys and values where it says so, unless it is Falcon's newer layout.

    Source: Falcon and GPT-BigCode in transformers.
    """
    grouped = grouped_attention(config)
    one = config.flag("multi_query") and not config.flag("new_decoder_architecture")
    return {**grouped, "kv_heads": 1} if one else grouped


def keys_by_layer(config: Configuration) -> Fields:
    """Grouped attention whose layers each have a number of heads of keys of their own: DeciLM."""
    heads = config.entries("num_key_value_heads_per_layer", int)
    most = config.whole("num_attention_heads")
    if len(heads) != config.layers or min(heads) < 1 or max(heads) > most:
        wanted = f"{config.layers} numbers from 1 to {most}"
        raise config.refused("num_key_value_heads_per_layer", wanted)
    return {**grouped_attention(config), "kv_heads": sum(heads) / len(heads)}
