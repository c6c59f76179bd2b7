"""A checkpoint's own precision becomes that of its entry, or it is said that none is the same."""

import json

import pytest
from typer.testing import CliRunner

from tokwatt.commands import workflow
from tokwatt.params.parameters import ParameterFolder

DENSE = {
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
}
MIXTURE = DENSE | {
    "model_type": "qwen3_moe",
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
}
BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
FP8, NVFP4 = ({"quant_method": "modelopt", "quant_algo": name} for name in ("FP8", "NVFP4"))
NARROW = {"kv_cache_quant_algo": "FP8"}
EXPERTS = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]}

ASKED = {
    "blocks": (DENSE, BLOCKS, "fp8_block", ""),
    "blocks of a mixture": (MIXTURE, BLOCKS, "fp8_block", ""),
    "experts alone": (MIXTURE, EXPERTS, "mxfp4", ""),
    "both in eight bits": (DENSE, FP8 | NARROW, "fp8", ""),
    "a wider cache": (DENSE, FP8, None, "asked for as fp8 with --kv-precision bfloat16"),
    "four bits of weights alone": (DENSE, AWQ, "int4", ""),
    "a narrower cache": (DENSE, NVFP4 | NARROW, None, "asked for as nvfp4 with --kv-precision fp8"),
    "other integers": (DENSE, AWQ | {"bits": 3}, None, "no precision has the weights"),
    "none": (DENSE, {}, None, ""),
}


@pytest.fixture
def entry(tmp_path):
    def read(config, told):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config | {"quantization_config": told}), encoding="utf-8")
        asked = ["llm", "import", str(path), "--name", "own"]
        given = CliRunner().invoke(workflow.app, asked)
        (tmp_path / "llms.yaml").write_text(given.stdout, encoding="utf-8")
        return ParameterFolder(tmp_path), given.stderr

    return read


@pytest.mark.parametrize("case", ASKED)
def test_a_checkpoint_is_answered_in_its_own_precision(case, entry):
    config, told, precision, said = ASKED[case]
    folder, errors = entry(config, told)
    assert folder.section("llms").child("own").raw.get("checkpoint") == precision
    assert said in errors and bool(errors) == bool(said)
