"""What goes wrong while a store grows ends in one sentence or in the right store."""

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import zarr
from fuzz import seeds
from stores import chunks, contents, instances, study_folder, sweep, tokwatt

import tokwatt as tw
from tokwatt.params.errors import StoreError
from tokwatt.studies import blocks, stream, study


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)


@pytest.fixture
def whole(tmp_path):
    """What an uninterrupted run makes."""
    stream.stream(sweep(), tmp_path / "reference" / "made.zarr")
    return contents(tmp_path / "reference" / "made.zarr")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Parameters with a study of 8 million points, and what an uninterrupted run makes of it."""
    folder = tmp_path_factory.mktemp("many")
    params = study_folder(folder, many=instances(4096, 1024))
    stream.stream(study.load_study(params, "many"), folder / "many.zarr")
    return params, contents(folder / "many.zarr")


def ended(process):
    said = process.communicate(timeout=100)[1]
    return process.returncode, said


@pytest.mark.slow
def test_a_killed_study_goes_on_to_the_same_bytes_and_leaves_no_lock(many, tmp_path):
    params, reference = many
    process = tokwatt("study", "many", "--params", params, "--out", tmp_path)
    while len(chunks(tmp_path)) < 1 and process.poll() is None:
        time.sleep(0.0005)
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process) == (-signal.SIGKILL, "")
    assert not (tmp_path / "many.zarr").exists()
    assert 0 < len(chunks(tmp_path)) < sum("tokens_per_joule/c/" in name for name in reference)
    with pytest.raises(StoreError, match="not finished"):
        tw.open("many", tmp_path)
    assert ended(tokwatt("study", "many", "--params", params, "--out", tmp_path)) == (0, "")
    assert contents(tmp_path / "many.zarr") == reference
    assert [path.name for path in tmp_path.iterdir()] == ["many.zarr"]


@contextmanager
def mounted(disk, options):
    disk.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "size=8m") as disk:
        yield disk


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_sentence_and_with_space_the_study_goes_on(many, small_disk):
    params, reference = many
    code, said = ended(tokwatt("study", "many", "--params", params, "--out", small_disk))
    assert (code, said) == (
        1,
        f"{small_disk}/many.zarr: No space left on device;"
        " what is finished is kept, run again to go on.\n",
    )
    assert not (small_disk / "many.zarr").exists()
    subprocess.run(["mount", "-o", "remount,size=96m", small_disk], check=True)
    assert ended(tokwatt("study", "many", "--params", params, "--out", small_disk)) == (0, "")
    assert contents(small_disk / "many.zarr") == reference


def test_a_disk_that_is_full_from_the_start_is_told_in_one_sentence(small_disk):
    with (small_disk / "rubbish").open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(bytes(9 * 2**20))
    with pytest.raises(StoreError, match=r"^[^\n]*made\.zarr: No space left on device; [^\n]*\.$"):
        stream.stream(sweep(), small_disk / "made.zarr")
    (small_disk / "rubbish").unlink()
    stream.stream(sweep(), small_disk / "made.zarr")
    assert np.isfinite(tw.open("made", small_disk).power).all()


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", seeds("disks"))
def test_on_a_disk_of_any_size_a_store_is_whole_or_refused_and_goes_on_with_space(
    seed, whole, tmp_path
):
    draw = random.Random(seed)
    size, files = draw.choice([(f"{draw.randrange(1, 50) * 4}k", 1000), ("9m", draw.randrange(90))])
    with mounted(tmp_path / "disk", f"size={size},nr_inodes={files + 2}") as disk:
        target = disk / "made.zarr"
        try:
            stream.stream(sweep(), target)
        except StoreError as error:
            assert re.fullmatch(rf"{target}: No space left on device; [^\n]*\.", str(error))
            assert not target.exists()
            with pytest.raises(StoreError, match="there is no such store"):
                tw.open("made", disk)
        subprocess.run(["mount", "-o", "remount,size=9m,nr_inodes=999", disk], check=True)
        stream.stream(sweep(), target)
        assert contents(target) == whole


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^[^\n]*made\.zarr: [^\n]+\.$"):
        stream.stream(sweep(), tmp_path / "file" / "made.zarr")


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.mark.parametrize(
    ("place", "call"),
    [
        *product(
            ["Group.create_array", "Group.update_attributes", "Path.rename", "shutil.rmtree"],
            range(1, 4),
        ),
        *product(["Path.replace"], range(1, 41, 3)),
        *product(["Path.unlink"], range(1, 61, 10)),
    ],
)
def test_wherever_a_run_ends_the_store_is_whole_or_not_there_and_the_next_run_is_right(
    place, call, whole, tmp_path, monkeypatch
):
    target = tmp_path / "made.zarr"
    stream.stream(sweep(title="old"), target)
    old, calls = contents(target), []
    owner, name = (
        {"Group": zarr.Group, "Path": Path, "shutil": shutil}[place.split(".")[0]],
        place.split(".")[1],
    )
    genuine = getattr(owner, name)

    def deadly(*args, **kwargs):
        calls.append(name)
        if len(calls) >= call:
            raise Killed
        return genuine(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, deadly)
        try:
            stream.stream(sweep(), target)
        except Killed:
            assert len(calls) >= call
    assert not target.exists() or contents(target) in (old, whole)
    stream.stream(sweep(), target)
    assert contents(target) == whole


@contextmanager
def held(target):
    """A run in another thread that waits, somewhere on its way, until the block is left."""
    started, released = threading.Event(), threading.Event()

    def hold(points):
        started.set()
        assert released.wait(60)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(stream.stream, sweep(), target, progress=hold)
        try:
            assert started.wait(60)
            yield run
        finally:
            released.set()


def test_a_second_process_on_a_store_is_told_in_one_sentence_and_the_first_goes_on(whole, tmp_path):
    with (
        held(tmp_path / "made.zarr") as first,
        pytest.raises(
            StoreError,
            match=r"^[^\n]*: another process is writing this part of the store, wait [^\n]*\.$",
        ),
    ):
        stream.stream(sweep(), tmp_path / "made.zarr")
    first.result()
    assert contents(tmp_path / "made.zarr") == whole


def test_a_run_of_other_inputs_takes_the_place_of_one_under_way_and_nothing_is_mixed(
    whole, tmp_path
):
    with held(tmp_path / "made.zarr") as first:
        stream.stream(sweep(title="of other inputs"), tmp_path / "made.zarr", (1, 2))
    with pytest.raises(StoreError, match=r"^[^\n]*made\.zarr: [^\n]*run again[^\n]*\.$"):
        first.result()
    assert not (tmp_path / "made.zarr").exists()
    stream.stream(sweep(), tmp_path / "made.zarr")
    assert contents(tmp_path / "made.zarr") == whole


@pytest.mark.slow
def test_two_processes_on_one_store_end_in_a_right_store(many, tmp_path):
    params, reference = many
    both = [tokwatt("study", "many", "--params", params, "--out", tmp_path) for _ in range(2)]
    outcomes = sorted(ended(process) for process in both)
    assert outcomes[0] == (0, "")
    assert outcomes[1] == (0, "") or (
        outcomes[1][0] == 1
        and "another process" in outcomes[1][1]
        and outcomes[1][1].count("\n") == 1
    )
    assert contents(tmp_path / "many.zarr") == reference
