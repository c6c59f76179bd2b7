"""Columns of a table of requests: by which names they go."""

import re
from collections.abc import Mapping, Sequence, Set
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokwatt.params.errors import ParameterError, one_of, require_once, shown
from tokwatt.params.tables.table import Table
from tokwatt.params.traces.names import ASIDE, NAMES, PLAIN, TOTALS
from tokwatt.params.traces.numbers import blank, numbers

BUCKETS = ("starting_at", "usage_date_utc", "bucket_start")
"""Columns of tables whose rows are sums over a time."""
PREFERRED = "nativetokens"
"""How a count begins that is the LLM's own, beside a common one."""
REQUIRED = {"prompt": "prompt tokens", "output": "output tokens"}
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
"""Seconds in one unit of a time."""
KNOWN = 18
"""Names of columns that a sentence offers."""
SHOWN = 5
"""Line numbers and odd column names that a sentence lists."""


class TraceColumn(NamedTuple):
    """A column that is read.

    Attributes:
        name: as written.
        place: its number, from 0.
    """

    name: str
    place: int


Found = dict[str, tuple[TraceColumn, ...]]
"""Columns by what they hold, those first that are meant first."""


def columns(path: Path, table: Table, chosen: Mapping[str, str]) -> Found:
    """The columns that are read, by what they hold.

    Args:
        path: the file.
        table: what it holds.
        chosen: names by what they hold, which come before the known ones.

    Raises:
        ParameterError: where a column is missing, or chosen for two things.
    """
    found: Found = {}
    names = table.names
    own = {role: _place(path, names, role, name) for role, name in chosen.items()}
    for role, place in own.items():
        others = [other for other in own if other != role and own[other] == place]
        if others:
            both, name = f"{role} and {others[0]}", quoted(names[place])
            raise ParameterError(f"{path}: {name} is chosen as {both}, wanted a column for each.")
    for role in NAMES:
        places = [own[role]] if role in own else _found(names, role, {*own.values()})
        if not places and role in REQUIRED:
            places = _plain(path, table, role, {*own.values()})
        if places:
            found[role] = tuple(TraceColumn(names[place], place) for place in places)
    return found


def totals_of(names: Sequence[str]) -> list[TraceColumn]:
    """Columns of prompt and output tokens together."""
    return [
        TraceColumn(name, place)
        for place, name in enumerate(names)
        if any(_overlap(name, spelling, False) for spelling in TOTALS)
    ]


def is_complete(chosen: Mapping[str, str], names: list[str]) -> bool:
    """Whether names hold all that a request needs, some of them as they were chosen."""
    return all(
        chosen[role] in names if role in chosen else any(_match(name, role) for name in names)
        for role in REQUIRED
    )


def chosen_columns(texts: Sequence[str]) -> dict[str, str]:
    """Names of columns by what they hold, from texts such as `prompt=a,output=b`."""
    pairs = [part.strip().partition("=") for text in texts for part in text.split(",")]
    for role, _, name in pairs:
        require_role(role, "--columns")
        if not name:
            raise ParameterError(f"--columns: has {shown(role)} alone, wanted {role}=NAME.")
    require_once("--columns", [role for role, _, _ in pairs])
    return {role: name for role, _, name in pairs}


def require_role(role: str, option: str) -> None:
    """Refuse what no column of a request holds."""
    if role not in NAMES:
        raise ParameterError(f"{option}: has {shown(role)}, wanted {one_of(role, NAMES)}.")


def listed(items: Sequence[str]) -> str:
    """The first few items, and how many more there are."""
    more = len(items) - SHOWN
    return f"{', '.join(items[:SHOWN])} and {more} more" if more > 0 else ", ".join(items)


def quoted(text: str) -> str:
    """A cell or name as a sentence repeats it."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def bare_name(name: str) -> str:
    """A name without separators, in small letters; dots stay."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _place(path: Path, names: Sequence[str], role: str, chosen: str) -> int:
    """Place of the column that is chosen for one kind."""
    name, _, unit = chosen.rpartition(":")
    wanted = name if role == "time" and unit in UNITS else chosen
    if wanted not in names:
        there = one_of(wanted, names[:20])
        raise ParameterError(f"{path}: has no column {shown(wanted)}, wanted {there}.")
    return names.index(wanted)


def _found(names: Sequence[str], role: str, taken: Set[int]) -> list[int]:
    """Places of the columns of one kind that nothing else is in, first what is meant first."""
    ranks = {place: rank for place, name in enumerate(names) if (rank := _match(name, role))}
    ranks = {place: rank for place, rank in ranks.items() if place not in taken}
    places = sorted(ranks, key=lambda place: (ranks[place], place))
    own = [place for place in places if not set(bare_name(names[place]).split(".")) & {*ASIDE}]
    return own or places


def _plain(path: Path, table: Table, role: str, taken: Set[int]) -> list[int]:
    """Place of the column of counts under a name that texts go by, too.

    Raises:
        ParameterError: where there is none, or it holds texts.
    """
    bare = {place: bare_name(name) for place, name in enumerate(table.names)}
    plain = [place for place, name in bare.items() if name in PLAIN[role] and place not in taken]
    plain.sort(key=lambda place: PLAIN[role].index(bare[place]))
    for place in plain:
        cells = [row[place] for row in table.sample if not blank(row[place])]
        if np.isfinite(numbers(cells, grouped=True)).sum() * 2 >= len(cells):
            return [place]
    there = listed([quoted(name) for name in table.names])
    found = f"holds text under {quoted(table.names[plain[0]])} and no" if plain else "no"
    among = "" if plain else f" among {there}"
    raise ParameterError(
        f"{path}: {found} column of {REQUIRED[role]}{among},"
        f" wanted one of {', '.join(NAMES[role][:KNOWN])}, or the option --columns {role}=NAME."
    )


@cache
def _match(name: str, role: str) -> int:
    """How early a name stands among those of a kind, from 1; 0 where it is of another kind."""
    best, kind, rank = 0, "", 0
    for other, spellings in NAMES.items():
        for place, spelling in enumerate(spellings, 1):
            length = _overlap(name, spelling, other == "time")
            if length > best:
                best, kind, rank = length, other, place
    return rank if kind == role else 0


def _overlap(name: str, spelling: str, timed: bool) -> int:
    """Letters that a name and a spelling share as the last parts of the name."""
    written, wanted = bare_name(name), bare_name(spelling)
    units = ("", "utc", *UNITS) if timed else ("",)
    endings = [wanted + unit for unit in units]
    match = any(written == ending or written.endswith(f".{ending}") for ending in endings)
    return len(wanted) if match else 0
