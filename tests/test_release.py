"""A release: its version, what it asks for, and its wheel in a clean environment."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import quick_yaml
from conftest import ROOT

import tokwatt
from tokwatt.reports import provenance

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
QUESTIONS = [["point"], ["fleet", "--arrival-rate", "10"]]


def names(requirements):
    """Packages as an index knows them."""
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def test_a_question_needs_at_most_a_dozen_packages_and_none_of_the_workflow():
    assert len(BASE) <= 12
    assert names(BASE).isdisjoint(names(EXTRAS["workflow"]))


def test_the_lock_has_what_the_package_its_workflow_and_its_tests_ask_for():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = names(re.findall(r"^[\w.-]+==", lock, re.MULTILINE))
    assert names([*BASE, *EXTRAS["workflow"], *EXTRAS["test"]]) - locked == set()
    assert "--extra workflow --extra test" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_extra_is_explained():
    text = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    assert [name for name in EXTRAS if f"`{name}`" not in text] == []


def test_the_program_the_citation_and_a_tag_name_one_version():
    citation = quick_yaml.load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == tokwatt.__version__
    assert "doi" not in citation and "identifiers" not in citation
    assert PROJECT["tool"]["hatch"]["version"]["fallback-version"] == tokwatt.__version__
    command = ["git", "tag", "--points-at", "HEAD", "v*"]
    tags = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert set(tags.split()) <= {f"v{tokwatt.__version__}"}


def test_every_dependency_has_a_version_and_names_its_licence():
    found = {name: provenance.licence(name) for name in provenance.dependencies()}
    assert names([*BASE, *EXTRAS["workflow"]]) <= {name.lower() for name in found}
    assert [
        name for name, licence in found.items() if licence == "not named" or "\n" in licence
    ] == []
    assert [name for name in found if not version(name)] == []


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_a_question_imports_nothing_of_the_workflow(question):
    modules = {"google-crc32c": "google_crc32c", "markdown-it-py": "markdown_it"}
    blocked = [modules.get(name, name.replace("-", "_")) for name in names(EXTRAS["workflow"])]
    program = f"""
import sys
sys.modules |= dict.fromkeys({[*blocked, "netCDF4", "mdit_py_plugins"]})
sys.argv = ["tokwatt", *{question}]
from tokwatt.commands.workflow import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tok/J" in done.stdout


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """An environment with nothing but a wheel, made from a source distribution, and its needs."""
    folder, uv = tmp_path_factory.mktemp("release"), Path(sys.executable).with_name("uv")
    run(uv, "build", "--quiet", "--out-dir", folder, ROOT)
    source, wheel = next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    run(uv, "pip", "install", "--quiet", "--python", python, wheel)
    return folder, source, wheel


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("TOKWATT_RELEASE"),
    reason="asks a package index: TOKWATT_RELEASE=1 pytest tests/test_release.py",
)
def test_a_wheel_answers_in_an_environment_of_its_own(clean):
    folder, source, wheel = clean
    with tarfile.open(source) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Snakefile", "LICENSE", "CITATION.cff", "params/gpus.yaml", "docs/tutorial.md"} <= files
    assert wheel.name.split("-")[1] == source.name.removesuffix(".tar.gz").split("-")[1]
    tool, environment = folder / "venv/bin/tokwatt", {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    for question in QUESTIONS:
        assert "tok/J" in run(tool, *question, cwd=folder, env=environment)
    refused = subprocess.run(
        [tool, "study", "example"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert re.search(r"^\w+: is not installed, wanted .*tokwatt\[workflow\]", refused.stderr)
    assert len(refused.stderr.splitlines()) == 1
