"""Names of records, studies, tables, figures and jobs: safe in a shell, a file and a page."""

import re
from collections.abc import Mapping
from typing import NoReturn, TypeVar

from tokwatt.params.errors import ParameterError, one_of, shown

LONGEST_NAME = 60
WANTED = (
    f"a name of at most {LONGEST_NAME} letters, digits, '.', '_' and '-' "
    "that begins with neither '.' nor '-'"
)
_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")


def is_name(text: str) -> bool:
    """Whether a text may name something."""
    return bool(_NAME.fullmatch(text))


T = TypeVar("T")


class Named(dict[str, T]):
    """What has names, by name; a name that is unknown is refused in words.

    Args:
        kind: what a name stands for, such as a GPU.
        entries: by name.
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        super().__init__(entries)
        self.kind = kind

    def __missing__(self, name: object) -> NoReturn:
        """Raise `ParameterError` with the names there are."""
        raise ParameterError(f"{self.kind}: is {shown(name)}, wanted {one_of(name, self)}.")
