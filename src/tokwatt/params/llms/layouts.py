"""Which family's layout a configuration of another name has."""

from collections.abc import Mapping

_MARKS: dict[str, tuple[str, ...]] = {
    "bailing_hybrid": ("kv_lora_rank", "layer_group_size"),
    "longcat_flash": ("kv_lora_rank", "zero_expert_num"),
    "deepseek_v4": ("compress_ratios",),
    "glm5_next": ("kv_lora_rank", "index_kpool"),
    "deepseek_v32": ("kv_lora_rank", "index_head_dim"),
    "kimi_linear": ("kv_lora_rank", "linear_attn_config"),
    "deepseek_v3": ("kv_lora_rank", "n_routed_experts"),
    "sarvam_mla": ("kv_lora_rank", "num_experts"),
    "minicpm3": ("kv_lora_rank",),
    "solar_open2": ("linear_attn_config", "gqa_layers"),
    "gemma3n": ("altup_num_inputs",),
    "gemma4": ("global_head_dim",),
    "mimo_v2_flash": ("hybrid_layer_pattern",),
    "minimax_m3": ("sparse_attention_config",),
    "nemotron-nas": ("block_configs",),
    "deci": ("num_key_value_heads_per_layer",),
    "mllama": ("cross_attention_layers",),
    "arctic": ("num_local_experts", "parallel_attn_mlp_res"),
    "falcon_h1": ("mamba_d_ssm",),
    "bamba": ("mamba_n_heads", "attn_layer_indices"),
    "granitemoehybrid": ("mamba_n_heads", "layer_types"),
    "jamba": ("mamba_dt_rank", "attn_layer_period"),
    "nemotron_h": ("mamba_num_heads", "ssm_state_size"),
    "qwen4_exp": ("linear_num_value_heads", "indexer_compress_ratio"),
    "qwen3_5_moe": ("linear_num_value_heads", "num_experts"),
    "qwen3_5": ("linear_num_value_heads",),
    "bailing_moe_linear": ("layer_group_size",),
    "lfm2_moe": ("conv_L_cache", "num_experts"),
    "lfm2": ("conv_L_cache",),
    "grok": ("residual_moe",),
    "phi4flash": ("mb_per_layer",),
    "step3": ("share_q_dim",),
    "step3p7": ("share_expert_dim",),
    "glm4_moe": ("n_routed_experts",),
    "cohere2_moe": ("prefix_dense_intermediate_size",),
    "laguna": ("num_attention_heads_per_layer",),
    "bailing_moe": ("num_experts", "num_shared_experts"),
    "qwen3_moe": ("num_experts", "moe_intermediate_size"),
    "olmoe": ("num_experts",),
    "granitemoe": ("num_local_experts", "shared_intermediate_size"),
    "mixtral": ("num_local_experts",),
    "gemma3": ("sliding_window_pattern",),
    "qwen2": ("use_sliding_window",),
    "mistral": (),
}
"""Keys that tell the layout of a family of another name, the most telling first."""


def layout_of(raw: Mapping[str, object]) -> str:
    """The family whose layout a configuration has, by its keys."""
    return next(family for family, keys in _MARKS.items() if all(raw.get(key) for key in keys))
