"""Columns of a table of requests: by which names they go, and how their cells become numbers."""

import math
import re
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tokwatt.params.errors import ParameterError
from tokwatt.units import MOST_TOKENS

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
LATEST = 1e11
"""Largest time in seconds that is believed; more are milliseconds under the name of seconds."""
SHOWN = 5
"""Line numbers and odd column names that a sentence lists."""

_WHOLE = re.compile(r"\s*\+?(\d{1,12})(?:\.0*)?\s*", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TraceColumn(NamedTuple):
    """A column that is read.

    Attributes:
        name: as written.
        place: its number, from 0.
        value: a cell as a number; None where it is none.
        wanted: what a cell should be.
    """

    name: str
    place: int
    value: Callable[[str], float | None]
    wanted: str


def columns(path: Path, names: Sequence[str], first: Sequence[str]) -> list[TraceColumn]:
    """Prompt and output tokens, and arrivals where they have a known unit.

    Args:
        path: the file.
        names: names of its columns.
        first: cells of its first row, which say whether arrivals are numbers or dates.

    Raises:
        ParameterError: where a column is missing or there are two of a kind.
    """
    wanted = f"a whole number of tokens from 0 to {MOST_TOKENS:.0f}"
    places = [
        _required(path, names, PROMPT, "prompt tokens"),
        _required(path, names, OUTPUT, "output tokens"),
    ]
    tokens = [TraceColumn(names[place], place, _tokens, wanted) for place in places]
    return [*tokens, *_arrival(path, names, first, _plain(names[places[0]]))]


def listed(items: Sequence[str]) -> str:
    """The first few items, and how many more there are."""
    more = len(items) - SHOWN
    return f"{', '.join(items[:SHOWN])} and {more} more" if more > 0 else ", ".join(items)


def quoted(text: str) -> str:
    """A cell or name as a sentence repeats it."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _arrival(
    path: Path, names: Sequence[str], first: Sequence[str], prompt: str
) -> Iterable[TraceColumn]:
    """The column of arrivals, if there is one and its unit is known."""
    units = {
        _plain(spelling) + unit: seconds
        for spelling in ARRIVAL
        for unit, seconds in SECONDS.items()
    }
    place = _only(path, names, units, "arrivals")
    if place is None:
        return
    name = _plain(names[place])
    unit = units[name]
    if place >= len(first) or _number(first[place]) is None:
        yield TraceColumn(names[place], place, _date, "an ISO date, as in the first row")
    elif (name, prompt) != ("timestamp", "inputlength"):
        wanted = (
            f"seconds of at most {LATEST:g} (milliseconds under a name that ends in ms) "
            "or an ISO date, the same kind in every row"
        )
        yield TraceColumn(names[place], place, lambda cell: _time(cell, unit), wanted)


def _required(path: Path, names: Sequence[str], spellings: Sequence[str], what: str) -> int:
    place = _only(path, names, [_plain(spelling) for spelling in spellings], what)
    if place is None:
        there = listed([quoted(name) for name in names])
        wanted = f"one of {', '.join(spellings)}"
        raise ParameterError(f"{path}: no column of {what} among {there}, wanted {wanted}.")
    return place


def _only(path: Path, names: Sequence[str], spellings: Container[str], what: str) -> int | None:
    places = [place for place, name in enumerate(names) if _plain(name) in spellings]
    if len(places) > 1:
        several = listed([quoted(names[place]) for place in places])
        raise ParameterError(
            f"{path}: has {len(places)} columns of {what} ({several}), wanted one."
        )
    return places[0] if places else None


def _tokens(cell: str) -> float | None:
    match = _WHOLE(cell)
    number = float(match[1]) if match else math.inf
    return number if number <= MOST_TOKENS else None


def _time(cell: str, unit: float) -> float | None:
    number = _number(cell)
    seconds = math.inf if number is None else number * unit
    return seconds if abs(seconds) <= LATEST else None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _date(cell: str) -> float | None:
    try:
        date = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - _EPOCH).total_seconds()


def _plain(name: str) -> str:
    """A column name without what stands before a dot, without separators, in small letters."""
    return re.sub(r"[^a-z0-9]", "", name.rpartition(".")[2].lower())
