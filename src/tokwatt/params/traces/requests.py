"""Rows of a table that are served requests, and how many are not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.separated import Unclean
from tokwatt.params.tables.table import Cells, Chunk, Table
from tokwatt.params.traces.columns import BUCKETS, TraceColumn, bare_name, listed, quoted
from tokwatt.params.traces.numbers import blanks, numbers, packed
from tokwatt.params.traces.status import is_failure
from tokwatt.params.traces.times import arrival_times, date_seconds, is_date
from tokwatt.units import MOST_TOKENS

WANTED = f"a whole number of tokens from 0 to {MOST_TOKENS:.0f}"
WANTED_TIME = "a number, or an ISO date, the same kind in every row"
Bad = list[tuple[int, str]]


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
    found: Mapping[str, TraceColumn],
    chosen: Mapping[str, str],
    *,
    exactly: bool,
) -> Rows:
    """Read the rows of a table.

    Args:
        path: the file.
        table: what it holds.
        found: the columns that are read.
        chosen: names and units that were asked for.
        exactly: whether bad rows are told by their lines.

    Raises:
        Unclean: where any row may be bad and `exactly` is false.
        ParameterError: where any is, and it is true.
    """
    _refuse_sums(path, table.names, found)
    sample = [row[found["time"].place] for row in table.sample] if "time" in found else []
    reader = _Reader(found, is_date(sample))
    for chunk in table.chunks([column.place for column in found.values()], exactly):
        reader.add(chunk)
        if reader.bad and not exactly:
            raise Unclean
    if reader.bad:
        raise _refused(path, reader.bad, reader.seen)
    parts = {role: np.concatenate(cells) for role, cells in reader.parts.items()}
    if not len(parts["prompt"]):
        left_out = ", ".join(f"{count} {why}" for why, count in reader.left_out.items())
        wanted = "a row for each request that was served"
        raise ParameterError(f"{path}: holds no served request ({left_out}), wanted {wanted}.")
    notes, times = arrival_times(path, table, found, chosen, parts.get("time"), reader.dates)
    notes += _beside(parts, found)
    if "count" in parts:
        sums = quoted(found["count"].name)
        notes += [f"rows are sums of {sums} requests; each has the mean length of its row"]
    columns = parts | ({} if times is None else {"time": times})
    return Rows(columns, dict(reader.left_out), tuple(notes))


class _Reader:
    """Chunks of cells that become numbers; rows without a served request are counted."""

    def __init__(self, found: Mapping[str, TraceColumn], dates: bool) -> None:
        self.found, self.dates = found, dates
        self.parts: dict[str, list[np.ndarray]] = {role: [] for role in found if role != "status"}
        self.left_out: Counter[str] = Counter()
        self.bad: Bad = []
        self.seen = 0

    def add(self, chunk: Chunk) -> None:
        cells = dict(zip(self.found, map(packed, chunk.columns), strict=True))
        self.seen += len(chunk.lines) + len(chunk.problems)
        self.bad += chunk.problems
        kept = self._served(cells, chunk.lines)
        values = {role: self._values(role, cells, chunk.lines, kept) for role in self.parts}
        kept &= self._believed(values, chunk.lines, kept)
        for role, numbers_of in values.items():
            self.parts[role].append(numbers_of[kept])

    def _served(self, cells: Mapping[str, Cells], lines: Sequence[int]) -> np.ndarray:
        """Rows that are no failed, blank or empty request."""
        prompt, output = (numbers(cells[role]) for role in ("prompt", "output"))
        reasons = {
            "failed": self._failed(cells, len(lines)),
            "without token counts": blanks(cells["prompt"]) | blanks(cells["output"]),
            "without output tokens": output == 0,
            "without prompt tokens": self._whole_prompt(cells, prompt) == 0,
        }
        kept = np.ones(len(lines), bool)
        for why, rows in reasons.items():
            self.left_out.update({why: lost} if (lost := int((kept & rows).sum())) else {})
            kept &= ~rows
        return kept

    def _failed(self, cells: Mapping[str, Cells], rows: int) -> np.ndarray:
        """Rows whose status says that they were not served."""
        if "status" not in cells:
            return np.zeros(rows, bool)
        name = bare_name(self.found["status"].name).rpartition(".")[2]
        words = list(map(str, cells["status"]))
        failed = {word: is_failure(name, word.strip().lower()) for word in set(words)}
        return np.fromiter(map(failed.__getitem__, words), bool, rows)

    def _whole_prompt(self, cells: Mapping[str, Cells], prompt: np.ndarray) -> np.ndarray:
        """Prompt tokens with those that a cache adds to them."""
        beside = [role for role in ("cached", "written") if role in cells and self._adds(role)]
        return prompt + sum((np.nan_to_num(numbers(cells[role])) for role in beside), np.zeros(()))

    def _adds(self, role: str) -> bool:
        """Whether tokens of a cache stand beside those of the prompt, as Anthropic counts."""
        return is_beside(self.found["prompt"].name, self.found[role].name)

    def _values(
        self, role: str, cells: Mapping[str, Cells], lines: Sequence[int], kept: np.ndarray
    ) -> np.ndarray:
        """Numbers of one column; bad cells of rows that are kept are remembered."""
        if role == "time" and self.dates:
            values = date_seconds(cells[role])
        else:
            values = numbers(cells[role])
        if role in ("cached", "written"):
            values = np.where(blanks(cells[role]), 0.0, values)
        good = np.isfinite(values) if role == "time" else _whole(values)
        wanted = WANTED_TIME if role == "time" else WANTED
        for row in np.flatnonzero(kept & ~good):
            cell = cells[role][int(row)]
            written = quoted(str(cell)) if str(cell).strip() else "nothing"
            name = quoted(self.found[role].name)
            self.bad.append((lines[int(row)], f"{written} under {name}, wanted {wanted}"))
        kept &= good
        return values

    def _believed(
        self, values: dict[str, np.ndarray], lines: Sequence[int], kept: np.ndarray
    ) -> np.ndarray:
        """Rows of so few tokens that they are believed; those of buckets become means."""
        beside = [role for role in ("cached", "written") if role in values and self._adds(role)]
        prompt = values["prompt"] + sum((values[role] for role in beside), np.zeros(()))
        if "count" in values:
            counts = np.maximum(1.0, values["count"])
            values["output"] = np.maximum(1.0, np.rint(values["output"] / counts))
            prompt = np.maximum(1.0, np.rint(prompt / counts))
            if "cached" in values:
                values["cached"] = np.minimum(prompt, np.rint(values["cached"] / counts))
        values["prompt"] = prompt
        good = prompt + values["output"] <= MOST_TOKENS
        for row in np.flatnonzero(kept & ~good):
            tokens = f"{prompt[row]:.0f} prompt and {values['output'][row]:.0f} output tokens"
            wanted = f"from 1 to {MOST_TOKENS:.0f} in all"
            self.bad.append((lines[int(row)], f"{tokens}, wanted {wanted}"))
        return good


def is_beside(prompt: str, cache: str) -> bool:
    """Whether tokens of a cache stand beside those of the prompt, by the names of the columns.

    Anthropic's `cache_read_input_tokens` are not among its `input_tokens`; OpenAI's `cached_tokens`
    are among its `prompt_tokens`, and OpenTelemetry's `cache_read.input_tokens` among its own.
    """
    last = [bare_name(name).rpartition(".")[2] for name in (prompt, cache)]
    apart = last[0] in ("inputtokens", "uncachedinputtokens", "usageinputtokensnocache")
    return apart and last[1].startswith(("cacheread", "cachecreation", "usageinputtokenscache"))


def _whole(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (values >= 0) & (values % 1 == 0) & (values < 2.0**53)


def _refuse_sums(path: Path, names: Sequence[str], found: Mapping[str, TraceColumn]) -> None:
    """Refuse sums over a time that do not say of how many requests."""
    sums = [name for name in names if bare_name(name).rpartition(".")[2] in map(bare_name, BUCKETS)]
    if sums and "count" not in found:
        wanted = "a row for each request, or a column with the number of requests of each row"
        raise ParameterError(
            f"{path}: holds sums over a time ({quoted(sums[0])}) without lengths, wanted {wanted}."
        )


def _beside(parts: dict[str, np.ndarray], found: Mapping[str, TraceColumn]) -> list[str]:
    """What is said of cached tokens; more of them than prompt tokens stand beside those."""
    if "cached" not in found:
        return []
    name, prompt = (quoted(found[role].name) for role in ("cached", "prompt"))
    added = is_beside(found["prompt"].name, found["cached"].name)
    return [f"cached tokens: {name}, {'added to' if added else 'part of'} {prompt}"]


def _refused(path: Path, bad: Bad, seen: int) -> ParameterError:
    bad = sorted(bad)
    lines = listed([str(line) for line in dict(bad)])
    many = f"are bad (lines {lines})" if len(dict(bad)) > 1 else "is bad"
    count = f"{len(dict(bad))} of {seen} rows {many}"
    return ParameterError(f"{path}: {count}: line {bad[0][0]} has {bad[0][1]}.")
