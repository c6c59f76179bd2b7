"""Grids too large for memory: a sweep evaluated block by block into a Zarr store.

A store grows beside its final name and takes that name when it is complete. Blocks are chunks and
equal inputs make equal bytes: a run that was killed goes on where it stopped, several processes may
share the blocks of one store, and of a damaged store only what is damaged is computed again.
"""

import math
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

from filelock import FileLock

from tokwatt.stores import CHECKSUMS, ROOT, attributes, damages
from tokwatt.studies.blocks import THREADS, Region, StreamedSweep
from tokwatt.studies.disk import (
    Part,
    disk_errors_as_sentences,
    exclusive,
    refuse_what_is_no_store,
    remove_leftovers,
)
from tokwatt.studies.growing import GrowingStore


def stream(
    sweep: StreamedSweep,
    target: Path,
    part: Part | None = None,
    progress: Callable[[int], None] = lambda points: None,
    every_byte: bool = False,
) -> list[str]:
    """Evaluate a sweep block by block into a Zarr store, or verify the one that is there.

    Args:
        sweep: what to evaluate.
        target: the store to make; while it grows it is called `NAME.HASH.partial`.
        part: `(i, n)` to compute only the i-th of n shares of the blocks and leave the store
            unfinished; None to compute whatever is missing and give the store its name.
        progress: told the points of each finished block, those that were finished before included.
        every_byte: whether a finished store is read whole to verify it.

    Returns:
        Files of a finished store that were missing or damaged and are made anew.

    Raises:
        StoreError: where the disk is full, another process has the same part, one of other inputs
            took its place, or something that is no store stands there.
    """
    refuse_what_is_no_store(target)
    with disk_errors_as_sentences(target):
        damaged = list(damages(target, every_byte)) if target.exists() else []
        same = attributes(target) == sweep.provenance
        if same and not damaged:
            progress(sweep.points)
            return []
        growing = sweep.growing_path(target)
        with exclusive(growing, part):
            with FileLock(growing.with_suffix(".create.lock")):  # until it has its metadata
                if not growing.exists():
                    remove_leftovers(target)
                    if same and ROOT not in damaged:
                        _reopen(target, damaged, growing)
                store = GrowingStore(sweep, growing, part)
            _compute_what_is_missing(sweep, store, part or Part(0, 1), progress)
            if part is None:
                store.publish(target)
    return damaged if same or ROOT in damaged else []


def _reopen(target: Path, damaged: list[str], growing: Path) -> None:
    """Let a damaged store grow again from what in it is as it was written."""
    target.rename(growing)
    for name in damaged:
        if name.endswith(CHECKSUMS):
            (growing / name).unlink(missing_ok=True)


def _compute_what_is_missing(
    sweep: StreamedSweep, store: GrowingStore, part: Part, progress: Callable[[int], None]
) -> None:
    """Every n-th block from the i-th on, a few at a time."""

    def finish(region: Region) -> int:
        if not store.has(region):
            store.write(region, sweep.evaluate(region))
        return math.prod(side.stop - side.start for side in region)

    with ThreadPoolExecutor(THREADS) as pool:
        pending: set[Future[int]] = set()
        for region in islice(sweep.blocks, part[0], None, part[1]):
            if len(pending) > THREADS:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    progress(future.result())
            pending.add(pool.submit(finish, region))
        for future in pending:
            progress(future.result())
