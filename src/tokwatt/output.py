"""Files that appear whole or not at all: written beside their place, then renamed."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def write_files(files: Mapping[Path, str | bytes]) -> None:
    """Write all of these files, or leave what was there where one of them cannot be written.

    Raises:
        OSError: with the name of the file.
    """
    parts = {path: _part(path) for path in files if path.is_file() or not path.exists()}
    try:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            with _named(path):
                parts.get(path, path).write_bytes(data)  # a device or pipe is written to as it is
        for path, part in parts.items():
            with _named(path):
                part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


@contextmanager
def filled_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, whose files move to `path` when the block ends without an error.

    Raises:
        OSError: with the name of the file, where one cannot be written.
    """
    part = _part(path)
    try:
        with _named(path):
            part.mkdir()
            yield part
            path.mkdir(exist_ok=True)
            for file in sorted(part.iterdir()):
                file.replace(path / file.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _part(path: Path) -> Path:
    """Where this process writes what becomes `path`; what a killed one left there is removed."""
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*.part"):
            if not _alive(left.suffixes[-2][1:]):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the disk name the file that was asked for."""
    try:
        yield
    except OSError as error:
        inner = str(error.filename or ".part")
        name = str(path) if ".part" in inner else inner
        raise OSError(error.errno, error.strerror or str(error), name) from error
