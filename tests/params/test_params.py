import copy
import re
import shutil

import numpy as np
import pytest
import quick_yaml
from conftest import GONE, ROOT, damage

from tokwatt.params.errors import ParameterError
from tokwatt.params.records import quantity
from tokwatt.serving import catalogue

FILES = ["gpus", "llms", "serving", "power", "profiles", "workloads"]
TREES = {
    name: quick_yaml.load((ROOT / "params" / f"{name}.yaml").read_text(encoding="utf-8"))
    for name in FILES
}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(ROOT / "params", tmp_path / "params")


def write(folder, name, tree):
    (folder / f"{name}.yaml").write_text(quick_yaml.dump(tree), encoding="utf-8")


def complaint(folder):
    """What loading says, which must be one sentence in one line."""
    with pytest.raises(ParameterError) as caught:
        catalogue.load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert re.fullmatch(r"[^:]+\.yaml: .+, wanted .+\.", sentence)
    assert ". " not in sentence
    return sentence


AZURE = TREES["workloads"]["azure"]
LENGTHS, FRACTIONS = AZURE["lengths"]["value"], AZURE["fractions"]["value"]

# What is damaged, and what the sentence names: the key, what was found, what is wanted.
DAMAGES = {
    "an unknown key": (
        "gpus",
        ["H100", "hbm_bandwith"],
        {"value": 1, "unit": "TB/s"},
        ["H100.hbm_bandwith", "'hbm_bandwidth'?"],
    ),
    "an unknown key of a quantity": (
        "gpus",
        ["H100", "tdp", "units"],
        "W",
        ["H100.tdp.units", "did you mean 'unit'?"],
    ),
    "a missing key": ("gpus", ["H100", "tdp"], GONE, ["H100.tdp", "missing"]),
    "a missing unit": (
        "gpus",
        ["H100", "tdp", "unit"],
        GONE,
        ["H100.tdp.unit", "missing", "a unit"],
    ),
    "a bare number": ("gpus", ["H100", "tdp"], 700, ["H100.tdp", "700"]),
    "a unit of another dimension": (
        "gpus",
        ["H100", "tdp", "unit"],
        "s",
        ["H100.tdp.unit", "'s'", "'W'"],
    ),
    "a unit nobody knows": (
        "gpus",
        ["H100", "tdp", "unit"],
        "furlong watts",
        ["H100.tdp.unit", "'furlong watts'", "'W'"],
    ),
    "a unit that divides by zero": (
        "gpus",
        ["H100", "tdp", "unit"],
        "W/0",
        ["H100.tdp.unit", "'W/0'"],
    ),
    "a unit that would take days": (
        "gpus",
        ["H100", "tdp", "unit"],
        "9**9**9**9 W",
        ["H100.tdp.unit", "'9**9**9**9 W'", "'W'"],
    ),
    "a unit that does not multiply": (
        "gpus",
        ["H100", "tdp", "unit"],
        "dBm",
        ["H100.tdp.unit", "'dBm'", "'W'"],
    ),
    "more tokens than memory": (
        "workloads",
        ["azure", "lengths", "value", 17],
        10**12,
        ["azure.lengths.value", "1e+12", "at most"],
    ),
    "an empty unit": ("gpus", ["H100", "tdp", "unit"], "", ["H100.tdp.unit", "''", "'W'"]),
    "a string for a number": (
        "gpus",
        ["H100", "tdp", "value"],
        "3.35e12",
        ["H100.tdp.value", "'3.35e12'", "number"],
    ),
    "a truth value for a number": (
        "gpus",
        ["H100", "tdp", "value"],
        True,
        ["H100.tdp.value", "True", "number"],
    ),
    "nothing for a number": (
        "gpus",
        ["H100", "tdp", "value"],
        None,
        ["H100.tdp.value", "None", "number"],
    ),
    "a list for a number": (
        "gpus",
        ["H100", "tdp", "value"],
        [700.0, 800.0],
        ["H100.tdp.value", "[700.0, 800.0]", "number"],
    ),
    "a number for a list": (
        "workloads",
        ["azure", "lengths", "value"],
        64.0,
        ["azure.lengths.value", "64", "list"],
    ),
    "an empty list": (
        "workloads",
        ["azure", "lengths", "value"],
        [],
        ["azure.lengths.value", "[]", "list"],
    ),
    "a negative number": (
        "gpus",
        ["H100", "tdp", "value"],
        -700,
        ["H100.tdp", "-700", "from 10 to 10000 W"],
    ),
    "watts in kilowatts": (
        "gpus",
        ["H100", "tdp", "unit"],
        "kW",
        ["H100.tdp", "700 kW", "10000 W"],
    ),
    "half a layer": (
        "llms",
        ["llama-3.1-8b", "published", "layers", "value"],
        32.5,
        ["layers", "a positive whole number"],
    ),
    "not a number": (
        "gpus",
        ["H100", "tdp", "value"],
        float("nan"),
        ["H100.tdp", "nan", "to 10000 W"],
    ),
    "infinity": ("gpus", ["H100", "tdp", "value"], float("inf"), ["H100.tdp", "inf", "to 10000 W"]),
    "zero where it divides": (
        "gpus",
        ["H100", "hbm_bandwidth", "value"],
        0,
        ["H100.hbm_bandwidth", "is 0", "from 1e+09"],
    ),
    "a negative optional number": (
        "gpus",
        ["H100", "fp8_rate", "value"],
        -1,
        ["H100.fp8_rate", "-1", "not negative"],
    ),
    "a number too large for its unit": (
        "gpus",
        ["H100", "hbm_bandwidth", "value"],
        1e308,
        ["H100.hbm_bandwidth", "1e+308"],
    ),
    "an infinite midpoint": (
        "power",
        ["curves", "H100", "log2_midpoint", "value"],
        float("inf"),
        ["log2_midpoint", "inf"],
    ),
    "fractions that fall": (
        "workloads",
        ["azure", "fractions", "value"],
        [*FRACTIONS[:3], 0.01, *FRACTIONS[4:]],
        ["azure.fractions.value", "0.0675891 to 0.01", "never fall"],
    ),
    "fractions that end below 1": (
        "workloads",
        ["azure", "fractions", "value"],
        [0.999 * fraction for fraction in FRACTIONS],
        ["azure.fractions.value", "0.999", "a last number of 1"],
    ),
    "lengths that do not rise": (
        "workloads",
        ["azure", "lengths", "value"],
        [64, 64, *LENGTHS[2:]],
        ["azure.lengths.value", "64 to 64", "rise"],
    ),
    "a length that is not whole": (
        "workloads",
        ["azure", "lengths", "value"],
        [64.5, *LENGTHS[1:]],
        ["azure.lengths.value", "64.5", "whole"],
    ),
    "lists of unequal length": (
        "workloads",
        ["azure", "lengths", "value"],
        LENGTHS[:-1],
        ["azure.fractions.value", "18", "17"],
    ),
    "a string in a list": (
        "workloads",
        ["azure", "lengths", "value"],
        ["64", *LENGTHS[1:]],
        ["azure.lengths.value", "'64'", "number"],
    ),
    "an unknown profile to carry": (
        "profiles",
        ["scaled", "B200", "base"],
        "h100",
        ["scaled.B200.base", "'h100'", "'H100'?"],
    ),
    "an unknown GPU": (
        "profiles",
        ["scaled", "B200", "board"],
        "b200",
        ["scaled.B200.board", "'b200'", "'B200'?"],
    ),
    "an unknown LLM": (
        "profiles",
        ["calibrated", "H100", "llm"],
        "llama-70b",
        ["calibrated.H100.llm", "'llama-70b'", "llama-3.1-70b"],
    ),
    "an unknown precision": (
        "profiles",
        ["calibrated", "H100", "precision"],
        "float16",
        ["calibrated.H100.precision", "'float16'", "'bfloat16'?"],
    ),
    "an unknown power curve": (
        "profiles",
        ["calibrated", "H100", "power"],
        "h100",
        ["calibrated.H100.power", "'h100'", "'H100'?"],
    ),
    "an unknown quality": (
        "gpus",
        ["H100", "quality"],
        "guessed",
        ["H100.quality", "guessed", "measured"],
    ),
    "an unknown quality of one number": (
        "gpus",
        ["H100", "price", "quality"],
        "guessed",
        ["H100.price.quality", "guessed", "measured"],
    ),
    "an unknown quality of the engine": (
        "serving",
        ["engine", "quality"],
        "guessed",
        ["quality", "guessed", "measured"],
    ),
    "no source": ("gpus", ["H100", "source"], GONE, ["H100.", "no source"]),
    "an empty source": ("gpus", ["H100", "source"], "", ["H100.", "no source"]),
    "no quality": ("gpus", ["H100", "quality"], GONE, ["H100.", "no quality"]),
    "a missing section": ("power", ["fractions"], GONE, ["fractions", "missing", "mapping"]),
    "a list for an entry": ("gpus", ["H100"], [1, 2], ["H100", "[1, 2]", "mapping"]),
    "a number for a section": ("serving", ["engine"], 8, ["engine", "8", "mapping"]),
    "an unknown section": ("power", ["curve"], {}, ["curve", "'curves'?"]),
    "a number between the entries": ("gpus", ["H101"], 700, ["H101", "700", "mapping"]),
    "an unknown key of the engine": (
        "serving",
        ["engine", "block"],
        {"value": 1, "unit": "tok"},
        ["engine.block", "'block_size'?"],
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_bad_input_is_named_in_one_sentence(case, folder):
    name, path, value, named = DAMAGES[case]
    write(folder, name, damage(TREES[name], path, value))
    sentence = complaint(folder)
    assert sentence.startswith(f"{folder / name}.yaml: ")
    assert [part for part in named if part not in sentence] == []


@pytest.mark.parametrize(
    "values", [([], []), (64.0, 1.0), ([64.0], [0.5]), ([0.0, 64.0], [0.5, 1.0])]
)
def test_a_law_without_a_bin_is_refused_and_one_number_is_no_law(values, folder):
    tree = copy.deepcopy(TREES["workloads"])
    for key, value in zip(("lengths", "fractions"), values, strict=True):
        tree["azure"][key]["value"] = value
    write(folder, "workloads", tree)
    assert "azure." in complaint(folder)


def test_a_law_of_one_bin_is_a_law(folder):
    tree = copy.deepcopy(TREES["workloads"])
    tree["azure"]["lengths"]["value"], tree["azure"]["fractions"]["value"] = [64], [1]
    write(folder, "workloads", tree)
    law = catalogue.load(folder).workloads["azure"]
    assert (law.lengths.tolist(), law.fractions.tolist()) == ([64], [1])


# Text that is no tree, and what the sentence names.
TEXTS = {
    "a key written twice": ("H100: {tdp: 1}\nH100: {tdp: 2}\n", ["'H100'", "twice"]),
    "a key written twice in an entry": (
        "H100:\n  tdp: 1\n  tdp: 2\n",
        ["'tdp'", "twice", "line 2"],
    ),
    "an open bracket": ("H100: {tdp: [1, 2\n", ["line", "valid YAML"]),
    "a tab for indentation": ("H100:\n\ttdp: 1\n", ["line 2", "valid YAML"]),
    "a list at the top": ("- H100\n- B200\n", ["['H100', 'B200']", "mapping"]),
    "a word at the top": ("H100\n", ["'H100'", "mapping"]),
    "an empty file": ("", ["None", "mapping"]),
    "two documents": ("H100: {}\n---\nB200: {}\n", ["valid YAML"]),
    "a Python object": ("H100: !!python/object:os.system {}\n", ["valid YAML"]),
    "a key that is a list": ("[1, 2]: 3\n", ["wanted"]),
    "a key that is a number": ("100: {tdp: 1}\n", ["100"]),
    "brackets that overflow the stack of the parser": (
        "[" * 10**5,
        ["more than 50 levels", "valid YAML"],
    ),
    "a value that holds itself": ("H100: &a [*a]\n", ["H100[0]", "holds too much"]),
    "aliases that multiply": (
        "k0: &a0 [x]\n" + "".join(f"k{n + 1}: &a{n + 1} [{f'*a{n}, ' * 9}]\n" for n in range(9)),
        ["holds too much"],
    ),
    "a date": ("H100: {source: 2026-01-01}\n", ["H100.source", "date", "quotes"]),
    "a key of two lines": ('"H\\n100": {}\n', ["key 'H\\n100'", "printable"]),
    "a text that moves the cursor": ('H100: {source: "\\e[2J"}\n', ["H100.source", "printable"]),
    "a whole number of thousands of digits": (
        f"H100: {{tdp: 0x{'f' * 5000}}}\n",
        ["H100.tdp", "63 bits"],
    ),
    "bytes that are no text": (b"\xff\xfeH\x00\xd8", ["wanted"]),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_no_mapping_of_entries_is_named_in_one_sentence(case, folder):
    text, named = TEXTS[case]
    (folder / "gpus.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    sentence = complaint(folder)
    assert sentence.startswith(f"{folder / 'gpus'}.yaml: ")
    assert [part for part in named if part not in sentence] == []


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_in_one_sentence(name, folder):
    (folder / f"{name}.yaml").unlink()
    assert complaint(folder).startswith(f"{folder / name}.yaml: ")


JUNK = [
    *(
        None,
        True,
        -1,
        0,
        1e308,
        float("nan"),
        float("inf"),
        10**400,
        "",
        "junk",
        "1e3",
        [],
        [1, "a"],
        [[1.0]],
        {},
        {"value": 1},
    ),
    *(
        {"value": 1, "unit": "W"},
        {"value": [], "unit": "1"},
        {1: 2},
        {None: None},
        "W**9999",
        "((",
        "\n",
        "é",
        "H100",
    ),
]


def paths(tree, before=()):
    """Every key of a tree and every place in its lists."""
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in items:
        yield [*before, key]
        yield from paths(value, [*before, key])


def test_quantities_arrive_in_si_units(parameters):
    assert parameters.gpus["H100"].hbm_bandwidth == pytest.approx(3.35e12, rel=1e-15)
    assert parameters.gpus["H100"].hbm_capacity == 80 * 2**30
    assert parameters.gpus["H100"].price * 3600 == pytest.approx(4.02, rel=1e-15)
    assert parameters.profiles["H100"].weight_time == pytest.approx(0.004, rel=1e-15)
    assert parameters.engine.workspace[-1] == 392 * 2**20
    assert isinstance(parameters.workloads["azure"].lengths, np.ndarray)


def test_another_spelling_of_a_unit_gives_the_same_number(folder, parameters):
    write(
        folder,
        "gpus",
        damage(
            TREES["gpus"],
            ["H100", "tdp"],
            {"value": 0.7, "unit": "kW", "source": "here", "quality": "assumed"},
        ),
    )
    assert catalogue.load(folder).gpus["H100"].tdp == pytest.approx(
        parameters.gpus["H100"].tdp, rel=1e-15
    )


def test_what_a_file_leaves_out_is_zero(parameters):
    assert parameters.gpus["A100"].fp8_rate == 0
    assert parameters.llms["llama-3.1-70b"].published.experts == 0


def test_every_llm_has_a_context_beyond_which_answers_say_so(parameters):
    assert all(llm.published.trained_context >= 8192 for llm in parameters.llms.values())


def test_every_number_of_the_catalogues_is_recorded_with_its_source_and_quality(parameters):
    written = sum(path[-1] == "value" for tree in TREES.values() for path in paths(tree))
    records = parameters.records()
    assert len(records) == written
    assert all(record.source and record.quality and record.unit for record in records)


def test_units_convert_where_the_cache_of_their_library_is_half_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for damaged in (False, True):
        for path in tmp_path.rglob("*.pickle") if damaged else ():
            path.write_bytes(path.read_bytes()[:100])
        quantity._registry.cache_clear()
        quantity.factor.cache_clear()
        assert quantity.factor("GB/s", "B/s") == 1e9
        assert list(tmp_path.rglob("*.pickle"))
