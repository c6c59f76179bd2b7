"""The documents: their commands run, their links lead somewhere, the reference is complete."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from tokwatt.commands import workflow
from tokwatt.serving.choices import choice_names
from tokwatt.studies import study

PAGES = [ROOT / name for name in ["README.md", "CONTRIBUTING.md"]] + sorted(
    (ROOT / "docs").glob("*.md")
)


@pytest.fixture
def checkout(grids, tmp_path):
    """A clone after its first run, as far as commands need it."""
    for name in ["params", "src"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(grids / "instances", tmp_path / "results/grids/instances")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", ["plan-a-fleet", "tutorial", "how-to"])
def test_the_commands_of_a_page_run_one_after_the_other(page, checkout):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 2
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": path,
        "PYTHONPATH": str(checkout / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(
        ["bash", "-e"],
        input="\n".join(blocks),
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stderr == ""


def headings(page):
    """The anchors of a page, as Markdown readers make them from its headings."""
    lines = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    return {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in lines
        if line.startswith("#")
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\(((?!http)[^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
    for file, anchor in links:
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not anchor or anchor in headings(target), (file, anchor)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there_or_made(page):
    """Results are made; a figure stands for its module."""
    named = re.findall(
        r"`((?:params|src|docs|figures|profiles|tests)/[\w./-]+)`", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_a_page_selects_of_a_store_is_on_an_axis_of_its_study(params, parameters):
    """Where a whole study takes too long to run the line itself."""
    text = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    for name, selected in re.findall(r'tw\.open\("(\w+)"\)\.sel\((.*?)\)', text):
        axes = study.load_study(params, name, parameters).axes
        for axis, value in re.findall(r'(\w+)="(.*?)"', selected):
            assert value in axes[axis], (name, axis)


@pytest.fixture(scope="module")
def written(computed):
    return (computed / "reference.md").read_text(encoding="utf-8")


def test_the_reference_has_every_command_record_choice_model_and_dataset(
    written, parameters, grids
):
    commands = [
        command.name or command.callback.__name__ for command in workflow.app.registered_commands
    ]
    expected = [f"### tokwatt {name}\n" for name in commands]
    expected += [f"| `{record.key}` " for record in parameters.records()]
    expected += [f"| **{name}** " for name in choice_names()]
    expected += [f"### {model}\n" for model in study.MODELS]
    expected += [f"### {path.stem}\n" for path in grids.rglob("*.nc")]
    assert [text for text in expected if text not in written] == []
    assert "### tokwatt llm import\n" in written


def test_the_tables_of_the_reference_are_whole(written):
    for table in re.findall(r"(?:^\|.*\n)+", written, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, (
            table[:200]
        )
