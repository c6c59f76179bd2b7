"""The tensors of published modelling code, counted one by one, are what an import counts.

Configurations are written by hand from the shapes that their publishers name, under the publishers'
names of them. Each tensor is counted by hand from the code that loads the checkpoint (transformers,
vLLM, SGLang or the publisher's own), norms and biases with it; the published size is that of the
model card, of the text part, in 1e9 as it is rounded there. Cache and state are counted by hand, in
bytes at 16 bits for keys and values and at 32 for states, unless they are as wide as activations.
"""

import json

import pytest
from test_families import MLA, PUBLISHED, shape
from test_huggingface import CONFIGS
from test_kinds import KINDS

from tokwatt.params.errors import ParameterError
from tokwatt.params.llms.families import ALIASES, FAMILIES
from tokwatt.serving.gpu import cache, llm

WINDOWED, FULL, CONV = "sliding_attention", "full_attention", "conv"
MAMBA = {"mamba_d_conv": 4, "mamba_n_groups": 1}
FALCON = {"mamba_d_head": 128, "mamba_d_state": 256, **MAMBA}
LING = {"num_experts": 256, "num_experts_per_tok": 8, "num_shared_experts": 1, "head_dim": 128}
GEMMA_4 = {
    "head_dim": 256,
    "global_head_dim": 512,
    "sliding_window": 512,
    "tie_word_embeddings": True,
    "attention_k_eq_v": False,
    "vocab_size_per_layer_input": 262144,
    "hidden_size_per_layer_input": 256,
}
GEMMA_3N = {
    "head_dim": 256,
    "sliding_window": 512,
    "vocab_size_per_layer_input": 262144,
    "hidden_size_per_layer_input": 256,
    "laurel_rank": 64,
    "altup_num_inputs": 4,
}


def mla(hidden, heads, queries, latent=512):
    """Latent attention with heads of 128 + 64 and 128, queries through a latent or at once."""
    first = hidden * queries + queries + queries * heads * 192 if queries else hidden * heads * 192
    return first + hidden * (latent + 64) + latent + latent * heads * 256 + heads * 128 * hidden


def gqa(hidden, heads, kv_heads, width):
    return 2 * hidden * (heads + kv_heads) * width


def moe(hidden, experts, width, shared):
    """Router, experts, and a shared one of its own width."""
    return hidden * experts + experts + 3 * hidden * (experts * width + shared)


def mamba2(hidden, inner, heads, groups, state, kernel=4):
    convolved = inner + 2 * groups * state
    inputs = hidden * (inner + convolved + heads)
    return inputs + convolved * (kernel + 1) + 3 * heads + inner * hidden


def delta(hidden, heads, gates):
    """Kimi's network: queries, keys, values, output and gates; three convolutions, rates, norm."""
    inner = heads * 128
    return hidden * (4 * inner + heads) + gates + 3 * inner * 4 + inner + heads + 128


# Configuration; published size as it is rounded, None for "1T"; tensors; cache that all tokens
# keep, and those in a window [B/tok]; state [B].
COUNTED = {
    "Falcon-H1-34B": (
        shape("falcon_h1", 72, 5120, 20, 4, 261120, head_dim=128, intermediate_size=21504)
        | FALCON | {"mamba_d_ssm": 4096, "mamba_n_heads": 32, "mamba_n_groups": 2},
        "33.6",
        72 * (gqa(5120, 20, 4, 128) + mamba2(5120, 4096, 32, 2, 256) + 3 * 5120 * 21504 + 2 * 5120)
        + 2 * 261120 * 5120 + 5120,
        (72 * 2 * 4 * 128 * 2, 0),
        72 * (4096 * 256 + (4096 + 2 * 2 * 256) * 3) * 4,
    ),
    "Falcon-H1-7B": (
        shape("falcon_h1", 44, 3072, 12, 2, 130048, head_dim=128, intermediate_size=12288)
        | FALCON | {"mamba_d_ssm": 3072, "mamba_n_heads": 24},
        "7.59",
        44 * (gqa(3072, 12, 2, 128) + mamba2(3072, 3072, 24, 1, 256) + 3 * 3072 * 12288 + 2 * 3072)
        + 2 * 130048 * 3072 + 3072,
        (44 * 2 * 2 * 128 * 2, 0),
        44 * (3072 * 256 + (3072 + 2 * 256) * 3) * 4,
    ),
    "LFM2-1.2B": (
        shape("lfm2", 16, 2048, 32, 8, 65536, block_ff_dim=12288, conv_L_cache=3)
        | {"block_auto_adjust_ff_dim": True, "block_multiple_of": 256}
        | {"block_ffn_dim_multiplier": 1.0, "full_attn_idxs": [2, 5, 8, 10, 12, 14]},
        "1.170340608",
        10 * (4 * 2048**2 + 2048 * 3) + 6 * (gqa(2048, 32, 8, 64) + 2 * 64)
        + 16 * (3 * 2048 * 8192 + 2 * 2048) + 65536 * 2048 + 2048,
        (6 * 2 * 8 * 64 * 2, 0),
        10 * 2048 * 2 * 2,
    ),
    "LFM2-2.6B": (
        shape("lfm2", 30, 2048, 32, 8, 65536, block_ff_dim=10752, intermediate_size=10752)
        | {"block_auto_adjust_ff_dim": False, "conv_L_cache": 3, "tie_embedding": True}
        | {"layer_types": [CONV] * 22 + [FULL] * 8},
        "2.57",
        22 * (4 * 2048**2 + 2048 * 3) + 8 * (gqa(2048, 32, 8, 64) + 2 * 64)
        + 30 * (3 * 2048 * 10752 + 2 * 2048) + 65536 * 2048 + 2048,
        (8 * 2 * 8 * 64 * 2, 0),
        22 * 2048 * 2 * 2,
    ),
    "LFM2-8B-A1B": (
        shape("lfm2_moe", 24, 2048, 32, 8, 65536, intermediate_size=7168, conv_L_cache=3)
        | {"moe_intermediate_size": 1792, "num_dense_layers": 2, "num_experts": 32}
        | {"num_experts_per_tok": 4, "layer_types": [CONV] * 18 + [FULL] * 6},
        "8.34",
        18 * (4 * 2048**2 + 2048 * 3) + 6 * (gqa(2048, 32, 8, 64) + 2 * 64) + 24 * 2 * 2048
        + 2 * 3 * 2048 * 7168 + 22 * moe(2048, 32, 1792, 0) + 65536 * 2048 + 2048,
        (6 * 2 * 8 * 64 * 2, 0),
        18 * 2048 * 2 * 2,
    ),
    "Bamba-9B": (
        shape("bamba", 32, 4096, 32, 8, 128256, intermediate_size=14336, **MAMBA)
        | {"attn_layer_indices": [9, 18, 27], "mamba_n_heads": 128, "mamba_d_head": 64}
        | {"mamba_d_state": 128},
        "9.78",
        3 * gqa(4096, 32, 8, 128) + 29 * (mamba2(4096, 8192, 128, 1, 128) + 8192)
        + 32 * (3 * 4096 * 14336 + 2 * 4096) + 2 * 128256 * 4096 + 4096,
        (3 * 2 * 8 * 128 * 2, 0),
        29 * (8192 * 128 + (8192 + 2 * 128) * 3) * 4,
    ),
    "Step-3": (
        {"model_type": "step3_vl", "text_config": {
            "model_type": "step3_text", "hidden_size": 7168, "intermediate_size": 18432,
            "num_attention_heads": 64, "num_attention_groups": 1, "num_hidden_layers": 61,
            "vocab_size": 128815, "moe_intermediate_size": 5120, "moe_num_experts": 48,
            "moe_top_k": 3, "share_expert_dim": 5120, "share_q_dim": 2048, "head_dim": 256,
            "max_position_embedding": 65536, "moe_layers_enum": ",".join(map(str, range(4, 60)))}},
        "316",
        61 * (7168 * (2048 + 2 * 256) + 2048 + 2048 * 64 * 256 + 64 * 256 * 7168 + 2 * 7168)
        + 5 * 3 * 7168 * 18432 + 56 * (moe(7168, 48, 5120, 5120) - 48) + 2 * 128815 * 7168 + 7168,
        (61 * 2 * 256 * 2, 0),
        0,
    ),
    "Step-3.5-Flash": (
        {"model_type": "step3p5", "hidden_size": 4096, "intermediate_size": 11264,
         "num_attention_heads": 64, "num_attention_groups": 8, "num_hidden_layers": 45,
         "vocab_size": 128896, "moe_intermediate_size": 1280, "moe_num_experts": 288,
         "moe_top_k": 8, "share_expert_dim": 1280, "head_dim": 128, "sliding_window": 512,
         "num_nextn_predict_layers": 3, "use_head_wise_attn_gate": True,
         "layer_types": [FULL, WINDOWED, WINDOWED, WINDOWED] * 12,
         "moe_layers_enum": ",".join(map(str, range(3, 45))),
         "attention_other_setting": {"attention_type": WINDOWED, "num_attention_heads": 96,
                                     "num_attention_groups": 8, "head_dim": 128}},
        "196.81",
        12 * (gqa(4096, 64, 8, 128) + 4096 * 64) + 33 * (gqa(4096, 96, 8, 128) + 4096 * 96)
        + 45 * (2 * 4096 + 2 * 128) + 3 * 3 * 4096 * 11264 + 42 * moe(4096, 288, 1280, 1280)
        + 2 * 128896 * 4096 + 4096,
        (12 * 4096, 33 * 4096),
        0,
    ),
    "Grok-2": (
        {"model_type": "git", "architectures": ["Grok1ForCausalLM"], "hidden_size": 8192,
         "intermediate_size": 32768, "moe_intermediate_size": 16384, "num_experts_per_tok": 2,
         "num_local_experts": 8, "residual_moe": True, "num_attention_heads": 64,
         "num_key_value_heads": 8, "num_hidden_layers": 64, "head_dim": 128,
         "vocab_size": 131072, "sliding_window_size": -1, "global_attn_every_n": 1},
        "269",
        64 * (gqa(8192, 64, 8, 128) + moe(8192, 8, 16384, 32768) - 8 + 4 * 8192)
        + 2 * 131072 * 8192 + 8192,
        (64 * 2 * 8 * 128 * 2, 0),
        0,
    ),
    "DBRX": (
        {"model_type": "dbrx", "attn_config": {"clip_qkv": 8, "kv_n_heads": 8}, "d_model": 6144,
         "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
         "max_seq_len": 32768, "n_heads": 48, "n_layers": 40, "vocab_size": 100352},
        "131.596523520",
        40 * (gqa(6144, 48, 8, 128) + moe(6144, 16, 10752, 0) - 16 + 2 * 6144)
        + 2 * 100352 * 6144 + 6144,
        (40 * 2 * 8 * 128 * 2, 0),
        0,
    ),
    "Ring-mini-linear-2.0": (
        shape("bailing_moe_linear", 20, 2048, 16, 4, 157184, **LING, intermediate_size=5120)
        | {"moe_intermediate_size": 512, "moe_shared_expert_intermediate_size": 512}
        | {"first_k_dense_replace": 1, "layer_group_size": 5, "group_norm_size": 4},
        "16.4",
        16 * (5 * 2048 * 2048 + 2 * 128 + 2048) + 4 * (gqa(2048, 16, 4, 128) + 2 * 128)
        + 20 * 2 * 2048 + 3 * 2048 * 5120 + 19 * moe(2048, 256, 512, 512)
        + 2 * 157184 * 2048 + 2048,
        (4 * 2 * 4 * 128 * 2, 0),
        16 * 16 * 128 * 128 * 4,
    ),
    "Ring-flash-linear-2.0": (
        shape("bailing_moe_linear", 32, 4096, 32, 4, 157184, **LING, intermediate_size=9216)
        | {"moe_intermediate_size": 1024, "moe_shared_expert_intermediate_size": 1024}
        | {"first_k_dense_replace": 1, "layer_group_size": 8, "group_norm_size": 8},
        "104",
        28 * (5 * 4096 * 4096 + 2 * 128 + 4096) + 4 * (gqa(4096, 32, 4, 128) + 2 * 128)
        + 32 * 2 * 4096 + 3 * 4096 * 9216 + 31 * moe(4096, 256, 1024, 1024)
        + 2 * 157184 * 4096 + 4096,
        (4 * 2 * 4 * 128 * 2, 0),
        28 * 32 * 128 * 128 * 4,
    ),
    "Ring-2.5-1T": (
        shape("bailing_hybrid", 80, 8192, 64, 64, 157184, **MLA, **LING, q_lora_rank=1536)
        | {"intermediate_size": 18432, "moe_intermediate_size": 2048, "group_norm_size": 8}
        | {"first_k_dense_replace": 4, "layer_group_size": 8},
        None,
        70 * (5 * 8192 * 8192 + 2 * 128 + 8192) + 10 * mla(8192, 64, 1536) + 80 * 2 * 8192
        + 4 * 3 * 8192 * 18432 + 76 * moe(8192, 256, 2048, 2048) + 2 * 157184 * 8192 + 8192,
        (10 * 576 * 2, 0),
        70 * 64 * 128 * 128 * 4,
    ),
    "Ling-3.0-flash": (
        shape("bailing_hybrid", 42, 2560, 32, 32, 157184, **MLA, **LING, q_lora_rank=None)
        | {"num_experts": 512, "intermediate_size": 6144, "moe_intermediate_size": 768}
        | {"moe_shared_expert_intermediate_size": 768, "first_k_dense_replace": 2}
        | {"layer_group_size": 6, "short_conv_kernel_size": 4, "no_kda_lora": True}
        | {"gated_attention_proj_granularity_type": "head_wise"},
        "124",
        35 * delta(2560, 32, gates=2 * 2560 * 4096) + 7 * (mla(2560, 32, 0) + 2560 * 32)
        + 42 * 2 * 2560 + 2 * 3 * 2560 * 6144 + 40 * moe(2560, 512, 768, 768)
        + 2 * 157184 * 2560 + 2560,
        (7 * 576 * 2, 0),
        35 * (32 * 128 * 128 + 3 * 4096 * 3) * 4,
    ),
    "LongCat-Flash": (
        {"architectures": ["LongcatFlashForCausalLM"], "hidden_size": 6144, "num_layers": 28,
         "num_hidden_layers": 28, "num_attention_heads": 64, "vocab_size": 131072, **MLA,
         "q_lora_rank": 1536, "ffn_hidden_size": 12288, "expert_ffn_hidden_size": 2048,
         "n_routed_experts": 512,
         "zero_expert_num": 256, "zero_expert_type": "identity", "moe_topk": 12},
        "560",
        28 * (2 * (mla(6144, 64, 1536) + 3 * 6144 * 12288 + 2 * 6144) + 6144 * 768 + 768
              + 512 * 3 * 6144 * 2048) + 2 * 131072 * 6144 + 6144,
        (56 * 576 * 2, 0),
        0,
    ),
    "LongCat-Flash-Lite": (
        {"model_type": "longcat_flash_ngram", "hidden_size": 3072, "num_layers": 14,
         "num_attention_heads": 32, "vocab_size": 131072, **MLA, "q_lora_rank": 1536,
         "ffn_hidden_size": 6144, "expert_ffn_hidden_size": 1024, "n_routed_experts": 256,
         "zero_expert_num": 128, "moe_topk": 12, "ngram_vocab_size_ratio": 78,
         "emb_neighbor_num": 4, "emb_split_num": 4},
        "68.5",
        14 * (2 * (mla(3072, 32, 1536) + 3 * 3072 * 6144 + 2 * 3072) + 3072 * 384 + 384
              + 256 * 3 * 3072 * 1024) + 2 * 131072 * 3072 + 3072
        + sum((78 * 131072 + 2 * table + 1 + 3072) * 256 for table in range(12)),
        (28 * 576 * 2, 0),
        0,
    ),
    "Gemma-4-E2B": (  # 5.1 less 0.45 that see and hear
        {"model_type": "gemma4", "text_config": shape("gemma4_text", 35, 1536, 8, 1, 262144)
         | GEMMA_4 | {"intermediate_size": 6144, "num_kv_shared_layers": 20}
         | {"use_double_wide_mlp": True, "layer_types": ([WINDOWED] * 4 + [FULL]) * 7}},
        "4.65",
        262144 * (1536 + 35 * 256) + 1536 * 35 * 256 + 35 * (2 * 1536 * 256 + 5 * 1536 + 1)
        + 3 * 1536 * (15 * 6144 + 20 * 12288) + 2 * 1536 * 8 * (28 * 256 + 7 * 512)
        + 2 * 1536 * (12 * 256 + 3 * 512) + 28 * 2 * 256 + 7 * 2 * 512 + 1536 + 256,
        (3 * 2 * 512 * 2, 12 * 2 * 256 * 2),
        0,
    ),
    "Gemma-4-E4B": (  # 8 less 0.45
        {"model_type": "gemma4", "text_config": shape("gemma4_text", 42, 2560, 8, 2, 262144)
         | GEMMA_4 | {"intermediate_size": 10240, "num_kv_shared_layers": 18}
         | {"use_double_wide_mlp": False, "layer_types": ([WINDOWED] * 5 + [FULL]) * 7}},
        "7.5",
        262144 * (2560 + 42 * 256) + 2560 * 42 * 256 + 42 * (2 * 2560 * 256 + 5 * 2560 + 1)
        + 42 * 3 * 2560 * 10240 + 2 * 2560 * 8 * (35 * 256 + 7 * 512)
        + 2 * 2560 * 2 * (20 * 256 + 4 * 512) + 35 * 2 * 256 + 7 * 2 * 512 + 2560 + 256,
        (4 * 2 * 2 * 512 * 2, 20 * 2 * 2 * 256 * 2),
        0,
    ),
    "Gemma-3n-E4B": (
        {"model_type": "gemma3n", "text_config": shape("gemma3n_text", 35, 2048, 8, 2, 262400)
         | GEMMA_3N | {"intermediate_size": [16384] * 35, "num_kv_shared_layers": 15}
         | {"layer_types": ([WINDOWED] * 4 + [FULL]) * 7}},
        "6.87",
        262400 * 2048 + 262144 * 35 * 256 + 2048 * 35 * 256 + 256 + 6 * 2048**2 + 2048
        + 35 * (gqa(2048, 8, 2, 256) + 2 * 256 + 3 * 2048 * 16384 + 2 * 2048 * 256
                + 2 * 2048 * 64 + 8 * 2048 + 4 * 2048 + 4 * 4 + 4 * 16),
        (4 * 2 * 2 * 256 * 2, 16 * 2 * 2 * 256 * 2),
        0,
    ),
    "Phi-4-mini-flash": (
        shape("phi4flash", 32, 2560, 40, 20, 200064, intermediate_size=10240, sliding_window=512)
        | {"mb_per_layer": 2, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2},
        "3.85",
        200064 * 2560 + 32 * (3 * 2560 * 10240 + 4 * 2560) + 2 * 2560
        + 9 * (3 * 2560 * 5120 + 5120 * (4 + 1) + 5120 * (160 + 32) + 161 * 5120 + 5120 * 17)
        + 7 * 2 * 2560 * 5120 + 9 * (2560 * 5120 + 5120 + 2560**2 + 2560)
        + 7 * 2 * (2560**2 + 2560) + 16 * 6 * 64,
        (2 * 20 * 64 * 2, 8 * 2 * 20 * 64 * 2),
        9 * 5120 * (16 + 3) * 4,
    ),
    "Olmo-Hybrid-7B": (
        shape("olmo_hybrid", 32, 3840, 30, 30, 100278, intermediate_size=11008)
        | {"layer_types": ["linear_attention", "linear_attention", "linear_attention", FULL] * 8}
        | {"linear_num_key_heads": 30, "linear_num_value_heads": 30, "linear_key_head_dim": 96}
        | {"linear_value_head_dim": 192, "linear_conv_kernel_dim": 4},
        "7.43",
        8 * (4 * 3840**2 + 2 * 3840) + 32 * (3 * 3840 * 11008 + 2 * 3840) + 2 * 100278 * 3840
        + 24 * (3840 * (2 * 2880 + 3 * 5760 + 2 * 30) + (2 * 2880 + 5760) * 4 + 60 + 192) + 3840,
        (8 * 2 * 30 * 128 * 2, 0),
        24 * (30 * 96 * 192 + (2 * 2880 + 5760) * 3) * 4,
    ),
    "Laguna-XS-2.1": (
        shape("laguna", 40, 2048, 48, 8, 100352, head_dim=128, intermediate_size=8192)
        | {"num_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 512}
        | {"shared_expert_intermediate_size": 512, "mlp_only_layers": [0], "sliding_window": 512}
        | {"mlp_layer_types": ["dense", *["sparse"] * 39], "gating": "per-head"}
        | {"layer_types": [FULL, WINDOWED, WINDOWED, WINDOWED] * 10}
        | {"num_attention_heads_per_layer": [48, 64, 64, 64] * 10},
        "33",
        10 * (gqa(2048, 48, 8, 128) + 2048 * 48) + 30 * (gqa(2048, 64, 8, 128) + 2048 * 64)
        + 40 * (2 * 2048 + 2 * 128) + 3 * 2048 * 8192 + 39 * moe(2048, 256, 512, 512)
        + 2 * 100352 * 2048 + 2048,
        (10 * 4096, 30 * 4096),
        0,
    ),
    "Hy3": (
        shape("hy_v3", 80, 4096, 64, 8, 120832, head_dim=128, intermediate_size=13312)
        | {"first_k_dense_replace": 1, "num_experts": 192, "num_experts_per_tok": 8}
        | {"num_shared_experts": 1, "expert_hidden_dim": 1536, "moe_intermediate_size": 1536},
        "295",
        80 * (gqa(4096, 64, 8, 128) + 2 * 4096 + 2 * 128) + 3 * 4096 * 13312
        + 79 * moe(4096, 192, 1536, 1536) + 2 * 120832 * 4096 + 4096,
        (80 * 4096, 0),
        0,
    ),
    "North-Mini-Code": (
        shape("cohere2_moe", 49, 2048, 32, 4, 262144, head_dim=128, intermediate_size=768)
        | {"prefix_dense_intermediate_size": 3072, "num_experts": 128, "num_experts_per_tok": 8}
        | {"num_shared_experts": 0, "first_k_dense_replace": 1, "sliding_window": 4096}
        | {"layer_types": [FULL, *[WINDOWED, WINDOWED, WINDOWED, FULL] * 12]},
        "30",
        49 * (gqa(2048, 32, 4, 128) + 2048) + 3 * 2048 * 3072
        + 48 * (moe(2048, 128, 768, 0) - 128) + 262144 * 2048 + 2048,
        (13 * 2048, 36 * 2048),
        0,
    ),
    "Mellum2-12B-A2.5B": (
        shape("mellum", 28, 2304, 32, 4, 98304, head_dim=128, intermediate_size=7168)
        | {"num_experts": 64, "num_experts_per_tok": 8, "moe_intermediate_size": 896}
        | {"layer_types": [WINDOWED, WINDOWED, WINDOWED, FULL] * 7, "sliding_window": 1024}
        | {"mlp_layer_types": ["sparse"] * 28, "max_window_layers": 0},
        "12",
        28 * (gqa(2304, 32, 4, 128) + 2 * 128 + 2 * 2304 + moe(2304, 64, 896, 0) - 64)
        + 2 * 98304 * 2304 + 2304,
        (7 * 2048, 21 * 2048),
        0,
    ),
    "Solar-Open2-250B": (
        shape("solar_open2", 48, 4096, 64, 8, 196608, head_dim=128, moe_intermediate_size=1280)
        | {"gqa_layers": list(range(0, 48, 4)), "n_routed_experts": 320, "n_shared_experts": 1}
        | {"num_experts_per_tok": 8, "intermediate_size": 10240, "use_gqa_gate": True}
        | {"linear_attn_config": {"short_conv_kernel_size": 4, "head_dim": 128, "num_heads": 64}},
        "250",
        12 * (gqa(4096, 64, 8, 128) + 4096 * 8192) + 48 * (2 * 4096 + moe(4096, 320, 1280, 1280))
        + 36 * delta(4096, 64, gates=2 * (4096 * 128 + 128 * 8192)) + 2 * 196608 * 4096 + 4096,
        (12 * 4096, 0),
        36 * (64 * 128 * 128 + 3 * 8192 * 3) * 4,
    ),
    "Youtu-LLM-2B": (
        shape("youtu", 32, 2048, 16, 16, 128256, **MLA, q_lora_rank=1536, intermediate_size=6144)
        | {"tie_word_embeddings": True},
        "1.96",
        32 * (mla(2048, 16, 1536) + 3 * 2048 * 6144 + 2 * 2048) + 128256 * 2048 + 2048,
        (32 * 576 * 2, 0),
        0,
    ),
    "Sarvam-105B": (
        shape("sarvam_mla", 32, 4096, 64, 64, 262144, **MLA, q_lora_rank=None)
        | {"intermediate_size": 16384, "moe_intermediate_size": 2048, "num_experts": 128}
        | {"num_experts_per_tok": 8, "num_shared_experts": 1, "first_k_dense_replace": 1},
        "106",
        32 * (mla(4096, 64, 0) + 2 * 4096) + 3 * 4096 * 16384 + 31 * moe(4096, 128, 2048, 2048)
        + 2 * 262144 * 4096 + 4096,
        (32 * 576 * 2, 0),
        0,
    ),
    "A.X-K1": (
        shape("AXK1", 61, 7168, 64, 64, 163840, **MLA, q_lora_rank=1536, intermediate_size=18432)
        | {"moe_intermediate_size": 2048, "n_routed_experts": 192, "n_shared_experts": 1}
        | {"num_experts_per_tok": 8, "first_k_dense_replace": 1, "moe_layer_freq": 1},
        "519",
        61 * (mla(7168, 64, 1536) + 2 * 7168) + 3 * 7168 * 18432
        + 60 * moe(7168, 192, 2048, 2048) + 2 * 163840 * 7168 + 7168,
        (61 * 576 * 2, 0),
        0,
    ),
    "Seed-OSS-36B": (
        shape("seed_oss", 64, 5120, 80, 8, 155136, head_dim=128, intermediate_size=27648),
        "36.15",
        64 * (gqa(5120, 80, 8, 128) + 96 * 128 + 3 * 5120 * 27648 + 2 * 5120)
        + 2 * 155136 * 5120 + 5120,
        (64 * 4096, 0),
        0,
    ),
    "dots.llm1": (
        shape("dots1", 62, 4096, 32, 32, 152064, head_dim=128, intermediate_size=10944)
        | {"moe_intermediate_size": 1408, "n_routed_experts": 128, "n_shared_experts": 2}
        | {"num_experts_per_tok": 6, "first_k_dense_replace": 1, "moe_layer_freq": 1},
        "142.8",
        62 * (gqa(4096, 32, 32, 128) + 2 * 128 + 2 * 4096) + 3 * 4096 * 10944
        + 61 * moe(4096, 128, 1408, 2 * 1408) + 2 * 152064 * 4096 + 4096,
        (62 * 2 * 32 * 128 * 2, 0),
        0,
    ),
    "InternVL3.5-8B": (
        {"model_type": "internvl_chat", "vision_config": {"hidden_size": 1024},
         "llm_config": shape("qwen3", 36, 4096, 32, 8, 151936, head_dim=128,
                             intermediate_size=12288)},
        "8.19",
        36 * (gqa(4096, 32, 8, 128) + 2 * 128 + 3 * 4096 * 12288 + 2 * 4096)
        + 2 * 151936 * 4096 + 4096,
        (36 * 4096, 0),
        0,
    ),
}  # fmt: skip


def half_a_unit(size):
    """Half a unit of the last digit of a number that is written so."""
    return 0.5 * 10.0 ** -len(size.partition(".")[2])


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_cache_and_state_are_those_of_the_modelling_code(name, imported):
    config, size, tensors, (kept, windowed), state = COUNTED[name]
    model = imported(config)
    assert llm.total_parameters(model) == pytest.approx(tensors, rel=5e-3)
    assert cache.cache_bytes_per_token(model, 2.0, 1.0) == pytest.approx(kept, rel=1e-12)
    assert cache.sliding_bytes_per_token(model, 2.0, 1.0) == pytest.approx(windowed, rel=1e-12)
    assert cache.state_bytes(model, model.state_width or 4.0, 1.0) == pytest.approx(
        state, rel=1e-12
    )
    if size:
        rounded = max(5e-3 * float(size), half_a_unit(size))
        assert tensors / 1e9 == pytest.approx(float(size), abs=rounded)


# What a token multiplies as its publisher counts it [1e9], with or without the output head.
ACTIVE = {"Step-3": 38, "DBRX": 36, "Ring-mini-linear-2.0": 0.957 + 0.322, "LFM2-8B-A1B": 1.5}
ACTIVE |= {"Ring-flash-linear-2.0": 6.1 + 0.644, "Ring-2.5-1T": 63, "Ling-3.0-flash": 5.1}
ACTIVE |= {"LongCat-Flash": 27, "Gemma-4-E2B": 2.3, "Hy3": 21}


@pytest.mark.parametrize("name", ACTIVE)
def test_what_a_token_multiplies_is_what_the_publisher_says(name, imported):
    active = llm.active_parameters(imported(COUNTED[name][0]))
    assert active == pytest.approx(ACTIVE[name] * 1e9, rel=5e-2)


def test_layers_that_share_a_cache_each_read_it(imported):
    config = COUNTED["Gemma-4-E2B"][0]
    model = imported(config)
    assert cache.read_bytes_per_token(model, 2.0, 1.0) == 7 * 2 * 512 * 2
    assert cache.sliding_read_bytes_per_token(model, 2.0, 1.0) == 28 * 2 * 256 * 2


def test_every_family_has_a_published_configuration():
    published = [config for config, *_ in [*PUBLISHED.values(), *COUNTED.values(), *KINDS.values()]]
    inner = [config.get("text_config", {}) for config in published]
    configs = [*CONFIGS.values(), *published, *inner]
    named = [str(config.get("model_type", "mistral")).lower() for config in configs]
    there = {name.removesuffix("_text") for name in named}
    untried = set(FAMILIES) - {ALIASES.get(name, name) for name in there}
    guessed = {"grok", "longcat_flash"}
    assert untried - guessed == {
        "deepseek_v2", "gemma2", "kimi_k2", "minimax_m2", "qwen3_5", "qwen3_5_moe"
    }  # fmt: skip


# A family of another name has a gate that nothing tells, or blocks that another one has too.
TOLD_APART = {"Olmo-Hybrid-7B", "Mellum2-12B-A2.5B"}


@pytest.mark.parametrize("name", sorted(set(COUNTED) - TOLD_APART))
def test_a_family_of_another_name_is_told_by_its_keys(name, imported):
    config = json.loads(json.dumps(COUNTED[name][0]))
    known = imported(config)
    inner = config.get("text_config", config.get("llm_config", config))
    inner["model_type"] = "unheard_of"
    if known.tied_embeddings:
        inner["tie_word_embeddings"] = True
    assert imported(config) == known


ZAMBA = shape("zamba2", 81, 3584, 32, 32, 32000, intermediate_size=14336, num_mem_blocks=2)
LOOPED = shape("nanbeige", 22, 3072, 24, 4, 166144, intermediate_size=8192, num_loops=2)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (ZAMBA, "num_mem_blocks"),
        (LOOPED, "num_loops"),
        (COUNTED["DBRX"][0] | {"n_layers": 0}, "n_layers"),
        (COUNTED["DBRX"][0] | {"attn_config": {"kv_n_heads": 49}}, "attn_config.kv_n_heads"),
        (COUNTED["Bamba-9B"][0] | {"attn_layer_indices": [40]}, "attn_layer_indices"),
        (COUNTED["Phi-4-mini-flash"][0] | {"mb_per_layer": 4}, "mb_per_layer"),
        (COUNTED["Laguna-XS-2.1"][0] | {"num_attention_heads_per_layer": [48]}, "per_layer"),
        (COUNTED["Ring-2.5-1T"][0] | {"layer_group_size": 0}, "layer_group_size"),
    ],
)  # fmt: skip
def test_what_a_layout_cannot_hold_is_refused_by_the_key_that_is_written(config, key, imported):
    with pytest.raises(ParameterError, match=f"{key} is .*, wanted"):
        imported(config)
