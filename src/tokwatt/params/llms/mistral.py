"""Mistral's own `params.json`, in the words of a `config.json`."""

from collections.abc import Mapping

from tokwatt.params.records.reading import Tree
from tokwatt.params.records.section import Section

KEYS = {
    "dim": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "hidden_dim": "intermediate_size",
    "vocab_size": "vocab_size",
    "tied_embeddings": "tie_word_embeddings",
    "sliding_window": "sliding_window",
    "max_position_embeddings": "max_position_embeddings",
    "max_seq_len": "max_position_embeddings",
    "q_lora_rank": "q_lora_rank",
    "kv_lora_rank": "kv_lora_rank",
    "qk_rope_head_dim": "qk_rope_head_dim",
    "qk_nope_head_dim": "qk_nope_head_dim",
    "v_head_dim": "v_head_dim",
}
"""What Mistral calls the shapes of an LLM, and Hugging Face."""
EXPERTS = {
    "num_experts": "num_local_experts",
    "num_experts_per_tok": "num_experts_per_tok",
    "expert_hidden_dim": "moe_intermediate_size",
    "num_shared_experts": "n_shared_experts",
    "first_k_dense_replace": "first_k_dense_replace",
}
"""The same below `moe`."""


def is_mistral(raw: Mapping[str, object]) -> bool:
    """Whether keys are those of Mistral's own file."""
    return "model_type" not in raw and {"dim", "n_layers", "n_heads"} <= set(raw)


def of_mistral(section: Section) -> Tree:
    """Mistral's own file as a `config.json`: dense, Mixtral's experts, or latent attention."""
    raw = section.raw
    config = {there: raw[here] for here, there in KEYS.items() if raw.get(here) is not None}
    if raw.get("moe") is None:
        return {"model_type": "mistral", **config}
    experts = section.child("moe").raw
    config |= {there: experts[here] for here, there in EXPERTS.items() if here in experts}
    if "kv_lora_rank" not in config:
        return {"model_type": "mixtral", **config}
    count = config.pop("num_local_experts", None)
    return {"model_type": "deepseek_v3", "n_routed_experts": count, **config}
