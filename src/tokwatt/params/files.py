"""Where files of parameters lie, and files as bytes: regular ones, none too large to be meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TextIO

from tokwatt.params.errors import ParameterError

MEBIBYTE = 2**20
READ: set[Path] = set()
"""Files whose contents this process has read."""
SHIPPED = (Path(__file__).parents[1] / "catalogue", Path(__file__).parents[3] / "params")
"""Where the parameter folder lies in an installed wheel, and in a checkout."""


def parameter_folder() -> Path:
    """The folder that is read where none is named: `params` here, or the one of tokwatt itself."""
    here = Path("params")
    return next((folder for folder in (here, *SHIPPED) if folder.is_dir()), here)


def contents(path: Path, wanted: str, most: int = 4 * MEBIBYTE) -> bytes:
    """What a file holds.

    Args:
        path: the file.
        wanted: what it should be, such as "a YAML file".
        most: bytes it may hold.

    Raises:
        ParameterError: where it cannot be read, is a device, pipe or folder, or is larger.
    """
    with refusing_file(path, wanted):
        require_regular(path, wanted, most)
        READ.add(path)
        with path.open("rb") as file:
            return file.read(most)


@contextmanager
def plain_text(path: Path, wanted: str, most: int) -> Iterator[TextIO]:
    """A file of text, open; refused as `contents` does, and where it is not UTF-8."""
    with refusing_file(path, wanted):
        require_regular(path, wanted, most)
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file


@contextmanager
def refusing_file(path: Path, wanted: str) -> Iterator[None]:
    """Say in one sentence that a file cannot be read."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise ParameterError(f"{path}: cannot be read ({why}), wanted {wanted}.") from None
    except UnicodeError:
        raise ParameterError(f"{path}: is not UTF-8 text, wanted {wanted} in UTF-8.") from None


def require_regular(path: Path, wanted: str, most: int) -> None:
    """Refuse a device, pipe or folder, and a file of more bytes than `most`."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise ParameterError(f"{path}: cannot be read (no regular file), wanted {wanted}.")
    if status.st_size > most:
        size = f"{status.st_size / MEBIBYTE:.0f} MiB"
        raise ParameterError(
            f"{path}: holds {size}, wanted {wanted} of at most {most / MEBIBYTE:.0f} MiB."
        )
