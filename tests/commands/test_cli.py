"""The command line says what Python says, in words or as JSON, and ends with the right code."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import quick_yaml
from conftest import ROOT
from stores import study_folder
from typer.main import get_command

import tokwatt as tw
from tokwatt.commands import options, workflow
from tokwatt.commands.simulate import Process, Rule
from tokwatt.simulation.arrivals import ARRIVALS
from tokwatt.simulation.routers import ROUTERS
from tokwatt.studies import stream, study

TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46,374,44
2023-11-16 18:15:47,396,109
2023-11-16 18:15:49,879,55
"""


def answer(result):
    code, out, errors = result
    assert (code, errors) == (0, "")
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_studies_are_listed_in_words_and_as_json(tokwatt, params, tmp_path):
    listed = {row["study"]: row for row in answer(tokwatt("studies", "--json"))}
    assert list(listed) == study.study_names(params)
    for name, row in listed.items():
        chosen = study.load_study(params, name)
        assert (row["points"], row["axes"], row["title"]) == (
            chosen.points,
            list(chosen.axes),
            chosen.title,
        )
    tree = quick_yaml.load((params / "studies" / "example.yaml").read_text(encoding="utf-8"))
    code, out, errors = tokwatt("studies", "--params", study_folder(tmp_path, dropped_in=tree))
    assert (code, errors) == (0, "")
    assert all(name in out for name in [*listed, "dropped_in", tree["title"]])


def test_a_study_is_computed_once_and_opened(tokwatt, tmp_path):
    half = tokwatt("study", "example", "--out", tmp_path, "--part", 0, "--parts", 2)
    store = tmp_path / "example.zarr"
    finishes = "which the same without --part finishes"
    assert half == (0, f"{store}: 120 points, part 0 of 2, {finishes}\n", "")
    assert not store.exists()
    for _ in range(2):
        said = answer(tokwatt("study", "example", "--out", tmp_path, "--json"))
        assert said == {
            "study": "example",
            "points": 120,
            "store": str(tmp_path / "example.zarr"),
            "finished": True,
        }
    assert tw.open("example", tmp_path).power.size == 120
    assert tokwatt("study", "example", "--out", tmp_path) == (0, f"{store}: 120 points\n", "")


def numbers(found):
    """The quantities of an answer as JSON has them."""
    return {name: quantity._asdict() for name, quantity in found.quantities.items()}


BASIS = {
    "account",
    "basis",
    "engine",
    "precision",
    "kv_cache",
    "calibrated_on",
    "extrapolated",
    "simulate",
    "targets",
}


@pytest.mark.parametrize(
    "asked, names, more",
    [
        (["--llm", "qwen3-32b", "--gpus", 2, "--batch", 64, "--prompt", 150], {"batch": 64.0}, {}),
        (["--profile", "B200", "--account", "paper", "--utilization", 0.5], {}, {"fits": True}),
        (["--context-window", "8K"], {"context_window": 8192.0}, {"account": "consistent"}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_point_is_that_of_python(asked, names, more, tokwatt, parameters):
    said = answer(tokwatt("point", *asked, "--json"))
    profile, paper = ("B200", "paper") if "--profile" in asked else (None, "consistent")
    chosen = tw.DeploymentNames(profile=profile)
    if "--llm" in asked:
        chosen, names = tw.DeploymentNames(llm="qwen3-32b", gpus=2), names | {"prompt": 150.0}
    if profile:
        names = {"utilization": 0.5}
    found = tw.point(parameters, chosen, account=paper, **names)
    assert numbers(found).items() <= said.items()
    assert set(said) == {*found.quantities, *BASIS, "fits"}
    assert more.items() <= said.items()
    assert said["missing"] == {"value": 0.0, "low": None, "high": None, "unit": "B"}
    code, out, _ = tokwatt("point", *asked)
    assert (code, out.strip()) == (0, str(found))


def test_an_answer_of_the_consistent_account_has_intervals_and_what_it_stands_on(tokwatt):
    said = answer(tokwatt("point", "--prompt", 150, "--json"))
    for name in ("inter_token_latency", "throughput", "power", "tokens_per_joule"):
        assert 0 < said[name]["low"] < said[name]["value"] < said[name]["high"]
    assert (said["account"], said["basis"], said["engine"]) == (
        "consistent",
        "watts of every GPU",
        "vllm",
    )
    assert "this LLM among them" in said["calibrated_on"]
    inside = answer(tokwatt("point", "--prompt", 3000, "--batch", 64, "--json"))
    assert inside["extrapolated"] == []
    assert any(part.startswith("prompt 150 (measured: ") for part in said["extrapolated"])
    assert "extrapolated: batch" in tokwatt("point", "--prompt", 150)[1]
    paper = answer(tokwatt("point", "--account", "paper", "--json"))
    assert (paper["calibrated_on"], paper["extrapolated"], paper["power"]["low"]) == ("", [], None)


@pytest.mark.parametrize("command", [["fleet"], ["point"], ["point", "--explain"]], ids=" ".join)
def test_an_answer_says_whose_watts_it_counts(command, tokwatt):
    for basis, watts in {"gpu": "one GPU", "instance": "every GPU"}.items():
        said = answer(tokwatt(*command, "--set", f"basis={basis}", "--json"))
        assert said["basis"] == f"watts of {watts}"
        assert said["account"] == f"consistent, basis {basis}"


@pytest.mark.parametrize("account, profile", [("paper", "H100"), ("consistent", None)])
def test_a_fleet_is_that_of_python(account, profile, tokwatt, parameters):
    asked = ["--split-length", "4K", "--arrival-rate", 500, "--account", account]
    asked += ["--profile", profile] if profile else []
    said = answer(tokwatt("fleet", *asked, "--json"))
    demand = tw.demanded(parameters, arrival_rate=500.0)
    names = tw.DeploymentNames(profile=profile)
    fleet = tw.fleet(parameters, "azure", demand, names, split_lengths=[4096.0], account=account)
    assert numbers(fleet).items() <= said.items()
    assert set(said) == {*fleet.quantities, *BASIS, "pools", "arrival_rate", "fits"}
    assert [pool["context_window"]["value"] for pool in said["pools"]] == [
        pool["context_window"].value for pool in fleet.pools
    ]
    assert said["gpus"]["value"] == sum(pool["gpus"]["value"] for pool in said["pools"])
    assert (said["account"], said["arrival_rate"]) == (account, 500)


def test_a_trace_sizes_a_fleet_at_its_own_rate(tokwatt, parameters, tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text(TRACE, encoding="utf-8")
    said = answer(tokwatt("fleet", "--trace", file, "--json"))
    trace = tw.read_trace(file)
    demand = tw.demanded(parameters, arrival_rate=trace.arrival_rate)
    fleet = tw.fleet(parameters, trace, demand)
    assert numbers(fleet).items() <= said.items()
    assert fleet.throughput == pytest.approx(trace.arrival_rate * trace.mean_output, rel=1e-12)
    faster = answer(tokwatt("fleet", "--trace", file, "--arrival-rate", 20, "--json"))
    assert faster["throughput"]["value"] == pytest.approx(20 * trace.mean_output, rel=1e-12)


@pytest.fixture
def trace(tmp_path):
    """A file of three requests."""
    (tmp_path / "requests.csv").write_text(TRACE, encoding="utf-8")
    return tmp_path / "requests.csv"


def test_a_headline_says_its_account_and_takes_the_rows_of_a_trace(tokwatt, trace):
    asked = ["headline", "topology_2_5x"]
    (row,) = answer(tokwatt(*asked, "--json"))
    assert row["account"] == "consistent"
    assert tokwatt(*asked, "--account", "paper")[1].startswith("paper account\n")
    (traced,) = answer(tokwatt(*asked, "--trace", trace, "--json"))
    assert "lengths pairs" in traced["account"]
    explicit = answer(tokwatt(*asked, "--trace", trace, "--set", "lengths=pairs", "--json"))
    assert [traced] == explicit


@pytest.mark.parametrize("command", ["fleet", "plan", "simulate", "headline"])
def test_a_trace_has_no_lengths_but_those_of_its_rows(command, tokwatt, trace):
    others = ["--set", "lengths=exact", "--set", "output_share=fifth"]
    code, out, errors = tokwatt(command, "--trace", trace, *others)
    assert (code, out) == (1, "")
    assert errors.startswith("--set: lengths is 'exact' beside a trace, wanted pairs")


@pytest.mark.parametrize("option", [["--output-share", 0.2], ["--workload", "azure"]])
def test_what_a_trace_has_of_its_own_is_not_asked_beside_it(option, tokwatt, trace):
    code, out, errors = tokwatt("fleet", "--trace", trace, *option)
    assert (code, out) == (1, "")
    assert errors.startswith(option[0]) and "beside --trace" in errors and "\n" not in errors


OUTSIDE = [
    (["fleet", "--llm", "qwen3-32b", "--gpus", 1], "--ttft: is 0.5 s, but one request alone in"),
    (["fleet", "--llm", "llama-3.1-70b", "--gpus", 1], "does not fit on 1 H100, 65.1 GiB are"),
    (["fleet", "--llm", "llama-3.1-405b"], "--llm: llama-3.1-405b does not fit on 8 H100"),
    (["fleet", "--llm", "llama-3.1-405b", "--account", "paper"], "--llm: does not fit on"),
    (["fleet", "--max-utilization", 2], "--max-utilization: is 2, wanted a number from 1e-06 to"),
    (["fleet", "--output-share", 2], "--output-share: is 2, wanted a number from 0 to 1."),
    (["fleet", "--ttft", "nan"], "--ttft: is 'nan', wanted a time such as 50ms or 0.5s."),
    (["fleet", "--itl", 50], "--itl: is '50', wanted a unit, as in 50ms or 50s."),
    (["plan", "--ttft", 1], "--ttft: is '1', wanted a unit, as in 1ms or 1s."),
    (["simulate", "--ttft-per-1k", 0.1], "is '0.1', wanted a unit, as in 0.1ms or 0.1s."),
    (["fleet", "--columns", "prompt=x"], "--columns: is given alone, wanted --trace"),
    (
        ["plan", "--tokenizer", "t.json"],
        "--tokenizer: is given alone, wanted --trace",
    ),
    (["plan", "--inventory", "H100=8,H100=9"], "--inventory: has 'H100' twice, wanted it once."),
    (["fleet", "--set", "basis=gpu", "--set", "basis=instance"], "--set: has 'basis' twice"),
    (["trace", "x.csv", "--columns", "prompt=a,prompt=b"], "--columns: has 'prompt' twice"),
    (["fleet", "--ttft", "0s"], "--ttft: is 0, wanted a number from 1e-09 to 1e+09 s."),
    (["fleet", "--ttft", "1ms"], "--ttft: is 0.001 s, but one request alone in the pool"),
    (["fleet", "--itl", "0ms"], "--itl: is 0, wanted a number from 1e-09"),
    (["fleet", "--itl", "1ms"], "--itl: is 0.001 s, but one request alone in the pool"),
    (["fleet", "--itl-quantile", 0.7], "--itl-quantile: is 0.7, wanted 0.5 or 0.99."),
    (["fleet", "--arrival-rate", 0], "--arrival-rate: is 0, wanted a number from"),
    (["fleet", "--arrival-rate", -5], "--arrival-rate: is -5, wanted a number from"),
    (["fleet", "--trace", "a.csv", "--trace", "b.csv"], "--trace: is given twice, wanted it once."),
    (["point", "--gpu", "H100", "--gpu=B200"], "--gpu: is given twice, wanted it once."),
    (["llm", "import", "x.json", "--name", "a", "--name", "b"], "--name: is given twice"),
    (
        ["fleet", "--plan", "p.yaml", "--set", "router=random"],
        "--set: is ['router=random'] beside --plan, wanted one of the two",
    ),
    (["simulate", "--arrival-rate", 1e6], "--arrival-rate: is 1e+06, for which a pool takes"),
    (["fleet", "--arrival-rate", 1e6, "--simulate"], "--arrival-rate: is 1e+06, for which a"),
    (["fleet", "--account", "paper", "--itl", "1ms"], "--itl: is 0.001 s beside target=wait"),
    (
        ["plan", "--split-length", "1K", "--split-candidates", 5],
        "--split-candidates: is 5 beside --split-length, wanted one of the two.",
    ),
    (["fleet", "--split-length", 70000], "--split-length: has 70000, wanted numbers that rise"),
    (["fleet", "--split-length", "4K", "--split-length", "1K"], "--split-length: has 1024, wanted"),
    (["fleet", "--split-length", "1" + "0" * 400], "--split-length: is inf, wanted a number"),
    (["fleet", "--context-window", 0], "--context-window: is 0, wanted a number from 1"),
    (["plan", "--gpus", 0], "--gpus: is 0, wanted a number from 1"),
    (["plan", "--output-share", -1], "--output-share: is -1, wanted a number from 0 to 1."),
    *(
        (
            [command, "--output-share", 0.2, "--set", "output_share=trace"],
            "--output-share: is 0.2 beside output_share=trace, the measured one, wanted the",
        )
        for command in ("fleet", "plan", "simulate")
    ),
    (["plan", "--max-utilization", 1.5], "--max-utilization: is 1.5, wanted a number from"),
    (["plan", "--power-cap", "0kW"], "--power-cap: is 0, wanted a number from 1 to 1e+15 W."),
    (["plan", "--inventory", "H100=" + "9" * 5000], "--inventory: is 'H100=999"),
    (["simulate", "--instances", 0, "--requests", 5], "--instances: is 0 in pool 1, wanted 1"),
    (["simulate", "--requests", 10**9], "--requests: is 1000000000, wanted a number from 1"),
    (["simulate", "--output-share", -1], "--output-share: is -1, wanted a number from 0 to 1."),
    (["fleet", "--context-window", 1], "--context-window: is 1, which holds none of the requests"),
    (["fleet", "--context-window", "4M"], "--context-window: is 4194304, but the KV cache holds"),
    (["point", "--context-window", "2M"], "--context-window: is 2097152, but the KV cache holds"),
    (["point", "--context-window", "inf"], "--context-window: is 'inf', wanted tokens such as"),
    (["point", "--context-window", "8X"], "--context-window: is '8X', wanted tokens such as"),
    (["point", "--context-window", 0], "--context-window: is 0, wanted a number from 1"),
    (["point", "--prompt", "9K", "--context-window", "8K"], "--context-window: is 8192, wanted"),
    (["point", "--utilization", 7], "--utilization: is 7, wanted a number from 1e-06 to 1."),
    (["point", "--utilization", 0.5, "--batch", 8], "--utilization: is 0.5 beside a batch of 8"),
    (["point", "--batch", -5], "--batch: is -5, wanted a number from 1"),
    (["point", "--batch", "nan"], "--batch: is nan, wanted a finite number."),
    (["point", "--batch", 4000], "--batch: is 4000, but the KV cache holds 303.9 sequences"),
    (["point", "--gpus", 0], "--gpus: is 0, wanted a number from 1"),
    (["point", "--gpus", 3], "--gpus: is 3, wanted one of 1, 2, 4, 8"),
    (["point", "--expert-parallel", 8], "--expert-parallel: is 8 for llama-3.1-70b, wanted a"),
    (["point", "--llm", "llama-3.1-405b", "--gpus", 1], "689.8 GiB are missing on each GPU"),
    (["point", "--profile", "H100"], "--profile: is H100 on account consistent, wanted account"),
    (
        ["point", "--profile", "H100", "--gpu", "B200", "--account", "paper"],
        "--gpu: is 'B200' beside profile 'H100', wanted one of the two",
    ),
    (["headline", "--set", "basis"], "--set: is 'basis', wanted CHOICE=ALTERNATIVE."),
    (["point", "--set", "basis=gup"], "--set: basis is 'gup', wanted one of gpu, instance"),
    (["headline", "--set", "lengths=sampled"], "--set: the account mixes lengths sampled"),
    (["headline", "--set", "lengths=pairs"], "--set: the account mixes lengths pairs with no"),
    (["point", "--set", "step=program"], "--set: the account mixes prefill chunked, step program"),
    (["headline", "--account", "papr"], "--account: is 'papr', wanted one of paper, consistent"),
    (["headline", "topology"], "headline: is 'topology', wanted one of"),
]


@pytest.mark.parametrize("asked, said", OUTSIDE, ids=lambda value: str(value)[:40])
def test_a_number_outside_its_domain_is_one_sentence(asked, said, tokwatt):
    code, out, errors = tokwatt(*asked)
    assert (code, out) == (1, "")
    assert said in errors and "\n" not in errors


def test_an_explanation_ends_at_the_published_number(tokwatt):
    asked = ["point", "--explain", "--profile", "H100", "--context-window", 4096]
    code, out, errors = tokwatt(*asked, "--account", "paper")
    assert (code, errors) == (0, "")
    assert re.search(r"^tokens per joule +17\.62 tok/J$", out, re.MULTILINE)
    assert "arXiv:2603.17280, Eq. (1)" in out


# Arguments that no file holds: earlier steps must have given them.
CHAINED = {
    "tokens_per_joule": {"throughput", "power"},
}


@pytest.mark.parametrize(
    "of",
    [
        ["--profile", "H100", "--account", "paper"],
        ["--profile", "B200", "--account", "paper"],
        ["--gpu", "B200", "--llm", "llama-3.1-8b"],
    ],
    ids=" ".join,
)
def test_each_step_of_an_explanation_rests_on_parameters_and_earlier_steps(of, tokwatt):
    said = answer(tokwatt("point", "--explain", *of, "--context-window", 4096, "--json"))
    assert said["parameters"]
    assert all(
        record["source"] and record["quality"] and record["unit"] for record in said["parameters"]
    )
    assert all(step["unit"] and step["meaning"] for step in said["steps"])
    results = [step["result"] for step in said["steps"]]
    given = [step["result"] for step in said["steps"] if step["equation"] == "tokens_per_joule"]
    assert given == [pytest.approx(said["tokens_per_joule"]["value"], rel=1e-12)]
    for number, step in enumerate(said["steps"]):
        for name in step["arguments"].keys() & CHAINED.get(step["equation"], set()):
            assert step["arguments"][name][0] in results[:number], (step["equation"], name)
    assert set(CHAINED) <= {step["equation"] for step in said["steps"]}


FLEET = ("fleet", "--workload", "lmsys", "--account", "consistent")


def test_a_workload_without_a_measured_output_share_needs_a_stated_one(tokwatt):
    code, out, errors = tokwatt(*FLEET)
    assert (code, out) == (1, "")
    assert "workload: is lmsys, which has no measured output share, wanted one that is" in errors
    few, many = (
        answer(tokwatt(*FLEET, "--output-share", share, "--json"))["throughput"]["value"]
        for share in (0.1, 0.4)
    )
    assert many > 3 * few
    assert "output_share 0.4 account" in tokwatt(*FLEET, "--output-share", "0.4")[1]


def test_an_explanation_names_the_calibrated_records_and_every_part_of_the_step(tokwatt):
    asked = ["--llm", "qwen3-30b-a3b", "--gpus", 1, "--gpu", "H200"]
    said = answer(tokwatt("point", "--explain", *asked, "--json"))
    keys = {record["key"] for record in said["parameters"] if record["quality"] == "calibrated"}
    assert {"value.common.bandwidth_efficiency", "value.gpus.H200.layer_overhead"} <= keys
    assert "value.boards.other.idle" in keys and not any("B200" in key for key in keys)
    equations = {step["equation"] for step in said["steps"]}
    assert {"busiest_rank", "overlapped", "clock_stretch"} <= equations
    assert said["steps"] == [
        step for place, step in enumerate(said["steps"]) if step not in said["steps"][:place]
    ]


def test_a_broken_figure_or_study_does_not_break_other_commands(tokwatt, params, tmp_path):
    folder = shutil.copytree(params, tmp_path / "params")
    with (folder / "paper.yaml").open("a", encoding="utf-8") as file:
        file.write("  mine: {study: nowhere, title: Mine}\n")
    (folder / "studies" / "nowhere.yaml").write_text("model: nope\n", encoding="utf-8")
    for command in (["point"], ["fleet"], ["headline", "watt_4k"], ["study", "example"]):
        out = ["--out", tmp_path / "stores"] if command[0] == "study" else []
        code, _, errors = tokwatt(*command, *out, "--params", folder)
        assert (code, errors) == (0, ""), command
    assert tokwatt("check", "--params", folder)[0] == 1


def test_help_breaks_its_lines_where_a_terminal_does_and_not_where_the_source_does():
    group = get_command(workflow.app)
    for name in group.list_commands(None):
        told = group.get_command(None, name).help
        assert all("\n" not in paragraph.strip() for paragraph in told.split("\n\n")), name


def test_the_version_is_printed(tokwatt):
    assert tokwatt("--version") == (0, f"tokwatt {tw.__version__}\n", "")


WRONG = {
    "an unknown study": (["study", "exmple"], "did you mean 'example'?"),
    "an unknown GPU": (["point", "--gpu", "H10"], "--gpu: is 'H10', wanted one of"),
    "an unknown profile": (
        ["point", "--profile", "h100", "--account", "paper"],
        "did you mean 'H100'?",
    ),
    "an unknown workload": (["fleet", "--workload", "azur"], "did you mean 'azure'?"),
    "a trace that is not there": (
        ["fleet", "--trace", "nowhere.csv"],
        "nowhere.csv: cannot be read",
    ),
    "no parameters": (["point", "--params", "nowhere"], "nowhere"),
    "no grids to draw": (
        ["figure", "split", "--grids", "nowhere", "--out", "nowhere"],
        "nowhere: cannot be used",
    ),
    "no store to draw": (
        ["export", "fleet_size", "--stores", "nowhere", "--out", "nowhere"],
        "nowhere/fleet_size.zarr: there is no such",
    ),
    "no grids to print": (
        ["table", "table1", "--grids", "nowhere", "--out", "nowhere"],
        "nowhere: cannot be used",
    ),
    "no grids to judge": (
        ["audit", "--grids", "nowhere", "--out", "nowhere"],
        "nowhere: cannot be used",
    ),
    "no grids for a verdict": (
        ["verdict", "--grids", "nowhere", "--out", "nowhere"],
        "nowhere: cannot be used",
    ),
    "no grids to describe": (
        ["reference", "--grids", "nowhere", "--out", "nowhere"],
        "nowhere: cannot be used",
    ),
    "no results for a site": (
        ["site", "--results", "nowhere", "--out", "nowhere"],
        "nowhere/grids: cannot be used",
    ),
    "nothing to record": (["record", "nowhere"], "nowhere: cannot be used"),
    "no place for a store": (
        ["study", "example", "--out", "LICENSE/here"],
        "example.zarr: Not a directory",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence_and_exit_code_1(case, tokwatt):
    arguments, named = WRONG[case]
    code, out, errors = tokwatt(*arguments)
    assert (code, out) == (1, "")
    assert named in errors
    assert errors.endswith(".")
    assert "\n" not in errors
    assert not (ROOT / "nowhere").exists()


def test_bad_rows_of_a_trace_are_told_by_line(tokwatt, tmp_path):
    (tmp_path / "bad.csv").write_text(TRACE + "2023-11-16 18:15:50,x,1\n", encoding="utf-8")
    code, _, errors = tokwatt("fleet", "--trace", tmp_path / "bad.csv")
    assert code == 1
    assert "line 5" in errors


@pytest.mark.parametrize(
    ("text", "width"),
    [("single", 3.35), ("double", 6.9), ("89mm", 89 / 25.4), ("8.9cm", 8.9 / 2.54), ("3.5in", 3.5)],
)
def test_a_width_is_a_column_or_a_length(text, width):
    assert options.inches(text) == pytest.approx(width)


VALUES = [
    (
        ["export", "split", "--width", "3.5"],
        "--width: is '3.5', wanted single, double or 1.0 to 40.0",
    ),
    (["export", "split", "--width", "1.2.3mm"], "--width: is '1.2.3mm', wanted single, double or"),
    (["export", "split", "--width", "9000mm"], "--width: is '9000mm', wanted single, double or"),
    (
        ["export", "split", "--format", "gif"],
        "--format: is 'gif', wanted one of 'pdf', 'svg', 'png'.",
    ),
    (
        ["study", "example", "--part", "4", "--parts", "4"],
        "--part: is 4, wanted less than --parts, which is 4.",
    ),
    (["point", "--gpus", "nan"], "--gpus: is 'nan', wanted a whole number."),
    (["fleet", "--gpus", "inf"], "--gpus: is 'inf', wanted a whole number."),
    (["point", "--batch", "many"], "--batch: is 'many', wanted a number."),
    (["plan", "--spare", "-1"], "--spare: is '-1', wanted greater than or equal to 0."),
    (["simulate", "--seeds", "0.5"], "--seeds: is '0.5', wanted a whole number."),
]


@pytest.mark.parametrize("arguments, sentence", VALUES)
def test_a_value_that_an_option_cannot_take_is_one_sentence(arguments, sentence, tokwatt):
    code, out, errors = tokwatt(*arguments)
    assert (code, out) == (1, "")
    assert errors.startswith(sentence) and errors.endswith(".") and "\n" not in errors


@pytest.mark.parametrize("command", ["fleet", "simulate"])
def test_pools_whose_lengths_do_not_rise_are_refused_alike(command, tokwatt):
    code, out, errors = tokwatt(command, "--split-length", "8K", "--split-length", "4K")
    assert (code, out) == (1, "")
    assert errors.startswith("--split-length: has 4096, wanted numbers that rise from above 0 to")


USAGE = [["nonsense"], ["study"], ["point", "--gpus"]]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_ends_with_2(arguments, tokwatt):
    code, out, errors = tokwatt(*arguments)
    assert (code, out) == (2, "")
    assert "Error" in errors


def test_a_full_disk_in_another_process_ends_with_1_and_no_traceback(
    tmp_path, tokwatt, monkeypatch
):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stream, "GrowingStore", full)
    code, _, errors = tokwatt("study", "example", "--out", tmp_path)
    kept = "what is finished is kept, run again to go on."
    assert (code, errors) == (1, f"{tmp_path}/example.zarr: No space left on device; {kept}")


def test_a_completion_script_is_offered_and_errors_of_a_process_go_to_stderr():
    command = [sys.executable, "-m", "tokwatt"]
    offered = subprocess.run(  # which shell completes is asked of the process that starts it
        ["bash", "-c", '"$0" "$@"; exit $?', *command, "--show-completion"],
        capture_output=True,
        text=True,
    )
    assert offered.returncode == 0, offered.stderr
    assert "complete" in offered.stdout
    failed = subprocess.run(
        [*command, "study", "nothing"], capture_output=True, text=True, cwd=ROOT
    )
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)


def test_own_runs_are_scored_and_unknown_ones_named(tokwatt, tmp_path):
    row = "gpqa,H100,{},bfloat16,1,1,8,500,700,10,600\n"
    head = "task,gpu_model,model_id,weight_precision,num_gpus,expert_parallel,avg_batch_size,"
    head += "avg_power_watts,"
    head += "output_throughput_tokens_per_sec,median_itl_ms,avg_output_len\n"
    (tmp_path / "runs.csv").write_text(
        head + row.format("Qwen/Qwen3-8B") + row.format("somebody/else"), encoding="utf-8"
    )
    code, out, errors = tokwatt("score", tmp_path / "runs.csv", "--json")
    (scored,) = json.loads(out)
    assert code == 0 and (scored["gpu"], scored["kind"], scored["runs"]) == ("H100", "dense", 1)
    assert "Left out 1 of 2 runs: 1 of LLM 'somebody/else'." in errors


def test_a_headline_that_no_fleet_can_serve_says_so(tokwatt, tmp_path):
    rows = "".join(f"2023-11-16 18:15:{second:02d},60000,50\n" for second in range(50))
    (tmp_path / "long.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n" + rows, encoding="utf-8"
    )
    asked = ["headline", "topology_2_5x", "--trace", tmp_path / "long.csv"]
    assert "cannot be served" in tokwatt(*asked)[1]
    assert answer(tokwatt(*asked, "--json"))[0]["value"] is None


def test_a_trace_is_summed_up_in_words_and_in_json(tokwatt, tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text(TRACE + "2023-11-16 18:15:50,9,0\n", encoding="utf-8")
    code, output, _ = tokwatt("trace", str(file), "--figure", str(tmp_path / "trace.svg"))
    assert code == 0 and "1 without output tokens" in output and "0.6667 req/s" in output
    assert (tmp_path / "trace.svg").read_text(encoding="utf-8").startswith("<?xml")
    said = json.loads(tokwatt("trace", str(file), "--json")[1])
    assert (said["requests"], said["span"], said["arrival_rate"]) == (3, 3.0, pytest.approx(2 / 3))
    assert said["left_out"] == {"without output tokens": 1}
    assert said["output_share"] == pytest.approx(208 / (208 + 374 + 396 + 879))
    # gaps of 1 and 2 s: their variance is a ninth of the square of their mean
    assert said["burstiness"] == pytest.approx(1 / 9)


def test_a_figure_of_a_trace_ends_in_a_known_name(tokwatt, tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text(TRACE, encoding="utf-8")
    code, _, errors = tokwatt("trace", str(file), "--figure", "trace.gif")
    assert code == 1 and "wanted a name that ends in pdf, svg, png" in errors
    code, _, errors = tokwatt("simulate", "--figure", tmp_path / "run")
    assert code == 1 and errors.startswith("--figure: is '") and "wanted a name that" in errors


def test_texts_are_counted_by_a_tokenizer_of_ones_own(tokwatt, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="texts need tokwatt[traces]")
    counts = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    counts.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    counts.save(str(tmp_path / "tokenizer.json"))
    turns = [{"from": "human", "value": "one two"}, {"from": "gpt", "value": "three"}]
    file = tmp_path / "texts.json"
    file.write_text(json.dumps([{"conversations": turns}]), encoding="utf-8")
    said = answer(tokwatt("trace", file, "--tokenizer", tmp_path / "tokenizer.json", "--json"))
    assert (said["prompt"]["mean"], said["output"]["mean"]) == (2, 1)
    code, _, errors = tokwatt("trace", file, "--tokenizer", file)
    assert code == 1 and "is no tokenizer" in errors


def test_a_simulation_offers_the_arrivals_and_routers_that_there_are():
    assert list(Process) == list(ARRIVALS) and list(Rule) == list(ROUTERS)


def test_requests_of_one_output_token_have_no_inter_token_latency_and_miss_no_target(
    tokwatt, tmp_path
):
    file = tmp_path / "classify.csv"
    file.write_text("timestamp,prompt_tokens,output_tokens\n0,9,1\n1,9,1\n2,9,1\n", "utf-8")
    served = tokwatt("simulate", "--trace", file)[1]
    assert "inter token latency           none" in served and "nan" not in served
    few = ["--gpu", "H100", "--gpus", 8, "--precision", "bfloat16", "--split-candidates", 2]
    planned = tokwatt("plan", "--trace", file, "--ttft", "1s", "--verify", *few)[1]
    assert "simulated          holds" in planned and "nan" not in planned


def test_a_trace_is_served_at_its_own_times_or_the_options_against_them_are_refused(
    tokwatt, tmp_path
):
    file = tmp_path / "requests.csv"
    file.write_text("timestamp,prompt_tokens,output_tokens\n0,9,9\n1,9,9\n", "utf-8")
    for option, value in (("--requests", 5), ("--arrivals", "gamma")):
        code, _, errors = tokwatt("simulate", "--trace", file, option, value)
        assert code == 1 and errors.startswith(f"{option}: is ") and "beside --trace" in errors


def test_a_single_request_is_simulated(tokwatt):
    served = answer(tokwatt("simulate", "--arrival-rate", 5, "--requests", 1, "--json"))
    assert served["first_token"]["value"] == served["first_token_p99"]["value"] > 0
