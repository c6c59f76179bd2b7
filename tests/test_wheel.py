"""An installed tokwatt answers in any folder: the wheel carries the parameter folder."""

import contextlib
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT
from hatchling import build

from tokwatt.params.files import parameter_folder

PARAMS = {
    path.relative_to(ROOT / "params").as_posix(): path.read_bytes()
    for path in (ROOT / "params").rglob("*.yaml")
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder of packages that holds nothing but what the wheel carries."""
    folder = tmp_path_factory.mktemp("wheel")
    with contextlib.chdir(ROOT):  # a build backend works in the folder of the project
        wheel = build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


def said(installed, folder, *arguments):
    """What Python says in a folder; packages that tokwatt needs are those of this environment."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_carries_every_parameter_file_as_it_is(installed):
    carried = installed / "tokwatt" / "catalogue"
    assert {
        path.relative_to(carried).as_posix(): path.read_bytes() for path in carried.rglob("*.*")
    } == PARAMS


def test_an_installed_tokwatt_loads_in_any_folder(installed, tmp_path):
    line = "import tokwatt as tw; print(tw.__file__); print(tw.load().folder)"
    module, folder = said(installed, tmp_path, "-c", line).splitlines()
    assert module == str(installed / "tokwatt" / "__init__.py")
    assert folder == str(installed / "tokwatt" / "catalogue")
    assert said(installed, tmp_path, "-m", "tokwatt", "point") != ""


def test_an_editable_install_finds_the_folder_of_its_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parameter_folder() == ROOT / "params"


def test_a_params_folder_here_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params").mkdir()
    assert parameter_folder().resolve() == tmp_path / "params"
