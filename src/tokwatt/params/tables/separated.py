"""Text separated by commas, semicolons, tabs or bars."""

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.opening import WANTED, opened_bytes, opened_text
from tokwatt.params.tables.table import SAMPLE, Cell, Cells, Chunk, Table

if TYPE_CHECKING:
    import pandas as pd

ROWS, FAST_ROWS = 2**12, 2**18
"""Rows that are read at once, exactly and fast."""
BLANK = ("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL", "None", "\\N", "-")
"""What stands in a cell that is empty."""
NO_TEXT = "\0"
"""What names of columns never have, and what is no text has soon."""
BESIDE_COMMAS = ";"
"""What separates cells where a comma may separate decimals."""
_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+\s*)$", re.ASCII)


class Unclean(ValueError):
    """A file that has to be read exactly."""


def table_of_text(path: Path) -> Table:
    """The table in a file of separated text, under the names in its first line."""
    with opened_text(path) as text:
        names, delimiter, rows = _begin(path, text)
        sample = [row for _, row in islice(rows, SAMPLE)]
    if not sample:
        wanted = "a line for each request"
        raise ParameterError(f"{path}: holds column names and no requests, wanted {wanted}.")
    whole: list[Sequence[Cell]] = [
        [*row[: len(names)], *[""] * (len(names) - len(row))] for row in sample
    ]
    return Table(names, whole, partial(_chunks, path, names, delimiter))


def csv_rows(path: Path, lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line that it begins on."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        wanted = "plain or well-quoted cells"
        raise ParameterError(
            f"{path}: the row at line {line} is not CSV ({error}), wanted {wanted}."
        ) from None


def _begin(
    path: Path, text: io.TextIOWrapper
) -> tuple[list[str], str, Iterator[tuple[int, list[str]]]]:
    """Names of columns, what separates them, and the rows below."""
    header = text.readline()
    if not header:
        wanted = "a line of column names and a line for each request"
        raise ParameterError(f"{path}: is empty, wanted {wanted}.")
    if NO_TEXT in header:
        raise ParameterError(f"{path}: is no text, wanted {WANTED}.")
    delimiter = max(",;\t|", key=header.count)
    rows = csv_rows(path, chain([header], text), delimiter)
    names = [name.strip() for name in next(rows, (1, [""]))[1]]
    return names, delimiter, _pointed(rows) if delimiter == BESIDE_COMMAS else rows


def _pointed(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Rows whose decimal commas are points."""
    for line, row in rows:
        yield line, [_COMMA.sub(r"\1.\2", cell) for cell in row]


def _chunks(
    path: Path, names: Sequence[str], delimiter: str, places: Sequence[int], exactly: bool
) -> Iterator[Chunk]:
    if exactly:
        with opened_text(path) as text:
            yield from _exact(_begin(path, text)[2], len(names), places)
    else:
        with opened_bytes(path) as file:
            yield from _fast(file, len(names), delimiter, places)


def _exact(
    rows: Iterator[tuple[int, list[str]]], width: int, places: Sequence[int]
) -> Iterator[Chunk]:
    """Rows as they stand, with their lines."""
    while chunk := list(islice(rows, ROWS)):
        long = [(line, row) for line, row in chunk if any(cell.strip() for cell in row[width:])]
        wanted = f"wanted {width} as there are column names"
        problems = [(line, f"{len(row)} cells, {wanted}") for line, row in long]
        lost = {line for line, _ in long}
        kept = [(line, row) for line, row in chunk if line not in lost]
        columns: list[Cells] = [
            [row[place].strip() if place < len(row) else "" for _, row in kept] for place in places
        ]
        yield Chunk([line for line, _ in kept], columns, problems)


def _fast(
    file: io.BufferedReader, width: int, delimiter: str, places: Sequence[int]
) -> Iterator[Chunk]:
    """Rows by pandas, without lines.

    Raises:
        Unclean: where rows differ in width or quotes stay open.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts = pd.read_csv(
                file,
                sep=delimiter,
                decimal="," if delimiter == BESIDE_COMMAS else ".",
                header=0,
                names=range(width),
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=BLANK,
                low_memory=False,
                chunksize=FAST_ROWS,
            )
            for part in parts:
                yield Chunk(part.index, [_cells(part[place]) for place in places], [])
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise Unclean(str(error)) from None


def _cells(column: "pd.Series") -> Cells:
    """Numbers as an array; text stays as pandas keeps it."""
    return column.to_numpy() if column.dtype.kind in "iufb" else column.set_axis(range(len(column)))
