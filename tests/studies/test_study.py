"""Study files: what is written is swept, what is wrong is a sentence that names file and key."""

import json
import re
import shutil
from functools import partial

import numpy as np
import pytest
import quick_yaml
from conftest import GONE, ROOT, damage
from stores import study_folder

from tokwatt import stores
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.serving.choices import alternatives
from tokwatt.studies import models, stream, study

SHIPPED = sorted(path.stem for path in (ROOT / "params" / "studies").glob("*.yaml"))
TREES = {
    name: quick_yaml.load(
        (ROOT / "params" / "studies" / f"{name}.yaml").read_text(encoding="utf-8")
    )
    for name in SHIPPED
}


@pytest.fixture
def folder(tmp_path):
    return study_folder(tmp_path)


def write(folder, tree, name="mine"):
    (folder / "studies" / f"{name}.yaml").write_text(quick_yaml.dump(tree), encoding="utf-8")


def axis(folder, value, name="context_window"):
    write(folder, damage(TREES["example"], ["axes", name], value))
    return study.load_study(folder, "mine").axes[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_study_loads_with_units_and_long_enough_axes(name, params):
    chosen = study.load_study(params, name)
    assert list(chosen.axes) == list(TREES[name]["axes"])
    assert list(chosen.quantities) == TREES[name]["quantities"]
    assert all(chosen.quantities.values())
    assert [key for key, unit in chosen.units.items() if unit is None] == [
        key for key, given in chosen.axes.items() if isinstance(given, dict)
    ]
    assert chosen.points >= {"atlas": 10**8, "pool_split": 10**6}.get(name, 1)


def test_all_is_every_entry_of_a_catalogue_in_its_order(folder, parameters):
    assert list(axis(folder, "all", "profile")) == list(parameters.profiles)
    assert list(axis(folder, ["B200", "H100"], "profile")) == ["B200", "H100"]


def test_spacings_are_those_of_numpy_with_tokens_rounded_to_whole(folder):
    np.testing.assert_array_equal(
        axis(folder, {"linspace": [0.1, 1, 7], "unit": "1"}, "utilization"), np.linspace(0.1, 1, 7)
    )
    windows = axis(folder, {"geomspace": [1024, 100000, 33], "unit": "tok"})
    np.testing.assert_array_equal(windows, np.round(np.geomspace(1024, 100000, 33)))
    assert axis(folder, {"linspace": [4096, 4096, 1], "unit": "tok"}).tolist() == [4096]


def test_the_order_of_the_axes_is_the_order_written_and_tells_stores_apart(folder):
    write(folder, TREES["example"], "one")
    write(
        folder,
        TREES["example"] | {"axes": dict(reversed(TREES["example"]["axes"].items()))},
        "other",
    )
    one, other = study.load_study(folder, "one"), study.load_study(folder, "other")
    assert list(one.axes) == list(reversed(other.axes))
    assert one.provenance != other.provenance


def test_axes_and_fixed_numbers_arrive_in_si_units(folder):
    assert axis(folder, {"value": [2, 4], "unit": "ktok"}).tolist() == [2000, 4000]
    assert study.load_study(folder, "pool_split").fixed["latency_target"] == 0.5


@pytest.mark.parametrize(
    ("file", "other"),
    [
        *((name, True) for name in ("power", "serving", "gpus", "llms", "calibrated")),
        *((name, False) for name in ("profiles", "workloads", "published", "paper")),
    ],
)
def test_a_change_of_a_file_that_the_model_reads_makes_another_store(file, other, folder):
    before = study.load_study(folder, "atlas").provenance
    path = folder / f"{file}.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert (study.load_study(folder, "atlas").provenance != before) == other


@pytest.mark.parametrize(
    ("module", "same"),
    [
        ("reports/tables.py", True),
        ("commands/ask.py", True),
        ("equations/roofline.py", False),
        ("studies/models.py", False),
        ("grid.py", False),
    ],
)
def test_only_the_code_that_computes_makes_another_store(module, same, tmp_path):
    package = tmp_path / "tokwatt"
    shutil.copytree(ROOT / "src" / "tokwatt", package)
    before = study.code_hash(package)
    with (package / module).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert (study.code_hash(package) == before) == same


def test_a_new_file_is_a_new_study(folder):
    write(folder, TREES["example"], "brand_new")
    assert study.study_names(folder) == sorted([*SHIPPED, "brand_new"])
    assert study.load_study(folder, "brand_new").name == "brand_new"


# What is changed in which study, and what the sentence names.
DAMAGES = {
    "a typo in a key": (
        "example",
        ["quantites"],
        ["power"],
        ["quantites", "did you mean 'quantities'?"],
    ),
    "a typo in the model": (
        "example",
        ["model"],
        "profile",
        ["model", "did you mean 'profiles'?"],
    ),
    "a helper for a model": (
        "example",
        ["model"],
        "_point",
        ["model", "'_point'", "one of instances"],
    ),
    "a typo in the account": (
        "example",
        ["account"],
        "papers",
        ["account", "'papers'", "did you mean 'paper'?"],
    ),
    "a typo in a choice": (
        "atlas",
        ["changes"],
        {"pwer": "activity"},
        ["changes.pwer", "did you mean 'power'?"],
    ),
    "changes that contradict each other": (
        "example",
        ["changes"],
        {"output_share": "trace"},
        ["mixes lengths sampled, output_share trace", "wanted a mixture that makes sense"],
    ),
    "a typo in an axis": (
        "example",
        ["axes", "utilisation"],
        {"value": [1], "unit": "1"},
        ["axes.utilisation", "mean 'utilization'?"],
    ),
    "an axis of another model": (
        "example",
        ["axes", "gpu"],
        "all",
        ["axes.gpu", "one of profile, context_window"],
    ),
    "the catalogue as an axis": ("example", ["axes", "catalogue"], "all", ["axes.catalogue"]),
    "a typo in a quantity": (
        "example",
        ["quantities"],
        ["powr"],
        ["quantities", "'powr'", "did you mean 'power'?"],
    ),
    "no quantities": (
        "example",
        ["quantities"],
        [],
        ["quantities", "is empty", "tokens_per_joule"],
    ),
    "a word for quantities": (
        "example",
        ["quantities"],
        "power",
        ["quantities", "'power'", "list"],
    ),
    "a typo in a name": (
        "example",
        ["axes", "profile"],
        ["H100", "b200"],
        ["axes.profile", "'b200'", "did you mean 'B200'?"],
    ),
    "a name twice": (
        "example",
        ["axes", "profile"],
        ["H100", "B200", "H100"],
        ["axes.profile", "H100 more than once"],
    ),
    "a bare name": ("example", ["axes", "profile"], "H100", ["axes.profile", "'H100'", "a list"]),
    "no names": ("example", ["axes", "profile"], [], ["axes.profile", "is empty"]),
    "an unknown unit": (
        "example",
        ["axes", "context_window", "unit"],
        "token_",
        ["axes.context_window.unit", "'token_'", "'tok'"],
    ),
    "a unit of another dimension": (
        "example",
        ["axes", "context_window", "unit"],
        "s",
        ["axes.context_window.unit", "'tok'"],
    ),
    "a missing unit": (
        "example",
        ["axes", "context_window", "unit"],
        GONE,
        ["axes.context_window.unit", "missing"],
    ),
    "a bare list": (
        "example",
        ["axes", "context_window"],
        [1, 2],
        ["axes.context_window", "[1, 2]"],
    ),
    "one number": (
        "example",
        ["axes", "context_window", "value"],
        4096,
        ["axes.context_window.value", "a list"],
    ),
    "a negative number": (
        "example",
        ["axes", "context_window", "value"],
        [4096, -1],
        ["axes.context_window.value", "-1", "a number from 1"],
    ),
    "a number twice": (
        "example",
        ["axes", "context_window", "value"],
        [4096, 1, 4096],
        ["axes.context_window", "4096.0 more than once"],
    ),
    "too fine for whole tokens": (
        *("example", ["axes", "context_window"], {"linspace": [1, 3, 9], "unit": "tok"}),
        ["axes.context_window", "more than once"],
    ),
    "a typo in a spacing": (
        "example",
        ["axes", "utilization"],
        {"linspac": [0, 1, 2], "unit": "1"},
        ["axes.utilization"],
    ),
    "a negative count": (
        "example",
        ["axes", "utilization", "linspace"],
        [0.1, 1, -5],
        ["axes.utilization.linspace", "count from 1"],
    ),
    "an endless count": (
        "example",
        ["axes", "utilization", "linspace"],
        [0.1, 1, 10**12],
        ["axes.utilization.linspace", "count from 1"],
    ),
    "a broken count": (
        "example",
        ["axes", "utilization", "linspace"],
        [0.1, 1, 2.5],
        ["axes.utilization.linspace"],
    ),
    "a count too few": (
        "example",
        ["axes", "utilization", "linspace"],
        [0.1, 1],
        ["axes.utilization.linspace"],
    ),
    "a geometric zero": (
        "pool_split",
        ["axes", "arrival_rate", "geomspace"],
        [0, 10, 3],
        ["axes.arrival_rate.geomspace", "above 0"],
    ),
    "two ways at once": (
        "example",
        ["axes", "utilization", "value"],
        [0.5],
        ["axes.utilization.linspace", "beside a value"],
    ),
    "two spacings": (
        "example",
        ["axes", "utilization", "geomspace"],
        [0.1, 1, 3],
        ["axes.utilization"],
    ),
    "no axes": ("example", ["axes"], {}, ["axes", "is empty"]),
    "an axis fixed too": ("pool_split", ["fixed", "gpu"], "H100", ["fixed.gpu", "not a known key"]),
    "a missing input": ("fleet_size", ["fixed", "llm"], GONE, ["fixed.llm", "missing"]),
    "no inputs at all": ("fleet_size", ["fixed"], GONE, ["fixed.gpu", "missing"]),
    "a typo in a fixed name": (
        "fleet_size",
        ["fixed", "precision"],
        "bflaot16",
        ["fixed.precision", "did you mean 'bfloat16'?"],
    ),
    "a fixed list": (
        "pool_split",
        ["fixed", "tensor_parallel", "value"],
        [4, 8],
        ["fixed.tensor_parallel.value", "one number"],
    ),
    "a typo in the basis": (
        "example",
        ["basis"],
        "instances",
        ["basis", "did you mean 'instance'?"],
    ),
    "a typo in the dtype": (
        "example",
        ["dtype"],
        "flaot32",
        ["dtype", "'flaot32'", "did you mean 'float32'?"],
    ),
    "a window of nothing": (
        "example",
        ["axes", "context_window"],
        {"value": [0, 8192], "unit": "tok"},
        ["axes.context_window", "0", "a number from 1"],
    ),
    "no title": ("example", ["title"], GONE, ["title", "missing"]),
}


def complaint(folder, name="mine"):
    with pytest.raises(ParameterError) as caught:
        study.load_study(folder, name)
    sentence = str(caught.value)
    assert re.fullmatch(r"[^:\n]+: [^\n]+, wanted [^\n]+\.", sentence)
    return sentence


@pytest.mark.parametrize("case", DAMAGES)
def test_a_bad_study_is_named_in_one_sentence(case, folder):
    name, path, value, named = DAMAGES[case]
    write(folder, damage(TREES[name], path, value))
    sentence = complaint(folder)
    assert sentence.startswith(f"{folder / 'studies' / 'mine'}.yaml: ")
    assert [part for part in named if part not in sentence] == []


def test_a_study_that_is_not_there_is_answered_with_the_nearest(folder):
    assert "did you mean 'example'?" in complaint(folder, "exmaple")


@pytest.mark.parametrize("case", ["h100_4k", "h100_64k", "qwen_8k"])
@pytest.mark.parametrize("basis", alternatives("basis"))
def test_instances_of_a_study_are_those_of_the_cases(case, basis, parameters):
    headlines = Headlines(parameters)
    chosen, account = headlines.cases[case], headlines.account("consistent", {"basis": basis})
    point = models.instances(
        parameters,
        account,
        parameters.boards[chosen.gpu],
        chosen.deployment.llm,
        parameters.precisions["bfloat16"],
        tensor_parallel=8.0,
        context_window=chosen.window,
        prompt_ratio=chosen.prompt_ratio(account.assumed, float(headlines.demand.output_share)),
    )
    wanted = headlines.result(case, vars(account.assumed))
    for name in ("tokens_per_joule", "power", "concurrency"):
        value = float(getattr(wanted, name))
        assert float(getattr(point, name)) == pytest.approx(value, rel=1e-12), name


def test_a_layout_that_no_engine_has_is_no_number(parameters):
    """`point` refuses it: three GPUs for 64 heads, and two and a half."""
    found = [
        models.instances(
            parameters,
            AssumptionSets(parameters).account("consistent"),
            parameters.boards["H100"],
            parameters.llms["llama-3.1-70b"],
            parameters.precisions["fp8"],
            tensor_parallel=gpus,
            context_window=8192.0,
        ).tokens_per_joule
        for gpus in (2.0, 2.5, 3.0, 4.0)
    ]
    assert np.isfinite(found).tolist() == [True, False, False, True]


def test_half_the_load_is_half_the_batch_at_a_shorter_step(parameters):
    of = partial(
        models.instances,
        parameters,
        AssumptionSets(parameters).account("consistent"),
        parameters.boards["B200"],
        parameters.llms["llama-3.1-70b"],
        parameters.precisions["fp8"],
        tensor_parallel=8.0,
        context_window=16384.0,
    )
    full, half = of(), of(utilization=0.5)
    assert half.concurrency == full.concurrency
    assert half.iteration_latency < full.iteration_latency
    assert half.throughput * half.iteration_latency == pytest.approx(full.concurrency / 2)
    assert half.tokens_per_joule < full.tokens_per_joule


def test_workloads_of_any_number_of_knots_share_an_axis(folder, tmp_path):
    with (folder / "workloads.yaml").open("a", encoding="utf-8") as file:
        file.write(
            "mine: {source: here, quality: assumed, lengths: {value: [300, 9000], unit: tok},"
            " fractions: {value: [0.4, 1], unit: '1'}}"
        )
    small = damage(
        TREES["fleet_size"], ["axes", "split_length"], {"value": [512, 4096], "unit": "tok"}
    )
    write(folder, small, "every")
    write(folder, damage(small, ["axes", "workload"], ["mine"]), "mine")
    for name in ("every", "mine"):
        stream.stream(study.load_study(folder, name), tmp_path / f"{name}.zarr")
    every, mine = (
        stores.open(name, tmp_path).tokens_per_joule.sel(workload="mine")
        for name in ("every", "mine")
    )
    np.testing.assert_allclose(every, mine, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "more"),
    [("consistent", []), ("example", ["profiles"]), ("fleet_size", ["workloads"])],
)
def test_a_study_reads_the_files_that_its_model_and_its_account_need(name, more, params):
    read = json.loads(study.load_study(params, name).provenance["parameters"])
    assert {file.removesuffix(".yaml") for file in read} == {
        *("gpus", "llms", "serving", "power", "assumptions", "calibrated", "calibration"),
        *more,
    }


def test_a_store_that_is_computed_reads_no_file_that_its_provenance_has_not(params, tmp_path):
    """Else a change of that file would leave an old store."""
    chosen = study.load_study(params, "example")
    stream.stream(chosen, tmp_path / "example.zarr")
    catalogue = chosen.function.args[0]
    assert set(catalogue.digests) == set(json.loads(chosen.provenance["parameters"]))
