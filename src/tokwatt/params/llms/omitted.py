"""What published files leave out, because the library that reads them fills it in."""

from tokwatt.params.records.reading import Tree

_TIED: Tree = {"tie_word_embeddings": True}
_ALIKE = (
    "bloom cohere cohere2 cohere2_moe ernie4_5 ernie4_5_moe ernie4_5_moe_vl ernie4_5_vl_moe "
    "gemma3n gpt-sw3 gpt2 gpt_neo jais lfm2 lfm2_moe minicpm3 mpt openai-gpt opt phi3small "
    "phi4flash refinedweb smollm3 starcoder2"
)
"""Families whose embeddings are tied unless the file says otherwise."""
DEFAULTS: dict[str, Tree] = {
    **dict.fromkeys(_ALIKE.split(), _TIED),
    "falcon": {**_TIED, "multi_query": True},
    "falcon_mamba": {**_TIED, "num_attention_heads": 1},
    "gemma": {**_TIED, "head_dim": 256},
    "gemma2": {**_TIED, "head_dim": 256},
    "gemma3": {
        **_TIED,
        "vocab_size": 262208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
    },
    "hf_olmo": _TIED,
    "gpt_bigcode": {**_TIED, "multi_query": True},
    "mamba": {**_TIED, "num_attention_heads": 1},
    "olmo_hybrid": {"attn_output_gate": False},
    "recurrent_gemma": _TIED,
    "refinedwebmodel": {**_TIED, "multi_query": True},
    "vaultgemma": {**_TIED, "head_dim": 256},
}
"""Values of the families' configuration classes in transformers."""
_LLAMA: Tree = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
NESTED: dict[str, Tree] = {
    "llama": {**_LLAMA, "intermediate_size": 11008, "vocab_size": 32000},
    "mistral": {
        **_LLAMA,
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
    },
    "qwen2": {**_LLAMA, "intermediate_size": 22016, "vocab_size": 151936},
}
"""The same where the LLM is a part of a larger model, whose file names only what differs."""


def omitted(family: str, nested: bool) -> Tree:
    """What a file of a family leaves out; more where the LLM is a part of a larger model."""
    return (NESTED.get(family, {}) if nested else {}) | DEFAULTS.get(family, {})
