"""What an edit in `params/` reruns: what depends on it, and no more.

A job depends on the files that it read when it last ran, as its log says, and on its own entries of
`params/paper.yaml`. Nothing is computed here: runs are planned for a folder whose results are empty
files, under the logs of this checkout's own run.
"""

import os
import shutil

import pytest
from conftest import snakemake, workflow_in
from test_workflow import planned, replace

from tokwatt import studies

pytestmark = pytest.mark.slow
FOLDERS = {"grids", "study", "site"}
"""Rules whose results are folders."""


@pytest.fixture(scope="module")
def finished(computed, tmp_path_factory):
    """A checkout after a run, as the workflow sees it."""
    folder = workflow_in(tmp_path_factory.mktemp("finished"))
    for line in snakemake(folder, "--summary").stdout.splitlines()[1:]:
        name, _, rule, *_ = line.split("\t")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).mkdir(exist_ok=True) if rule in FOLDERS else (folder / name).touch()
    touched = snakemake(folder, "--touch", "--forceall")
    assert touched.returncode == 0, touched.stderr
    shutil.rmtree(folder / "results/logs", ignore_errors=True)
    shutil.copytree(computed / "logs", folder / "results/logs")
    assert planned(folder) == set()
    return folder


@pytest.fixture
def folder(finished):
    """The same checkout for each edit, which is taken back with the times of its files."""
    kept = {path: (path.read_bytes(), path.stat()) for path in (finished / "params").rglob("*.*")}
    yield finished
    for path in (finished / "params").rglob("*.*"):
        content, status = kept.get(path, (None, None))
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


FIGURE = """
  mine: {study: example, title: Mine, caption: Mine., category: Fleets}
"""
TABLE_1 = "32768, 65536, 131072], unit: tok}\n    utilization"
WITH_WORKLOADS = {
    f"grids {job}" for job in ("accounts", "fleets", "plans", "sampling", "simulated")
}
PAGES = {
    f"page {name}" for name in ("planning", "reference", "simulation", "validation", "verdict")
}
READERS_OF_ENTRIES = {"page planning", "page reference", "page simulation"}
"""What reads `params/paper.yaml`."""
DATASETS = {"audit", "tables", *PAGES}
"""What reads every dataset."""
EDITS = {
    "windows up to 1M": (
        lambda params: replace(
            params / "paper.yaml", TABLE_1, TABLE_1.replace("]", ", 262144, 524288, 1048576]")
        ),
        {"grids instances", *DATASETS}
        | {
            f"figure {name}"
            for name in ("architecture", "context_window", "generations", "power_curve")
        },
    ),
    "a workload": (
        lambda params: append(params / "workloads.yaml", "\nmine: {name: Mine}\n"),
        {*WITH_WORKLOADS, *DATASETS, "explorer", "study fleet_size", "figure fleet_size"}
        | {f"figure {name}" for name in ("fleetopt", "fleets", "gains", "lever", "percentiles")}
        | {
            f"figure {name}"
            for name in (
                "plans",
                "sampling_error",
                "slopes",
                "split",
                "tornado",
                "uncertainty",
                "waterfall",
            )
        },
    ),
    "a study": (
        lambda params: shutil.copy(params / "studies/example.yaml", params / "studies/mine.yaml"),
        PAGES,
    ),
    "a figure": (
        lambda params: append(params / "paper.yaml", FIGURE),
        {"study example", "figure mine", *READERS_OF_ENTRIES},
    ),
    "a caption": (
        lambda params: replace(params / "paper.yaml", "Each doubling", "Every doubling"),
        {"figure context_window", *READERS_OF_ENTRIES},
    ),
    "a measured run": (
        lambda params: append(params / "measured/mlenergy.yaml", "# one more\n"),
        {"grids measured", *DATASETS, "figure validation", "figure residuals"}
        | {f"figure measured_{name}" for name in ("generation", "moe", "slope")},
    ),
    "a claim": (
        lambda params: append(params / "published.yaml", "# one more\n"),
        {"audit", "page verdict"},
    ),
    "an axis of a study": (
        lambda params: replace(
            params / "studies/long_windows.yaml", "1048576, 19]", "1048576, 37]"
        ),
        {"study long_windows", "figure long_windows", "page reference"},
    ),
    "how a study is drawn": (
        lambda params: replace(params / "studies/long_windows.yaml", "log: [x, y]", "log: [x]"),
        {"figure long_windows", "page reference"},
    ),
}
"""What is done to a parameter folder, and the jobs that rerun for it."""
SITE = {"all", "record", "site"}
"""What shows everything."""


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reruns_what_depends_on_it_and_no_more(edit, folder):
    change, jobs = EDITS[edit]
    change(folder / "params")
    assert planned(folder) == jobs | SITE


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("gpus", lambda path: append(path, "\nMINE: {name: Mine}\n")),
        ("gpus", lambda path: replace(path, "price: {value: ", "price: {value: 1")),
        ("gpus", lambda path: replace(path, "source: ", "source: as printed, ")),
        ("llms", lambda path: append(path, "# one more\n")),
    ],
    ids=["a GPU", "a price", "a note", "an LLM"],
)
def test_an_edit_of_what_every_deployment_reads_reruns_every_job_that_computes(
    file, change, folder
):
    """Jobs depend on the file, not on the record: its digest is provenance of every dataset."""
    change(folder / "params" / f"{file}.yaml")
    jobs = planned(folder)
    assert {f"grids {job}" for job in studies.JOBS} <= jobs
    assert {"explorer", "study consistent", "study fleet_size", "study long_windows"} <= jobs
