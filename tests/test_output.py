"""What is written appears whole or not at all: on a full or read-only disk, after a kill."""

import ast
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from fuzz import seeds

from tokwatt.commands import workflow
from tokwatt.output import filled_folder, write_files

DEAD = 2**22 + 1  # above the largest number of a process


def listed(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_files_are_written_all_or_none(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "new" / "b.csv"
    write_files({first: "old", second: b"old"})
    assert (first.read_text(), second.read_text()) == ("old", "old")
    blocked = tmp_path / "a.csv" / "below"
    with pytest.raises(OSError) as caught:
        write_files({second: "new", blocked: "new"})
    assert caught.value.filename == str(first)
    assert (first.read_text(), second.read_text()) == ("old", "old")
    assert listed(tmp_path) == ["a.csv", "b.csv", "new"]


def test_an_error_while_a_folder_is_filled_leaves_the_old_one(tmp_path):
    with filled_folder(tmp_path / "made") as folder:
        (folder / "a.nc").write_text("old")
    with pytest.raises(ZeroDivisionError), filled_folder(tmp_path / "made") as folder:
        (folder / "a.nc").write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "made" / "a.nc").read_text() == "old"
    assert listed(tmp_path) == ["a.nc", "made"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    dead = tmp_path / f".a.csv.{DEAD}.part"
    living = tmp_path / f".a.csv.{os.getppid()}.part"
    other = tmp_path / f".b.csv.{DEAD}.part"
    for part in (dead, living, other):
        part.write_text("half")
    write_files({tmp_path / "a.csv": "whole"})
    assert listed(tmp_path) == sorted([living.name, other.name, "a.csv"])


def test_a_pipe_or_device_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        write_files({tmp_path / "pipe": "through"})
        assert reader.communicate(timeout=10)[0] == b"through"
    assert listed(tmp_path) == ["pipe"]


WRITING = {"write_text", "write_bytes", "copyfile", "copy", "copytree", "to_csv", "to_netcdf"}


def writes(path):
    """Calls of a module that write a file by its path."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            to_disk = node.func.attr not in ("to_csv", "copy") or any(
                not isinstance(argument, ast.Constant) for argument in node.args
            )
            if node.func.attr in WRITING and to_disk:
                yield f"{path.stem}.{node.func.attr}"


def test_nothing_else_writes_files_but_stores_of_studies_and_datasets_in_their_folder():
    modules = (ROOT / "src").rglob("*.py")
    assert {call for path in modules for call in writes(path)} <= {
        "output.write_bytes",
        "__init__.to_netcdf",  # of studies, in a filled_folder
        "simulate.to_netcdf",  # in a folder that is temporary
    }


@contextmanager
def mounted(folder, *options):
    """A small disk of its own."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def said(monkeypatch, *arguments):
    """What the command line ends with."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["tokwatt", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        workflow.main()
    return ended.value.code


COMMANDS = {
    "table": ["table", "table1", "--out"],
    "figure": ["figure", "generations", "--out"],
    "grids": ["grids", "instances", "--out"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("options", [["size=4k"], ["size=64k", "nr_inodes=2"], ["ro"]])
def test_a_full_or_read_only_disk_is_one_sentence_and_holds_nothing(
    name, options, grids, tmp_path, monkeypatch
):
    arguments = [] if name == "grids" else ["--grids", grids]
    with mounted(tmp_path / "disk", *options) as disk:
        sentence = said(monkeypatch, *COMMANDS[name], disk, *arguments)
        assert listed(disk) in ([], ["instances"])
    assert sentence.startswith(str(disk)) and "cannot be used" in sentence
    assert "\n" not in sentence and sentence.endswith(".")


@pytest.mark.fuzz
def test_on_a_disk_of_any_size_files_are_new_or_old_and_none_is_half(tmp_path):
    """Files of one size, written together or as a folder, over old ones or none."""
    for seed in seeds("outputs"):
        draw = random.Random(seed)
        names = [f"{number}.csv" for number in range(draw.randrange(1, 9))]
        new, old = bytes([1]) * draw.randrange(30_000), bytes([2]) * draw.randrange(4_000)
        before = {name: old for name in names if draw.random() < 0.3}
        size, inodes = f"size={draw.randrange(12, 60) * 4}k", f"nr_inodes={draw.randrange(12, 25)}"
        with mounted(tmp_path / "disk", size, inodes) as disk:
            (disk / "made").mkdir()
            for name, data in before.items():
                (disk / "made" / name).write_bytes(data)
            try:
                if draw.random() < 0.5:
                    write_files({disk / "made" / name: new for name in names})
                else:
                    with filled_folder(disk / "made") as folder:
                        for name in names:
                            (folder / name).write_bytes(new)
                wanted = dict.fromkeys(names, new)
            except OSError as error:
                assert str(error.filename).startswith(str(disk)), seed
                assert error.strerror == "No space left on device", seed
                wanted = before
            found = {path.name: path.read_bytes() for path in (disk / "made").iterdir()}
            assert found == wanted, seed
            assert listed(disk) == sorted(["made", *wanted]), seed


def test_a_full_disk_leaves_the_old_files(grids, tmp_path, monkeypatch):
    with mounted(tmp_path / "disk", "size=40k") as disk:
        old = {"generations.csv": "old", "generations.pdf": "old"}
        for name, text in old.items():
            (disk / name).write_text(text)
        code = said(monkeypatch, *COMMANDS["figure"], disk, "--grids", grids)
        assert f"{disk}/generations." in code and "No space left on device" in code
        assert {path.name: path.read_text() for path in disk.iterdir()} == old


def test_what_cannot_be_printed_is_one_sentence():
    command = [sys.executable, "-m", "tokwatt", "studies"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False
        )
    wanted = "wanted what `snakemake` makes or a place to write to.\n"
    sentence = f"standard output: cannot be used (No space left on device), {wanted}"
    assert (ended.returncode, ended.stderr) == (1, sentence)


def test_a_job_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    sentence = said(monkeypatch, "grids", "nosuch", "--out", tmp_path / "made")
    assert "grids.job is 'nosuch', wanted one of instances, fleets" in sentence
    assert listed(tmp_path) == []
