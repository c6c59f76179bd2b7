"""How the configuration of each family of LLMs becomes the fields of an architecture."""

from collections.abc import Mapping

from tokwatt.params.parts.attention import (
    block_indexer,
    blocks_of_their_own,
    chunked_attention,
    compressed_attention,
    global_attention,
    grouped_attention,
    hybrid_windows,
    indexer,
    latent_attention,
    mistral_window,
    qwen_window,
    sliding_windows,
)
from tokwatt.params.parts.experts import (
    deepseek_experts,
    dense_blocks,
    gemma_experts,
    granite_experts,
    kimi_experts,
    llama4_experts,
    local_experts,
    minimax_experts,
    olmoe_experts,
    qwen_experts,
    step_experts,
)
from tokwatt.params.parts.recurrent import (
    delta_networks,
    granite_hybrid,
    jamba_experts,
    jamba_mixers,
    key_delta_networks,
    mamba_hybrid,
)
from tokwatt.params.parts.types import Part

FAMILIES: dict[str, tuple[Part, ...]] = {
    "deepseek_v2": (latent_attention, deepseek_experts),
    "deepseek_v3": (latent_attention, deepseek_experts),
    "deepseek_v32": (latent_attention, indexer, deepseek_experts),
    "deepseek_v4": (compressed_attention, deepseek_experts),
    "gemma2": (grouped_attention, dense_blocks, sliding_windows(every=2)),
    "gemma3": (grouped_attention, dense_blocks, sliding_windows(every=6)),
    "gemma4": (global_attention, gemma_experts),
    "glm4_moe": (grouped_attention, deepseek_experts),
    "glm_moe_dsa": (latent_attention, indexer, deepseek_experts),
    "gpt_oss": (grouped_attention, local_experts, sliding_windows(every=2)),
    "granite": (grouped_attention, dense_blocks),
    "granitemoe": (grouped_attention, granite_experts),
    "granitemoehybrid": (grouped_attention, granite_hybrid, granite_experts),
    "jamba": (grouped_attention, jamba_mixers, jamba_experts),
    "kimi_k2": (latent_attention, deepseek_experts),
    "kimi_linear": (latent_attention, key_delta_networks, kimi_experts),
    "llama": (grouped_attention, dense_blocks),
    "llama4": (grouped_attention, llama4_experts, chunked_attention),
    "mimo_v2_flash": (hybrid_windows, deepseek_experts),
    "minimax_m2": (grouped_attention, local_experts),
    "minimax_m3": (grouped_attention, block_indexer, minimax_experts),
    "mistral": (grouped_attention, dense_blocks, mistral_window),
    "mixtral": (grouped_attention, local_experts, mistral_window),
    "nemotron-nas": (blocks_of_their_own,),
    "nemotron_h": (grouped_attention, mamba_hybrid),
    "olmoe": (grouped_attention, olmoe_experts),
    "qwen2": (grouped_attention, dense_blocks, qwen_window),
    "qwen3": (grouped_attention, dense_blocks, qwen_window),
    "qwen3_moe": (grouped_attention, qwen_experts, qwen_window),
    "qwen3_5": (grouped_attention, dense_blocks, delta_networks),
    "qwen3_5_moe": (grouped_attention, qwen_experts, delta_networks),
    "qwen3_next": (grouped_attention, qwen_experts, delta_networks),
    "step3p7": (grouped_attention, step_experts, sliding_windows(every=4)),
}
"""How each `model_type` (without `_text`) is read."""
ALIASES = {
    "deepseek_ref": "deepseek_v4",
    "glm4_moe_lite": "deepseek_v3",
    "granitemoeshared": "granitemoe",
    "kimi_k3": "kimi_linear",
    "mimo": "qwen2",
    "minimax_m3_vl": "minimax_m3",
    "ministral3": "mistral",
    "mistral3": "mistral",
    "mistral4": "deepseek_v3",
    "phi3": "mistral",
    "phimoe": "mixtral",
    "qwen2_5_vl": "qwen2",
    "qwen2_moe": "qwen3_moe",
    "qwen2_vl": "qwen2",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe": "qwen3_moe",
    "step3p5": "step3p7",
}
"""Families that are laid out as another one."""
_MARKS: dict[str, tuple[str, ...]] = {
    "deepseek_v4": ("compress_ratios",),
    "deepseek_v32": ("kv_lora_rank", "index_head_dim"),
    "kimi_linear": ("kv_lora_rank", "linear_attn_config"),
    "deepseek_v3": ("kv_lora_rank", "n_routed_experts"),
    "gemma4": ("global_head_dim",),
    "mimo_v2_flash": ("hybrid_layer_pattern",),
    "minimax_m3": ("sparse_attention_config",),
    "nemotron-nas": ("block_configs",),
    "granitemoehybrid": ("mamba_n_heads", "layer_types"),
    "jamba": ("mamba_dt_rank", "attn_layer_period"),
    "nemotron_h": ("mamba_num_heads", "ssm_state_size"),
    "qwen3_5_moe": ("linear_num_value_heads", "num_experts"),
    "qwen3_5": ("linear_num_value_heads",),
    "step3p7": ("share_expert_dim",),
    "glm4_moe": ("n_routed_experts",),
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
