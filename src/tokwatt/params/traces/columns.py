"""Columns of a table of requests: by which names they go."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tokwatt.params.errors import ParameterError, one_of, require_once, shown
from tokwatt.params.tables.table import Cell

NAMES: dict[str, tuple[str, ...]] = {
    "prompt": (
        "ContextTokens",  # Azure
        "prompt_tokens",  # OpenAI, LiteLLM, Helicone, GuideLLM
        "input_tokens",  # Anthropic, OpenTelemetry, ServeGen
        "uncached_input_tokens",  # Anthropic's usage report
        "usage_input_tokens_no_cache",  # Anthropic's console
        "request_tokens",  # BurstGPT
        "num_prefill_tokens",  # Vidur
        "num_prompt_tokens",
        "num_input_tokens",
        "number_input_tokens",  # LLMPerf
        "prompt_len",  # vLLM
        "prompt_length",
        "input_len",
        "input_length",  # Mooncake, Bailian
        "prompt_token_count",  # Gemini
        "native_tokens_prompt",  # OpenRouter, by the LLM's own tokenizer
        "tokens_prompt",  # OpenRouter
        "usage.input",  # Langfuse
        "usage_details.input",
    ),
    "output": (
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
        "usage_output_tokens",
        "candidates_token_count",
        "native_tokens_completion",
        "tokens_completion",
        "usage.output",
        "usage_details.output",
    ),
    "cached": (
        "cached_tokens",  # OpenAI, under prompt_tokens_details
        "input_cached_tokens",  # OpenAI's usage
        "cached_input_tokens",
        "cached_prompt_tokens",
        "prompt_cache_hit_tokens",  # DeepSeek
        "native_tokens_cached",
        "tokens_cached",
        "cache_read.input_tokens",  # OpenTelemetry
        "cache_read_tokens",
        "usage_details.input_cached_tokens",
        "cache_read_input_tokens",  # Anthropic
        "usage_input_tokens_cache_read",
    ),
    "written": (
        "cache_creation_input_tokens",  # Anthropic, beside input_tokens
        "cache_creation.input_tokens",
        "usage_input_tokens_cache_write_5m",
    ),
    "time": (
        "arrived_at",
        "arrival_time",
        "arrival_timestamp",
        "request_created_at",  # Helicone
        "request_time",
        "request_timestamp",
        "request_start",
        "start_time_unix_nano",  # OpenTelemetry
        "start_time",  # LiteLLM, Langfuse, GuideLLM
        "started_at",
        "starting_at",  # Anthropic's usage report
        "timestamp",
        "created_at",  # OpenRouter
        "created",
        "datetime",
        "date",  # Langdock
        "time",
    ),
    "count": (
        "num_model_requests",  # OpenAI's usage
        "request_count",
        "requests_count",
        "num_requests",
        "requests",  # OpenRouter's activity
        "api_requests",
    ),
    "status": (
        "status",
        "success",
        "response_status",
        "status_code",
        "http_status",
        "cancelled",
        "error",
        "level",  # Langfuse
    ),
}
"""What is read of a request, and the names under which it is found, first what is meant first.

A name with a dot is a field of a structure; capitals and separators do not matter."""
BUCKETS = ("starting_at", "usage_date_utc", "bucket_start")
"""Columns of tables whose rows are sums over a time."""
PREFERRED = "nativetokens"
"""How a count begins that is the LLM's own, beside a common one."""
REQUIRED = {"prompt": "prompt tokens", "output": "output tokens"}
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
"""Seconds in one unit of a time."""
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


def columns(
    path: Path, names: Sequence[str], sample: Sequence[Sequence[Cell]], chosen: Mapping[str, str]
) -> dict[str, TraceColumn]:
    """The columns that are read, by what they hold.

    Args:
        path: the file.
        names: names of its columns.
        sample: cells of its first rows: columns with the same numbers are one.
        chosen: names by what they hold, which come before the known ones.

    Raises:
        ParameterError: where a column is missing, or there are several of tokens that differ.
    """
    found = {role: _found(path, names, role, chosen.get(role)) for role in NAMES}
    for role, what in REQUIRED.items():
        if not found[role]:
            there = listed([quoted(name) for name in names])
            known = ", ".join(NAMES[role])
            raise ParameterError(
                f"{path}: no column of {what} among {there},"
                f" wanted one of {known}, or the option --columns {role}=NAME."
            )
        found[role] = _alike(path, names, sample, role, found[role])
    first = {role: places[0] for role, places in found.items() if places}
    return {role: TraceColumn(names[place], place) for role, place in first.items()}


def is_complete(chosen: Mapping[str, str], names: list[str]) -> bool:
    """Whether names hold all that a request needs, some of them as they were chosen."""
    return all(
        chosen[role] in names if role in chosen else any(_match(name, role) for name in names)
        for role in REQUIRED
    )


def chosen_columns(texts: Sequence[str]) -> dict[str, str]:
    """Names of columns by what they hold, from texts such as `prompt=a,output=b`."""
    pairs = [part.partition("=") for text in texts for part in text.split(",")]
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


def _found(path: Path, names: Sequence[str], role: str, chosen: str | None) -> list[int]:
    """Places of the columns of one kind, first what is meant first."""
    if chosen is not None:
        name, _, unit = chosen.rpartition(":")
        wanted = name if role == "time" and unit in UNITS else chosen
        if wanted not in names:
            there = one_of(wanted, names[:20])
            raise ParameterError(f"{path}: has no column {shown(wanted)}, wanted {there}.")
        return [names.index(wanted)]
    ranks = {place: rank for place, name in enumerate(names) if (rank := _match(name, role))}
    return sorted(ranks, key=lambda place: (ranks[place], place))


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
    units = ("", *UNITS) if timed else ("",)
    endings = [wanted + unit for unit in units]
    match = any(written == ending or written.endswith(f".{ending}") for ending in endings)
    return len(wanted) if match else 0


def _alike(
    path: Path, names: Sequence[str], sample: Sequence[Sequence[Cell]], role: str, places: list[int]
) -> list[int]:
    """The first of columns with the same numbers; refused where they differ."""
    first = places[0]
    pairs = [(row[first], row[place]) for place in places[1:] for row in sample]
    prefers = bare_name(names[first]).startswith(PREFERRED)
    if prefers or all(one == other or other in (None, "") for one, other in pairs):
        return places
    several = listed([quoted(names[place]) for place in places])
    what = f"{len(places)} columns of {REQUIRED[role]} ({several})"
    wanted = f"the option --columns {role}=NAME for one of them"
    raise ParameterError(f"{path}: has {what} that differ, wanted {wanted}.")
