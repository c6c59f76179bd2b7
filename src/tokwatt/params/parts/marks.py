"""Attention as files mark it: by layer, by the type of a layer, or by a switch."""

from tokwatt.params.llms.configuration import Configuration, Fields
from tokwatt.params.parts.attention import grouped_attention, hybrid_windows, latent_attention


def marked_windows(config: Configuration) -> Fields:
    """Sliding-window attention in the layers marked 1, as SmallThinker has them."""
    sliding = sum(config.marks("sliding_window_layout"))
    window = config.whole("sliding_window_size") if sliding else 0
    return {"sliding_layers": sliding, "sliding_window": window}


def typed_hybrid(config: Configuration) -> Fields:
    """MiMo-V2, whose windows are marked 1, or named by the types of layers in transformers."""
    types = config.entries("layer_types", str)
    if config.get("hybrid_layer_pattern") is None and types:
        config.layers_of("sliding_attention", 0)
        marks = [int(kind == "sliding_attention") for kind in types]
        return hybrid_windows(config.changed({"hybrid_layer_pattern": marks}))
    return hybrid_windows(config)


def switched_latents(config: Configuration) -> Fields:
    """Latent attention unless it is switched off, as in DeepSeek-OCR."""
    off = config.get("use_mla") is False
    return grouped_attention(config) if off else latent_attention(config)
