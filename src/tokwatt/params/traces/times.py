"""Times of arrival: dates or numbers, whose unit follows from their name or their size."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.table import Cell, Cells, Table
from tokwatt.params.traces.columns import UNITS, Found, bare_name, quoted
from tokwatt.params.traces.numbers import blank, numbers
from tokwatt.units import SecondsAxis

SINCE_1970 = {"s": 1e8, "ms": 1e11, "us": 1e14, "ns": 1e17}
"""Where numbers of a unit begin that count from 1970: the next one is a thousand times as large."""
MOONCAKE, BAILIAN = ("timestamp", "inputlength", "outputlength"), "chatid"
"""Columns of Mooncake, in milliseconds, and one that Bailian, in seconds, has beside."""
LONGEST = 10 * 365 * 86400.0
"""Seconds that a trace spans at most, where its times count from a start."""
EARLIEST = 1.2e9
"""Seconds since 1970, in 2008, before which no request came to an LLM: smaller numbers count from
another start, where their name says their unit."""
LAYOUTS = {
    r"\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d\.\d+ [AP]M": "%m/%d/%Y, %I:%M:%S.%f %p",  # Azure
    r"\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d [AP]M": "%m/%d/%Y, %I:%M:%S %p",
    r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M": "%m/%d/%Y %I:%M:%S %p",
    r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}": "%d/%b/%Y:%H:%M:%S %z",  # nginx
    r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT": "%a, %d %b %Y %H:%M:%S GMT",
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d": "%Y/%m/%d %H:%M:%S",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d,\d+": "%Y-%m-%d %H:%M:%S,%f",  # Python's log
}
"""Formats of dates that are not ISO but plain, by how the first of them looks."""
SHORTEST = 7
"""Letters of a date, at least its year and month: pandas takes `-3` and `now` for dates, too."""
SLOW = 60.0
"""Mean seconds between requests from which on a unit that nothing says is doubted."""
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
    first = str(next((text for text in texts if not blank(text)), ""))
    layout = next((form for look, form in LAYOUTS.items() if re.fullmatch(look, first)), "ISO8601")
    dates = pd.to_datetime(texts, format=layout, utc=True, errors="coerce")
    if texts.dtype.kind != "M":
        dates = dates.where(texts.str.len() >= SHORTEST)
    seconds = dates.astype("datetime64[us, UTC]").astype("int64").to_numpy() * 1e-6
    return np.where(dates.isna(), np.nan, seconds)


def _told_unit(name: str, chosen: str | None, mooncake: bool, times: np.ndarray) -> str | None:
    """The unit of times since a start that something says: an option, a name or a layout.

    Args:
        name: of their column, whose ending may say it.
        chosen: what was asked for, if anything.
        mooncake: whether the table is laid out as Mooncake's, whose timestamps are milliseconds.
        times: as they stand in the file.
    """
    endings = [unit for unit in UNITS if bare_name(name).endswith(("time" + unit, "stamp" + unit))]
    endings += [unit for unit in UNITS if name.lower().endswith("_" + unit)]
    whole = ["ms"] if mooncake and not np.any(times % 1) else []
    return next(filter(None, [chosen, *endings, *whole]), None)


def _sizes(times: np.ndarray) -> tuple[int, int]:
    """Of the least and of the most: 0 where they count from a start, else the unit since 1970."""
    least, most = np.searchsorted(
        list(SINCE_1970.values()), np.abs([times.min(), times.max()]), side="right"
    )
    return int(least), int(most)


def arrival_times(
    path: Path,
    table: Table,
    found: Found,
    chosen: Mapping[str, str],
    raw: np.ndarray | None,
    dates: bool,
) -> tuple[list[str], SecondsAxis | None]:
    """How arrivals were understood, and what they are in seconds; None where nothing says when."""
    if raw is None:
        return ["arrivals: no column of times (--columns time=NAME)"], None
    name = found["time"][0].name
    if dates:
        return [f"arrivals: {quoted(name)}, dates"], raw
    unit, guessed = _unit_of(path, table, name, chosen, raw)
    times = raw * UNITS[unit]
    slow = guessed and len(times) > 1 and np.ptp(times) > SLOW * (len(times) - 1)
    doubt = f", as nothing names another unit (--columns time={name}:ms)" if slow else ""
    return [f"arrivals: {quoted(name)}, {WORDS[unit]}{doubt}"], times


def _unit_of(
    path: Path, table: Table, name: str, chosen: Mapping[str, str], times: np.ndarray
) -> tuple[str, bool]:
    """The unit of times, and whether nothing but their being times says it."""
    asked = chosen.get("time", "").rpartition(":")[2]
    own = asked if asked in UNITS else None
    told = _told_unit(name, own, _is_mooncake(table.names), times)
    least, most = _sizes(times)
    if least == most:
        by_size = list(SINCE_1970)[least - 1] if least else None
        if by_size and told and times.max() * UNITS[by_size] < EARLIEST:
            by_size = None
        return own or by_size or told or "s", not (own or by_size or told)
    if least == 0 and told and np.ptp(times) * UNITS[told] <= LONGEST:
        return told, False
    wanted = "times of one unit, all since 1970 or all since a start"
    option = f", whose unit is told as in --columns time={name}:us"
    ends = f"from {times.min():g} to {times.max():g}"
    raise ParameterError(f"{path}: has times {ends} under {quoted(name)}, wanted {wanted}{option}.")


def _is_mooncake(names: Sequence[str]) -> bool:
    """Whether columns are those of Mooncake."""
    written = {bare_name(name) for name in names}
    return written.issuperset(MOONCAKE) and BAILIAN not in written
