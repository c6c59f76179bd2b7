"""Files that are there whole or not at all, locks, and what a disk has to say in one sentence."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from filelock import FileLock, Timeout

from tokwatt.params.errors import StoreError
from tokwatt.stores import growing


def replace_file(path: Path, *parts: bytes) -> None:
    """Write a file beside its place, as no other process on any machine does, and rename it."""
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remove_leftovers(target: Path) -> None:
    """Remove what else grew beside a store."""
    for leftover in growing(target):
        shutil.rmtree(leftover, ignore_errors=True)


def remove_locks(target: Path) -> None:
    """Remove the locks of a store that is finished."""
    for lock in target.parent.glob(f"{target.stem}.????????.*.lock"):
        lock.unlink(missing_ok=True)


def refuse_what_is_no_store(target: Path) -> None:
    """Leave alone what stands in a store's place without being one."""
    kind = (
        "a link"
        if target.is_symlink()
        else "a file"
        if target.exists() and not target.is_dir()
        else "a folder of other things"
        if target.is_dir() and any(target.iterdir()) and not any(target.glob("**/zarr.json"))
        else None
    )
    if kind:
        raise StoreError(f"{target}: is {kind}, wanted a store or nothing; move it away.")


class Part(NamedTuple):
    """A share of the blocks of a store.

    Attributes:
        number: which it is, from 0.
        parts: how many there are.
    """

    number: int
    parts: int


def share(part: Part | None) -> str:
    """Name of a share of the blocks."""
    return "{}-of-{}".format(*part) if part else "whole"


@contextmanager
def exclusive(path: Path, part: Part | None) -> Iterator[None]:
    """Hold a share of a growing store, so that no second process works on the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_suffix(f".{share(part)}.lock"), timeout=0):
            yield
    except Timeout:
        raise StoreError(
            f"{path}: another process is writing this part of the store, wait for it or stop it."
        ) from None


@contextmanager
def disk_errors_as_sentences(target: Path) -> Iterator[None]:
    """Turn what a disk has to say into one sentence."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(
            f"{target}: {reason}; what is finished is kept, run again to go on."
        ) from None
