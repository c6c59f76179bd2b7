"""Kinds of LLMs that public configurations have, with the published size and the bytes of a token.

Configurations are written by hand from the shapes that their publishers name, under the publishers'
names of them. Totals are those of model cards and checkpoints, in 1e9, of the text part; cache is
counted by hand from the shapes, in bytes of a token at 16 bits.
"""

import json

import pytest
from test_families import shape

from tokwatt.params.errors import ParameterError
from tokwatt.params.llms.checkpoint import formats_of
from tokwatt.serving.gpu import cache, llm


def early(family, layers, hidden, heads, vocabulary, **more):
    """A configuration under the names of GPT-2."""
    names = {"n_layer": layers, "n_embd": hidden, "n_head": heads, "vocab_size": vocabulary}
    return {"model_type": family, **names, **more}


GPT_2 = {"activation_function": "gelu_new", "n_ctx": 1024, "n_positions": 1024}
FALCON = {"model_type": "falcon", "vocab_size": 65024}
NEWER = {"multi_query": True, "new_decoder_architecture": True, "num_kv_heads": 8}
GLM = {"ffn_hidden_size": 13696, "hidden_size": 4096, "kv_channels": 128}
GLM |= {"multi_query_attention": True, "multi_query_group_num": 2, "num_attention_heads": 32}
MPT = {"learned_pos_emb": True, "no_bias": True, "expansion_ratio": 4, "vocab_size": 50432}
SLOPED = {"alibi": True, "attn_type": "multihead_attention"}
VICUNA = {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064}
MAMBA = {"conv_kernel": 4, "state_size": 16, "expand": 2, "hidden_act": "silu"}
ERNIE = {"moe_layer_interval": 1, "tie_word_embeddings": True}
EXPERTS = {"n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6}
THREE_TO_ONE = [*["sliding_attention"] * 3, "full_attention"]
LINEAR_TO_ONE = [*["linear_attention"] * 3, "full_attention"]
SPARSE = [*["linear_attention"] * 3, "deepseek_sparse_attention"] * 11
DOUBLED = {"tie_word_embeddings": False, "kv_channels": 128}

# Configuration, total parameters [1e9], cache kept by all tokens and by those in a window [B/tok].
KINDS = {
    "GPT-2": (early("gpt2", 12, 768, 12, 50257, **GPT_2), 0.1244, (12 * 2 * 768 * 2, 0)),
    "GPT-2-XL": (early("gpt2", 48, 1600, 25, 50257, **GPT_2), 1.5576, (48 * 2 * 1600 * 2, 0)),
    "GPT-J-6B": (
        early("gptj", 28, 4096, 16, 50400, n_inner=None, n_positions=2048)
        | {"tie_word_embeddings": False},
        6.05,
        (28 * 2 * 4096 * 2, 0),
    ),
    "StarCoder": (
        early("gpt_bigcode", 40, 6144, 48, 49152, n_inner=24576, n_positions=8192)
        | {"multi_query": True},
        15.5,
        (40 * 2 * 128 * 2, 0),
    ),
    "StarCoder2-3B": (
        shape("starcoder2", 30, 3072, 24, 2, 49152, intermediate_size=12288, sliding_window=4096),
        3.03,
        (0, 30 * 2 * 2 * 128 * 2),
    ),
    "OPT-6.7B": (
        shape("opt", 32, 4096, 32, None, 50272, ffn_dim=16384, word_embed_proj_dim=4096)
        | {"activation_function": "relu", "max_position_embeddings": 2048},
        6.658,
        (32 * 2 * 4096 * 2, 0),
    ),
    "BLOOM": (
        {"model_type": "bloom", "n_embed": 14336, "n_layer": 70, "num_attention_heads": 112}
        | {"vocab_size": 250880},
        176.2,
        (70 * 2 * 14336 * 2, 0),
    ),
    "Falcon-7B": (
        FALCON | {"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71}
        | {"multi_query": True, "new_decoder_architecture": False},
        6.92,
        (32 * 2 * 64 * 2, 0),
    ),
    "Falcon-40B": (
        FALCON | {"hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128} | NEWER,
        41.3,
        (60 * 2 * 8 * 64 * 2, 0),
    ),
    "Falcon-40B, under its first names": (
        {"model_type": "RefinedWeb", "hidden_size": 8192, "n_layer": 60, "n_head": 128}
        | {"n_head_kv": 8, "vocab_size": 65024},
        41.3,
        (60 * 2 * 8 * 64 * 2, 0),
    ),
    "Falcon-2-11B": (
        FALCON | {"hidden_size": 4096, "num_hidden_layers": 60, "num_attention_heads": 32} | NEWER
        | {"ffn_hidden_size": 16384, "tie_word_embeddings": False},
        11.1,
        (60 * 2 * 8 * 128 * 2, 0),
    ),
    "MPT-7B": (
        MPT | {"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32}
        | {"attn_config": SLOPED, "max_seq_len": 2048},
        6.65,
        (32 * 2 * 4096 * 2, 0),
    ),
    "Gemma-7B": (
        shape("gemma", 28, 3072, 16, 16, 256000, head_dim=256, intermediate_size=24576)
        | {"hidden_act": "gelu"},
        8.538,
        (28 * 2 * 16 * 256 * 2, 0),
    ),
    "PaliGemma-3B": (
        {"model_type": "paligemma", "vision_config": {"hidden_size": 1152}}
        | {"text_config": shape("gemma", 18, 2048, 8, 1, 257216, intermediate_size=16384)},
        2.508,
        (18 * 2 * 256 * 2, 0),
    ),
    "SmolLM3-3B": (
        shape("smollm3", 36, 2048, 16, 4, 128256, intermediate_size=11008),
        3.075,
        (36 * 2 * 4 * 128 * 2, 0),
    ),
    "ChatGLM3-6B": (
        {"model_type": "chatglm", "num_layers": 28, "padded_vocab_size": 65024} | GLM,
        6.24,
        (28 * 2 * 2 * 128 * 2, 0),
    ),
    "GLM-4-9B": (
        {"model_type": "chatglm", "num_layers": 40, "padded_vocab_size": 151552} | GLM
        | {"num_hidden_layers": 40, "vocab_size": 151552},
        9.40,
        (40 * 2 * 2 * 128 * 2, 0),
    ),
    "Qwen-7B": (
        shape("qwen", 32, 4096, 32, None, 151936, intermediate_size=22016, **DOUBLED),
        7.721,
        (32 * 2 * 4096 * 2, 0),
    ),
    "Molmo-7B-D": (
        shape("molmo", 28, 3584, 28, 4, 152064, intermediate_size=37888),
        7.615,
        (28 * 2 * 4 * 128 * 2, 0),
    ),
    "Arctic": (
        shape("arctic", 35, 7168, 56, 8, 32000, intermediate_size=4864, moe_layer_frequency=1)
        | {"num_local_experts": 128, "num_experts_per_tok": 2, "parallel_attn_mlp_res": True},
        479,
        (35 * 2 * 8 * 128 * 2, 0),
    ),
    "Hunyuan-Large": (
        shape("hunyuan", 64, 6400, 80, 8, 129024, intermediate_size=18304, use_cla=True)
        | {"cla_share_factor": 2, "num_experts": 16, "moe_topk": 1, "num_shared_expert": 1}
        | {"tie_word_embeddings": True},
        389,
        (32 * 2 * 8 * 80 * 2, 0),
    ),
    "ERNIE-4.5-VL-28B-A3B, its text and image experts": (
        shape("ernie4_5_moe_vl", 28, 2560, 20, 4, 103424, intermediate_size=12288, moe_k=6)
        | {"moe_num_experts": [64, 64], "moe_intermediate_size": [1536, 512], **ERNIE}
        | {"moe_layer_start_index": [1, 1], "moe_layer_end_index": [29, 28]}
        | {"moe_num_shared_experts": 2},
        28.6,
        (28 * 2 * 4 * 128 * 2, 0),
    ),
    "ERNIE-4.5-VL-424B-A47B": (
        shape("ernie4_5_moe_vl", 54, 8192, 64, 8, 103424, intermediate_size=28672, moe_k=8)
        | {"moe_num_experts": [64, 64], "moe_intermediate_size": [3584, 1536], **ERNIE}
        | {"moe_layer_start_index": [3, 3], "moe_layer_end_index": [53, 53]}
        | {"tie_word_embeddings": False},
        424,
        (54 * 2 * 8 * 128 * 2, 0),
    ),
    "Llama-3.2-11B-Vision, its text": (
        {"model_type": "mllama", "text_config": shape("mllama_text_model", 40, 4096, 32, 8, 128256)
         | {"intermediate_size": 14336, "cross_attention_layers": list(range(3, 40, 5))}},
        9.775,
        (32 * 2 * 8 * 128 * 2, 0),
    ),
    "LLaVA-1.5-7B, which leaves out what a Llama is": (
        {"model_type": "llava", "text_config": VICUNA},
        6.74,
        (32 * 2 * 4096 * 2, 0),
    ),
    "Pixtral-12B": (
        {"model_type": "llava", "text_config": {"model_type": "mistral", "hidden_size": 5120}
         | {"head_dim": 128, "intermediate_size": 14336, "num_hidden_layers": 40}
         | {"num_key_value_heads": 8, "vocab_size": 131072, "sliding_window": None}},
        12.25,
        (40 * 2 * 8 * 128 * 2, 0),
    ),
    "Aria, its text": (
        {"model_type": "aria", "text_config": shape("aria_moe_lm", 28, 2560, 20, 20, 100352)
         | {"intermediate_size": 13568, "moe_intermediate_size": 1664, "moe_num_experts": 64}
         | {"moe_num_shared_experts": 2, "moe_topk": 6}},
        24.9,
        (28 * 2 * 2560 * 2, 0),
    ),
    "Falcon-Mamba-7B": (
        {"model_type": "falcon_mamba", "hidden_size": 4096, "num_hidden_layers": 64, **MAMBA}
        | {"intermediate_size": 8192, "time_step_rank": 256, "vocab_size": 65024}
        | {"tie_word_embeddings": False},
        7.27,
        (0, 0),
    ),
    "Mamba-2.8B": (
        {"model_type": "mamba", "hidden_size": 2560, "num_hidden_layers": 64, **MAMBA}
        | {"intermediate_size": 5120, "time_step_rank": "auto", "vocab_size": 50280},
        2.768,
        (0, 0),
    ),
    "Codestral-Mamba-7B": (
        {"model_type": "mamba2", "hidden_size": 4096, "num_hidden_layers": 64, **MAMBA}
        | {"head_dim": 64, "n_groups": 8, "num_heads": 128, "state_size": 128}
        | {"vocab_size": 32768, "tie_word_embeddings": False},
        7.285,
        (0, 0),
    ),
    "DeciLM, a layer each with half the heads": (
        shape("deci", 32, 4096, 32, None, 32000, intermediate_size=14336)
        | {"num_key_value_heads_per_layer": [4, 2] * 16},
        (2 * 32000 * 4096 + 32 * (2 * 4096 * (32 + 3) * 128 + 3 * 4096 * 14336)) / 1e9,
        (32 * 2 * 3 * 128 * 2, 0),
    ),
    "Motif-2.6B": (
        shape("Motif", 32, 2048, 16, 16, 219520, intermediate_size=8192, hidden_act="poly_norm")
        | {"tie_word_embeddings": True},
        2.6,
        (32 * 2 * 2048 * 2, 0),
    ),
    "MiniMax-M1": (
        shape("minimax_m1", 80, 6144, 64, 8, 200064, head_dim=128, intermediate_size=9216)
        | {"num_local_experts": 32, "num_experts_per_tok": 2}
        | {"attn_type_list": ([0] * 7 + [1]) * 10},
        456,
        (10 * 2 * 8 * 128 * 2, 0),
    ),
    "dots.llm1": (
        shape("dots1", 62, 4096, 32, 32, 152064, head_dim=128, intermediate_size=10944)
        | {"moe_intermediate_size": 1408, "n_routed_experts": 128, "n_shared_experts": 2}
        | {"num_experts_per_tok": 6, "first_k_dense_replace": 1},
        142.8,
        (62 * 2 * 4096 * 2, 0),
    ),
    "ERNIE-4.5-VL-28B-A3B, as transformers writes it": (
        {"model_type": "ernie4_5_vl_moe", "tie_word_embeddings": True}
        | {"text_config": shape("ernie4_5_vl_moe_text", 28, 2560, 20, 4, 103424, moe_k=6)
           | {"intermediate_size": 12288, "moe_num_experts": 64, "moe_num_shared_experts": 2}
           | {"moe_intermediate_size": [1536, 512]}
           | {"mlp_layer_types": ["dense"] + ["sparse"] * 27}},
        28.6,
        (28 * 2 * 4 * 128 * 2, 0),
    ),
    "MiMo-V2-Flash, as transformers writes it": (
        shape("mimo_v2_flash", 48, 4096, 64, 4, 152576, head_dim=192, v_head_dim=128)
        | {"swa_num_key_value_heads": 8, "sliding_window": 128, "n_routed_experts": 256}
        | {"layer_types": ["full_attention"] * 9 + ["sliding_attention"] * 39}
        | {"mlp_layer_types": ["dense"] + ["sparse"] * 47, "num_experts_per_tok": 8}
        | {"intermediate_size": 16384, "moe_intermediate_size": 2048},
        309,
        (9 * 4 * 320 * 2, 39 * 8 * 320 * 2),
    ),
    "openPangu-Ultra-MoE-718B": (
        shape("pangu_ultra_moe", 61, 7680, 128, None, 153600, intermediate_size=18432)
        | {"attention_kv_lora_dim": 512, "attention_q_lora_dim": 1536, "attention_qk_dim": 128}
        | {"attention_qk_rope_dim": 64, "attention_v_dim": 128, "moe_intermediate_size": 2048}
        | {"num_dense_layers": 3, "num_routed_experts": 256, "num_shared_experts": 1}
        | {"num_experts_per_tok": 8},
        718,
        (61 * 576 * 2, 0),
    ),
    "Klear-46B-A2.5B": (
        shape("Klear", 32, 2048, 32, 4, 151936, intermediate_size=7168, num_experts=256)
        | {"moe_intermediate_size": 896, "n_shared_experts": 1, "num_experts_per_tok": 8}
        | {"decoder_sparse_step": 1, "mlp_only_layers": []},
        46.2,
        (32 * 2 * 4 * 64 * 2, 0),
    ),
    "SmallThinker-21B-A3B": (
        shape("smallthinker", 52, 2560, 28, 4, 151936, head_dim=128, sliding_window_size=4096)
        | {"moe_ffn_hidden_size": 768, "moe_num_primary_experts": 64}
        | {"moe_num_active_primary_experts": 6, "sliding_window_layout": [0, 1, 1, 1] * 13},
        21.5,
        (13 * 2 * 4 * 128 * 2, 39 * 2 * 4 * 128 * 2),
    ),
    "DeepSeek-OCR, its text, where latents are off": (
        {"model_type": "deepseek_vl_v2", "language_config":
         shape("deepseek_v2", 12, 1280, 10, 10, 129280) | EXPERTS
         | {"intermediate_size": 6848, "moe_intermediate_size": 896, "first_k_dense_replace": 1}
         | {"use_mla": False, "kv_lora_rank": None, "v_head_dim": 0}},
        2.93,
        (12 * 2 * 1280 * 2, 0),
    ),
    "Muse-Glimmer-30B, its text": (
        {"model_type": "muse_glimmer", "vision_config": {}, "text_config":
         shape("muse_glimmer_text", 52, 6656, 32, 2, 202048, intermediate_size=19968)
         | {"head_dim": 128, "sliding_window": 2048, "layer_types": THREE_TO_ONE * 13}
         | {"hidden_activation": "silu", "layer_rope_theta": [5e5, 5e5, 5e5, 0.0] * 13}},
        27.85,
        (13 * 2 * 2 * 128 * 2, 39 * 2 * 2 * 128 * 2),
    ),
    # The tensors of the text, counted from their shapes; keys of 128 for each four tokens.
    "Qwen3.8-Flash-Next, its text": (
        {"model_type": "qwen4_exp", "text_config":
         shape("qwen4_exp_text", 48, 2560, 24, 2, 248320, head_dim=256, num_experts=512)
         | {"hc_count": 4, "hc_lowrank": 320, "num_experts_per_tok": 10}
         | {"moe_intermediate_size": 640, "shared_expert_intermediate_size": 640}
         | {"indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 128}
         | {"indexer_compress_ratio": 4, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128}
         | {"linear_num_key_heads": 16, "linear_num_value_heads": 48}
         | {"linear_value_head_dim": 128, "layer_types": LINEAR_TO_ONE * 12}
         | {"ple_layer_ids": [2], "ple_embed_dim": 2560, "ngram_vocab_size_base": 20_000_000}},
        176.94,
        (12 * (2 * 2 * 256 * 2 + 128 * 2 / 4), 0),
    ),
    # Experts of 42 layers and the rest by hand; 8-bit keys of 128 with a scale for each four.
    "GLM-5.3-Flash, its text": (
        {"model_type": "glm5_next", "text_config":
         shape("glm5_next_text", 45, 4096, 64, 64, 154880, **EXPERTS)
         | {"q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 256}
         | {"qk_rope_head_dim": 0, "v_head_dim": 256, "index_n_heads": 32, "index_head_dim": 128}
         | {"index_kpool": 4, "indexer_types": ["full"] * 45, "intermediate_size": 12288}
         | {"linear_attn_config": {"num_heads": 64, "head_dim": 128, "short_conv_kernel_size": 4}}
         | {"layer_types": [*SPARSE, "linear_attention"], "moe_intermediate_size": 2048}
         | {"mlp_layer_types": ["dense"] * 3 + ["sparse"] * 42, "n_routed_experts": 288}
         | {"n_shared_experts": 1, "num_experts_per_tok": 8}},
        (42 * (289 * 3 * 2048 + 288) * 4096 + 3 * 3 * 4096 * 12288 + 2 * 154880 * 4096
         + 34 * (4 * 4096 * 8192 + 2 * 128 * (4096 + 8192) + 64 * 4096)
         + 11 * (1536 * (4096 + 64 * 256) + 512 * (4096 + 64 * 512) + 64 * 256 * 4096)) / 1e9,
        (11 * (512 * 2 + 132 / 4), 0),
    ),
    "Granite with windows": (
        shape("granite_swa", 24, 2560, 40, 8, 100352, intermediate_size=8192, sliding_window=128)
        | {"layer_types": ["full_attention", *["sliding_attention"] * 3] * 6},
        (2 * 100352 * 2560 + 24 * (2 * 2560 * (40 + 8) * 64 + 3 * 2560 * 8192)) / 1e9,
        (6 * 2 * 8 * 64 * 2, 18 * 2 * 8 * 64 * 2),
    ),
    "Granite with windows and experts": (
        shape("granitemoe_swa", 24, 1536, 24, 8, 100352, intermediate_size=512)
        | {"num_local_experts": 40, "num_experts_per_tok": 8, "sliding_window": 128}
        | {"layer_types": ["full_attention", *["sliding_attention"] * 3] * 6},
        (2 * 100352 * 1536 + 24 * (2 * 1536 * 32 * 64 + 40 * (3 * 1536 * 512 + 1536))) / 1e9,
        (6 * 2 * 8 * 64 * 2, 18 * 2 * 8 * 64 * 2),
    ),
    "Jais-13B": (
        early("jais", 40, 5120, 40, 84992, n_inner=13653, activation_function="swiglu"),
        13.0,
        (40 * 2 * 5120 * 2, 0),
    ),
    "OLMo-7B": (
        {"model_type": "hf_olmo", "d_model": 4096, "n_heads": 32, "n_layers": 32}
        | {"mlp_hidden_size": 22016, "activation_type": "swiglu", "weight_tying": False}
        | {"vocab_size": 50280, "embedding_size": 50304, "max_sequence_length": 2048},
        6.888,
        (32 * 2 * 4096 * 2, 0),
    ),
    "OLMo-1B": (
        {"model_type": "hf_olmo", "d_model": 2048, "n_heads": 16, "n_layers": 16, "mlp_ratio": 8}
        | {"activation_type": "swiglu", "weight_tying": True}
        | {"vocab_size": 50280, "embedding_size": 50304, "max_sequence_length": 2048},
        1.1768,
        (16 * 2 * 2048 * 2, 0),
    ),
    # Two recurrent layers to one in a window, and two more at the end: 18 and 8, 26 and 12.
    "RecurrentGemma-2B": (
        shape("recurrent_gemma", 26, 2560, 10, 1, 256000, head_dim=256, intermediate_size=15360)
        | {"lru_width": 2560, "attention_window_size": 2048, "conv1d_width": 4}
        | {"block_types": ["recurrent", "recurrent", "attention"]},
        2.683,
        (0, 8 * 2 * 256 * 2),
    ),
    "RecurrentGemma-9B": (
        shape("recurrent_gemma", 38, 4096, 16, 1, 256000, head_dim=256, intermediate_size=24576)
        | {"lru_width": 4096, "attention_window_size": 2048, "conv1d_width": 4},
        (256000 * 4096 + 38 * 3 * 4096 * 12288 + 12 * 2 * 4096 * 17 * 256
         + 26 * (3 * 4096 * 4096 + 2 * 16 * 256 * 256)) / 1e9,
        (0, 12 * 2 * 256 * 2),
    ),
    "Qwen2-Audio-7B, its text": (
        {"model_type": "qwen2_audio", "text_config": {"model_type": "qwen2"}
         | {"intermediate_size": 11008, "vocab_size": 156032}},
        7.75,
        (32 * 2 * 4096 * 2, 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_parameters_are_those_published_and_cache_is_exact(name, imported):
    config, total, (kept, windowed) = KINDS[name]
    model = imported(config)
    assert llm.total_parameters(model) == pytest.approx(total * 1e9, rel=5e-3)
    assert cache.cache_bytes_per_token(model, 2.0, 1.0) == pytest.approx(kept, rel=1e-12)
    assert cache.sliding_bytes_per_token(model, 2.0, 1.0) == pytest.approx(windowed, rel=1e-12)


def test_what_a_text_never_reads_is_not_streamed(imported):
    model = imported(KINDS["ERNIE-4.5-VL-424B-A47B"][0])
    assert llm.active_parameters(model) == pytest.approx(47e9, rel=0.05)


def test_layers_that_share_keys_each_read_them(imported):
    model = imported(KINDS["Hunyuan-Large"][0])
    assert cache.read_bytes_per_token(model, 2.0, 1.0) == 64 * 2 * 8 * 80 * 2
    assert llm.active_parameters(model) == pytest.approx(52e9, rel=0.05)


def test_positions_are_a_table_only_where_scores_do_not_slope(imported):
    config = KINDS["MPT-7B"][0]
    sloped, learned = (
        imported(config),
        imported(config | {"attn_config": SLOPED | {"alibi": False}}),
    )
    assert (sloped.table_parameters, learned.table_parameters) == (0, 2048 * 4096)


# A configuration, changes of it, and what the sentence names.
REFUSED = {
    "several passes": ("Gemma-7B", {"total_ut_steps": 4}, "total_ut_steps is 4, wanted 1"),
    "an encoder": ("Gemma-7B", {"is_encoder_decoder": True}, "is_encoder_decoder is True, wanted"),
    "shared weights": ("Gemma-7B", {"num_mem_blocks": 2}, "num_mem_blocks is 2, wanted none"),
    "narrow embeddings": ("OPT-6.7B", {"word_embed_proj_dim": 512}, "proj_dim is 512, wanted 4096"),
    "tokens that are filled in, as LLaDA": (
        "OLMo-7B",
        {"model_type": "llada", "mask_token_id": 126336},
        "mask_token_id is 126336, wanted none: a model that makes one token after another",
    ),
    "keys of a family that is not known, as OpenELM": (
        "OLMo-7B",
        {"model_type": "openelm", "n_layers": None},
        "model_type is 'openelm', which is not known, and read as mistral its num_hidden_layers is"
        " missing, wanted the option --family",
    ),
    "other layers between recurrences": (
        "RecurrentGemma-2B",
        {"block_types": ["recurrent", "mamba"]},
        r"block_types is \['recurrent', 'mamba'\], wanted only recurrent and attention",
    ),
    "blocks of another activation": (
        "OLMo-7B",
        {"activation_type": "gelu"},
        "activation_type is 'gelu', wanted swiglu",
    ),
    "an odd width": ("Qwen-7B", {"intermediate_size": 22017}, "size is 22017, wanted an even"),
    "too few heads": (
        "DeciLM, a layer each with half the heads",
        {"num_key_value_heads_per_layer": [4]},
        r"num_key_value_heads_per_layer is \[4\], wanted 32 numbers",
    ),
    "a layer that is not there": (
        "Llama-3.2-11B-Vision, its text",
        {"cross_attention_layers": [40]},
        r"text_config.cross_attention_layers is \[40\], wanted",
    ),
    "three kinds of experts": (
        "ERNIE-4.5-VL-424B-A47B",
        {"moe_num_experts": [64, 64, 64]},
        r"moe_num_experts is \[64, 64, 64\], wanted",
    ),
    "groups of Mamba-2": ("Mamba-2.8B", {"n_groups": 8}, "n_groups is 8, wanted none"),
    "marks of fewer layers": (
        "SmallThinker-21B-A3B",
        {"sliding_window_layout": [1]},
        r"sliding_window_layout is \[1\], wanted 52 numbers",
    ),
    "a type that is no window": (
        "MiMo-V2-Flash, as transformers writes it",
        {"layer_types": ["full_attention"] * 47 + ["conv"]},
        "layer_types has 'conv', wanted",
    ),
    "a type between delta networks": (
        "GLM-5.3-Flash, its text",
        {"layer_types": ["full_attention"] * 45},
        r"text_config.layer_types is .*, wanted 45 of linear_attention and",
    ),
    "layers of another kind": (
        "Gemma-7B",
        {"model_type": "rwkv7"},
        "model_type is 'rwkv7', wanted",
    ),
    "a wider mixer": ("Mamba-2.8B", {"intermediate_size": 9999}, "size is 9999, wanted 5120"),
    "keys of fewer layers": (
        "Hunyuan-Large",
        {"model_type": "unheard_of"},
        "num_shared_expert is 1, wanted",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_named_by_its_own_key(case, imported):
    name, changes, sentence = REFUSED[case]
    config = json.loads(json.dumps(KINDS[name][0]))
    config.get("text_config", config).update(changes)
    with pytest.raises(ParameterError, match=sentence) as caught:
        imported(config)
    assert "did you mean" not in str(caught.value)


def test_a_window_that_is_off_or_keys_of_a_projector_refuse_no_unknown_family(imported):
    config = KINDS["dots.llm1"][0]
    more = {"sliding_window": 4096, "use_sliding_window": False, "mm_hidden_size": 1024}
    assert imported(config | {"model_type": "unheard_of", **more}) == imported(config)


# Checkpoints: what is said of the quantization, and the format of a block's weights.
QUARK = {"quant_method": "quark", "exclude": ["lm_head"]}
METHODS = {
    "bitsandbytes, 4 bits": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),
    "bitsandbytes, 8 bits": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
    "auto-round": ({"quant_method": "auto-round", "bits": 2}, "int2"),
    "fbgemm, as Llama-3.1-405B-FP8": ({"quant_method": "fbgemm_fp8"}, "fp8"),
    "MLX, without a method": ({"bits": 6, "group_size": 64}, "int6"),
    "quark, fp8": (QUARK | {"global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8"),
    "quark, fp4": (QUARK | {"global_quant_config": {"weight": {"dtype": "fp4"}}}, "mxfp4"),
    "quark, twice over": (
        QUARK | {"global_quant_config": {"weight": [{"dtype": "fp8_e4m3"}, {"dtype": "int4"}]}},
        "int4",
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_method_of_a_checkpoint_says_its_format(name, tmp_path):
    told, form = METHODS[name]
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"quantization_config": told}), encoding="utf-8")
    formats = formats_of(path)
    assert (formats["feed_forward"], formats["embedding"]) == (form, "16-bit")


@pytest.mark.parametrize("told", [{"quant_method": None, "x": 1}, QUARK])
def test_a_method_that_says_no_format_is_refused(told, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"quantization_config": told}), encoding="utf-8")
    with pytest.raises(ParameterError, match=r"quantization_config.* is None, wanted"):
        formats_of(path)
