"""What a file of rows is to its reader."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

Cell = str | float | bool | None
"""A value of a row."""
Cells = Sequence[Cell] | np.ndarray
"""One column of some rows."""
Complete = Callable[[list[str]], bool]
"""Whether names of columns are all that a row needs."""
Count = Callable[[str], int]
"""Tokens of a text."""
SAMPLE = 1000
"""Rows that are looked at before all are read."""


class Chunk(NamedTuple):
    """Some rows of a table.

    Attributes:
        lines: where each begins, as an editor counts lines; the number of the row where a file has
            none.
        columns: cells of each column that was asked for.
        problems: lines that hold no row, and what they hold.
    """

    lines: Sequence[int]
    columns: list[Cells]
    problems: list[tuple[int, str]]


class Table(NamedTuple):
    """Rows under names.

    Attributes:
        names: of the columns, those of nested objects with dots.
        sample: cells of the first rows.
        chunks: all rows, of the columns at some places; exactly, with the lines of those that are
            bad, or else as fast as may be.
    """

    names: list[str]
    sample: list[Sequence[Cell]]
    chunks: Callable[[Sequence[int], bool], Iterator[Chunk]]
