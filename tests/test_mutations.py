"""After one number of `params/` is changed, a rerun makes what a fresh run makes."""

import os
import random
import shutil
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import quick_yaml
from conftest import damage, snakemake, workflow_in

from tests.params.test_params import paths

COUNT = int(os.environ.get("TOKWATT_MUTATIONS", "0"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not COUNT,
        reason="three minutes a number: TOKWATT_MUTATIONS=3 pytest tests/test_mutations.py",
    ),
]


def made(folder):
    """What readers see after a run of the workflow, by path; what it says where it fails."""
    ran = snakemake(folder)
    if ran.returncode:
        return ran.stdout + ran.stderr
    seen = [
        *(folder / "figures").glob("*"),
        *(folder / "results").glob("*.*"),
        *(folder / "results" / "tables").glob("*"),
    ]
    seen += (folder / "results" / "site").rglob("*.*")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in seen if path.is_file()
    }


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    folder = workflow_in(tmp_path_factory.mktemp("before"))
    return folder, made(folder)


def mutated(folder, seed):
    """Makes one number that `tokwatt check` accepts a little larger and says which."""
    chance = random.Random(seed)
    files = sorted(path.relative_to(folder) for path in (folder / "params").rglob("*.yaml"))
    while True:
        file = chance.choice(files)
        text = (folder / file).read_text(encoding="utf-8")
        tree = quick_yaml.load(text)
        values = ((path, reduce(getitem, path, tree)) for path in paths(tree))
        numbers = [
            (path, value)
            for path, value in values
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if not numbers:
            continue
        path, value = chance.choice(numbers)
        changed = damage(tree, path, value + 1 if isinstance(value, int) else value * 1.01)
        (folder / file).write_text(quick_yaml.dump(changed, allow_unicode=True), encoding="utf-8")
        checked = subprocess.run(
            [sys.executable, "-m", "tokwatt", "check"], cwd=folder, capture_output=True, check=False
        )
        if checked.returncode == 0:
            return file, path
        (folder / file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_changed_number_changes_what_depends_on_it_and_nothing_else(seed, before, tmp_path):
    folder, first = before
    rerun, anew = shutil.copytree(folder, tmp_path / "rerun"), workflow_in(tmp_path / "anew")
    file, path = mutated(rerun, seed)
    shutil.copy(rerun / file, anew / file)
    again, fresh = made(rerun), made(anew)
    if isinstance(fresh, str):  # numbers that are each allowed and do not work together
        assert isinstance(again, str) and "Traceback" not in again
        return
    assert [
        name for name in again.keys() | fresh.keys() if again.get(name) != fresh.get(name)
    ] == [], (file, path)
    changed = {name for name in first.keys() | again.keys() if first.get(name) != again.get(name)}
    for table in Path(rerun / "figures").glob("*.csv"):
        name = table.stem
        drawn = {f"figures/{name}.{kind}" for kind in ("csv", "pdf", "svg", "png")}
        assert changed & drawn in (drawn, set()), (file, path)
        if file.name != "paper.yaml" and f"results/site/figure-{name}.html" in changed:
            assert drawn <= changed, (file, path)
