import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import hostile
import hypothesis
import jax
import matplotlib.style
import pandas as pd
import pytest
import quick_yaml
import typer
from filelock import FileLock

from tokwatt.accounts import explorer
from tokwatt.calibration.runs.columns import COLUMNS
from tokwatt.commands import reference, workflow
from tokwatt.params.llms import huggingface
from tokwatt.params.parameters import ParameterFolder
from tokwatt.reports import labels, site, tables
from tokwatt.reports.audit import audit
from tokwatt.reports.drawing import gallery, plotting
from tokwatt.reports.pages import headlines, planning, simulation, validation, verdict
from tokwatt.serving import catalogue

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
hypothesis.settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=400)
hypothesis.settings.register_profile("tokwatt", deadline=None, print_blob=True, max_examples=30)
hypothesis.settings.load_profile("tokwatt")

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "tests" / "reference"
GONE = object()
PAGES = [
    *("audit.md", "headlines.md", "verdict.md", "validation.md", "simulation.md", "planning.md"),
    *("reference.md", "explorer.json"),
]
"""What the workflow makes of its datasets for the site, beside tables and figures."""


def every_run(measured):
    """Rows of all records of measured runs."""
    return pd.concat([measured.runs()[COLUMNS], measured.client_runs], ignore_index=True)


@pytest.fixture(scope="session")
def parameters():
    return catalogue.load(ROOT / "params")


@pytest.fixture(scope="session")
def profiles(parameters):
    return parameters.profiles


@pytest.fixture(scope="session")
def knots(parameters):
    """The workloads as the replay takes them: pairs of length and fraction."""
    laws = parameters.workloads
    return {
        name: list(zip(laws[name].lengths.tolist(), laws[name].fractions.tolist(), strict=True))
        for name in laws
    }


@pytest.fixture(scope="session")
def expected():
    return json.loads((REFERENCE / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def exact_references():
    return json.loads((REFERENCE / "exact.json").read_text(encoding="utf-8"))["configs"]


@pytest.fixture(scope="session")
def params():
    return ROOT / "params"


@pytest.fixture
def imported(tmp_path):
    """Reads a configuration of an LLM, or the file of one, as what computations see."""

    def read(config, **options):
        path = config if isinstance(config, Path) else tmp_path / "config.json"
        if path is not config:
            path.write_text(json.dumps(config), encoding="utf-8")
        entry = huggingface.llm_entry(path, "name", "source", **options)
        (tmp_path / "llms.yaml").write_text(huggingface.to_yaml(entry), encoding="utf-8")
        return ParameterFolder(tmp_path).llms["name"].published

    return read


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, worker_id):
    """A folder that all processes of tests see."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def computed(shared_folder):
    """The results of this checkout, renewed by its own workflow: only what an edit concerns."""
    with FileLock(shared_folder / "workflow.lock"):
        if not (shared_folder / "workflow.done").exists():
            made = snakemake(ROOT)
            assert made.returncode == 0, made.stderr
            (shared_folder / "workflow.done").touch()
    return ROOT / "results"


@pytest.fixture(scope="session")
def grids(computed):
    """Every dataset of the workflow."""
    return computed / "grids"


@pytest.fixture(scope="session")
def results(computed, tmp_path_factory):
    """What the site is made from, beside the figures."""
    folder = tmp_path_factory.mktemp("results")
    for name in ["grids", "tables"]:
        (folder / name).symlink_to(computed / name)
    for name in ["audit.csv", *PAGES]:
        shutil.copy(computed / name, folder)
    return folder


def write_results(params, folder):
    """Everything that the site is made from, on the datasets of a folder."""
    write_pages(params, folder)
    explorer.write_explorer(params, folder / "explorer.json")
    command = typer.main.get_command(workflow.app)
    reference.write_reference(command, params, folder / "grids", folder / "reference.md")
    return folder


def write_pages(params, folder):
    """The tables, the audit, the verdict and what was measured, on the datasets of a folder."""
    for name in quick_yaml.load((params / "paper.yaml").read_text(encoding="utf-8"))["tables"]:
        tables.write_table(name, params, folder / "grids", folder / "tables")
    audit.write_audit(params, folder / "grids", folder)
    headlines.write_headlines(params, folder / "grids", folder)
    verdict.write_verdict(params, folder / "grids", folder)
    validation.write_validation(folder / "grids", folder)
    planning.write_planning(params, folder / "grids", folder)
    simulation.write_simulation(params, folder / "grids", folder)


@pytest.fixture(scope="session")
def built(computed):
    """The folder of the site."""
    return computed / "site"


@pytest.fixture(scope="session")
def infected(params, grids, tmp_path_factory):
    """A folder with the site of parameters, datasets and figures whose every text is hostile."""
    folder = tmp_path_factory.mktemp("infected")
    (folder / "count").write_text(str(hostile.infected_params(params, folder / "params")))
    hostile.infected_grids(grids, folder / "results" / "grids")
    hostile.infected_figures(ROOT / "figures", folder / "figures")
    write_results(folder / "params", folder / "results")
    sources = (folder / name for name in ("params", "results", "figures"))
    site.write_site(*sources, ROOT / "docs", folder / "site")
    return folder


@pytest.fixture(scope="session")
def entries(params):
    return gallery.entries(params)


@pytest.fixture(scope="session")
def label(params):
    return labels.read_labels(params)


@pytest.fixture(scope="session")
def data(computed):
    """Grids and the stores of studies that have figures."""
    return plotting.Data(computed / "grids", computed / "studies")


@pytest.fixture(scope="session")
def drawn(computed):
    """The folder of figures."""
    return computed.parent / "figures"


@pytest.fixture(scope="session")
def canvas_of(entries):
    """Draws a figure from its numbers."""

    def draw(name, frame, label):
        with matplotlib.style.context(plotting.STYLE, after_reset=True):
            return plotting.module_of(name, entries[name]).draw(frame, label)

    return draw


def workflow_in(folder):
    """Copies what the workflow needs of the checkout into a folder."""
    for name in ["params", "src", "profiles", "docs"]:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ["Snakefile", "environment.yml", "requirements.txt", "CITATION.cff"]:
        shutil.copy(ROOT / name, folder)
    return folder


def snakemake(folder, *arguments):
    """Runs the workflow of a folder on two cores."""
    command = [Path(sys.executable).with_name("snakemake"), "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def damage(tree, path, value):
    """A tree with the value at a path of keys replaced, added or taken out; aliases stay one."""
    tree = copy.deepcopy(tree)
    *parents, last = path
    owner = tree
    for key in parents:
        owner = owner[key]
    if value is GONE:
        del owner[last]
    else:
        owner[last] = value
    return tree


@pytest.fixture
def damaged(params, tmp_path):
    """Copies the parameters and changes what stands at one path of keys in one file."""

    def damaged_folder(name, path, value):
        folder = shutil.copytree(params, tmp_path / "params")
        tree = damage(
            quick_yaml.load((folder / f"{name}.yaml").read_text(encoding="utf-8")), path, value
        )
        (folder / f"{name}.yaml").write_text(quick_yaml.dump(tree), encoding="utf-8")
        return folder

    return damaged_folder


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
