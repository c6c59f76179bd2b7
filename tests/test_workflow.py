"""The Snakefile: what it would run, what an edit reruns, and that a failure leaves nothing."""

import json
import re
from pathlib import Path

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


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def planned(folder, *targets):
    """Which rules a run would execute."""
    shown = snakemake(folder, *targets, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    return set(re.findall(r"^(?:local)?rule (\w+):", shown.stdout + shown.stderr, re.MULTILINE))


def test_it_lints_and_plans(checkout):
    assert snakemake(checkout, "--lint").returncode == 0
    assert planned(checkout) == {
        "all",
        *(f"grids_{job}" for job in studies.JOBS),
        "table",
        "figure",
        "study_part",
        "study",
        "audit",
        "verdict",
        "explorer",
        "site",
        "validation",
        "reference",
        "record",
    }
    assert "digraph" in snakemake(checkout, "--rulegraph").stdout


@pytest.mark.slow
def test_edits_rerun_what_depends_on_them_and_failures_leave_nothing(checkout):
    table = "results/tables/table1.csv"
    first = snakemake(checkout, table)
    assert first.returncode == 0, first.stderr
    before = (checkout / table).read_bytes()
    assert planned(checkout, table) == set()

    replace(checkout / "params/workloads.yaml", "name: LMSYS", "name: LMSYS chat")
    replace(checkout / "params/paper.yaml", "title: Fleets at", "title: All fleets at")
    assert planned(checkout, table) == set()
    replace(
        checkout / "params/paper.yaml",
        "title: Tokens per watt against",
        "title: Tokens a watt buys against",
    )
    assert planned(checkout, table) == {"table"}
    replace(checkout / "src/tokwatt/reports/tables.py", '"""', '"""\n')
    replace(checkout / "src/tokwatt/equations/power.py", '"""', '"""\n')
    assert planned(checkout, table) == {"grids_instances", "table"}

    replace(
        checkout / "params/gpus.yaml",
        "hbm_bandwidth: {value: 3.35, unit: TB/s}",
        "hbm_bandwidth: {value: 3.35, unit: GB}",
    )
    failed = snakemake(checkout, table)
    assert failed.returncode == 1
    assert (
        "params/gpus.yaml: H100.hbm_bandwidth.unit is 'GB', wanted a unit that converts to 'B/s'."
        in failed.stdout + failed.stderr
    )
    assert "Traceback" not in failed.stdout + failed.stderr
    replace(
        checkout / "params/gpus.yaml",
        "hbm_bandwidth: {value: 3.35, unit: GB}",
        "hbm_bandwidth: {value: 3.35, unit: TB/s}",
    )
    assert snakemake(checkout, table).returncode == 0
    assert (checkout / table).read_bytes() == before


def test_a_job_reads_the_files_it_says(grids, params):
    paper = yaml.safe_load((params / "paper.yaml").read_text(encoding="utf-8"))
    for name, grid in paper["grids"].items():
        with xr.open_dataset(grids / f"{name}.nc") as dataset:
            read = {
                Path(file).with_suffix("").as_posix()
                for file in json.loads(dataset.attrs["parameters"])
            }
        assert read <= set(paper["jobs"][grid["job"]]["reads"])


@pytest.mark.parametrize("job", studies.JOBS)
def test_every_variable_and_coordinate_of_a_grid_has_a_long_name_and_numbers_have_units(
    job, grids, params
):
    paper = yaml.safe_load((params / "paper.yaml").read_text(encoding="utf-8"))
    for name in [name for name, grid in paper["grids"].items() if grid["job"] == job]:
        with xr.open_dataset(grids / f"{name}.nc") as dataset:
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
    for path in tmp_path.glob("*.nc"):
        assert path.read_bytes() == (grids / path.name).read_bytes()


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["jobs", "accounts"], GONE, "job is 'accounts', wanted one of"),
        (
            ["jobs", "fleets", "reads"],
            ["gpu"],
            "jobs.fleets.reads names 'gpu', wanted names of files",
        ),
        (["studies", "reads"], GONE, "studies.reads is missing, wanted a value"),
        (["studies"], GONE, "studies is missing, wanted a mapping"),
    ],
)
def test_what_the_workflow_reads_is_there(path, value, sentence, damaged):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        studies.check(catalogue.load(damaged("paper", path, value)))
