"""Other names that publishers give the shapes of an LLM, and the usual ones of a `config.json`."""

from collections.abc import Mapping

from tokwatt.params.records.reading import Tree

USUAL = {
    "activation_function": "hidden_act",
    "attention_kv_lora_dim": "kv_lora_rank",
    "attention_q_lora_dim": "q_lora_rank",
    "attention_qk_dim": "qk_nope_head_dim",
    "attention_qk_rope_dim": "qk_rope_head_dim",
    "attention_v_dim": "v_head_dim",
    "attn_config.kv_n_heads": "num_key_value_heads",
    "conv_kernel": "mamba_d_conv",
    "d_model": "hidden_size",
    "dim": "hidden_size",
    "expert_hidden_dim": "moe_intermediate_size",
    "ff_intermediate_size": "intermediate_size",
    "ffn_config.ffn_hidden_size": "intermediate_size",
    "ffn_config.moe_num_experts": "num_local_experts",
    "ffn_config.moe_top_k": "num_experts_per_tok",
    "ffn_dim": "intermediate_size",
    "ffn_hidden_size": "intermediate_size",
    "hidden_activation": "hidden_act",
    "hidden_dim": "intermediate_size",
    "kv_channels": "head_dim",
    "max_position_embedding": "max_position_embeddings",
    "max_seq_len": "max_position_embeddings",
    "max_sequence_length": "max_position_embeddings",
    "model_max_length": "max_position_embeddings",
    "moe.expert_hidden_dim": "moe_intermediate_size",
    "moe.first_k_dense_replace": "first_k_dense_replace",
    "moe.num_experts": "num_local_experts",
    "moe.num_experts_per_tok": "num_experts_per_tok",
    "moe.num_shared_experts": "n_shared_experts",
    "moe_ffn_hidden_size": "moe_intermediate_size",
    "moe_num_active_primary_experts": "num_experts_per_tok",
    "moe_num_experts": "num_experts",
    "moe_num_primary_experts": "num_experts",
    "moe_num_shared_experts": "num_shared_experts",
    "moe_top_k": "num_experts_per_tok",
    "moe_topk": "num_experts_per_tok",
    "multi_query_group_num": "num_key_value_heads",
    "n_embd": "hidden_size",
    "n_embed": "hidden_size",
    "n_head": "num_attention_heads",
    "n_head_kv": "num_key_value_heads",
    "n_heads": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_kv_heads": "num_key_value_heads",
    "n_layer": "num_hidden_layers",
    "n_layers": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
    "n_shared_experts": "num_shared_experts",
    "num_attention_groups": "num_key_value_heads",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "num_layers": "num_hidden_layers",
    "num_routed_experts": "n_routed_experts",
    "num_shared_experts": "n_shared_experts",
    "padded_vocab_size": "vocab_size",
    "seq_length": "max_position_embeddings",
    "state_size": "mamba_d_state",
    "tie_embedding": "tie_word_embeddings",
    "tied_embeddings": "tie_word_embeddings",
    "weight_tying": "tie_word_embeddings",
}
"""The usual name of each other one, with dots where it stands in a section of its own."""


def in_usual_names(raw: Mapping[str, object]) -> tuple[Tree, dict[str, str]]:
    """A configuration with the usual names beside its own, and its own by the usual ones."""
    own = {key: value for key, value in raw.items() if value is not None}
    found = {name: value for name in USUAL if (value := _under(raw, name)) is not None}
    written = {USUAL[name]: name for name in found if USUAL[name] not in own}
    return {usual: found[name] for usual, name in written.items()} | own, written


def says_twice(raw: Mapping[str, object], key: str) -> bool:
    """Whether a key repeats what stands under the usual name."""
    return key in USUAL and raw.get(USUAL[key]) == raw[key]


def _under(raw: object, name: str) -> object:
    for key in name.split("."):
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def is_mistral(raw: Mapping[str, object]) -> bool:
    """Whether keys are those of Mistral's own `params.json`."""
    return "model_type" not in raw and {"dim", "n_layers", "n_heads"} <= set(raw)


def mistral_family(raw: Tree) -> Tree:
    """Mistral's own file, in the usual names, as one of the families that it may be.

    It is dense, or has Mixtral's experts, or latent attention with DeepSeek's.
    """
    if "num_local_experts" not in raw:
        return {"model_type": "mistral", **raw}
    if "kv_lora_rank" not in raw:
        return {"model_type": "mixtral", **raw}
    return {"model_type": "deepseek_v3", "n_routed_experts": raw["num_local_experts"], **raw}
