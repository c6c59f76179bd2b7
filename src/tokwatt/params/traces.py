"""Request traces: a CSV of prompt and output tokens becomes whole requests, and these become sums that size a pool."""

import csv
import math
import re
from array import array
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.units import Dimensionless, Requests, RequestsPerSecond, Tokens, TokensAxis

PROMPT = (
    "ContextTokens",  # Azure
    "prompt_tokens",  # OpenAI
    "input_tokens",  # Anthropic, OpenTelemetry, ServeGen
    "request_tokens",  # BurstGPT
    "num_prefill_tokens",  # Vidur
    "num_prompt_tokens",
    "num_input_tokens",
    "number_input_tokens",  # LLMPerf
    "prompt_len",  # vLLM
    "prompt_length",
    "input_len",
    "input_length",  # Mooncake, Bailian
)
OUTPUT = (
    "GeneratedTokens",
    "completion_tokens",
    "output_tokens",
    "response_tokens",
    "num_decode_tokens",
    "num_generated_tokens",
    "num_output_tokens",
    "number_output_tokens",
    "output_len",
    "output_length",
)
ARRIVAL = (
    "timestamp",
    "arrived_at",
    "arrival_time",
    "arrival_timestamp",
    "request_time",
    "request_timestamp",
    "created_at",
)
SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3}
"""Seconds in one unit of an arrival column, by what its name ends in."""
LONGEST = 2**24
"""Most tokens believed of a prompt or an output; more is an id or a time in the wrong column."""
SHOWN = 5
"""Line numbers and odd column names that a complaint lists."""

_WHOLE = re.compile(r"\s*\+?(\d{1,12})(?:\.0*)?\s*", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """Requests as they were served, one entry each; `raised` of them had a 0 that counts as one token."""

    name: str
    prompt: TokensAxis
    output: TokensAxis
    arrival_rate: RequestsPerSecond | None = None
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
    def mean_prompt(self) -> Tokens:
        """Mean prompt tokens of a request."""
        return float(self.prompt.mean())

    @property
    def mean_output(self) -> Tokens:
        """Mean output tokens of a request."""
        return float(self.output.mean())

    @property
    def output_share(self) -> Dimensionless:
        """Share of all tokens that are output."""
        return float(self.output.sum() / self.total.sum())

    def fractions(self, lengths: TokensAxis) -> Dimensionless:
        """Share of requests of at most so many tokens: with its lengths, the knots of a workload."""
        return np.searchsorted(np.sort(self.total), lengths, side="right") / self.requests


def read(path: Path | str) -> Trace:
    """Read the requests of a CSV file.

    The columns are found by name, whatever the capitals and separators and whatever stands before a
    dot: see PROMPT, OUTPUT and ARRIVAL. Cells may be quoted and the file may be separated by
    commas, semicolons or tabs; other columns and blank lines are skipped. The arrival rate is the
    number of requests less one over the time they span. Arrivals are ISO dates (UTC unless they say
    otherwise) or numbers in seconds (milliseconds where the name ends in `ms`). There is no rate
    without such a column, where it spans no time, and for a `timestamp` of plain numbers beside
    `input_length`: Mooncake counts milliseconds there and Bailian seconds.

    A request of 0 prompt or 0 output tokens counts with one of them, since the model serves at
    least one of each; `raised` says how many there were (BurstGPT keeps failed requests as 0
    output). One of 0 and 0 is a bad row.

    Raises:
        ParameterError: where the file cannot be read or any row is bad, with line numbers as an
            editor counts them.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parse(path, file)
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({error.strerror}), wanted a CSV file of requests."
        ) from None
    except UnicodeError:
        raise ParameterError(f"{path}: is not UTF-8 text, wanted a CSV file in UTF-8.") from None


class _Field(NamedTuple):
    """A column that is wanted: where it is, how a cell becomes a number (None: not at all) and what it should be."""

    name: str
    place: int
    value: Callable[[str], float | None]
    wanted: str


def _parse(path: Path, file: TextIO) -> Trace:
    header = file.readline()
    if not header:
        raise ParameterError(
            f"{path}: is empty, wanted a line of column names and a line for each request."
        )
    rows = csv_rows(path, chain([header], file), max(",;\t", key=header.count))
    names = [name.strip() for name in next(rows, (1, [""]))[1]]
    first = next(rows, None)
    if first is None:
        raise ParameterError(
            f"{path}: holds column names and no requests, wanted a line for each request."
        )
    fields = _fields(path, names, first[1])
    table = _table(path, chain([first], rows), fields, len(names))
    tokens = table[:, :2].astype(int)
    return Trace(
        name=path.name,
        prompt=np.maximum(1, tokens[:, 0]),
        output=np.maximum(1, tokens[:, 1]),
        arrival_rate=_rate(table[:, 2]) if len(fields) > 2 else None,
        raised=int((tokens == 0).any(axis=1).sum()),
    )


def csv_rows(path: Path, lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line that it begins on."""
    reader, line = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True), 1
    try:
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ParameterError(
            f"{path}: the row at line {line} is not CSV ({error}), wanted plain or well-quoted cells."
        ) from None


def _fields(path: Path, names: Sequence[str], first: Sequence[str]) -> list[_Field]:
    tokens = f"a whole number of tokens from 0 to {LONGEST}"
    prompt = _needed(path, names, PROMPT, "prompt tokens")
    output = _needed(path, names, OUTPUT, "output tokens")
    fields = [_Field(names[place], place, _tokens, tokens) for place in (prompt, output)]
    units = {
        _plain(spelling) + unit: seconds
        for spelling in ARRIVAL
        for unit, seconds in SECONDS.items()
    }
    arrival = _column(path, names, units, "arrivals")
    if arrival is None:
        return fields
    plain, numbers = (
        _plain(names[arrival]),
        arrival < len(first) and _number(first[arrival]) is not None,
    )
    if numbers and (plain, _plain(names[prompt])) == ("timestamp", "inputlength"):
        return fields
    seconds = units[plain]
    clock = (lambda cell: _number(cell, seconds)) if numbers else _date
    return [
        *fields,
        _Field(
            names[arrival], arrival, clock, "a number or an ISO date, the same kind in every row"
        ),
    ]


def _needed(path: Path, names: Sequence[str], spellings: Sequence[str], what: str) -> int:
    place = _column(path, names, [_plain(spelling) for spelling in spellings], what)
    if place is None:
        there = listed([quoted(name) for name in names])
        raise ParameterError(
            f"{path}: no column of {what} among {there}, wanted one of {', '.join(spellings)}."
        )
    return place


def _column(path: Path, names: Sequence[str], known: Container[str], what: str) -> int | None:
    places = [place for place, name in enumerate(names) if _plain(name) in known]
    if len(places) > 1:
        found = listed([quoted(names[place]) for place in places])
        raise ParameterError(f"{path}: has {len(places)} columns of {what} ({found}), wanted one.")
    return places[0] if places else None


def _table(
    path: Path, rows: Iterator[tuple[int, list[str]]], fields: Sequence[_Field], width: int
) -> np.ndarray:
    """Shape (request, field), or one sentence about all rows that are bad."""
    values, bad, first = array("d"), [], ""
    for line, row in rows:
        numbers = [
            field.value(row[field.place]) if field.place < len(row) else None for field in fields
        ]
        good = [number for number in numbers if number is not None]
        if len(good) == len(fields) and (good[0] or good[1]) and not _surplus(row, width):
            values.extend(good)
        else:
            first = first or _complaint(row, fields, numbers, width)
            bad.append(line)
    table = np.array(values).reshape(-1, len(fields))
    if bad:
        are_bad = (
            f"are bad (lines {listed([str(line) for line in bad])})" if len(bad) > 1 else "is bad"
        )
        raise ParameterError(
            f"{path}: {len(bad)} of {len(bad) + len(table)} rows {are_bad}: line {bad[0]} has {first}."
        )
    return table


def _complaint(
    row: Sequence[str], fields: Sequence[_Field], numbers: Sequence[float | None], width: int
) -> str:
    """What a bad row has and what is wanted of it."""
    if _surplus(row, width):
        return f"{len(row)} cells, wanted {width} as there are column names"
    for field, number in zip(fields, numbers, strict=True):
        if number is None:
            cell = row[field.place].strip() if field.place < len(row) else ""
            return f"{quoted(cell) if cell else 'nothing'} under {quoted(field.name)}, wanted {field.wanted}"
    return "0 prompt and 0 output tokens, wanted at least one token"


def _surplus(row: Sequence[str], width: int) -> bool:
    return len(row) > width and any(cell.strip() for cell in row[width:])


def _rate(arrivals: np.ndarray) -> float | None:
    span = float(np.ptp(arrivals))
    return (len(arrivals) - 1) / span if span > 0 else None


def _tokens(cell: str) -> float | None:
    match = _WHOLE(cell)
    return float(match[1]) if match and int(match[1]) <= LONGEST else None


def _number(cell: str, unit: float = 1.0) -> float | None:
    try:
        number = float(cell) * unit
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(cell: str) -> float | None:
    try:
        date = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - _EPOCH).total_seconds()


def _plain(name: str) -> str:
    """A column name without what stands before a dot, without separators, in small letters."""
    return re.sub(r"[^a-z0-9]", "", name.rpartition(".")[2].lower())


def quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def listed(items: Sequence[str]) -> str:
    more = len(items) - SHOWN
    return f"{', '.join(items[:SHOWN])} and {more} more" if more > 0 else ", ".join(items)
