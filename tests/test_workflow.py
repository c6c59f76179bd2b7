"""The Snakefile: what it would run, what an edit reruns, and that a failure leaves nothing."""

import re

import pytest
import xarray as xr
import yaml
from conftest import GONE, snakemake, workflow_in

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
    paper = yaml.safe_load(path.read_text(encoding="utf-8"))
    paper["grids"] = {name: paper["grids"][name] for name in ["gpus", "power_parameters"]}
    boards = {"title": "Boards", "grid": "gpus", "rows": ["gpu"]}
    boards["columns"] = [{"label": "W", "variable": "tdp", "format": "{:.0f}"}]
    paper["tables"] = {"table7": paper["tables"]["table7"], "boards": boards}
    paper["figures"] = {}
    path.write_text(yaml.safe_dump(paper, sort_keys=False), encoding="utf-8")
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
    paper = yaml.safe_load((params / "paper.yaml").read_text(encoding="utf-8"))
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


@pytest.mark.parametrize("job", studies.JOBS)
def test_every_variable_and_coordinate_of_a_grid_has_a_long_name_and_numbers_have_units(
    job, grids, params
):
    paper = yaml.safe_load((params / "paper.yaml").read_text(encoding="utf-8"))
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


def test_a_job_run_twice_writes_the_same_bytes(grids, params, tmp_path):
    studies.run("instances", params, tmp_path)
    studies.run("instances", params, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["instances"]
    for path in (tmp_path / "instances").iterdir():
        assert path.read_bytes() == (grids / "instances" / path.name).read_bytes()


@pytest.mark.parametrize("job", [GONE, "account"])
def test_a_grid_names_the_job_that_runs_it(job, damaged):
    with pytest.raises(ParameterError, match="wanted one of instances, fleets"):
        studies.check(catalogue.load(damaged("paper", ["grids", "waterfall", "job"], job)))
