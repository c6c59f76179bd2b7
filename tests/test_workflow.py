"""The Snakefile: what it would run, what an edit reruns, and that a failure leaves nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import quick_yaml
import xarray as xr
from conftest import GONE, ROOT, snakemake, workflow_in

from tokwatt import studies
from tokwatt.params.errors import ParameterError
from tokwatt.serving import catalogue


@pytest.fixture
def checkout(tmp_path):
    return workflow_in(tmp_path)


@pytest.fixture
def small(checkout):
    """A checkout with two grids of catalogues and a table of each, so that it runs in seconds."""
    path = checkout / "params" / "paper.yaml"
    paper = quick_yaml.load(path.read_text(encoding="utf-8"))
    for entries in (paper, paper["accounts"]):
        grids = entries["grids"]
        entries["grids"] = {name: grids[name] for name in ["gpus", "power_parameters"]}
    boards = {"title": "Boards", "grid": "gpus", "rows": ["gpu"]}
    boards["columns"] = [{"label": "W", "variable": "tdp", "format": "{:.0f}"}]
    paper["tables"] = {"table7": paper["tables"]["table7"], "boards": boards}
    paper["figures"] = {}
    path.write_text(quick_yaml.dump(paper), encoding="utf-8")
    return checkout


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def planned(folder, *targets):
    """The jobs that a run would execute: rules with their wildcards."""
    shown = snakemake(folder, *targets, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    jobs = re.split(r"^(?:local)?rule ", shown.stdout + shown.stderr, flags=re.MULTILINE)[1:]
    wildcards = [re.search(r"^    wildcards: (.*)$", job, re.MULTILINE) for job in jobs]
    return {
        " ".join([job.partition(":")[0], *re.findall(r"=([^,\n]+)", found[1] if found else "")])
        for job, found in zip(jobs, wildcards, strict=True)
    }


def test_a_run_makes_all_that_the_paper_names(checkout, params):
    paper = quick_yaml.load((params / "paper.yaml").read_text(encoding="utf-8"))
    jobs = planned(checkout)
    assert {f"grids {job}" for job in studies.JOBS} <= jobs
    assert {f"figure {name}" for name in paper["figures"]} <= jobs
    assert {"tables", "audit", "page verdict", "page validation", "site", "record"} <= jobs


def test_its_lints_are_none_but_that_rules_name_no_conda_environment(checkout):
    """One environment serves the whole workflow: that of the lock, as environment.yml says."""
    said = snakemake(checkout, "--lint")
    assert set(re.findall(r"^    \* (.*)$", said.stdout + said.stderr, re.MULTILINE)) == {
        "Specify a conda environment or container for each rule.:"
    }


@pytest.mark.slow
def test_edits_rerun_what_depends_on_them_and_failures_leave_nothing(small):
    targets = ["results/tables/table7.csv", "results/tables/boards.csv"]
    first = snakemake(small, *targets)
    assert first.returncode == 0, first.stderr
    assert "[2/2] tables" in first.stderr
    before = [(small / target).read_bytes() for target in targets]

    replace(small / "params/paper.yaml", "title: Boards", "title: Boards by their power")
    assert planned(small, *targets) == {"tables"}
    replace(small / "src/tokwatt/equations/power.py", '"""', '"""\n')
    assert planned(small, *targets) == {"grids instances", "tables"}

    watts = "hbm_bandwidth: {value: 3.35, unit: TB/s}"
    replace(small / "params/gpus.yaml", watts, watts.replace("TB/s", "GB"))
    failed = snakemake(small, *targets)
    assert failed.returncode == 1
    wrong = "params/gpus.yaml: H100.hbm_bandwidth.unit is 'GB', wanted a unit that converts to"
    assert wrong in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (small / "results/grids/instances").exists()
    replace(small / "params/gpus.yaml", watts.replace("TB/s", "GB"), watts)
    assert snakemake(small, *targets).returncode == 0
    assert [(small / target).read_bytes() for target in targets] == before


@pytest.mark.parametrize("name", ["a; touch b", "a$(b)", "-a", ".a", "", "a\n", "ä", "a" * 61])
def test_a_wildcard_is_no_name_that_a_shell_could_run(name):
    snakefile = (ROOT / "Snakefile").read_text(encoding="utf-8")
    constraint = re.search('^NAME = "(.*)"$', snakefile, re.MULTILINE)[1]
    assert not re.fullmatch(constraint, name)
    assert all(re.fullmatch(constraint, good) for good in ["atlas", "qwen2.5-32b", "_a", "a" * 60])
    named = set(re.findall(r"\{wildcards\.(\w+)", snakefile)) - {"part", "parts", "page"}
    assert set(re.findall(r"^    (\w+)=NAME,$", snakefile, re.MULTILINE)) == named


def test_a_study_whose_name_a_shell_could_run_is_refused(small):
    """The file is there and a figure names it; nothing of its name is run."""
    name = "a$(touch pwned)"
    shutil.copy(small / "params/studies/example.yaml", small / f"params/studies/{name}.yaml")
    path = small / "params/paper.yaml"
    paper = quick_yaml.load(path.read_text(encoding="utf-8"))
    paper["figures"]["fleet_size"] = {"title": "", "caption": "", "category": "", "study": name}
    path.write_text(quick_yaml.dump(paper), encoding="utf-8")
    refused = snakemake(small)
    assert refused.returncode == 1
    assert "MissingInputException" in refused.stderr
    assert not list(small.rglob("pwned"))


@pytest.mark.parametrize("kind", ["grids", "tables", "figures"])
def test_an_entry_whose_name_a_shell_could_run_is_refused(kind, damaged):
    folder = damaged("paper", [kind, "table1;touch pwned;"], {})
    with pytest.raises(ParameterError, match=r"has the key .*, wanted a name of at most 60"):
        studies.check_grids(catalogue.load(folder))


def test_wildcards_and_parameters_are_quoted_wherever_a_shell_gets_them():
    snakefile = (ROOT / "Snakefile").read_text(encoding="utf-8")
    commands = re.findall(r"shell:\n((?: +\".*\"\n)+)", snakefile)
    assert len(commands) == snakefile.count("shell:")
    given = re.findall(r"\{(.+?)\}", "".join(commands))
    assert {field for field in given if not field.endswith(":q")} <= {"log"}
    rules = snakefile.split("\nrule ")
    assert [rule for rule in rules if "> {log} " in rule and re.search(r"logs/.*\{", rule)] == []


@contextmanager
def running(folder, *targets):
    """A workflow in a session of its own, held still once it has the lock of its folder."""
    command = [Path(sys.executable).with_name("snakemake"), "--cores", "2", *targets]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, start_new_session=True, **streams) as process:
        while not (folder / "results/logs").exists() and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGSTOP)
        yield process


@pytest.mark.slow
def test_two_at_once_and_a_kill_in_the_middle_end_in_the_bytes_of_an_undisturbed_run(
    small, tmp_path_factory
):
    job = "results/grids/instances"
    with running(small, job) as first:
        second = snakemake(small, job)
        assert second.returncode == 1
        assert "cannot be locked" in second.stderr
        os.killpg(first.pid, signal.SIGKILL)
    assert snakemake(small, "--unlock").returncode == 0
    again = snakemake(small, job)
    assert again.returncode == 0, again.stderr
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    studies.run("instances", small / "params", undisturbed)
    made = [path for path in (small / job).iterdir() if path.name != ".snakemake_timestamp"]
    assert {path.name for path in made} == {"gpus.nc", "power_parameters.nc"}
    for path in made:
        assert path.read_bytes() == (undisturbed / "instances" / path.name).read_bytes()
    assert [path.name for path in (small / "results/grids").iterdir()] == ["instances"]


@pytest.mark.parametrize("job", studies.JOBS)
def test_every_variable_and_coordinate_of_a_grid_has_a_long_name_and_numbers_have_units(
    job, grids, params
):
    paper = quick_yaml.load((params / "paper.yaml").read_text(encoding="utf-8"))
    for name in [name for name, grid in paper["grids"].items() if grid["job"] == job]:
        with xr.open_dataset(grids / job / f"{name}.nc") as dataset:
            assert [
                key for key in dataset.variables if not dataset[key].attrs.get("long_name")
            ] == []
            assert [
                key
                for key in dataset.variables
                if dataset[key].dtype.kind == "f" and "units" not in dataset[key].attrs
            ] == []
            assert dataset.attrs["parameter_hash"]


@pytest.mark.slow
def test_a_job_run_twice_writes_the_same_bytes(grids, params, tmp_path):
    studies.run("instances", params, tmp_path)
    studies.run("instances", params, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["instances"]
    for path in (tmp_path / "instances").iterdir():
        assert path.read_bytes() == (grids / "instances" / path.name).read_bytes()


@pytest.mark.parametrize("job", [GONE, "account"])
def test_a_grid_names_the_job_that_runs_it(job, damaged):
    with pytest.raises(ParameterError, match="wanted one of instances, fleets"):
        studies.check_grids(catalogue.load(damaged("paper", ["grids", "waterfall", "job"], job)))
