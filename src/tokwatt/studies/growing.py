"""A store while it grows: its metadata, its chunks with their checksums, and its final name."""

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import google_crc32c
import numpy as np
import xarray as xr
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import MemoryStore

from tokwatt.grid import describe
from tokwatt.params.errors import StoreError
from tokwatt.stores import (
    CHECKSUMS,
    DIGESTS,
    ROOT,
    SEAL,
    Checksum,
    as_lines,
    bytes_of,
    checksums,
    digest,
    is_intact,
)
from tokwatt.studies.blocks import Region, StreamedSweep
from tokwatt.studies.disk import Part, remove, remove_leftovers, remove_locks, replace_file, share

COMPRESSORS = (BloscCodec(cname="lz4", clevel=1, shuffle="shuffle"), Crc32cCodec())
BLOSC = Blosc(cname="lz4", clevel=1, shuffle=Blosc.SHUFFLE)
"""The codec above called directly: Zarr copies a chunk several times on its way to the disk."""
NEVER_WRITTEN = -np.inf
"""What Zarr reads where a chunk is missing; NaN is a point that does not fit."""


class GrowingStore:
    """A store beside its final place.

    A journal of each process holds the checksums of the chunks that it has written. A chunk that is
    not in one, or differs from it, was not written by this sweep.
    """

    def __init__(self, sweep: StreamedSweep, path: Path, part: Part | None) -> None:
        self.quantities = list(sweep.quantities)
        self.block = sweep.block
        self.chunks = [self._chunk(region) for region in sweep.blocks]
        self.path = path
        self.journal = path / f"{share(part)}.csv"
        self.skeleton = empty_store(sweep)
        self._lay_out()
        self.checksums: dict[str, Checksum] = {}
        for file in (*path.glob(f"*/{CHECKSUMS}"), *sorted(path.glob("*.csv"))):
            self.checksums |= checksums(file)

    def has(self, region: Region) -> bool:
        """Whether every quantity has its chunk for a block."""
        chunk = self._chunk(region)
        return all(self._is_intact(f"{name}/{chunk}", True) for name in self.quantities)

    def write(self, region: Region, values: Mapping[str, np.ndarray]) -> None:
        """Write the chunks of a block, each atomically."""
        chunk = self._chunk(region)
        for quantity in self.quantities:
            name = f"{quantity}/{chunk}"
            data = BLOSC.encode(np.ascontiguousarray(values[quantity]))
            crc = google_crc32c.value(data).to_bytes(4, "little")
            replace_file(self.path / name, data, crc)
            self.checksums[name] = Checksum(len(data) + len(crc), crc.hex())
            with self.journal.open("ab", buffering=0) as file:
                file.write(as_lines({name: self.checksums[name]}))

    def is_whole(self) -> bool:
        """Whether everything is still there that was laid out and written."""
        laid_out = all(bytes_of(self.path / name) == data for name, data in self.skeleton.items())
        names = (f"{name}/{chunk}" for name in self.quantities for chunk in self.chunks)
        return laid_out and all(self._is_intact(name, False) for name in names)

    def publish(self, target: Path) -> None:
        """Seal the store with its checksums and digests and give it its name.

        What had the name before steps aside first: half removed, it would still look whole.
        """
        if not self.is_whole():
            raise StoreError(f"{target}: some of it was removed while it was written, run again.")
        self._seal()
        for scrap in (*self.path.rglob("*.partial"), *self.path.glob("*.csv")):
            scrap.unlink()
        replaced = target.with_suffix(".replaced.partial")
        shutil.rmtree(replaced, ignore_errors=True)
        if target.exists():
            target.rename(replaced)
        self.path.rename(target)
        remove_leftovers(target)
        remove_locks(target)

    def _lay_out(self) -> None:
        """Write what an empty store has and this one lacks or has otherwise; remove strangers."""
        arrays = {name.partition("/")[0] for name in self.skeleton}
        for entry in self.path.glob("*"):
            if entry.name not in arrays and entry.suffix != ".csv":
                remove(entry)
        for name, data in self.skeleton.items():
            if bytes_of(self.path / name) != data:
                replace_file(self.path / name, data)

    def _seal(self) -> None:
        for name in self.quantities:
            chunks = [f"{name}/{chunk}" for chunk in self.chunks]
            lines = as_lines({chunk: self.checksums[chunk] for chunk in chunks})
            replace_file(self.path / name / CHECKSUMS, lines)
        metadata = [name for name in self.skeleton if name != ROOT]
        sealed = [*metadata, *(f"{name}/{CHECKSUMS}" for name in self.quantities)]
        tree = json.loads(self.skeleton[ROOT])
        digests = {name: digest(self.path / name) for name in sorted(sealed)}
        tree["attributes"][DIGESTS] = json.dumps(digests)
        replace_file(self.path / ROOT, json.dumps(tree, indent=2).encode())
        tree["attributes"][SEAL] = digest(self.path / ROOT)
        replace_file(self.path / ROOT, json.dumps(tree, indent=2).encode())

    def _chunk(self, region: Region) -> str:
        places = (part.start // size for part, size in zip(region, self.block, strict=True))
        return "/".join(["c", *map(str, places)])

    def _is_intact(self, name: str, every_byte: bool) -> bool:
        checksum = self.checksums.get(name)
        return checksum is not None and is_intact(self.path / name, checksum, every_byte)


def empty_store(sweep: StreamedSweep) -> dict[str, bytes]:
    """Files of a store without quantities: coordinates, then metadata, that of the group last."""
    files: dict = {}
    memory = MemoryStore(files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)
        _coordinates(sweep).to_zarr(memory, zarr_format=3, consolidated=False)
        group = zarr.open_group(memory, mode="r+")
        for name, unit in sweep.quantities.items():
            group.create_array(
                name,
                shape=sweep.shape,
                chunks=sweep.block,
                dtype=sweep.dtype,
                compressors=COMPRESSORS,
                fill_value=NEVER_WRITTEN,
                dimension_names=tuple(sweep.axes),
                attributes=dict(describe(name, unit)),
            )
        group.update_attributes(dict(sweep.provenance))
    names = sorted(files, key=lambda name: (name == ROOT, name))
    return {name: files[name].to_bytes() for name in names}


def _coordinates(sweep: StreamedSweep) -> xr.Dataset:
    coordinates = {}
    for name, axis in sweep.axes.items():
        labels = np.array(list(axis), dtype=object) if isinstance(axis, Mapping) else axis
        encoding = {"compressors": COMPRESSORS}
        described = describe(name, sweep.units[name])
        coordinates[name] = xr.Variable((name,), np.asarray(labels), described, encoding)
    return xr.Dataset(coords=coordinates)
