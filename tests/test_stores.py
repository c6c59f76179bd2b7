"""A damaged store is refused when it is opened and healed when it is asked for again."""

import json
import os
import random
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from fuzz import refusal, seeds
from stores import chunks, contents, instances, study_folder, sweep

import tokwatt as tw
from tokwatt import stores
from tokwatt.params.errors import StoreError
from tokwatt.studies import blocks, stream


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK", 64)
        yield


@cache
def asked():
    """A sweep that is compiled once."""
    return sweep()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    stream.stream(asked(), folder / "made.zarr")
    return folder / "made.zarr"


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    """A store that lacks every fifth block."""
    folder = tmp_path_factory.mktemp("unfinished")
    for part in (0, 1, 3, 4):
        stream.stream(asked(), folder / "made.zarr", (part, 5))
    return asked().growing_path(folder / "made.zarr")


def edit(*keys, value):
    """Another value in a JSON file."""

    def edited(path):
        tree = json.loads(path.read_bytes())
        inner = tree
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        path.write_text(json.dumps(tree))

    return edited


def rewritten(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def copied(source):
    return lambda path: shutil.copy(path.parents[4] / source, path)


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


def replaced_by_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def foreign(path):
    path.parent.mkdir()
    path.write_bytes((path.parents[1] / "power" / "zarr.json").read_bytes())


def grown(path):
    with path.open("ab") as file:
        file.write(b"more")


CHUNK, COORDINATE, ARRAY, GROUP = "power/c/1/0/0", "length/c/0", "power/zarr.json", "zarr.json"
DAMAGES = {
    "a missing chunk": (CHUNK, Path.unlink),
    "a flipped bit": (CHUNK, rewritten(lambda data: data[:30] + bytes([data[30] ^ 4]) + data[31:])),
    "a flipped bit of a checksum": (
        CHUNK,
        rewritten(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
    ),
    "a chunk cut short": (CHUNK, rewritten(lambda data: data[:-5])),
    "a chunk cut below its checksum": (CHUNK, rewritten(lambda data: data[:2])),
    "an empty chunk": (CHUNK, rewritten(lambda data: b"")),
    "a longer chunk": (CHUNK, grown),
    "another block's chunk": (CHUNK, copied("power/c/0/0/0")),
    "another quantity's chunk": (CHUNK, copied("concurrency/c/1/0/0")),
    "other bytes": (CHUNK, rewritten(lambda data: bytes(range(256)))),
    "another type": (ARRAY, edit("data_type", value="int64")),
    "another byte order": (ARRAY, edit("codecs", 0, "configuration", "endian", value="big")),
    "a scale factor": (ARRAY, edit("attributes", "scale_factor", value=1000)),
    "an offset": (ARRAY, edit("attributes", "add_offset", value=1.0)),
    "another unit": (ARRAY, edit("attributes", "units", value="kW")),
    "another fill value": (ARRAY, edit("fill_value", value=0.0)),
    "a missing-value mark": (ARRAY, edit("attributes", "_FillValue", value=1.0)),
    "another shape": (ARRAY, edit("shape", value=[3, 21, 7])),
    "exchanged dimensions": (
        ARRAY,
        edit("dimension_names", value=["gpu", "scale", "length"]),
    ),
    "metadata cut short": (ARRAY, rewritten(lambda data: data[:-9])),
    "missing metadata": (ARRAY, Path.unlink),
    "empty metadata": (ARRAY, rewritten(lambda data: b"")),
    "metadata of another shape": (ARRAY, rewritten(lambda data: b"[]")),
    "another unit of a coordinate": ("length/zarr.json", edit("attributes", "units", value="s")),
    "a missing coordinate": (COORDINATE, Path.unlink),
    "a flipped bit of a coordinate": (
        COORDINATE,
        rewritten(lambda data: data[:30] + bytes([data[30] ^ 4]) + data[31:]),
    ),
    "another coordinate's chunk": (
        COORDINATE,
        lambda path: shutil.copy(path.parents[2] / "scale/c/0", path),
    ),
    "a missing group": (GROUP, Path.unlink),
    "a group cut short": (GROUP, rewritten(lambda data: data[:-9])),
    "a group that is no mapping": (GROUP, rewritten(lambda data: b"7")),
    "another title": (GROUP, edit("attributes", "title", value="another")),
    "a foreign array": ("foreign/zarr.json", foreign),
    "a folder for a chunk": (CHUNK, replaced_by_a_folder),
    "a pipe for a chunk": (CHUNK, replaced_by_a_pipe),
    "a folder for metadata": (ARRAY, replaced_by_a_folder),
    "a pipe for metadata": (ARRAY, replaced_by_a_pipe),
    "a pipe for a group": (GROUP, replaced_by_a_pipe),
    "a pipe for a coordinate": (COORDINATE, replaced_by_a_pipe),
}
SEALS = {
    "missing checksums": ("power/checksums.csv", Path.unlink),
    "a pipe for checksums": ("power/checksums.csv", replaced_by_a_pipe),
    "other checksums": (
        "power/checksums.csv",
        rewritten(lambda data: data.replace(b"c/0/", b"c/1/")),
    ),
    "no digests": (GROUP, edit("attributes", "digests", value="{}")),
    "digests of another shape": (GROUP, edit("attributes", "digests", value=[3])),
}


def damaged(store, place, kind):
    """A copy of a store with one thing wrong."""
    shutil.copytree(store, place)
    file, damage = (DAMAGES | SEALS)[kind]
    damage(place / file)
    return file


@pytest.mark.parametrize("kind", [*DAMAGES, *SEALS])
def test_a_damaged_finished_store_is_refused_and_then_healed(kind, finished, tmp_path):
    target, whole = tmp_path / "made.zarr", contents(finished)
    file = damaged(finished, target, kind)
    with pytest.raises(StoreError, match=r"^[^\n]*made\.zarr: [^\n]*`tokwatt study made`[^\n]*\.$"):
        tw.open("made", tmp_path)
    named = stream.stream(asked(), target)
    assert file in named
    assert contents(target) == whole
    assert tw.open("made", tmp_path).attrs == asked().provenance
    assert [path.name for path in tmp_path.iterdir()] == ["made.zarr"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_unfinished_store_goes_on_to_the_right_one(kind, unfinished, finished, tmp_path):
    damaged(unfinished, tmp_path / unfinished.name, kind)
    stream.stream(asked(), tmp_path / "made.zarr")
    assert contents(tmp_path / "made.zarr") == contents(finished)


@pytest.mark.parametrize("journal", [b"", b"power/c/1/0/0,", b"\xff\xfe\n,,,\n", bytes(1000)])
def test_a_journal_that_is_lost_or_rubbish_costs_only_time(journal, unfinished, finished, tmp_path):
    shutil.copytree(unfinished, tmp_path / unfinished.name)
    (tmp_path / unfinished.name / "3-of-5.csv").write_bytes(journal)
    stream.stream(asked(), tmp_path / "made.zarr")
    assert contents(tmp_path / "made.zarr") == contents(finished)


def test_only_the_damaged_chunks_are_computed_again(finished, tmp_path, monkeypatch):
    target = tmp_path / "made.zarr"
    damaged(finished, target, "a missing chunk")
    before = {path: path.stat().st_mtime_ns for path in chunks(target)}
    assert stream.stream(asked(), target) == [CHUNK]
    written = {path for path in chunks(target) if path.stat().st_mtime_ns != before.get(path)}
    block = {target / name / "c/1/0/0" for name in ("power", "concurrency")}
    assert written == block


def test_what_has_rotted_at_rest_is_found_when_every_byte_is_read(finished, tmp_path):
    target = tmp_path / "made.zarr"
    shutil.copytree(finished, target)
    times = (target / CHUNK).stat().st_atime_ns, (target / GROUP).stat().st_mtime_ns - 10**9
    (DAMAGES["a flipped bit"][1])(target / CHUNK)
    os.utime(target / CHUNK, ns=times)
    assert CHUNK not in stores.damages(target)
    assert list(stores.damages(target, every_byte=True)) == [CHUNK]
    assert stream.stream(asked(), target, every_byte=True) == [CHUNK]
    assert contents(target) == contents(finished)


def test_a_damaged_store_of_other_inputs_is_replaced(finished, tmp_path):
    target = tmp_path / "made.zarr"
    damaged(finished, target, "a missing chunk")
    assert stream.stream(sweep(title="another"), target) == []
    assert tw.open("made", tmp_path).attrs["title"] == "another"


def test_parts_heal_a_damaged_store_together(finished, tmp_path):
    target = tmp_path / "made.zarr"
    damaged(finished, target, "a missing chunk")
    for part in range(2):
        stream.stream(asked(), target, (part, 2))
        assert not target.exists()
    stream.stream(asked(), target)
    assert contents(target) == contents(finished)


def file_in_place(path):
    path.write_text("mine")


def link_in_place(path):
    (path.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent / "elsewhere")


def dangling_link_in_place(path):
    path.symlink_to(path.parent / "nowhere")


def folder_in_place(path):
    path.mkdir()
    (path / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    "put", [file_in_place, link_in_place, dangling_link_in_place, folder_in_place]
)
def test_what_is_no_store_is_left_alone_and_named(put, tmp_path):
    target = tmp_path / "made.zarr"
    put(target)
    before = [(path, path.is_symlink()) for path in sorted(tmp_path.rglob("*"))]
    with pytest.raises(StoreError, match=r"^[^\n]*made\.zarr: is a[^\n]*move it away\.$"):
        stream.stream(asked(), target)
    assert [(path, path.is_symlink()) for path in sorted(tmp_path.rglob("*"))] == before
    with pytest.raises(StoreError, match=r"^[^\n]*made\.zarr: [^\n]*\.$"):
        tw.open("made", tmp_path)


def test_the_command_heals_a_finished_store_and_says_so(tokwatt, tmp_path):
    params = study_folder(tmp_path, small=instances(64, 8))
    study = ["study", "small", "--params", params, "--out", tmp_path]
    said = [tokwatt(*study)]
    whole = contents(tmp_path / "small.zarr")
    chunk = next(path for path in chunks(tmp_path) if "tokens_per_joule" in path.parts)
    chunk.unlink()
    said += [tokwatt(*study, "--check"), tokwatt(*study)]
    name = chunk.relative_to(tmp_path / "small.zarr")
    healed = f"{tmp_path}/small.zarr: {name} is missing or damaged, made anew.\n"
    done = f"{tmp_path}/small.zarr: 1,024 points\n"
    assert said == [(0, done, ""), (0, done, healed), (0, done, "")]
    assert contents(tmp_path / "small.zarr") == whole


# --- seeded fuzz


def flip(path, draw):
    data = bytearray(path.read_bytes())
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def cut(path, draw):
    data = path.read_bytes()
    path.write_bytes(data[: draw.randrange(max(1, len(data)))])


def lose(path, draw):
    path.unlink()


def exchange(path, draw):
    others = [other for other in path.parent.iterdir() if other.is_file()]
    path.write_bytes(draw.choice(others).read_bytes())


def rename_a_key(path, draw):
    data = path.read_bytes()
    words = re.findall(rb'"[a-z_]+"', data) or [b""]
    path.write_bytes(data.replace(draw.choice(words), b'"else"', 1))


def change_a_digit(path, draw):
    data = bytearray(path.read_bytes())
    digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57] or [0]
    data[draw.choice(digits)] = 48 + draw.randrange(10)
    path.write_bytes(data)


HARM = (flip, flip, cut, lose, exchange, rename_a_key, change_a_digit)


def harmed(store, place, draw):
    """A copy of a store with one to three of its files harmed."""
    shutil.copytree(store, place)
    for _ in range(draw.randrange(1, 4)):
        files = sorted(path for path in place.rglob("*") if path.is_file())
        draw.choice(HARM)(draw.choice(files), draw)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", seeds("finished stores"))
def test_a_harmed_finished_store_is_refused_or_right_and_then_healed(seed, finished, tmp_path):
    target = tmp_path / "made.zarr"
    harmed(finished, target, random.Random(seed))

    def opened():
        with tw.open("made", tmp_path) as found, stores.read_store(finished) as right:
            assert found.identical(right)

    sentence = refusal(seed, opened)
    assert sentence is None or sentence.startswith(f"{target}: ")
    assert refusal(seed, lambda: stream.stream(asked(), target)) is None
    assert contents(target) == contents(finished)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", seeds("unfinished stores"))
def test_a_harmed_unfinished_store_goes_on_to_the_right_one(seed, unfinished, finished, tmp_path):
    harmed(unfinished, tmp_path / unfinished.name, random.Random(seed))
    assert refusal(seed, lambda: stream.stream(asked(), tmp_path / "made.zarr")) is None
    assert contents(tmp_path / "made.zarr") == contents(finished)
