"""Times of arrival: dates or numbers, whose unit follows from their name or their size."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.table import Cell, Cells, Table
from tokwatt.params.traces.columns import UNITS, TraceColumn, bare_name, quoted
from tokwatt.params.traces.numbers import blank, numbers
from tokwatt.units import SecondsAxis

SINCE_1970 = {"s": 1e8, "ms": 1e11, "us": 1e14, "ns": 1e17}
"""Where numbers of a unit begin that count from 1970: the next one is a thousand times as large."""
MOONCAKE, BAILIAN = ("timestamp", "inputlength", "outputlength"), "chatid"
"""Columns of Mooncake, in milliseconds, and one that Bailian, in seconds, has beside."""
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def is_date(sample: Sequence[Cell]) -> bool:
    """Whether times are dates, by the first that is not blank."""
    first = next((cell for cell in sample if not blank(cell)), 0)
    return bool(np.isnan(numbers([first])[0]))


def date_seconds(cells: Cells) -> SecondsAxis:
    """Seconds since 1970 of ISO dates, UTC unless they say otherwise; NaN for all else."""
    import pandas as pd

    texts = cells if isinstance(cells, pd.Series) else pd.Series(cells)
    if texts.dtype.kind != "M" and pd.api.types.infer_dtype(texts) != "string":
        texts = texts.where([isinstance(cell, str) for cell in cells], None).astype("str")
    if texts.dtype.kind != "M" and texts.iloc[:1].str.endswith(" UTC").any():
        texts = texts.str.removesuffix(" UTC")
    dates = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    seconds = dates.astype("datetime64[us, UTC]").astype("int64").to_numpy() * 1e-6
    return np.where(dates.isna(), np.nan, seconds)


def time_unit(name: str, chosen: str | None, times: np.ndarray, mooncake: bool) -> str:
    """The unit of times that are numbers.

    Args:
        name: of their column, whose ending may say it.
        chosen: what was asked for, if anything.
        times: as they stand in the file.
        mooncake: whether the table is laid out as Mooncake's, whose timestamps are milliseconds.

    Returns:
        The unit: of numbers that count from 1970 by their size, else by the name, else seconds.
    """
    if chosen:
        return chosen
    middle = abs(float(np.median(times)))
    sizes = [unit for unit, least in SINCE_1970.items() if middle >= least]
    if sizes:
        return sizes[-1]
    named = [unit for unit in UNITS if bare_name(name).endswith(("time" + unit, "stamp" + unit))]
    named += [unit for unit in UNITS if name.lower().endswith("_" + unit)]
    if named:
        return named[0]
    return "ms" if mooncake and not np.any(times % 1) else "s"


def disagree(times: np.ndarray) -> bool:
    """Whether some numbers count from 1970 in one unit and some in another, or in none."""
    edges = list(SINCE_1970.values())
    sizes = np.searchsorted(edges, np.abs([times.min(), times.max()]), side="right")
    return bool(sizes[1] > 0 and sizes[0] != sizes[1])


def arrival_times(
    path: Path,
    table: Table,
    found: Mapping[str, TraceColumn],
    chosen: Mapping[str, str],
    raw: np.ndarray | None,
    dates: bool,
) -> tuple[list[str], SecondsAxis | None]:
    """How arrivals were understood, and what they are in seconds; None where nothing says when."""
    if raw is None:
        return ["arrivals: no column of times"], None
    name = found["time"].name
    if dates:
        return [f"arrivals: {quoted(name)}, dates"], raw
    asked = chosen.get("time", "").rpartition(":")[2]
    unit = time_unit(name, asked if asked in UNITS else None, raw, _is_mooncake(table.names))
    if disagree(raw):
        wanted = "times of one unit, all since 1970 or all since a start"
        ends = f"from {raw.min():g} to {raw.max():g}"
        raise ParameterError(f"{path}: has times {ends} under {quoted(name)}, wanted {wanted}.")
    return [f"arrivals: {quoted(name)}, {WORDS[unit]}"], raw * UNITS[unit]


def _is_mooncake(names: Sequence[str]) -> bool:
    """Whether columns are those of Mooncake."""
    written = {bare_name(name) for name in names}
    return written.issuperset(MOONCAKE) and BAILIAN not in written
