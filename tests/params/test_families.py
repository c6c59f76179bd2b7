"""Each family's layout gives the published number of parameters and the bytes an engine keeps.

Configurations are written by hand from the shapes that their publishers name. Totals are those of
model cards or of checkpoints, in units of 1e9, of the text part; cache is counted by hand from the
shapes, in bytes for a token at 16 bits.
"""

import importlib.util
import json
from pathlib import Path

import pytest

from tokwatt.params.errors import ParameterError
from tokwatt.params.llms import huggingface
from tokwatt.params.llms.checkpoint import formats_of
from tokwatt.params.llms.families import FAMILIES
from tokwatt.serving.gpu import cache, llm

MLA = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}


def shape(family, layers, hidden, heads, kv_heads, vocabulary, **more):
    return {
        "model_type": family,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        **more,
    }


EXPERTS = {
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
}
DEEPSEEK = {**EXPERTS, "intermediate_size": 18432, "q_lora_rank": 1536, **MLA}
INDEX = {"index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048}
GEMMA = {
    "head_dim": 256,
    "global_head_dim": 512,
    "sliding_window": 1024,
    "tie_word_embeddings": True,
    "attention_k_eq_v": True,
}
NEMOTRON = {
    "head_dim": 128,
    "conv_kernel": 4,
    "mamba_head_dim": 64,
    "n_groups": 8,
    "ssm_state_size": 128,
}

# Configuration, total and active parameters [1e9], cache kept by all tokens and by those in a
# window [B/tok].
PUBLISHED = {
    "DeepSeek-V3.2": (
        shape("deepseek_v32", 61, 7168, 128, 128, 129280, **DEEPSEEK, **INDEX),
        (671.9, 37.5),
        (61 * 576 * 2 + 61 * 132, 0),
    ),
    "GLM-5.2": (
        shape("glm_moe_dsa", 78, 6144, 64, 64, 154880, **DEEPSEEK)
        | {"intermediate_size": 12288, "q_lora_rank": 2048, "qk_nope_head_dim": 192}
        | {"v_head_dim": 256, "index_head_dim": 128, "index_n_heads": 32}
        | {"indexer_types": ["full"] * 21 + ["shared"] * 57},
        (743.4, 40.3),
        (78 * 576 * 2 + 21 * 132, 0),
    ),
    "DeepSeek-V4-Flash": (
        shape("deepseek_v4", 43, 4096, 64, 1, 129280, **EXPERTS, **INDEX, qk_rope_head_dim=64)
        | {"head_dim": 512, "q_lora_rank": 1024, "o_lora_rank": 1024, "o_groups": 8}
        | {"first_k_dense_replace": 0, "num_experts_per_tok": 6, "sliding_window": 128}
        | {"compress_ratios": [0, 0, *[4, 128] * 20, 4, 0]},
        (284.3, 13.2),
        (21 * (1024 + 132) / 4 + 20 * 1024 / 128, 43 * 1024),
    ),
    "Kimi-Linear-48B-A3B": (
        shape("kimi_linear", 27, 2304, 32, 32, 163840, **MLA)
        | {"intermediate_size": 9216, "moe_intermediate_size": 1024, "num_experts": 256}
        | {"num_experts_per_token": 8, "num_shared_experts": 1, "first_k_dense_replace": 1}
        | {"linear_attn_config": {"kda_layers": list(range(20)), "num_heads": 32,
                                  "head_dim": 128, "short_conv_kernel_size": 4}},
        (49.1, 3.1),
        (8064, 0),
    ),
    "Kimi-K3": (
        shape("kimi_linear", 93, 7168, 96, 96, 163840, **MLA)
        | {"q_lora_rank": 1536, "mla_use_output_gate": True, "intermediate_size": 33792}
        | {"moe_intermediate_size": 3072, "routed_expert_hidden_size": 3584, "num_experts": 896}
        | {"num_experts_per_token": 16, "num_shared_experts": 2, "first_k_dense_replace": 1}
        | {"linear_attn_config": {"kda_layers": list(range(69)), "num_heads": 96, "head_dim": 128,
                                  "short_conv_kernel_size": 4, "use_full_rank_gate": True}},
        (2779, 104),
        (24 * 576 * 2, 0),
    ),
    "Gemma-4-31B": (
        shape("gemma4", 60, 5376, 32, 16, 262144, **GEMMA)
        | {"intermediate_size": 21504, "num_global_key_value_heads": 4}
        | {"layer_types": [*["sliding_attention"] * 5, "full_attention"] * 10},
        (30.7, 30.7),
        (10 * 2 * 4 * 512 * 2, 50 * 2 * 16 * 256 * 2),
    ),
    "Gemma-4-26B-A4B": (
        shape("gemma4", 30, 2816, 16, 8, 262144, **GEMMA)
        | {"intermediate_size": 2112, "num_global_key_value_heads": 2, "enable_moe_block": True}
        | {"moe_intermediate_size": 704, "num_experts": 128, "top_k_experts": 8}
        | {"layer_types": [*["sliding_attention"] * 5, "full_attention"] * 5},
        (25.2, 3.8),
        (5 * 2 * 2 * 512 * 2, 25 * 2 * 8 * 256 * 2),
    ),
    "MiMo-V2-Flash": (
        shape("mimo_v2_flash", 48, 4096, 64, 4, 152576, head_dim=192, v_head_dim=128)
        | {"swa_num_key_value_heads": 8, "swa_head_dim": 192, "swa_v_head_dim": 128}
        | {"sliding_window": 128, "hybrid_layer_pattern": [0] * 9 + [1] * 39}
        | {"intermediate_size": 16384, "moe_intermediate_size": 2048, "n_routed_experts": 256}
        | {"num_experts_per_tok": 8, "moe_layer_freq": [0, *[1] * 47]},
        (309, 15),
        (9 * 4 * 320 * 2, 39 * 8 * 320 * 2),
    ),
    "MiMo-7B": (
        shape("mimo", 36, 4096, 32, 8, 151680, head_dim=128, intermediate_size=11008),
        (7.62, 7.00),
        (147456, 0),
    ),
    "MiniMax-M3": (
        shape("minimax_m3", 60, 6144, 64, 4, 200064, head_dim=128, intermediate_size=3072)
        | {"dense_intermediate_size": 12288, "shared_intermediate_size": 3072}
        | {"num_local_experts": 128, "num_experts_per_tok": 4, "n_shared_experts": 1}
        | {"moe_layer_freq": [0] * 3 + [1] * 57}
        | {"sparse_attention_config": {"sparse_attention_freq": [0] * 3 + [1] * 57,
                                       "sparse_num_index_heads": 4, "sparse_index_dim": 128}},
        (426, 24.7),
        (60 * 2 * 4 * 128 * 2 + 57 * 128 * 2, 0),
    ),
    "Nemotron-3-Super-120B-A12B": (
        shape("nemotron_h", 88, 4096, 32, 2, 131072, **NEMOTRON)
        | {"mamba_num_heads": 128, "moe_latent_size": 1024, "n_routed_experts": 512}
        | {"moe_intermediate_size": 2688, "moe_shared_expert_intermediate_size": 5376}
        | {"num_experts_per_tok": 22, "hybrid_override_pattern": "M" * 40 + "E" * 40 + "*" * 8},
        (120.6, 12.2),
        (8 * 2 * 2 * 128 * 2, 0),
    ),
    "Nemotron-3-Ultra-550B-A55B": (
        shape("nemotron_h", None, 8192, 64, 2, 131072, **NEMOTRON)
        | {"mamba_num_heads": 256, "moe_latent_size": 2048, "n_routed_experts": 512}
        | {"moe_intermediate_size": 5120, "moe_shared_expert_intermediate_size": 10240}
        | {"num_experts_per_tok": 22}
        | {"layers_block_type": ["mamba"] * 48 + ["moe"] * 48 + ["attention"] * 12},
        (549.3, 55),
        (12 * 2 * 2 * 128 * 2, 0),
    ),
    "Step-3.7-Flash": (
        shape("step3p7", 45, 4096, 64, 8, 128896, head_dim=128, intermediate_size=11264)
        | {"num_experts": 288, "num_experts_per_tok": 8, "moe_intermediate_size": 1280}
        | {"share_expert_dim": 1280, "first_k_dense_replace": 3, "sliding_window": 512}
        | {"layer_types": ["full_attention"] * 12 + ["sliding_attention"] * 33},
        (196, 10.3),
        (12 * 2 * 8 * 128 * 2, 33 * 2 * 8 * 128 * 2),
    ),
    "Llama-3.3-Nemotron-Super-49B": (
        shape("nemotron-nas", 4, 8192, 64, None, 128256)
        | {"block_configs": [
            {"attention": {"n_heads_in_group": 8, "no_op": False},
             "ffn": {"ffn_mult": 5.25, "no_op": False}},
            {"attention": {"n_heads_in_group": None, "no_op": True},
             "ffn": {"ffn_mult": 2.625, "no_op": False}},
            {"attention": {"n_heads_in_group": 8, "no_op": False},
             "ffn": {"ffn_mult": None, "no_op": True}},
            {"attention": {"n_heads_in_group": 8, "no_op": False},
             "ffn": {"ffn_mult": 1.0, "no_op": False}}]},
        # two tables, three layers of attention, widths of 28672, 14336, 0 and 5632
        ((2 * 128256 * 8192 + 3 * 2 * 8192 * (64 + 8) * 128 + 3 * 8192 * 48640) / 1e9, None),
        (3 * 2 * 8 * 128 * 2, 0),
    ),
    "Phi-4": (
        shape("phi3", 40, 5120, 40, 10, 100352, intermediate_size=17920),
        (14.66, None),
        (40 * 2 * 10 * 128 * 2, 0),
    ),
    "Phi-3.5-MoE": (
        shape("phimoe", 32, 4096, 32, 8, 32064, intermediate_size=6400)
        | {"num_local_experts": 16, "num_experts_per_tok": 2},
        (41.9, 6.6),
        (131072, 0),
    ),
    "GLM-4.7-Flash": (
        shape("glm4_moe_lite", 47, 2048, 20, 20, 154880, **DEEPSEEK)
        | {"intermediate_size": 10240, "moe_intermediate_size": 1536, "n_routed_experts": 64}
        | {"num_experts_per_tok": 4, "first_k_dense_replace": 1, "q_lora_rank": 768}
        | {"qk_nope_head_dim": 192, "v_head_dim": 256},
        (29.9, 3.6),
        (54144, 0),
    ),
    "Qwen1.5-MoE-A2.7B": (
        shape("qwen2_moe", 24, 2048, 16, 16, 151936, moe_intermediate_size=1408)
        | {"num_experts": 60, "num_experts_per_tok": 4, "shared_expert_intermediate_size": 5632},
        (14.315, 2.4),
        (24 * 2 * 16 * 128 * 2, 0),
    ),
    "OLMoE-1B-7B": (
        shape("olmoe", 16, 2048, 16, 16, 50304, intermediate_size=1024)
        | {"num_experts": 64, "num_experts_per_tok": 8},
        (6.92, 1.2),
        (131072, 0),
    ),
    "Granite-3.1-3B-A800M": (
        shape("granitemoe", 32, 1536, 24, 8, 49155, intermediate_size=512)
        | {"num_local_experts": 40, "num_experts_per_tok": 8, "tie_word_embeddings": True},
        (3.299, 0.88),
        (32 * 2 * 8 * 64 * 2, 0),
    ),
    "Granite-4.0-H-Small": (
        shape("granitemoehybrid", 40, 4096, 32, 8, 100352, intermediate_size=768)
        | {"num_local_experts": 72, "num_experts_per_tok": 10, "shared_intermediate_size": 1536}
        | {"layer_types": ["mamba"] * 36 + ["attention"] * 4, "tie_word_embeddings": True}
        | {"mamba_n_heads": 128, "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 128}
        | {"mamba_d_conv": 4},
        (32.2, 9.0),
        (4 * 2 * 8 * 128 * 2, 0),
    ),
    "Jamba-v0.1": (
        shape("jamba", 32, 4096, 32, 8, 65536, intermediate_size=14336)
        | {"num_experts": 16, "num_experts_per_tok": 2, "attn_layer_period": 8}
        | {"attn_layer_offset": 4, "expert_layer_period": 2, "expert_layer_offset": 1}
        | {"mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256},
        (51.57, 12),
        (4 * 2 * 8 * 128 * 2, 0),
    ),
    "Granite-3.1-8B": (
        shape("granite", 40, 4096, 32, 8, 49155, intermediate_size=12800)
        | {"tie_word_embeddings": True},
        (8.17, None),
        (40 * 2 * 8 * 128 * 2, 0),
    ),
    "Mistral-Small-4-119B, params.json": (
        {"dim": 4096, "n_layers": 36, "n_heads": 32, "n_kv_heads": 32, "head_dim": 128}
        | {"hidden_dim": 12288, "vocab_size": 131072, "q_lora_rank": 1024, "kv_lora_rank": 256}
        | {"qk_rope_head_dim": 64, "qk_nope_head_dim": 64, "v_head_dim": 128}
        | {"moe": {"num_experts": 128, "num_experts_per_tok": 4, "expert_hidden_dim": 2048}
           | {"num_shared_experts": 1, "first_k_dense_replace": 0}},
        (119, None),
        (23040, 0),
    ),
    "Mistral-Nemo-12B, params.json": (
        {"dim": 5120, "n_layers": 40, "n_heads": 32, "n_kv_heads": 8, "head_dim": 128}
        | {"hidden_dim": 14336, "vocab_size": 131072},
        (12.25, None),
        (163840, 0),
    ),
    "Qwen3-VL-8B": (
        {"model_type": "qwen3_vl", "tie_word_embeddings": False}
        | {"text_config": shape("qwen3_vl_text", 36, 4096, 32, 8, 151936, head_dim=128)
           | {"intermediate_size": 12288}},
        (8.19, None),
        (147456, 0),
    ),
    "Qwen2.5-VL-7B": (
        shape("qwen2_5_vl", 28, 3584, 28, 4, 152064, intermediate_size=18944)
        | {"vision_config": {"hidden_size": 3584}},
        (7.615, None),
        (57344, 0),
    ),
    "Trinity-Mini": (
        shape("afmoe", 32, 2048, 32, 4, 200192, head_dim=128, intermediate_size=6144)
        | {"moe_intermediate_size": 1024, "num_experts": 128, "num_experts_per_tok": 8}
        | {"num_shared_experts": 1, "num_dense_layers": 2, "sliding_window": 2048}
        | {"global_attn_every_n_layers": 4},
        (26.1, None),
        (8 * 2048, 24 * 2048),
    ),
    "Ling-1T": (
        shape("bailing_moe_v2", 80, 8192, 64, 8, 157184, head_dim=128, intermediate_size=18432)
        | {"moe_intermediate_size": 2048, "num_experts": 256, "num_shared_experts": 1}
        | {"num_experts_per_tok": 8, "first_k_dense_replace": 4},
        (1000, 50),
        (80 * 4096, 0),
    ),
    "Command-A": (
        shape("cohere2", 64, 12288, 96, 8, 256000, head_dim=128, intermediate_size=36864)
        | {"sliding_window": 4096, "sliding_window_pattern": 4},
        (111, None),
        (16 * 4096, 48 * 4096),
    ),
    "Command-R+": (
        shape("cohere", 64, 12288, 96, 8, 256000, intermediate_size=33792),
        (103.8, None),
        (64 * 4096, 0),
    ),
    "ERNIE-4.5-21B-A3B": (
        shape("ernie4_5_moe", 28, 2560, 20, 4, 103424, intermediate_size=12288)
        | {"moe_num_experts": 64, "moe_k": 6, "moe_intermediate_size": 1536}
        | {"moe_num_shared_experts": 2, "moe_layer_start_index": 1, "moe_layer_end_index": 27},
        (21.8, None),
        (28 * 2 * 4 * 128 * 2, 0),
    ),
    "ERNIE-4.5-0.3B": (
        shape("ernie4_5", 18, 1024, 16, 2, 103424, head_dim=128, intermediate_size=3072),
        (0.361, None),
        (18 * 2 * 2 * 128 * 2, 0),
    ),
    "EXAONE-4.0-32B": (
        shape("exaone4", 64, 5120, 40, 8, 102400, head_dim=128, intermediate_size=27392)
        | {"sliding_window": 4096, "sliding_window_pattern": "LLLG"},
        (32.0, None),
        (16 * 4096, 48 * 4096),
    ),
    "K-EXAONE-236B-A23B": (
        shape("exaone_moe", 48, 6144, 64, 8, 153600, head_dim=128, intermediate_size=18432)
        | {"moe_intermediate_size": 2048, "num_experts": 128, "num_experts_per_tok": 8}
        | {"num_shared_experts": 1, "is_moe_layer": [False, *[True] * 47]}
        | {"sliding_window": 128, "sliding_window_pattern": "LLLG"},
        (236, 23),
        (12 * 4096, 36 * 4096),
    ),
    "Hunyuan-A13B": (
        shape("hunyuan_v1_moe", 32, 4096, 32, 8, 128167, head_dim=128, intermediate_size=3072)
        | {"num_experts": 64, "moe_intermediate_size": [3072] * 32, "moe_topk": [8] * 32}
        | {"num_shared_expert": [1] * 32, "tie_word_embeddings": True},
        (80.4, 13),
        (131072, 0),
    ),
    "MiniCPM3-4B": (
        shape("minicpm3", 62, 2560, 40, 40, 73448, intermediate_size=6400, q_lora_rank=768)
        | {"kv_lora_rank": 256, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64},
        (4.07, None),
        (62 * 288 * 2, 0),
    ),
    "MiniMax-Text-01": (
        shape("minimax_text_01", 80, 6144, 64, 8, 200064, head_dim=128, intermediate_size=9216)
        | {"num_local_experts": 32, "num_experts_per_tok": 2}
        | {"attn_type_list": ([0] * 7 + [1]) * 10},
        (456, 45.9),
        (10 * 4096, 0),
    ),
    "StarCoder2-15B": (
        shape("starcoder2", 40, 6144, 48, 4, 49152, intermediate_size=24576)
        | {"sliding_window": 4096, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": False},
        (15.96, None),
        (0, 40 * 2048),
    ),
    "Apertus-8B": (
        shape("apertus", 32, 4096, 32, 8, 131072, intermediate_size=21504, hidden_act="xielu"),
        (8.05, None),
        (131072, 0),
    ),
    "Olmo-3-7B": (
        shape("olmo3", 32, 4096, 32, 32, 100278, intermediate_size=11008, sliding_window=4096)
        | {"layer_types": [*["sliding_attention"] * 3, "full_attention"] * 8},
        (7.30, None),
        (8 * 16384, 24 * 16384),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published_and_cache_is_exact(name, imported):
    config, (total, active), (kept, windowed) = PUBLISHED[name]
    model = imported(config)
    assert llm.total_parameters(model) == pytest.approx(total * 1e9, rel=5e-3)
    if active:
        assert llm.active_parameters(model) == pytest.approx(active * 1e9, rel=3e-2)
    assert cache.cache_bytes_per_token(model, 2.0, 1.0) == pytest.approx(kept, rel=1e-12)
    assert cache.sliding_bytes_per_token(model, 2.0, 1.0) == pytest.approx(windowed, rel=1e-12)


# Families whose keys are those of others, or say nothing of a block without a gate.
TOLD_APART = {"ERNIE-4.5-21B-A3B", "ERNIE-4.5-0.3B", "Command-A", "Command-R+"}
TOLD_APART |= {"EXAONE-4.0-32B", "K-EXAONE-236B-A23B", "Trinity-Mini", "Hunyuan-A13B"}
TOLD_APART |= {"MiniMax-Text-01", "StarCoder2-15B", "Apertus-8B"}


@pytest.mark.parametrize(
    "name", [name for name in PUBLISHED if "params" not in name and name not in TOLD_APART]
)
def test_a_family_of_another_name_is_told_by_its_keys(name, imported, tmp_path):
    config = json.loads(json.dumps(PUBLISHED[name][0]))
    inner = config.get("text_config", config)
    known = imported(config)
    inner["model_type"] = "unheard_of"
    assert imported(config) == known
    assert huggingface.guessed(tmp_path / "config.json") in FAMILIES


def test_a_shape_that_nothing_understands_is_refused_by_its_key(imported):
    config = PUBLISHED["Phi-4"][0] | {"model_type": "unheard_of", "num_memory_heads": 8}
    with pytest.raises(ParameterError, match=r"num_memory_heads is 8, wanted .*--family") as caught:
        imported(config)
    assert "did you mean" not in str(caught.value)
    assert imported(config, family="mistral") == imported(PUBLISHED["Phi-4"][0])
    with pytest.raises(ParameterError, match=r"--family: is 'mistrall', wanted .*mistral"):
        imported(config, family="mistrall")


@pytest.mark.parametrize("name", sorted(TOLD_APART - {"ERNIE-4.5-0.3B", "Command-A", "Command-R+"}))
def test_what_keys_of_an_unknown_family_do_not_tell_is_refused(name, imported):
    with pytest.raises(ParameterError, match=r"config.json: \w+ is .*, wanted"):
        imported(PUBLISHED[name][0] | {"model_type": "unheard_of"})


def test_a_window_that_is_switched_off_is_none(imported):
    config = PUBLISHED["Phi-4"][0] | {"sliding_window": 4096}
    assert cache.sliding_bytes_per_token(imported(config), 2.0, 1.0) == 40 * 2 * 10 * 128 * 2
    off = config | {"use_sliding_window": False}
    assert imported(off) == imported(PUBLISHED["Phi-4"][0])


def test_the_language_model_of_a_thinker_is_read(imported):
    inner = shape("qwen3_moe", 48, 2048, 32, 4, 152064, head_dim=128, intermediate_size=768)
    inner |= {"moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8}
    thinker = {"model_type": "qwen3_omni_moe_thinker", "text_config": inner}
    whole = {"model_type": "qwen3_omni_moe", "thinker_config": thinker}
    assert llm.total_parameters(imported(whole)) == pytest.approx(30.5e9, rel=5e-3)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("EXAONE-4.0-32B", "sliding_window_pattern", "LLX"),
        ("Hunyuan-A13B", "moe_topk", [8, 4]),
        ("Hunyuan-A13B", "use_cla", True),
        ("MiniMax-Text-01", "attn_type_list", [2] * 80),
        ("ERNIE-4.5-21B-A3B", "moe_layer_interval", 2),
        ("DeepSeek-V4-Flash", "compress_ratios", [4]),
        ("MiMo-V2-Flash", "hybrid_layer_pattern", [2] * 48),
        ("MiMo-V2-Flash", "moe_layer_freq", [1]),
        ("Nemotron-3-Ultra-550B-A55B", "layers_block_type", ["mamba", "odd"]),
        ("Granite-4.0-H-Small", "layer_types", ["odd"] * 40),
        ("Llama-3.3-Nemotron-Super-49B", "block_configs", []),
    ],
)
def test_what_a_layout_cannot_hold_is_refused_by_its_key(name, key, value, imported):
    with pytest.raises(ParameterError, match=f"{key} is .*, wanted"):
        imported(PUBLISHED[name][0] | {key: value})


# Checkpoints

LAYERS = range(30)
QUANTIZED = {
    "nothing": ({}, {}),
    "fp8 in blocks": (
        {"quant_method": "fp8", "weight_block_size": [128, 128]},
        dict.fromkeys(("experts", "feed_forward", "attention"), "fp8_block"),
    ),
    "int4 experts, as Kimi-K2.5": (
        {"quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*self_attn.*",
          "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
         "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int",
                                                   "group_size": 32}}}},
        {"experts": "int4"},
    ),
    "nvfp4 but for attention": (
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": {"num_bits": 8},
         "ignore": ["lm_head", *(f"model.layers.{n}.self_attn*" for n in LAYERS)]},
        {"experts": "nvfp4", "feed_forward": "nvfp4", "kv": "fp8"},
    ),
    "nvfp4 but for the first layer": (
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["model.layers.0.self_attn"]},
        dict.fromkeys(("experts", "feed_forward", "attention"), "nvfp4"),
    ),
    "each layer its own": (
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION",
         "quantized_layers": {f"layers.{n}.mixer.{name}": {"quant_algo": algorithm}
                              for n in LAYERS
                              for name, algorithm in (("in_proj", "FP8"),
                                                      ("experts.0.up_proj", "NVFP4"))}},
        {"experts": "nvfp4", "attention": "fp8"},
    ),
    "awq": ({"quant_method": "awq", "bits": 4},
            dict.fromkeys(("experts", "feed_forward", "attention"), "int4")),
}  # fmt: skip


@pytest.mark.parametrize("name", QUANTIZED)
def test_formats_of_a_checkpoint_are_told_by_class_of_weights(name, tmp_path):
    config, formats = QUANTIZED[name]
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"quantization_config": config}), encoding="utf-8")
    whole = dict.fromkeys(("embedding", "experts", "feed_forward", "attention", "kv"), "16-bit")
    assert formats_of(path) == (whole | formats if config else {})


def test_what_stands_in_a_file_beside_counts_and_an_odd_method_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")
    beside = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside), encoding="utf-8")
    formats = formats_of(path)
    assert (formats["attention"], formats["embedding"], formats["kv"]) == ("fp8", "16-bit", "fp8")
    (tmp_path / "hf_quant_config.json").unlink()
    path.write_text('{"quantization_config": {"quant_method": "odd"}}', encoding="utf-8")
    with pytest.raises(ParameterError, match="quant_method is 'odd', wanted fp8"):
        formats_of(path)


# Every configuration of a package that many were collected in

TOTALS = {
    "MiniMax-M2": 228.7, "MiniMax-M3": 427, "Qwen3-235B": 235.1, "Qwen3-30B": 30.5,
    "Qwen3-Coder-480B": 480.2, "Qwen3.5-397B": 396.8, "Qwen3.5-122B": 122.1, "DeepSeek-V3": 671,
    "DeepSeek-V4-Flash": 284, "DeepSeek-V4-Pro": 1573, "GLM-5": 744, "Kimi-K2": 1026,
    "Llama-3.1-70B": 70.55, "Nemotron-3-Super": 120.6, "Nemotron-3-Ultra": 549.5,
    "Nemotron-3-Nano": 31.6, "Nemotron-Super-49B": 49.9, "MiMo-V2": 309, "Step-3.7": 196,
    "Mixtral-8x22B": 140.6, "gpt-oss-120b": 116.8, "gpt-oss-20b": 20.9,
}  # fmt: skip
"""Totals by the beginning of a name, 1e9, of model cards and checkpoints."""


def test_every_configuration_of_a_package_is_read(imported):
    package = importlib.util.find_spec("aiconfigurator_core")
    if package is None:
        pytest.skip("needs tokwatt[kernels], whose package holds configurations")
    folder = Path(package.submodule_search_locations[0]) / "model_configs"
    files = [path for path in sorted(folder.glob("*_config.json")) if "hf_quant" not in path.name]
    assert len(files) > 80
    for path in files:
        total = float(llm.total_parameters(imported(path)))
        known = [size for name, size in TOTALS.items() if name in path.name]
        assert formats_of(path) is not None
        assert not known or total == pytest.approx(known[0] * 1e9, rel=5e-3), path.name
