"""A published configuration becomes the record that ships, or is refused in one sentence."""

import copy
import json
import re
import subprocess
import sys

import pytest
import quick_yaml
from conftest import ROOT
from typer.testing import CliRunner

from tokwatt.commands import workflow
from tokwatt.params.errors import ParameterError
from tokwatt.params.llms import huggingface
from tokwatt.params.parameters import ParameterFolder

HYBRID = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"
LATENT = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}

# The keys of published files that say what the architecture is, by the name of the record that
# ships.
CONFIGS = {
    "Llama-3.1-70B": {
        "model_type": "llama",
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "max_position_embeddings": 131072,
        "num_attention_heads": 64,
        "num_hidden_layers": 80,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
        "vocab_size": 128256,
    },
    "Llama-4-Maverick": {
        "model_type": "llama4",
        "text_config": {
            "attention_chunk_size": 8192,
            "head_dim": 128,
            "hidden_size": 5120,
            "interleave_moe_layer_step": 2,
            "intermediate_size": 8192,
            "intermediate_size_mlp": 16384,
            "model_type": "llama4_text",
            "max_position_embeddings": 1048576,
            "num_attention_heads": 40,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 48,
            "num_key_value_heads": 8,
            "num_local_experts": 128,
            "vocab_size": 202048,
        },
        "vision_config": {"hidden_size": 1408, "num_hidden_layers": 34},
    },
    "Qwen3-235B-A22B": {
        "model_type": "qwen3_moe",
        "decoder_sparse_step": 1,
        "head_dim": 128,
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "max_window_layers": 94,
        "mlp_only_layers": [],
        "moe_intermediate_size": 1536,
        "max_position_embeddings": 40960,
        "num_attention_heads": 64,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 94,
        "num_key_value_heads": 4,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "vocab_size": 151936,
    },
    "Qwen3-Next-80B-A3B": {
        "model_type": "qwen3_next",
        "decoder_sparse_step": 1,
        "full_attention_interval": 4,
        "head_dim": 256,
        "hidden_size": 2048,
        "intermediate_size": 5120,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "linear_value_head_dim": 128,
        "mlp_only_layers": [],
        "moe_intermediate_size": 512,
        "max_position_embeddings": 262144,
        "num_attention_heads": 16,
        "num_experts": 512,
        "num_experts_per_tok": 10,
        "num_hidden_layers": 48,
        "num_key_value_heads": 2,
        "shared_expert_intermediate_size": 512,
        "tie_word_embeddings": False,
        "vocab_size": 151936,
    },
    "DeepSeek-V3": {
        "model_type": "deepseek_v3",
        "first_k_dense_replace": 3,
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "moe_layer_freq": 1,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "max_position_embeddings": 163840,
        "num_attention_heads": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 61,
        "num_key_value_heads": 128,
        "num_nextn_predict_layers": 1,
        "tie_word_embeddings": False,
        "vocab_size": 129280,
        **LATENT,
    },
    "GLM-4.5-Air": {
        "model_type": "glm4_moe",
        "first_k_dense_replace": 1,
        "head_dim": 128,
        "hidden_size": 4096,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "n_routed_experts": 128,
        "n_shared_experts": 1,
        "max_position_embeddings": 131072,
        "num_attention_heads": 96,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 46,
        "num_key_value_heads": 8,
        "vocab_size": 151552,
    },
    "gpt-oss-120b": {
        "model_type": "gpt_oss",
        "head_dim": 64,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "layer_types": ["sliding_attention", "full_attention"] * 18,
        "max_position_embeddings": 131072,
        "num_attention_heads": 64,
        "num_experts_per_tok": 4,
        "num_hidden_layers": 36,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "sliding_window": 128,
        "tie_word_embeddings": False,
        "vocab_size": 201088,
    },
    "Mixtral-8x7B": {
        "model_type": "mixtral",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "num_attention_heads": 32,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "vocab_size": 32000,
    },
    "Mistral-Nemo-12B": {
        "model_type": "mistral",
        "head_dim": 128,
        "hidden_size": 5120,
        "intermediate_size": 14336,
        "max_position_embeddings": 131072,
        "num_attention_heads": 32,
        "num_hidden_layers": 40,
        "num_key_value_heads": 8,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "vocab_size": 131072,
    },
    "Gemma-3-27B": {
        "model_type": "gemma3",
        "text_config": {
            "head_dim": 128,
            "hidden_size": 5376,
            "intermediate_size": 21504,
            "model_type": "gemma3_text",
            "num_attention_heads": 32,
            "num_hidden_layers": 62,
            "num_key_value_heads": 16,
            "sliding_window": 1024,
        },
        "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
    },
    "Nemotron-Nano-9B-v2": {
        "model_type": "nemotron_h",
        "conv_kernel": 4,
        "head_dim": 128,
        "hidden_size": 4480,
        "hybrid_override_pattern": HYBRID,
        "intermediate_size": 15680,
        "mamba_head_dim": 80,
        "mamba_num_heads": 128,
        "n_groups": 8,
        "max_position_embeddings": 131072,
        "num_attention_heads": 40,
        "num_hidden_layers": 56,
        "num_key_value_heads": 8,
        "ssm_state_size": 128,
        "tie_word_embeddings": False,
        "vocab_size": 131072,
    },
}
# Keys that a file may leave out, because the family has a default or reads them only in some
# layers.
OPTIONAL = {
    "Qwen3-235B-A22B": {"intermediate_size", "head_dim", "num_key_value_heads"},
    "Qwen3-Next-80B-A3B": {"intermediate_size"},
}


@pytest.fixture
def file(tmp_path):
    """Writes a configuration and returns where."""

    def write(config):
        path = tmp_path / "config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
        return path

    return write


def changed(name, **keys):
    """A published configuration with keys of its language model changed."""
    config = copy.deepcopy(CONFIGS[name])
    config.get("text_config", config).update(keys)
    return config


def fields_of(path):
    entry = huggingface.llm_entry(path, "name", "source")["name"]["published"]
    return {key: value["value"] for key, value in entry.items() if isinstance(value, dict)}


def complaint(path):
    """What importing says, which must be one sentence in one line."""
    with pytest.raises(ParameterError) as caught:
        huggingface.llm_entry(path, "name", "source")
    sentence = str(caught.value)
    assert re.fullmatch(rf"{re.escape(str(path))}: [^\n]+, wanted [^\n]+\.", sentence)
    return sentence


@pytest.mark.parametrize("name", CONFIGS)
def test_an_imported_record_is_the_one_that_ships(name, file, tmp_path, parameters):
    shipped = parameters.section("llms").raw[name.lower()]["published"]
    entry = huggingface.llm_entry(file(CONFIGS[name]), name, shipped["source"])
    (tmp_path / "llms.yaml").write_text(huggingface.to_yaml(entry), encoding="utf-8")
    imported = ParameterFolder(tmp_path)
    assert list(imported.llms) == [name.lower()]
    assert imported.llms[name.lower()].published == parameters.llms[name.lower()].published
    assert imported.section("llms").raw == {name.lower(): {"name": name, "published": shipped}}
    assert len(list(imported.section("llms").records())) == len(shipped) - 2


def test_the_command_writes_text_to_paste_and_json(file):
    path = file(CONFIGS["Llama-3.1-70B"])
    asked = [
        "llm",
        "import",
        str(path),
        "--name",
        "Llama-3.1-70B",
        "--source",
        "meta-llama/Llama-3.1-70B config.json",
    ]
    runner = CliRunner()
    text, as_json = (
        runner.invoke(workflow.app, asked),
        runner.invoke(workflow.app, [*asked, "--json"]),
    )
    assert (text.exit_code, as_json.exit_code) == (0, 0)
    assert quick_yaml.load(text.stdout) == json.loads(as_json.stdout)
    shipped = quick_yaml.load((ROOT / "params" / "llms.yaml").read_text(encoding="utf-8"))
    published = {key: shipped["llama-3.1-70b"][key] for key in ("name", "published")}
    assert quick_yaml.load(text.stdout) == {"llama-3.1-70b": published}
    assert "    layers: {value: 80, unit: '1'}\n" in text.stdout


def test_a_record_is_named_after_its_folder_or_its_file(file, tmp_path):
    path = file(CONFIGS["Llama-3.1-70B"])
    other = tmp_path / "Mine.json"
    other.write_bytes(path.read_bytes())
    for given, name in ((path, tmp_path.name), (other, "Mine")):
        said = json.loads(
            CliRunner().invoke(workflow.app, ["llm", "import", str(given), "--json"]).stdout
        )
        assert said[name.lower()]["name"] == name
        assert said[name.lower()]["published"]["source"] == f"{name} config.json"


@pytest.mark.parametrize(
    "name", ["a: b", "- x", "#1", "it's", "é", "", "a/b", ".x", "x" * 61, "a\n"]
)
def test_a_name_of_other_characters_is_refused(name, file):
    with pytest.raises(ParameterError, match=r"is called .*, wanted a name of at most 60 letters"):
        huggingface.llm_entry(file(CONFIGS["Llama-3.1-70B"]), name, "source")


@pytest.mark.parametrize("name", ["no", "1.5", "_", "x" * 60, "null", "1e5"])
def test_any_name_stays_a_name(name, file, tmp_path):
    entry = huggingface.llm_entry(file(CONFIGS["Llama-3.1-70B"]), name, "source: here")
    (tmp_path / "llms.yaml").write_text(huggingface.to_yaml(entry), encoding="utf-8")
    assert list(ParameterFolder(tmp_path).llms) == [name]


def test_importing_needs_no_jax():
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import tokwatt.params.llms.huggingface, sys; assert 'jax' not in sys.modules",
        ],
        check=True,
    )


def test_an_explanation_rests_on_the_catalogues_and_the_calibration(monkeypatch):
    monkeypatch.chdir(ROOT)
    said = json.loads(CliRunner().invoke(workflow.app, ["point", "--explain", "--json"]).stdout)
    assert {record["file"] for record in said["parameters"]} == {
        "gpus.yaml",
        "llms.yaml",
        "serving.yaml",
        "calibrated.yaml",
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_a_number_that_is_missing_or_none_is_named(name, file):
    config = CONFIGS[name]
    text = config.get("text_config", config)
    needed = {
        "hidden_size",
        "num_hidden_layers",
        "intermediate_size",
        "num_experts_per_tok",
        "moe_intermediate_size",
    }
    needed |= {
        "kv_lora_rank",
        "v_head_dim",
        "ssm_state_size",
        "linear_num_value_heads",
        "intermediate_size_mlp",
        "hybrid_override_pattern",
    }
    for key in (needed & set(text)) - OPTIONAL.get(name, set()):
        for damage in (
            {},
            {key: None},
            {key: 0},
            {key: -1},
            {key: 1.5},
            {key: True},
            {key: "8"},
            {key: [8]},
        ):
            kept = {other: value for other, value in text.items() if other != key} | damage
            assert key in complaint(
                file({**config, "text_config": kept} if "text_config" in config else kept)
            )


# A change to a published file, and what the sentence names.
REFUSED = {
    "an unknown shape": (
        "Llama-3.1-70B",
        {"model_type": "bert", "cross_attention_heads": 8},
        ["cross_attention_heads", "8", "--family"],
    ),
    "a family that is a number": (
        "Llama-3.1-70B",
        {"model_type": 3},
        ["model_type", "3", "text"],
    ),
    "a truth value in words": (
        "Llama-3.1-70B",
        {"tie_word_embeddings": "no"},
        ["tie_word_embeddings", "'no'", "true or false"],
    ),
    "more key heads than query heads": (
        "Llama-3.1-70B",
        {"num_key_value_heads": 65},
        ["num_key_value_heads", "65", "64"],
    ),
    "heads of keys that share their queries unevenly": (
        "Llama-3.1-70B",
        {"num_key_value_heads": 7},
        ["num_key_value_heads", "is 7", "one that divides the 64 heads"],
    ),
    "no heads of keys": (
        "Llama-3.1-70B",
        {"num_key_value_heads": 0},
        ["num_key_value_heads", "is 0", "one that divides the 64 heads"],
    ),
    "a head of a fraction": (
        "Llama-3.1-70B",
        {"num_attention_heads": 63},
        ["head_dim", "missing", "no multiple"],
    ),
    "more chosen experts than there are": (
        "Mixtral-8x7B",
        {"num_experts_per_tok": 9},
        ["num_experts_per_tok", "9", "8"],
    ),
    "more dense layers than layers": (
        "DeepSeek-V3",
        {"first_k_dense_replace": 62},
        ["first_k_dense_replace", "62", "61"],
    ),
    "experts in some later layers": ("DeepSeek-V3", {"moe_layer_freq": 2}, ["moe_layer_freq", "2"]),
    "no step between experts": (
        "Qwen3-235B-A22B",
        {"decoder_sparse_step": 0},
        ["decoder_sparse_step", "0"],
    ),
    "layers that are no numbers": (
        "Qwen3-235B-A22B",
        {"mlp_only_layers": ["1"]},
        ["mlp_only_layers", "list"],
    ),
    "too few layer types": (
        "gpt-oss-120b",
        {"layer_types": ["full_attention"]},
        ["layer_types", "1 entries", "36"],
    ),
    "another layer type": (
        "gpt-oss-120b",
        {"layer_types": ["linear_attention"] * 36},
        ["layer_types", "'linear_attention'"],
    ),
    "layer types in one word": (
        "gpt-oss-120b",
        {"layer_types": "full"},
        ["layer_types", "'full'", "list"],
    ),
    "no window for sliding layers": (
        "gpt-oss-120b",
        {"sliding_window": None},
        ["sliding_window", "missing"],
    ),
    "a pattern too short": (
        "Nemotron-Nano-9B-v2",
        {"hybrid_override_pattern": "M-*"},
        ["hybrid_override_pattern", "'M-*'", "56"],
    ),
    "an unknown letter": (
        "Nemotron-Nano-9B-v2",
        {"hybrid_override_pattern": "X" * 56},
        ["hybrid_override_pattern", "56 letters"],
    ),
    "no step at all in chunks": (
        "Llama-4-Maverick",
        {"interleave_moe_layer_step": 0},
        ["text_config.interleave_moe_layer_step", "0"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_named_in_one_sentence(case, file):
    name, keys, named = REFUSED[case]
    sentence = complaint(file(changed(name, **keys)))
    assert [part for part in named if part not in sentence] == []


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "null", '"text"', "{'a': 1}", '{"a": 1', "\x00", "[" * 100_000]
)
def test_damaged_json_is_refused(text, file):
    assert complaint(file(text))


def test_no_file_no_text_and_no_language_model_are_refused(file, tmp_path):
    assert "cannot be read" in complaint(tmp_path / "absent.json")
    assert "cannot be read" in complaint(tmp_path)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00\xd8")
    assert "valid JSON" in complaint(tmp_path / "bytes.json")
    assert "model_type is missing" in complaint(file({}))
    assert "text_config is [1]" in complaint(file({"model_type": "gemma3", "text_config": [1]}))


def test_the_command_ends_with_the_sentence(file, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["tokwatt", "llm", "import", str(file({"model_type": "bert"}))]
    )
    with pytest.raises(SystemExit) as ended:
        workflow.main()
    assert (
        "config.json: model_type is 'bert', which is not known, and read as mistral"
        in ended.value.code
    )


def test_an_explicit_head_width_is_kept_and_a_missing_one_is_a_share_of_the_stream(file):
    assert fields_of(file(CONFIGS["Qwen3-235B-A22B"]))["head_dim"] == 128
    assert fields_of(file(changed("Qwen3-235B-A22B", head_dim=None)))["head_dim"] == 64


def test_without_key_heads_every_query_head_has_its_own(file):
    assert fields_of(file(changed("Llama-3.1-70B", num_key_value_heads=None)))["kv_heads"] == 64


def test_queries_without_a_latent_are_projected_at_once(file):
    assert "query_latent" not in fields_of(file(changed("DeepSeek-V3", q_lora_rank=None)))


def test_embeddings_are_tied_where_the_file_its_frame_or_its_family_says_so(file):
    assert (
        fields_of(file(changed("Llama-3.1-70B", tie_word_embeddings=True)))["tied_embeddings"] == 1
    )
    assert fields_of(file(CONFIGS["Gemma-3-27B"]))["tied_embeddings"] == 1
    assert "tied_embeddings" not in fields_of(
        file({**CONFIGS["Gemma-3-27B"], "tie_word_embeddings": False})
    )
    assert "tied_embeddings" not in fields_of(
        file(changed("Gemma-3-27B", tie_word_embeddings=False))
    )


def test_the_language_model_may_stand_alone(file):
    config = CONFIGS["Gemma-3-27B"]
    assert fields_of(file(config["text_config"])) == fields_of(file(config))


def test_sliding_layers_follow_from_types_from_a_pattern_or_from_a_switch(file):
    assert fields_of(file(changed("gpt-oss-120b", layer_types=None)))["sliding_layers"] == 18
    assert fields_of(file(changed("Gemma-3-27B", sliding_window_pattern=2)))["sliding_layers"] == 31
    assert "sliding_layers" not in fields_of(
        file(changed("gpt-oss-120b", layer_types=["full_attention"] * 36))
    )
    assert fields_of(file(changed("Mistral-Nemo-12B", sliding_window=4096)))["sliding_layers"] == 40
    switched = changed(
        "Qwen3-235B-A22B", use_sliding_window=True, sliding_window=4096, max_window_layers=90
    )
    assert fields_of(file(switched))["sliding_layers"] == 4
    assert "sliding_layers" not in fields_of(
        file(changed("Qwen3-235B-A22B", use_sliding_window=True, sliding_window=4096))
    )
    assert "sliding_layers" not in fields_of(
        file(changed("Llama-4-Maverick", attention_chunk_size=None))
    )
    named = changed("Llama-4-Maverick", no_rope_layers=[1, 0] * 24)
    assert fields_of(file(named))["sliding_layers"] == 24


def test_experts_stand_in_every_nth_layer_but_for_those_named(file):
    stepped = fields_of(
        file(changed("Qwen3-235B-A22B", decoder_sparse_step=2, mlp_only_layers=[0, 1, 3]))
    )
    assert (stepped["dense_layers"], stepped["feed_forward"]) == (47 + 2, 12288)
    assert "feed_forward" not in fields_of(file(CONFIGS["Qwen3-235B-A22B"]))


def test_a_hybrid_may_have_experts(file):
    pattern = "ME" * 20 + "*-" * 8
    keys = {"n_routed_experts": 128, "moe_intermediate_size": 1856, "num_experts_per_tok": 6}
    fields = fields_of(
        file(
            changed(
                "Nemotron-Nano-9B-v2",
                hybrid_override_pattern=pattern,
                moe_shared_expert_intermediate_size=3712,
                **keys,
            )
        )
    )
    assert (fields["linear_layers"], fields["feed_forward_layers"], fields["dense_layers"]) == (
        20,
        28,
        8,
    )
    assert (fields["experts"], fields["shared_feed_forward"]) == (128, 3712)
