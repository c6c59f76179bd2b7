"""Streaming: a store holds what `grid.sweep` computes, labelled, in the same bytes each time."""

import json
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from conftest import ROOT
from stores import chunks, contents, instances, model, study_folder, sweep, tokwatt

import tokwatt as tw
from tokwatt import grid, stores
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.equations import memory
from tokwatt.params.errors import StoreError
from tokwatt.studies import blocks, stream, study

SHAPES = [
    (20, 7, 3),
    (64, 1, 1),
    (65, 1, 1),
    (1, 64, 2),
    (5, 65, 2),
    (1, 130, 1),
    (130, 1, 3),
    (9, 8, 8),
    (1, 1, 1),
    (33, 63, 1),
]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)


def streamed(path, made, **how):
    stream.stream(made, path / "made.zarr", **how)
    return tw.open("made", path)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_streamed_grid_is_the_swept_one_wherever_blocks_cut_it(shape, tmp_path):
    made = sweep(*shape)
    store, swept = streamed(tmp_path, made), grid.sweep(model, **made.axes, **made.fixed)
    assert store.power.dims == ("gpu", "length", "scale")
    for name in ("power", "concurrency"):
        np.testing.assert_allclose(store[name], swept[name], rtol=1e-15)
        assert store[name].attrs == swept[name].attrs
    for name in made.axes:
        assert store[name].values.tolist() == swept[name].values.tolist()
        assert store[name].attrs == swept[name].attrs


@pytest.mark.parametrize("shape", SHAPES)
def test_chunks_are_blocks_of_at_most_the_points_allowed(shape, tmp_path):
    made = sweep(*shape)
    store = streamed(tmp_path, made)
    assert np.prod(made.block) <= 64
    assert {store[name].encoding["chunks"] for name in store} == {made.block}
    counts = [-(-size // step) for size, step in zip(made.shape, made.block, strict=True)]
    assert len(chunks(tmp_path)) == 2 * np.prod(counts)


def test_a_shipped_study_is_what_plain_calls_give_with_its_provenance(tmp_path, params, parameters):
    chosen = study.load_study(params, "example")
    account = AssumptionSets(parameters).account("paper", {"basis": "instance"})
    store = streamed(tmp_path, chosen)
    for name in ("H100", "B200"):
        for window in store.context_window.values:
            deployment = parameters.profiled(parameters.profiles[name])
            plain = tw.operating_point(account, deployment, window, 0.5, 0.0, utilization=0.5)
            point = store.sel(profile=name, context_window=window).sel(
                utilization=0.5, method="nearest"
            )
            assert float(point.tokens_per_joule) == pytest.approx(
                float(plain.tokens_per_joule), rel=1e-12
            )
            assert point.concurrency == plain.concurrency
    assert {name: store[name].attrs["units"] for name in store} == {
        "tokens_per_joule": "tok/J",
        "concurrency": "seq",
        "power": "W",
    }
    assert {name: store[name].attrs.get("units") for name in store.coords} == {
        "profile": None,
        "context_window": "tok",
        "utilization": "1",
    }
    assert all(store[name].attrs["long_name"] for name in store.variables)
    assert store.attrs == chosen.provenance
    assert {
        "study",
        "parameters",
        "parameter_hash",
        "tokwatt_version",
        "basis",
    } <= store.attrs.keys()
    assert {
        f"{file}.yaml" for file in ("gpus", "llms", "power", "profiles", "serving")
    } <= json.loads(store.attrs["parameters"]).keys()


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_parts_in_any_order_make_the_same_bytes_as_one_run(order, tmp_path):
    stream.stream(sweep(), tmp_path / "one.zarr")
    for part in order:
        stream.stream(sweep(), tmp_path / "parts.zarr", (part, 4))
        assert not (tmp_path / "parts.zarr").exists()
    growing = next(tmp_path.glob("parts.*.partial"))
    before = {path.relative_to(growing): path.read_bytes() for path in chunks(growing)}
    stream.stream(sweep(), tmp_path / "parts.zarr")
    whole = contents(tmp_path / "one.zarr")
    assert contents(tmp_path / "parts.zarr") == whole
    assert before == {Path(name): data for name, data in whole.items() if name.count("/") == 4}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zarr", "parts.zarr"]


@pytest.mark.slow
def test_parts_in_processes_at_once_make_the_same_bytes_as_one_run(tmp_path, monkeypatch):
    folder = study_folder(tmp_path, many=instances(1024, 600))
    at_once = [
        tokwatt(
            "study",
            "many",
            "--params",
            folder,
            "--out",
            tmp_path / "b",
            "--part",
            part,
            "--parts",
            2,
        )
        for part in range(2)
    ]
    whole = f"{tmp_path / 'b' / 'many.zarr'}: 1,228,800 points"
    assert [(*process.communicate(), process.returncode) for process in at_once] == [
        (f"{whole}, part {part} of 2, which the same without --part finishes\n", "", 0)
        for part in range(2)
    ]
    monkeypatch.setattr(blocks, "BLOCK", 2**20)
    for out in "ab":
        stream.stream(study.load_study(folder, "many"), tmp_path / out / "many.zarr")
    assert contents(tmp_path / "a" / "many.zarr") == contents(tmp_path / "b" / "many.zarr")


def test_float32_is_float64_rounded_and_its_whole_numbers_are_the_same(tmp_path):
    double = streamed(tmp_path / "double", sweep()).load()
    single = streamed(tmp_path / "single", sweep(dtype="float32")).load()
    assert single.power.dtype == np.float32
    np.testing.assert_array_equal(single.power, double.power.astype("float32"))
    np.testing.assert_array_equal(single.concurrency, double.concurrency)
    assert single.length.dtype == np.float64


def test_nan_is_a_point_that_does_not_fit_and_never_one_that_was_not_written(tmp_path):
    store = streamed(tmp_path, sweep(lengths=60))
    assert np.isnan(store.power.sel(length=slice(31, None))).all()
    assert np.isfinite(store.power.sel(length=slice(None, 30))).all()
    assert all(np.isfinite(store.concurrency.values).ravel())
    for chunk in (tmp_path / "made.zarr" / "power" / "c" / "1").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    plain = stores.read_store(tmp_path / "made.zarr").power
    assert (plain.isel(gpu=1) == -np.inf).all()
    assert not np.isinf(plain.isel(gpu=[0, 2])).any()


def test_progress_counts_every_point_once_in_a_first_and_in_a_second_run(tmp_path):
    for _ in range(2):
        told = []
        streamed(tmp_path, sweep(), progress=told.append)
        assert sum(told) == sweep().points


def test_a_store_of_other_inputs_is_replaced_and_an_equal_one_is_left_untouched(tmp_path):
    store = tmp_path / "made.zarr"
    streamed(tmp_path, sweep())
    times = {path: path.stat().st_mtime_ns for path in [store, *store.rglob("*")]}
    streamed(tmp_path, sweep())
    assert {path: path.stat().st_mtime_ns for path in [store, *store.rglob("*")]} == times
    assert streamed(tmp_path, sweep(lengths=5, title="another")).attrs["title"] == "another"
    assert [path.name for path in tmp_path.iterdir()] == ["made.zarr"]


def test_opening_reads_no_chunk_of_a_quantity_and_reading_a_damaged_one_raises(tmp_path):
    streamed(tmp_path, sweep())
    damaged = tmp_path / "made.zarr" / "power" / "c" / "0" / "0" / "0"
    whole = damaged.read_bytes()
    store = tw.open("made", tmp_path)
    damaged.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    assert np.isfinite(store.power.isel(gpu=2)).all()
    with pytest.raises(ValueError, match=r"[Cc]hecksum"):
        store.power.isel(gpu=0, length=0, scale=0).load()


def test_a_selection_by_name_goes_to_netcdf_and_to_csv(tmp_path):
    store = streamed(tmp_path, sweep())
    for number, chosen in enumerate(
        [store, store.sel(gpu="G1"), store.sel(gpu=["G2", "G0"], length=[3.0])]
    ):
        chosen.to_netcdf(tmp_path / f"{number}.nc")
        with xr.open_dataset(tmp_path / f"{number}.nc") as back:
            assert back.gpu.values.tolist() == chosen.gpu.values.tolist()
            assert back.attrs == store.attrs
            np.testing.assert_array_equal(back.power, chosen.power)
    rows = store.sel(gpu="G1", length=4.0).to_dataframe().to_csv().splitlines()
    assert len(rows) == 1 + store.sizes["scale"]
    assert "G1" in rows[1]


@pytest.mark.parametrize("name", ["made", "made.zarr", "elsewhere/made.zarr"])
def test_a_store_that_is_missing_or_unfinished_is_told_in_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        StoreError,
        match=r"^[^\n]*made\.zarr: there is no such store; make it with `tokwatt study`\.$",
    ):
        tw.open(name, ".")
    stream.stream(
        sweep(), tmp_path / name if name.endswith("zarr") else tmp_path / "made.zarr", (0, 2)
    )
    with pytest.raises(
        StoreError,
        match=r"^[^\n]*made\.zarr: there is no such store; it is not finished, [^\n]*\.$",
    ):
        tw.open(name, ".")


@pytest.mark.slow
def test_thirty_million_points_take_less_than_a_gibibyte(tmp_path):
    folder = study_folder(tmp_path, many=instances(3750, 4000))
    code = f"""
import sys
sys.argv = ["tokwatt", "study", "many", "--params", {str(folder)!r}, "--out", {str(tmp_path)!r}]
from tokwatt.commands.workflow import app
app(standalone_mode=False)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to read the peak memory from")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert tw.open("many", tmp_path).tokens_per_joule.size == 30_000_000
    assert int(done.stdout) < 2**20  # KiB


def test_a_store_is_zarr_v3_and_every_chunk_of_a_quantity_carries_a_checksum(tmp_path):
    streamed(tmp_path, sweep())
    array = zarr.open_array(tmp_path / "made.zarr", path="power", mode="r")
    assert array.metadata.zarr_format == 3
    assert [type(codec).__name__ for codec in array.compressors] == ["BloscCodec", "Crc32cCodec"]


def test_a_compiled_count_of_what_fits_is_exact_where_the_division_is():
    numbers = np.arange(1.0, 1001)
    swept = grid.sweep(memory.held_sequences, budget=16 * numbers, sequence=16 * numbers)
    np.testing.assert_array_equal(swept.held_sequences, numbers[:, None] // numbers)


def test_what_snakemake_leaves_in_a_store_is_passed_over(tmp_path):
    stream.stream(sweep(), tmp_path / "mine.zarr")
    (tmp_path / "mine.zarr" / ".snakemake_timestamp").touch()
    assert set(stores.open("mine", tmp_path).data_vars) == {"power", "concurrency"}
    stream.stream(sweep(), tmp_path / "mine.zarr")
