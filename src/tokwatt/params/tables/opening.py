"""Files as streams of bytes, unpacked where they are packed."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import cast

from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE, refusing_file, require_regular

LARGEST = 8192 * MEBIBYTE
"""Bytes that the file of a trace may hold."""
WANTED = "a CSV, JSON or Parquet file of requests"
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def opened_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, open; refused where it is no regular file, or cannot be unpacked."""
    with refusing_file(path, WANTED):
        require_regular(path, WANTED, LARGEST)
        with path.open("rb") as file:
            try:
                yield _unpacked(path, file)
            except (EOFError, zlib.error) as error:
                raise ParameterError(
                    f"{path}: breaks off ({error}), wanted a whole file."
                ) from None


@contextmanager
def opened_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """The text of a file, open."""
    with opened_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            yield text
        finally:
            text.detach()


def _unpacked(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    start = file.peek(4)
    if start.startswith(GZIP):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)), 2**20)
    if start.startswith(ZSTD):
        unpacker = extra(path, "zstandard").ZstdDecompressor()
        return io.BufferedReader(unpacker.stream_reader(file, read_across_frames=True), 2**20)
    return file


def extra(path: Path, module: str) -> ModuleType:
    """A library of the extra `traces`, or one sentence that says how to get it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError:
        wanted = "the extra of traces: pip install 'tokwatt[traces]'"
        raise ParameterError(f"{path}: is read by {module}, wanted {wanted}.") from None
