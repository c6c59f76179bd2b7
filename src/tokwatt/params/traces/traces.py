"""Request traces: tables of prompt and output tokens become whole requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from tokwatt.params.tables import table_of
from tokwatt.params.tables.separated import Unclean
from tokwatt.params.tables.table import Count, Table
from tokwatt.params.traces.columns import (
    Found,
    TraceColumn,
    columns,
    is_complete,
    require_role,
    totals_of,
)
from tokwatt.params.traces.numbers import blank
from tokwatt.params.traces.repeats import is_telling
from tokwatt.params.traces.requests import Rows, read_rows
from tokwatt.params.traces.sums import Sums, sums_of
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Requests,
    RequestsAxis,
    RequestsPerSecond,
    Seconds,
    SecondsAxis,
    Tokens,
    TokensAxis,
)

SINGLE = ("time", "count", "id")
"""What one column says; of all else, another may say what the first leaves blank."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """Requests as they were served, one entry each, or one for several that are alike.

    Attributes:
        name: of the file.
        prompt: tokens of each prompt, those that were cached among them [tok].
        output: tokens of each output [tok].
        cached: prompt tokens that were found in a cache [tok]; None where the file does not say.
        arrivals: since the first, rising [s]; None where the file does not say when.
        counts: requests that an entry stands for [req]; None where it is one each.
        left_out: rows that are no served request, by why.
        notes: what was found in the file, and how it was understood.
    """

    name: str
    prompt: TokensAxis
    output: TokensAxis
    cached: TokensAxis | None = None
    arrivals: SecondsAxis | None = None
    counts: RequestsAxis | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """What it is of, in one line."""
        rate = f", {self.arrival_rate:.4g} req/s" if self.arrival_rate else ""
        prompt = float(self.prompt @ self.weights)
        lengths = f"mean prompt {prompt:,.0f} and output {self.mean_output:,.0f} tok"
        return f"Trace({self.name!r}: {self.requests_in_words}, {lengths}{rate})"

    @property
    def requests_in_words(self) -> str:
        """How many requests, in words."""
        return f"{self.requests:,} request{'s' * (self.requests != 1)}"

    @property
    def weights(self) -> DimensionlessAxis:
        """Share of all requests that each entry stands for."""
        counts = np.ones(len(self.prompt)) if self.counts is None else self.counts
        return counts / counts.sum()

    @property
    def requests(self) -> Requests:
        """How many requests there are."""
        return len(self.prompt) if self.counts is None else int(self.counts.sum())

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
        return float(self.output @ self.weights)

    @property
    def output_share(self) -> Dimensionless:
        """Share of all tokens that are output."""
        return float(self.output @ self.weights / (self.total @ self.weights))

    @property
    def cached_share(self) -> Dimensionless | None:
        """Share of all prompt tokens that were found in a cache; None where nothing says."""
        if self.cached is None:
            return None
        return float(self.cached @ self.weights / (self.prompt @ self.weights))

    @property
    def span(self) -> Seconds | None:
        """Time between the first and the last arrival [s]; None where nothing says."""
        return None if self.arrivals is None else float(self.arrivals[-1])

    @property
    def arrival_rate(self) -> RequestsPerSecond | None:
        """Mean over the trace [req/s]: all but the last arrivals over the time they span."""
        if self.arrivals is None or not self.span:
            return None
        last = 1 if self.counts is None else self.counts[self.arrivals == self.span].sum()
        return float(self.requests - last) / self.span

    @property
    def timed(self) -> bool:
        """Whether it says when each request came, and is not of sums over a time."""
        single = self.counts is None or bool(np.all(self.counts <= 1))
        return self.arrival_rate is not None and single

    def fractions(self, lengths: TokensAxis) -> DimensionlessAxis:
        """Share of requests of at most so many tokens, as a request length distribution has it."""
        order = np.argsort(self.total)
        counts = np.ones(len(order)) if self.counts is None else self.counts[order]
        upto = np.append(0.0, np.cumsum(counts)) / counts.sum()
        return upto[np.searchsorted(self.total[order], lengths, side="right")]


def read_trace(
    path: Path | str, chosen: Mapping[str, str] | None = None, count: Count | None = None
) -> Trace:
    """Read the requests of a file.

    CSV, JSON lines, a JSON document or Parquet, each as it is or packed by gzip or zstd. Columns
    are found by name, see `names.NAMES`, also in objects that are written as text in cells. Cached
    tokens are added to a prompt, or are among it, as the totals of the rows have it, or else the
    names. A row that its status calls failed, without prompt or output tokens, of another kind
    (a chain of calls, an embedding), answered from a cache or repeated is left out and counted.
    Arrivals are ISO dates (UTC unless they say otherwise), a few other plain ones, or numbers: of
    those that count from 1970 the size tells the unit, of others their name, and it is said in the
    notes. A row with a number of requests is a bucket: its tokens are sums, and each of its
    requests has their mean.

    Args:
        path: a regular file.
        chosen: names of columns by what they hold, where they are not known or there are several.
        count: tokens of a text, for files of conversations.

    Raises:
        ParameterError: where the file cannot be read or any row is bad, with line numbers as an
            editor counts them.
    """
    path, chosen = Path(path), dict(chosen or {})
    for role in chosen:
        require_role(role, "chosen")
    names = {role: name for role, name in chosen.items() if role != "time"}
    table = table_of(path, partial(is_complete, names), count)
    found = columns(path, table, chosen)
    for role in SINGLE:
        found |= _single(role, found.pop(role, ()), table)
    found, sums = sums_of(path, found, totals_of(table.names), table.sample)
    rows = _rows(path, table, found, sums, chosen)
    order = _order(rows.columns.get("time"))
    served = {role: column[order] for role, column in rows.columns.items()}
    times = served.get("time")
    return Trace(
        name=path.name,
        prompt=served["prompt"],
        output=served["output"],
        cached=served.get("cached"),
        arrivals=None if times is None else times - times[0],
        counts=served.get("count"),
        left_out=rows.left_out,
        notes=rows.notes,
    )


def _single(role: str, columns: Sequence[TraceColumn], table: Table) -> Found:
    """The column that says when, how many or which: the first that is not blank.

    Running numbers and short words do not say which.
    """
    cells = {column: [row[column.place] for row in table.sample] for column in columns}
    if role == "id":
        told = [column for column in columns if is_telling(cells[column])]
    else:
        told = [column for column in columns if not all(map(blank, cells[column]))] or [*columns]
    return {role: tuple(told[:1])} if told else {}


def _rows(path: Path, table: Table, found: Found, sums: Sums, chosen: Mapping[str, str]) -> Rows:
    """All rows, fast; or exactly, if any of them may be bad."""
    try:
        return read_rows(path, table, found, sums, chosen, exactly=False)
    except Unclean:
        return read_rows(path, table, found, sums, chosen, exactly=True)


def _order(times: SecondsAxis | None) -> np.ndarray | slice:
    """Rows as they arrived."""
    if times is None or np.all(times[1:] >= times[:-1]):
        return slice(None)
    return np.argsort(times, kind="stable")
