"""Stores of studies: where they lie, whether they are whole, and how they are opened.

A store is a group of Zarr v3. Each of its quantities holds the size and the CRC32C of its chunks in
`checksums.csv`. The attribute `digests` of the group holds a digest of every other file, and its
attribute `seal` one of its own metadata.
"""

import hashlib
import json
import re
import stat
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import xarray as xr

from tokwatt.params.errors import StoreError

CHECKSUMS = "checksums.csv"
DIGESTS = "digests"
SEAL = "seal"
ROOT = "zarr.json"
_LINE = re.compile(rb"([^,\n]+),(\d{1,12}),([0-9a-f]{8})")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)
"""What JSON raises that is cut short, or has another shape than was written."""


class Checksum(NamedTuple):
    """What tells a chunk from another.

    Attributes:
        size: bytes of its file.
        crc: the last four of them, the CRC32C of the others, in hexadecimal digits.
    """

    size: int
    crc: str


def open(name: str | Path, folder: str | Path = "results/studies") -> xr.Dataset:
    """Open a study's store lazily: coordinates are read at once, quantities when they are used.

    Args:
        name: name of a study, or the path of a store.
        folder: where the stores of studies are.

    Returns:
        Its Dataset; select with `.sel(gpu="B200")`, then `.to_netcdf(...)` or `.to_dataframe()`
        what is left.

    Raises:
        StoreError: where there is no complete store, or it is damaged.
    """
    path = Path(name) if Path(name).suffix == ".zarr" else Path(folder) / f"{name}.zarr"
    try:
        _refuse_what_is_missing(path)
        damaged = list(damages(path))
        if not damaged:
            return read_store(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error}).") from None
    raise StoreError(
        f"{path}: {some_are(damaged)} missing or damaged; "
        f"`tokwatt study {path.stem}` makes it anew."
    )


def read_store(path: Path) -> xr.Dataset:
    """A store as it lies there, without what others leave in it, as Snakemake its timestamp."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Object at ")
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    dataset.attrs = _without_seals(dataset.attrs)
    return dataset


def growing(target: Path) -> list[Path]:
    """Unfinished stores beside a finished one's place."""
    return list(target.parent.glob(f"{target.stem}.????????.partial"))


def attributes(store: Path) -> dict[str, str] | None:
    """What a store says it was made from; None where that cannot be read."""
    root = _root(store)
    return root and _without_seals(root)


def damages(store: Path, every_byte: bool = False) -> Iterator[str]:
    """Files of a store that are missing or are not as they were written.

    A chunk has to be there, to be of its size and to end in its checksum. It is read whole if it is
    not older than the end of the store and of its checksums, or if every byte is asked for.
    """
    digests = _digests(store)
    if digests is None:
        yield ROOT
        return
    finished = (store / ROOT).stat().st_mtime_ns
    arrays = {f"{path.parent.name}/{ROOT}" for path in store.glob(f"*/{ROOT}")}
    for name in sorted({*digests, *arrays}):
        if digest(store / name) != digests.get(name):
            yield name
        elif name.endswith(CHECKSUMS):
            finished = min(finished, (store / name).stat().st_mtime_ns)
            for chunk, checksum in checksums(store / name).items():
                if not is_intact(store / chunk, checksum, every_byte, finished):
                    yield chunk


def some_are(names: list[str]) -> str:
    """The first of some files and how many more there are, with a verb."""
    more = len(names) - 1
    return f"{names[0]} is" if not more else f"{names[0]} and {more} more are"


def digest(file: Path) -> str | None:
    """Digest of a file, that of a group without its seal; None where it cannot be read."""
    data = bytes_of(file)
    if data is None:
        return None
    if file.name == ROOT:
        try:
            tree = json.loads(data)
            tree["attributes"].pop(SEAL, None)
        except _UNREADABLE:
            return None
        data = json.dumps(tree, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def bytes_of(file: Path) -> bytes | None:
    """What is in a file; None where there is none, or a folder, a pipe or a device."""
    return file.read_bytes() if file.is_file() else None


def is_intact(
    chunk: Path, checksum: Checksum, every_byte: bool, finished: int | None = None
) -> bool:
    """Whether a chunk is there, of its size, and ends in its checksum; or whether all of it is so.

    Args:
        chunk: its file.
        checksum: what was written.
        every_byte: whether to read it whole.
        finished: nanoseconds of the epoch after which it should not have changed.
    """
    try:
        status = chunk.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != checksum.size or checksum.size < 4:
        return False
    whole = every_byte or (finished is not None and status.st_mtime_ns >= finished)
    with chunk.open("rb") as file:
        file.seek(0 if whole else checksum.size - 4)
        data = file.read()
    crc = int.from_bytes(data[-4:], "little")
    return data[-4:].hex() == checksum.crc and (not whole or google_crc32c.value(data[:-4]) == crc)


def checksums(file: Path) -> dict[str, Checksum]:
    """Checksums of chunks by their path in the store; lines that are cut short are left out."""
    lines = map(_LINE.fullmatch, (bytes_of(file) or b"").splitlines())
    return {
        line[1].decode(errors="replace"): Checksum(int(line[2]), line[3].decode())
        for line in lines
        if line
    }


def as_lines(checksums: Mapping[str, Checksum]) -> bytes:
    """Checksums as `checksums` reads them."""
    return "".join(
        f"{name},{checksum.size},{checksum.crc}\n" for name, checksum in checksums.items()
    ).encode()


def _refuse_what_is_missing(path: Path) -> None:
    if not path.exists():
        hint = (
            "it is not finished, run it again to go on"
            if growing(path)
            else "make it with `tokwatt study`"
        )
        raise StoreError(f"{path}: there is no such store; {hint}.")
    if not path.is_dir():
        raise StoreError(f"{path}: is a file, wanted a store made by `tokwatt study`.")


def _root(store: Path) -> dict[str, str] | None:
    try:
        return dict(json.loads(bytes_of(store / ROOT) or b"")["attributes"])
    except _UNREADABLE:
        return None


def _digests(store: Path) -> dict[str, str] | None:
    """Digests by path in the store, if the seal holds."""
    try:
        root = _root(store) or {}
        return dict(json.loads(root[DIGESTS])) if root[SEAL] == digest(store / ROOT) else None
    except _UNREADABLE:
        return None


def _without_seals(attributes: Mapping) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if name not in (DIGESTS, SEAL)}
