"""The command line says what Python says, in words or as JSON, and ends with the right code."""

import json
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from stores import study_folder

import tokwatt as tw
from tokwatt.commands import options, workflow
from tokwatt.studies import stream, study

TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46,374,44
2023-11-16 18:15:47,396,109
2023-11-16 18:15:49,879,55
"""


@pytest.fixture
def tokwatt(monkeypatch, capsys):
    """Runs the command line in this process: exit code, output, errors."""
    monkeypatch.chdir(ROOT)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tokwatt", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            workflow.main()
        said = capsys.readouterr()
        if isinstance(ended.value.code, str):  # what Python prints to stderr before it ends with 1
            return 1, said.out, said.err + ended.value.code
        return ended.value.code or 0, said.out, said.err

    return run


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
    tree = yaml.safe_load((params / "studies" / "example.yaml").read_text(encoding="utf-8"))
    code, out, errors = tokwatt("studies", "--params", study_folder(tmp_path, dropped_in=tree))
    assert (code, errors) == (0, "")
    assert all(name in out for name in [*listed, "dropped_in", tree["title"]])


def test_a_study_is_computed_once_and_opened(tokwatt, tmp_path):
    assert tokwatt("study", "example", "--out", tmp_path, "--part", 0, "--parts", 2)[0] == 0
    assert not (tmp_path / "example.zarr").exists()
    for _ in range(2):
        said = answer(tokwatt("study", "example", "--out", tmp_path, "--json"))
        assert said == {
            "study": "example",
            "points": 120,
            "store": str(tmp_path / "example.zarr"),
            "finished": True,
        }
    assert tw.open("example", tmp_path).power.size == 120
    assert tokwatt("study", "example", "--out", tmp_path) == (0, "", "")


def numbers(said):
    """The numbers of an answer by the name of the quantity."""
    return {name.partition(" ")[0]: value for name, value in said.items() if name != "account"}


def test_a_point_is_that_of_python(tokwatt, parameters):
    asked = ["point", "--profile", "B200", "--context-window", 4096, "--utilization", 0.5]
    said = answer(tokwatt(*asked, "--json"))
    names = tw.DeploymentNames(profile="B200")
    point = tw.point(parameters, names, context_window=4096.0, utilization=0.5)
    assert numbers(said) == point._asdict()
    assert "tokens_per_joule [tok/J]" in said
    assert said["account"] == "account paper, watts of one GPU"
    code, out, _ = tokwatt(*asked)
    assert code == 0
    assert f"{point.tokens_per_joule:.6g}" in out


@pytest.mark.parametrize(
    "asked",
    [
        ["point", "--llm", "llama-3.1-405b"],
        ["point", "--context-window", 8e6],
        ["fleet", "--llm", "llama-3.1-405b"],
        ["fleet", "--latency-target", 0.001, "--account", "consistent"],
    ],
    ids=lambda asked: " ".join(map(str, asked)),
)
def test_what_does_not_fit_or_has_no_fleet_is_refused(asked, tokwatt):
    code, out, errors = tokwatt(*asked, "--json")
    assert (code, out) == (1, "")
    assert "wanted" in errors and "\n" not in errors


@pytest.mark.parametrize("command", [["fleet"], ["point"], ["point", "--explain"]], ids=" ".join)
def test_an_answer_says_whose_watts_it_counts(command, tokwatt):
    for basis, watts in {"gpu": "one GPU", "instance": "every GPU"}.items():
        said = answer(tokwatt(*command, "--set", f"basis={basis}", "--json"))
        assert f"watts of {watts}" in said["account"]


@pytest.mark.parametrize("account", ["paper", "consistent"])
def test_a_fleet_is_that_of_python(account, tokwatt, parameters):
    asked = ["--split-length", 4096, "--arrival-rate", 500, "--account", account]
    said = answer(tokwatt("fleet", "--profile", "H100", *asked, "--json"))
    demand = tw.demanded(parameters, arrival_rate=500.0)
    names = tw.DeploymentNames(profile="H100")
    fleet = tw.fleet(parameters, "azure", demand, names, split_length=4096.0, account=account)
    assert numbers(said) == fleet._asdict()
    assert said["account"].endswith("500 requests per second")


def test_a_trace_sizes_a_fleet_at_its_own_rate(tokwatt, parameters, tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text(TRACE, encoding="utf-8")
    said = answer(tokwatt("fleet", "--trace", file, "--profile", "H100", "--json"))
    trace = tw.read_trace(file)
    demand = tw.demanded(parameters, arrival_rate=trace.arrival_rate)
    fleet = tw.fleet(parameters, trace, demand, tw.DeploymentNames(profile="H100"))
    assert numbers(said) == fleet._asdict()
    assert fleet.generated == pytest.approx(trace.arrival_rate * trace.mean_output, rel=1e-12)
    assert tokwatt("fleet", "--trace", file, "--arrival-rate", 20, "--profile", "H100")[0] == 0


OUTSIDE = [
    (["fleet", "--max-utilization", -1], "max_utilization: is -1, wanted a number from"),
    (["fleet", "--output-share", 2], "output_share: is 2, wanted a number from 0 to 1."),
    (["fleet", "--latency-target", "nan"], "--latency-target: is nan, wanted a finite number."),
    (["fleet", "--arrival-rate", 0], "arrival_rate: is 0, wanted a number from"),
    (
        ["fleet", "--split-length", 70000],
        "split_length: is 70000, wanted a number from 0 to 65536.",
    ),
    (["point", "--utilization", 7], "utilization: is 7, wanted a number from 0 to 1."),
    (["point", "--context-window", "inf"], "--context-window: is inf, wanted a finite number."),
    (["point", "--gpus", 0], "gpus: is 0, wanted a number from 1"),
    (["point", "--batch", 4000], "the KV cache holds 22 sequences"),
    (["headline", "--set", "basis"], "--set: is 'basis', wanted CHOICE=ALTERNATIVE."),
]


@pytest.mark.parametrize("asked, said", OUTSIDE, ids=lambda value: str(value)[:40])
def test_a_number_outside_its_domain_is_one_sentence(asked, said, tokwatt):
    code, out, errors = tokwatt(*asked)
    assert (code, out) == (1, "")
    assert said in errors and "\n" not in errors


def test_an_explanation_ends_at_the_published_number(tokwatt):
    asked = ["point", "--explain", "--profile", "H100", "--context-window", 4096]
    code, out, errors = tokwatt(*asked)
    assert (code, errors) == (0, "")
    assert out.splitlines()[-1] == "tokens_per_joule = 17.622 tok/J"
    assert "arXiv:2603.17280, Eq. (1)" in out


# Arguments that no file holds: earlier steps must have given them.
CHAINED = {
    "tokens_per_joule": {"throughput", "power"},
}


@pytest.mark.parametrize(
    "of", [["--profile", "H100"], ["--profile", "B200"], ["--gpu", "B200", "--llm", "llama-3.1-8b"]]
)
def test_each_step_of_an_explanation_rests_on_parameters_and_earlier_steps(of, tokwatt):
    said = answer(tokwatt("point", "--explain", *of, "--context-window", 4096, "--json"))
    assert said["parameters"]
    assert all(
        record["source"] and record["quality"] and record["unit"] for record in said["parameters"]
    )
    assert all(step["unit"] and step["meaning"] for step in said["steps"])
    assert said["steps"][-1]["result"] == said["result"]["tokens_per_joule"]
    results = [step["result"] for step in said["steps"]]
    for number, step in enumerate(said["steps"]):
        for name in step["arguments"].keys() & CHAINED.get(step["equation"], set()):
            assert step["arguments"][name][0] in results[:number], (step["equation"], name)
    assert set(CHAINED) <= {step["equation"] for step in said["steps"]}


FLEET = ("fleet", "--workload", "lmsys", "--account", "consistent")


def test_a_workload_without_a_measured_output_share_needs_a_stated_one(tokwatt):
    code, out, errors = tokwatt(*FLEET)
    assert (code, out) == (1, "")
    assert "lmsys: has no measured output share, wanted one that is stated (--output" in errors
    few, many = (
        answer(tokwatt(*FLEET, "--output-share", share, "--json"))["generated [tok/s]"]
        for share in (0.1, 0.4)
    )
    assert many > 3 * few


def test_the_version_is_printed(tokwatt):
    assert tokwatt("--version") == (0, f"tokwatt {tw.__version__}\n", "")


WRONG = {
    "an unknown study": (["study", "exmple"], "did you mean 'example'?"),
    "an unknown GPU": (["point", "--gpu", "H10"], "gpu is 'H10', wanted one of"),
    "an unknown profile": (["point", "--profile", "h100"], "did you mean 'H100'?"),
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


USAGE = [
    ["export", "split", "--width", "3.5"],
    ["export", "split", "--width", "1.2.3mm"],
    ["export", "split", "--width", "9000mm"],
    ["export", "split", "--format", "gif"],
    ["nonsense"],
    ["study"],
    ["study", "example", "--part", "4", "--parts", "4"],
    ["point", "--gpus"],
]


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


def test_a_prediction_has_ends_and_says_what_it_does_not_know(tokwatt):
    found = {
        row["quantity"]: row
        for row in answer(tokwatt("predict", "--llm", "qwen3-32b", "--gpus", 2, "--json"))
    }
    assert list(found) == [
        "latency [s]",
        "throughput [tok/s]",
        "power [W]",
        "tokens_per_joule [tok/J]",
    ]
    assert all(row["low"] < row["value"] < row["high"] for row in found.values())
    assert found["power [W]"]["high"] <= 700
    code, _, errors = tokwatt("predict", "--gpu", "A100")
    assert code == 1 and "option.gpu is 'A100', wanted one of H100, B200" in errors
    for impossible in (["--llm", "deepseek-v3", "--gpus", 1], ["--batch", "nan"]):
        code, out, errors = tokwatt("predict", *impossible)
        assert (code, out, errors.count("\n")) == (1, "", 0)
    first = answer(tokwatt("predict", "--prompt", 3000, "--json"))[0]
    assert first["extrapolated"] == ["prompt 3000 (measured: 125.3 to 200)"]
    code, _, errors = tokwatt("predict", "--prompt", 3000)
    assert code == 0 and "Extrapolated, intervals need not hold: prompt 3000" in errors


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
    asked = [
        "headline",
        "topology_2_5x",
        "--set",
        "lengths=pairs",
        "--trace",
        tmp_path / "long.csv",
    ]
    assert "cannot be served" in tokwatt(*asked)[1]
    assert answer(tokwatt(*asked, "--json"))[0]["value"] is None
