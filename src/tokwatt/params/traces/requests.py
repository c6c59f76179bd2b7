"""Rows of a table that are served requests, and how many are not."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.separated import Unclean
from tokwatt.params.tables.table import Cell, Cells, Chunk, Table
from tokwatt.params.traces.columns import BUCKETS, REQUIRED, Found, bare_name, listed, quoted
from tokwatt.params.traces.numbers import blanks, numbers, packed
from tokwatt.params.traces.repeats import identities, last_of_each
from tokwatt.params.traces.status import REASONS, left_out_by
from tokwatt.params.traces.sums import CACHES, Columns, Sums, first_told, wholes
from tokwatt.params.traces.times import arrival_times, date_seconds, is_date
from tokwatt.units import MOST_TOKENS

WANTED = f"a whole number of tokens from 0 to {MOST_TOKENS:.0f}"
WANTED_TIME = "a number, or an ISO date, the same kind in every row"
Bad = list[tuple[int, str]]
_SAID = (*REASONS, "id")
"""Columns that are no numbers."""
_DAY = re.compile(r"\s*\d{4}-\d\d-\d\d\s*", re.ASCII).fullmatch
"""A date without a time of day."""


class Rows(NamedTuple):
    """Requests that were served, and what was found beside them.

    Attributes:
        columns: prompt, output and cached tokens [tok], times [s] and counts [req] by what they
            hold, of those that the file has.
        left_out: rows that are no served request, by why.
        notes: how the file was understood.
    """

    columns: dict[str, np.ndarray]
    left_out: dict[str, int]
    notes: tuple[str, ...]


def read_rows(
    path: Path,
    table: Table,
    found: Found,
    sums: Sums,
    chosen: Mapping[str, str],
    *,
    exactly: bool,
) -> Rows:
    """Read the rows of a table.

    Args:
        path: the file.
        table: what it holds.
        found: the columns that are read.
        sums: which of their counts are added to which.
        chosen: names and units that were asked for.
        exactly: whether bad rows are told by their lines.

    Raises:
        Unclean: where any row may be bad and `exactly` is false.
        ParameterError: where any is, and it is true.
    """
    sample = [row[found["time"][0].place] for row in table.sample] if "time" in found else []
    _refuse_sums(path, table.names, found, sample)
    reader = _Reader(found, sums, is_date(sample))
    places = [column.place for columns in found.values() for column in columns]
    for chunk in table.chunks(places, exactly):
        reader.add(chunk)
        if reader.bad and not exactly:
            raise Unclean
    if reader.bad:
        raise _refused(path, reader.bad, reader.seen)
    parts, left_out = reader.served()
    if not len(parts["prompt"]):
        lost = ", ".join(f"{count} {why}" for why, count in left_out.items())
        wanted = "a row for each request that was served"
        raise ParameterError(f"{path}: holds no served request ({lost}), wanted {wanted}.")
    notes, times = arrival_times(path, table, found, chosen, parts.get("time"), reader.dates)
    notes += _beside(found, sums)
    if "count" in parts and np.all(parts["count"] == 1):
        del parts["count"]
    if "count" in parts:
        counted = quoted(found["count"][0].name)
        notes += [f"rows are sums of {counted} requests; each has the mean length of its row"]
    columns = parts | ({} if times is None else {"time": times})
    return Rows(columns, left_out, tuple(notes))


class _Reader:
    """Chunks of cells that become numbers; rows without a served request are counted."""

    def __init__(self, found: Found, sums: Sums, dates: bool) -> None:
        self.found, self.sums, self.dates = found, sums, dates
        kept = [role for role in found if role not in (*REASONS, "reasoning")]
        self.parts: dict[str, list[np.ndarray]] = {role: [] for role in kept}
        self.left_out: Counter[str] = Counter()
        self.bad: Bad = []
        self.seen = 0

    def add(self, chunk: Chunk) -> None:
        rest = map(packed, chunk.columns)
        cells = {role: list(islice(rest, len(columns))) for role, columns in self.found.items()}
        self.seen += len(chunk.lines) + len(chunk.problems)
        self.bad += chunk.problems
        told = {
            role: [self._told(role, column) for column in columns]
            for role, columns in cells.items()
            if role not in _SAID
        }
        values = {role: first_told(columns) for role, columns in told.items()}
        values |= {role: first_told(wholes(role, told, self.sums)) for role in REQUIRED}
        kept = self._served(cells, values, len(chunk.lines))
        self._check(cells, told, chunk.lines, kept)
        kept &= self._believed(values, chunk.lines, kept)
        if "id" in self.found:
            values["id"] = identities(cells["id"][0], values["prompt"])
        for role, column in self.parts.items():
            column.append(values[role][kept])

    def served(self) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        """All requests, each once, and the rows that are none, by why."""
        parts = {role: np.concatenate(cells) for role, cells in self.parts.items()}
        if "id" in parts:
            last = last_of_each(parts.pop("id"))
            self._leave("repeated", ~last)
            parts = {role: column[last] for role, column in parts.items()}
        return parts, dict(self.left_out)

    def _leave(self, why: str, rows: np.ndarray) -> None:
        self.left_out.update({why: lost} if (lost := int(rows.sum())) else {})

    def _told(self, role: str, cells: Cells) -> np.ndarray:
        """Numbers of one column."""
        if role == "time" and self.dates:
            return date_seconds(cells)
        told = numbers(cells, grouped=role != "time")
        return np.where(blanks(cells), 0.0, told) if role in CACHES else told

    def _served(
        self, cells: Mapping[str, list[Cells]], values: Mapping[str, np.ndarray], rows: int
    ) -> np.ndarray:
        """Rows that are no failed, blank or empty request."""
        said = [
            (why, left_out_by(role, column.name, part))
            for role, why in REASONS.items()
            for column, part in zip(self.found.get(role, ()), cells.get(role, ()), strict=True)
        ]
        empty = {role: np.all(list(map(blanks, cells[role])), axis=0) for role in REQUIRED}
        reasons = [
            *said,
            ("without token counts", empty["prompt"] & (values["prompt"] != 0) | empty["output"]),
            ("without output tokens", values["output"] == 0),
            ("without prompt tokens", values["prompt"] == 0),
        ]
        kept = np.ones(rows, bool)
        for why, lost in reasons:
            self._leave(why, kept & lost)
            kept &= ~lost
        return kept

    def _check(
        self,
        cells: Mapping[str, list[Cells]],
        told: Columns,
        lines: Sequence[int],
        kept: np.ndarray,
    ) -> None:
        """Remember the bad cells of rows that are kept, which then are not."""
        for role, columns in told.items():
            wanted = WANTED_TIME if role == "time" else WANTED
            for column, part, values in zip(self.found[role], cells[role], columns, strict=True):
                good = np.isfinite(values) if role == "time" else _whole(values)
                if role not in ("time", "count") and not good[kept].all():
                    good |= blanks(part)
                for row in np.flatnonzero(kept & ~good):
                    cell = part[int(row)]
                    empty = cell is None or not str(cell).strip()
                    written = "nothing" if empty else quoted(str(cell))
                    what = f"{written} under {quoted(column.name)}, wanted {wanted}"
                    self.bad.append((lines[int(row)], what))
                kept &= good

    def _believed(
        self, values: dict[str, np.ndarray], lines: Sequence[int], kept: np.ndarray
    ) -> np.ndarray:
        """Rows of so few tokens that they are believed; those of buckets become means."""
        prompt = values["prompt"]
        if "count" in values:
            counts = np.maximum(1.0, values["count"])
            values["output"] = np.maximum(1.0, np.rint(values["output"] / counts))
            values["prompt"] = prompt = np.maximum(1.0, np.rint(prompt / counts))
            if "cached" in values:
                values["cached"] = np.rint(values["cached"] / counts)
        if "cached" in values:
            values["cached"] = np.minimum(prompt, values["cached"])
        good = prompt + values["output"] <= MOST_TOKENS
        for row in np.flatnonzero(kept & ~good):
            tokens = f"{prompt[row]:.0f} prompt and {values['output'][row]:.0f} output tokens"
            wanted = f"from 1 to {MOST_TOKENS:.0f} in all"
            self.bad.append((lines[int(row)], f"{tokens}, wanted {wanted}"))
        return good


def _whole(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (values >= 0) & (values % 1 == 0) & (values < 2.0**53)


def _refuse_sums(path: Path, names: Sequence[str], found: Found, times: Sequence[Cell]) -> None:
    """Refuse sums over a time that do not say of how many requests."""
    sums = [name for name in names if bare_name(name).rpartition(".")[2] in map(bare_name, BUCKETS)]
    days = [cell for cell in times if isinstance(cell, str) and _DAY(cell)]
    if len(days) == len(times) == len(set(days)) > 1 and np.all(np.isfinite(date_seconds(days))):
        sums.append(found["time"][0].name)
    if sums and "count" not in found:
        wanted = "a row for each request, or a column with the number of requests of each row"
        raise ParameterError(
            f"{path}: holds sums over a time ({quoted(sums[0])}) without lengths, wanted {wanted}."
        )


def _beside(found: Found, sums: Sums) -> list[str]:
    """What is said of the counts that stand beside others or among them."""
    added = {"cached": ("prompt", sums.prompt[0]), "reasoning": ("output", sums.output[0])}
    return [
        f"{role} tokens: {quoted(found[role][0].name)},"
        f" {'added to' if beside else 'part of'} {quoted(found[whole][0].name)}"
        for role, (whole, beside) in added.items()
        if role in found and (beside or role == "cached")
    ]


def _refused(path: Path, bad: Bad, seen: int) -> ParameterError:
    bad = sorted(bad)
    lines = listed([str(line) for line in dict(bad)])
    many = f"are bad (lines {lines})" if len(dict(bad)) > 1 else "is bad"
    count = f"{len(dict(bad))} of {seen} rows {many}"
    return ParameterError(f"{path}: {count}: line {bad[0][0]} has {bad[0][1]}.")
