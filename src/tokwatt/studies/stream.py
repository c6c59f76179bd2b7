"""Grids too large for memory: blocks of a sweep, computed and written one by one into a Zarr store.

A store grows beside its final name and takes that name when it is complete, so a store that is
there is whole. Blocks are chunks, every chunk is written atomically and carries a checksum, and
equal inputs make equal bytes: a run that was killed goes on where it stopped, and several processes
may share the blocks of one store.
"""

import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
import zarr
from filelock import FileLock, Timeout
from zarr.codecs import BloscCodec, Crc32cCodec

from tokwatt.grid import describe, nested, stacked
from tokwatt.params.errors import StoreError
from tokwatt.stores import growing, read

# A block that is NaN throughout is written too: a chunk that is there is a block that is done.
zarr.config.set({"array.write_empty_chunks": True})

BLOCK = 2**20
"""Most points of a block: enough to keep the cores busy, few enough to stay near the cache."""
MEMORY = 2**30
"""Bytes that the blocks under way may take, beside the half gigabyte that Python and JAX take."""
THREADS = 2
COMPRESSORS = (BloscCodec(cname="lz4", clevel=1, shuffle="shuffle"), Crc32cCodec())


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep to stream: `function` at every combination of the axes, and which quantities of its result to keep.

    `fixed` are its other arguments; `units` those of the axes; `provenance` tells one sweep from
    another.
    """

    function: Callable
    axes: dict[str, Any]
    fixed: dict[str, Any]
    units: dict[str, str | None]
    quantities: dict[str, str]
    dtype: str
    provenance: dict[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes.values())

    @property
    def points(self) -> int:
        """Points of the whole grid."""
        return math.prod(self.shape)

    @property
    def block(self) -> tuple[int, ...]:
        """Points of a block along each axis: whole inner axes as far as they fit, then a part of one, then single points."""
        # A point takes a number for each quantity, as computed and as written, and some on the way
        # to them.
        left, block = (
            max(1, min(BLOCK, MEMORY // (8 * (2 * len(self.quantities) + 8) * (THREADS + 1)))),
            [],
        )
        for size in reversed(self.shape):
            block.append(max(1, min(size, left)))
            left //= size
        return tuple(reversed(block))

    def partial(self, target: Path) -> Path:
        """Where a store grows: named for the inputs, so that a process that still has others writes elsewhere."""
        digest = hashlib.sha256(json.dumps(self.provenance, sort_keys=True).encode()).hexdigest()
        return target.with_suffix(f".{digest[:8]}.partial")


def stream(
    sweep: Sweep,
    target: Path,
    part: tuple[int, int] | None = None,
    progress: Callable[[int], None] = lambda points: None,
) -> None:
    """Evaluate a sweep block by block into a Zarr store.

    Args:
        sweep: what to evaluate.
        target: the store to make; while it grows it is called `NAME.HASH.partial`.
        part: `(i, n)` to compute only the i-th of n shares of the blocks and leave the store
            unfinished; None to compute whatever is missing and give the store its name.
        progress: told the points of each finished block, those found finished included.

    Raises:
        StoreError: where the disk is full, another process has the same part, or one of other
            inputs took its place.
    """
    partial = sweep.partial(target)
    if _is(target, sweep):
        progress(sweep.points)
        return
    with _named(target), _alone(partial, part):
        with FileLock(partial.with_suffix(".create.lock")):
            if not _is(partial, sweep):
                _clear(target)
                _create(sweep, partial)
        arrays = {name: zarr.open_array(partial, path=name, mode="r+") for name in sweep.quantities}
        start, step = part or (0, 1)
        _run(sweep, arrays, islice(_blocks(sweep), start, None, step), progress)
        if part is None:
            if not (
                _is(partial, sweep) and all(_present(arrays, region) for region in _blocks(sweep))
            ):
                raise StoreError(
                    f"{target}: some of it was removed while it was written, run again."
                )
            _publish(partial, target)


def _run(
    sweep: Sweep,
    arrays: dict[str, zarr.Array],
    blocks: Iterator[tuple[slice, ...]],
    progress: Callable[[int], None],
) -> None:
    """Compute what is missing, a few blocks at a time."""
    evaluate = _compiled(sweep)

    def finish(region: tuple[slice, ...]) -> int:
        if not _intact(arrays, region):
            for name, values in evaluate(region).items():
                arrays[name][region] = values
        return math.prod(part.stop - part.start for part in region)

    with ThreadPoolExecutor(THREADS) as pool:
        pending: set[Future[int]] = set()
        for region in blocks:
            if len(pending) > THREADS:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    progress(future.result())
            pending.add(pool.submit(finish, region))
        for future in pending:
            progress(future.result())


def _compiled(sweep: Sweep) -> Callable[[tuple[slice, ...]], dict[str, np.ndarray]]:
    """A function of a region, compiled once: a region at an edge is filled up with repeats that are cut off again."""
    # NumPy picks a block of an axis in microseconds, JAX would take longer over it than over the
    # block.
    axes = [jax.tree.map(np.asarray, stacked(axis)) for axis in sweep.axes.values()]
    quantities = list(sweep.quantities)

    def kept(**point: Any) -> dict[str, Any]:
        return {name: getattr(sweep.function(**point), name) for name in quantities}

    # What is fixed is an argument too: as a constant, XLA would work out whole length laws while it
    # compiles.
    compiled = jax.jit(lambda fixed, *axes: nested(partial(kept, **fixed), list(sweep.axes))(*axes))

    def evaluate(region: tuple[slice, ...]) -> dict[str, np.ndarray]:
        picked = [
            np.minimum(part.start + np.arange(size), part.stop - 1)
            for part, size in zip(region, sweep.block, strict=True)
        ]
        values = compiled(
            sweep.fixed,
            *(
                jax.tree.map(lambda leaf, at=at: leaf[at], axis)
                for axis, at in zip(axes, picked, strict=True)
            ),
        )
        inside = tuple(slice(0, part.stop - part.start) for part in region)
        return {
            name: np.asarray(values[name])[inside].astype(sweep.dtype, copy=False)
            for name in quantities
        }

    return evaluate


def _blocks(sweep: Sweep) -> Iterator[tuple[slice, ...]]:
    starts = (range(0, size, step) for size, step in zip(sweep.shape, sweep.block, strict=True))
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(corner, sweep.block, sweep.shape, strict=True)
        )


def _create(sweep: Sweep, path: Path) -> None:
    """An empty store: coordinates, arrays whose chunks are the blocks, and last its attributes, which say that all is there."""
    coordinates = {
        name: ((name,), _values(axis), describe(name, sweep.units[name]))
        for name, axis in sweep.axes.items()
    }
    encoding = {name: {"compressors": COMPRESSORS} for name in sweep.axes}
    xr.Dataset(coords=coordinates).to_zarr(
        path, mode="w", zarr_format=3, consolidated=False, encoding=encoding
    )
    group = zarr.open_group(path, mode="r+")
    for name, unit in sweep.quantities.items():
        group.create_array(
            name,
            shape=sweep.shape,
            chunks=sweep.block,
            dtype=sweep.dtype,
            compressors=COMPRESSORS,
            fill_value=np.nan,
            dimension_names=tuple(sweep.axes),
            attributes=dict(describe(name, unit)),
        )
    group.update_attributes(sweep.provenance)


def _values(axis: Any) -> np.ndarray:
    return np.array(list(axis), dtype=object) if isinstance(axis, dict) else np.asarray(axis)


def _present(arrays: dict[str, zarr.Array], region: tuple[slice, ...]) -> bool:
    """Whether every quantity has a chunk for a block."""
    places = (zip(region, array.chunks, strict=True) for array in arrays.values())
    files = ("/".join(str(part.start // size) for part, size in place) for place in places)
    folders = (
        Path(str(array.store.root), array.path, "c")  # type: ignore[attr-defined]
        for array in arrays.values()
    )
    return all((folder / file).exists() for folder, file in zip(folders, files, strict=True))


def _intact(arrays: dict[str, zarr.Array], region: tuple[slice, ...]) -> bool:
    """Whether every quantity has a chunk for a block, and its checksum holds."""
    if not _present(arrays, region):
        return False
    try:
        for array in arrays.values():
            array[region]
    except (ValueError, RuntimeError):
        return False
    return True


def _is(path: Path, sweep: Sweep) -> bool:
    """Whether a store was made from the inputs of a sweep, and all but its quantities is there."""
    try:
        with read(path) as store:
            same = store.attrs == sweep.provenance and set(store) == set(sweep.quantities)
            return same and all(
                np.array_equal(store[name].values, _values(axis))
                for name, axis in sweep.axes.items()
            )
    except Exception:  # whatever is wrong with it, it is made anew
        return False


def _publish(partial: Path, target: Path) -> None:
    """Give a whole store its name; what had it before steps aside first, for half removed it would still look whole."""
    for scrap in partial.rglob("*.partial"):
        scrap.unlink()
    replaced = target.with_suffix(".replaced.partial")
    shutil.rmtree(replaced, ignore_errors=True)
    if target.exists():
        target.rename(replaced)
    partial.rename(target)
    _clear(target)
    for lock in target.parent.glob(f"{target.stem}.????????.*.lock"):
        lock.unlink(missing_ok=True)


def _clear(target: Path) -> None:
    """Remove what else grew beside a store; without its attributes, what is left of it after a kill is not taken for whole."""
    for scrap in growing(target):
        (scrap / "zarr.json").unlink(missing_ok=True)
        shutil.rmtree(scrap, ignore_errors=True)


@contextmanager
def _alone(partial: Path, part: tuple[int, int] | None) -> Iterator[None]:
    """Hold a part of a store, so that no second process works on the same one."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    name = "{}-of-{}".format(*part) if part else "whole"
    try:
        with FileLock(partial.with_suffix(f".{name}.lock"), timeout=0):
            yield
    except Timeout:
        raise StoreError(
            f"{partial}: another process is writing this part of the store, wait for it or stop it."
        ) from None


@contextmanager
def _named(partial: Path) -> Iterator[None]:
    """Turn what a disk has to say into one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=FutureWarning)
            yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(
            f"{partial}: {reason}; what is finished is kept, run again to go on."
        ) from None
