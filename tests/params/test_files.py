"""What stands in a file's place, or in its name, is read or refused in one sentence."""

import json
import os
import shutil
import time

import pytest
import quick_yaml
from conftest import ROOT, damage

from tokwatt.commands import trace
from tokwatt.params import folder
from tokwatt.params.errors import ParameterError, StoreError
from tokwatt.params.files import MEBIBYTE, contents
from tokwatt.params.llms import huggingface
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.records import reading
from tokwatt.params.traces import traces
from tokwatt.planning import record
from tokwatt.reports import provenance

READERS = {
    "parameters": (reading.read_yaml, "gpus.yaml", "a YAML file"),
    "a configuration": (
        lambda path: huggingface.llm_entry(path, "name", "source"),
        "config.json",
        "a JSON file",
    ),
    "a trace": (traces.read_trace, "trace.csv", "a CSV, JSON or Parquet file of requests"),
    "a plan": (record.read_plan, "plan.yaml", "a YAML file"),
    "a record": (
        provenance.differences_from,
        "ro-crate-metadata.json",
        "the record of a run, which `snakemake` writes",
    ),
    "a tokenizer": (
        lambda path: trace.trace_of_options(path.parent / "trace.csv", None, path),
        "tokenizer.json",
        "a tokenizer.json",
    ),
}
PLACES = {
    "a pipe": (os.mkfifo, "no regular file"),
    "a folder": (lambda path: path.mkdir(), "no regular file"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "No such file"),
    "nothing": (lambda path: None, "No such file"),
}


def sentence_of(reader, path):
    with pytest.raises(ParameterError) as caught:
        reader(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", READERS)
def test_only_regular_files_are_read(kind, place, tmp_path):
    reader, name, wanted = READERS[kind]
    make, problem = PLACES[place]
    make(tmp_path / name)
    sentence = sentence_of(reader, tmp_path / name)
    assert sentence.startswith(f"{tmp_path / name}: cannot be read (")
    assert problem in sentence and sentence.endswith(f"wanted {wanted}.")


@pytest.mark.parametrize(
    ("kind", "most"), [("parameters", 4), ("a configuration", 4), ("a trace", 8192)]
)
def test_a_file_that_is_too_large_is_refused_before_it_is_read(kind, most, tmp_path):
    reader, name, wanted = READERS[kind]
    with (tmp_path / name).open("wb") as file:
        file.truncate(10**12)  # which takes no space
    begin = time.monotonic()
    sentence = sentence_of(reader, tmp_path / name)
    assert time.monotonic() - begin < 5
    assert sentence.endswith(f"holds 953674 MiB, wanted {wanted} of at most {most} MiB.")


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * MEBIBYTE)
    assert len(contents(path, "a file", MEBIBYTE)) == MEBIBYTE
    path.write_bytes(b"x" * (MEBIBYTE + 1))
    with pytest.raises(ParameterError, match="at most 1 MiB"):
        contents(path, "a file", MEBIBYTE)


# Too much in a small file


@pytest.mark.parametrize(
    ("text", "problem"),
    {
        "a whole number to the base of 60": ("a: " + "1:" * 10**6 + "1\n", "10000 characters"),
        "a hexadecimal number": ("a: 0x" + "f" * 10**6 + "\n", "10000 characters"),
        "more values than are read": ("- \n" * 10**6, "more than 200000 values"),
        "a long text": (f"a: {'x' * 10001}\n", "10000 characters"),
    }.values(),
)
def test_yaml_is_bounded_before_it_is_built(text, problem, tmp_path):
    path = tmp_path / "gpus.yaml"
    path.write_text(text, encoding="utf-8")
    begin = time.monotonic()
    assert problem in sentence_of(reading.read_yaml, path)
    assert time.monotonic() - begin < 10


LLAMA = {
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
DELTA = {
    "model_type": "qwen3_5",
    "linear_conv_kernel_dim": 2**24,
    "linear_key_head_dim": 2**24,
    "linear_num_key_heads": 2**24,
    "linear_num_value_heads": 2**24,
    "linear_value_head_dim": 2**24,
}


@pytest.mark.parametrize(
    ("text", "problem"),
    {
        "a key twice": ('{"hidden_size": 1, "hidden_size": 2}', "'hidden_size' stands twice"),
        "a key twice inside": ('{"text_config": {"a": 1, "a": 1}}', "'a' stands twice"),
        "400 digits": (f'{{"hidden_size": {"9" * 400}}}', "more than 19 characters"),
        "a million digits": (f'{{"hidden_size": {"9" * 10**6}}}', "more than 19 characters"),
        "a number beyond belief": (
            json.dumps(LLAMA | {"hidden_size": 2**24 + 1}),
            "hidden_size is 16777217, wanted a whole number of at least 1 and at most 16777216",
        ),
        "numbers that multiply beyond belief": (
            json.dumps(LLAMA | DELTA),
            "the top level makes linear_state",
        ),
        "brackets that overflow the stack": ("[" * 10**6, "cannot be parsed"),
        "not a number": (json.dumps(LLAMA | {"hidden_size": float("nan")}), "hidden_size is nan"),
        "UTF-7": ("+AHs-", "cannot be parsed"),
    }.values(),
)
def test_json_is_bounded_and_its_keys_stand_once(text, problem, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    assert problem in sentence_of(lambda path: huggingface.llm_entry(path, "x", ""), path)


# Names


NO_NAMES = [
    "table1;touch pwned;",
    "fleet$(touch pwned)",
    "`touch pwned`",
    "a b",
    "a/b",
    "..",
    ".hidden",
    "-rf",
    "é",
    "<script>",
    "x" * 61,
    "",
]
PARTS = {
    "a GPU": ("gpus", []),
    "a workload": ("workloads", []),
    "a precision": ("serving", ["precisions"]),
    "a table": ("paper", ["tables"]),
    "a grid": ("paper", ["grids"]),
    "a headline": ("assumptions", ["headlines"]),
}


@pytest.fixture
def params(tmp_path):
    return shutil.copytree(ROOT / "params", tmp_path / "params")


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("part", PARTS)
def test_what_is_called_by_no_name_is_refused_with_its_file_and_key(part, name, params):
    file, keys = PARTS[part]
    path = params / f"{file}.yaml"
    tree = quick_yaml.load(path.read_text(encoding="utf-8"))
    path.write_text(quick_yaml.dump(damage(tree, [*keys, name], {})), encoding="utf-8")
    sentence = sentence_of(lambda params: folder.Folder(params).section(file), params)
    place = ".".join(keys) or "the top level"
    assert sentence.startswith(f"{path}: {place} has the key '{name[:50]}")
    assert "wanted a name of at most 60 letters, digits" in sentence


@pytest.mark.parametrize("name", [name for name in NO_NAMES if "/" not in name and name != ".."])
@pytest.mark.parametrize("part", ["studies", "measured", "."])
def test_a_parameter_file_that_is_called_by_no_name_is_refused(part, name, params):
    (params / part / f"{name}.yaml").write_text("a: 1\n", encoding="utf-8")
    sentence = sentence_of(lambda params: ParameterFolder(params).check(), params)
    assert f"is called '{name}.yaml'"[:50] in sentence
    assert "wanted a name of at most 60 letters, digits" in sentence


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a\rb", "\u202e", "\udcff"])
def test_what_moves_a_cursor_never_leaves_a_sentence_raw(name, params):
    path = params / "studies" / f"{name}.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    assert "is called" in sentence_of(lambda params: ParameterFolder(params).check(), params)
    for error in (ParameterError(f"{path}: {name}"), StoreError(f"{path}: {name}")):
        assert str(error).isprintable() and str(error).startswith(f"{params}/studies/")
