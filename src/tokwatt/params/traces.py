"""Request traces: a CSV of prompt and output tokens becomes whole requests."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from tokwatt.params.columns import TraceColumn, columns, listed, quoted
from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE, opened
from tokwatt.units import (
    MOST_TOKENS,
    Dimensionless,
    DimensionlessAxis,
    Requests,
    RequestsPerSecond,
    SecondsAxis,
    Tokens,
    TokensAxis,
)

LARGEST = 256 * MEBIBYTE
"""Bytes that the file of a trace may hold."""
CHUNK = 2**9
"""Rows that are read at once."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """Requests as they were served, one entry each.

    Attributes:
        name: of the file.
        prompt: tokens of each prompt [tok].
        output: tokens of each output [tok].
        arrival_rate: mean over the trace [req/s]; None where the file does not say when.
        arrival: when each arrives, from the first on [s]; None where the file does not say when.
        raised: how many had 0 prompt or output tokens, which count as one [req].
    """

    name: str
    prompt: TokensAxis
    output: TokensAxis
    arrival_rate: RequestsPerSecond | None = None
    arrival: SecondsAxis | None = None
    raised: Requests = 0

    @property
    def requests(self) -> Requests:
        """How many requests there are."""
        return len(self.prompt)

    @property
    def total(self) -> TokensAxis:
        """Tokens of each request, prompt and output together."""
        return self.prompt + self.output

    @property
    def longest(self) -> Tokens:
        """Tokens of the longest request: the smallest window that holds all."""
        return int(self.total.max())

    @property
    def mean_output(self) -> Tokens:
        """Mean output tokens of a request."""
        return float(self.output.mean())

    @property
    def output_share(self) -> Dimensionless:
        """Share of all tokens that are output."""
        return float(self.output.sum() / self.total.sum())

    def fractions(self, lengths: TokensAxis) -> DimensionlessAxis:
        """Share of requests of at most so many tokens, as a request length distribution has it."""
        return np.searchsorted(np.sort(self.total), lengths, side="right") / self.requests


def read_trace(path: Path | str) -> Trace:
    """Read the requests of a CSV file.

    The columns are found by name, whatever the capitals and separators and whatever stands before a
    dot: see PROMPT, OUTPUT and ARRIVAL in `columns`. Cells may be quoted and the file may be
    separated by commas, semicolons or tabs; other columns and blank lines are skipped. The arrival
    rate is the number of requests less one over the time they span. Arrivals are ISO dates (UTC
    unless they say otherwise) or numbers in seconds (milliseconds where the name ends in `ms`).
    There is no rate without such a column, where it spans no time, and for a `timestamp` of plain
    numbers beside `input_length`: Mooncake counts milliseconds there and Bailian seconds.

    A request of 0 prompt or 0 output tokens counts with one of them, since the model serves at
    least one of each; `raised` says how many there were (BurstGPT keeps failed requests as 0
    output). One of 0 and 0 is a bad row, and so is one of more than MOST_TOKENS tokens in all.

    Args:
        path: a regular file of at most LARGEST bytes.

    Raises:
        ParameterError: where the file cannot be read or any row is bad, with line numbers as an
            editor counts them.
    """
    path = Path(path)
    with opened(path, "a CSV file of requests", LARGEST) as file:
        return _trace(path, file)


def _trace(path: Path, file: TextIO) -> Trace:
    header = file.readline()
    if not header:
        wanted = "a line of column names and a line for each request"
        raise ParameterError(f"{path}: is empty, wanted {wanted}.")
    rows = csv_rows(path, chain([header], file), max(",;\t", key=header.count))
    names = [name.strip() for name in next(rows, (1, [""]))[1]]
    first = next(rows, None)
    if first is None:
        wanted = "a line for each request"
        raise ParameterError(f"{path}: holds column names and no requests, wanted {wanted}.")
    fields = columns(path, names, first[1])
    table = _table(path, chain([first], rows), fields, len(names))
    tokens = table[:, :2].astype(int)
    rate = _rate(table[:, 2]) if len(fields) > 2 else None
    return Trace(
        name=path.name,
        prompt=np.maximum(1, tokens[:, 0]),
        output=np.maximum(1, tokens[:, 1]),
        arrival_rate=rate,
        arrival=table[:, 2] - table[:, 2].min() if rate else None,
        raised=int((tokens == 0).any(axis=1).sum()),
    )


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


def _table(
    path: Path, rows: Iterator[tuple[int, list[str]]], fields: Sequence[TraceColumn], width: int
) -> np.ndarray:
    """Shape (request, field), or one sentence about all rows that are bad."""
    parts: list[np.ndarray] = []
    bad: list[tuple[int, str]] = []
    while chunk := list(islice(rows, CHUNK)):
        part = _plain_rows([row for _, row in chunk], fields, width)
        if part is None:
            part = _any_rows(chunk, fields, width, bad)
        parts.append(part)
    table = np.concatenate(parts)
    if bad:
        lines = f"are bad (lines {listed([str(line) for line, _ in bad])})" if bad[1:] else "is bad"
        count = f"{len(bad)} of {len(bad) + len(table)} rows {lines}"
        raise ParameterError(f"{path}: {count}: line {bad[0][0]} has {bad[0][1]}.")
    return table


def _plain_rows(
    rows: Sequence[list[str]], fields: Sequence[TraceColumn], width: int
) -> np.ndarray | None:
    """Rows whose tokens are nothing but digits, read at once; None where any row may be bad."""
    if any(len(row) != width for row in rows):
        return None
    prompt, output, *times = ([row[field.place] for row in rows] for field in fields)
    digits = "".join(prompt) + "".join(output)
    if not (digits.isascii() and digits.isdigit() and all(prompt) and all(output)):
        return None
    seconds = [[fields[2].value(cell) for cell in cells] for cells in times]
    table = np.array([list(map(float, prompt)), list(map(float, output)), *seconds], float).T
    tokens = table[:, :2].sum(axis=1)
    good = (tokens > 0) & (tokens <= MOST_TOKENS) & ~np.isnan(table).any(axis=1)
    return table if good.all() else None


def _any_rows(
    rows: Sequence[tuple[int, list[str]]],
    fields: Sequence[TraceColumn],
    width: int,
    bad: list[tuple[int, str]],
) -> np.ndarray:
    """The good rows; the lines of the others and what is wrong with them are added to `bad`."""
    good = []
    for line, row in rows:
        numbers = _numbers(row, fields)
        if problem := _problem(row, fields, numbers, width):
            bad.append((line, problem))
        else:
            good.append(numbers)
    return np.array(good, float).reshape(-1, len(fields))


def _numbers(row: Sequence[str], fields: Sequence[TraceColumn]) -> list[float]:
    """The cells that are read, up to the first that is bad."""
    numbers: list[float] = []
    for field in fields:
        number = field.value(row[field.place]) if field.place < len(row) else None
        if number is None:
            return numbers
        numbers.append(number)
    return numbers


def _problem(
    row: Sequence[str], fields: Sequence[TraceColumn], numbers: Sequence[float], width: int
) -> str:
    """What a row has and what is wanted of it; empty where it is good."""
    if any(cell.strip() for cell in row[width:]):
        return f"{len(row)} cells, wanted {width} as there are column names"
    if len(numbers) < len(fields):
        field = fields[len(numbers)]
        cell = row[field.place].strip() if field.place < len(row) else ""
        written = quoted(cell) if cell else "nothing"
        return f"{written} under {quoted(field.name)}, wanted {field.wanted}"
    if not 0 < numbers[0] + numbers[1] <= MOST_TOKENS:
        tokens = f"{numbers[0]:.0f} prompt and {numbers[1]:.0f} output tokens"
        return f"{tokens}, wanted from 1 to {MOST_TOKENS:.0f} in all"
    return ""


def _rate(arrivals: np.ndarray) -> float | None:
    span = float(np.ptp(arrivals))
    return (len(arrivals) - 1) / span if span > 0 else None
