"""Which counts of tokens stand beside others, and have to be added to them."""

import re
from collections.abc import Callable, Sequence
from itertools import product, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.table import Cell
from tokwatt.params.traces.columns import (
    PREFERRED,
    REQUIRED,
    Found,
    TraceColumn,
    bare_name,
    listed,
    quoted,
)
from tokwatt.params.traces.numbers import numbers

CACHES = ("cached", "written")
MUCH = 2.0
"""From how many cached tokens for each of the prompt on they cannot be among those; up to that, two
tokenizers may have counted them."""
BESIDE = (
    (r".*usagedetails\.output", r".*usagedetails\..*", True),
    (r".*", r".*thoughtstokencount", True),
    (r".*(usagedetails|tokens)\.input", r".*(usagedetails|tokens\.cache)\..*", True),
    (r".*(usagedetails|tokens)\.input", r".*", False),
    (r".*genai\..*", r".*", False),
    (r".*", r".*tokens?details\..*", False),
    (r"(.*\.)?prompttokens", r"(.*\.)?promptcache(read|write)[^.]*", True),
    (
        r"(.*\.)?(inputtokens|uncachedinputtokens|usageinputtokensnocache|inputtokencount)",
        r"(.*\.)?(cacheread|cachecreation|cachewrite|usageinputtokenscache)[^.]*",
        True,
    ),
)
"""Bare names of a count and of a part, and whether the part stands beside it; the first that match
say so, and what none matches stands among it.

Anthropic's `cache_read_input_tokens` are not among its `input_tokens`, nor are Helicone's or those
of Langfuse's `usageDetails` and opencode's `tokens`, nor Gemini's thoughts among its candidates;
OpenAI's `cached_tokens` are among its `prompt_tokens`, and whatever OpenTelemetry or LangChain call
so is among their own."""
Columns = dict[str, list[np.ndarray]]
"""Numbers of all columns, by what they hold."""


class Sums(NamedTuple):
    """What is added to the tokens of each column of prompts, and to those of outputs.

    Attributes:
        prompt: whether the tokens of caches are, for each column.
        output: whether those of the reasoning are.
    """

    prompt: tuple[bool, ...]
    output: tuple[bool, ...]


def sums_of(
    path: Path, found: Found, totals: Sequence[TraceColumn], sample: Sequence[Sequence[Cell]]
) -> tuple[Found, Sums]:
    """What has to be added, by the totals of the first rows, else by the names of the columns.

    Where totals contradict some columns of prompts and not others, those others are read.

    Raises:
        ParameterError: where several columns of prompts, or of outputs, differ.
    """
    told = {role: _numbers(columns, sample) for role, columns in found.items()}

    def choice(prompt: TraceColumn, output: TraceColumn) -> tuple[bool, bool, bool]:
        total = _numbers(sorted(totals, key=_nearness(prompt))[:1], sample)
        own, made = _numbers([prompt, output], sample)
        return _choice((prompt, own), (output, made), found, told, total)

    prompts, outputs = found["prompt"], found["output"]
    choices = {prompt: choice(prompt, min(outputs, key=_nearness(prompt))) for prompt in prompts}
    sure = tuple(prompt for prompt in prompts if choices[prompt][2])
    if sure and np.all(
        (first_told(_numbers(sure, sample)) > 0) | ~(first_told(told["prompt"]) > 0)
    ):
        prompts, told["prompt"] = sure, _numbers(sure, sample)
    found = {**found, "prompt": prompts}
    sums = Sums(
        tuple(choices[prompt][0] for prompt in prompts),
        tuple(choice(min(prompts, key=_nearness(output)), output)[1] for output in outputs),
    )
    for role in REQUIRED:
        _require_alike(path, role, found[role], wholes(role, told, sums))
    return found, sums


def wholes(role: str, told: Columns, sums: Sums) -> list[np.ndarray]:
    """Tokens by each column of prompts or outputs, with all that stands beside them."""
    beside = CACHES if role == "prompt" else ("reasoning",)
    parts = [np.nan_to_num(first_told(told[part])) for part in beside if part in told]
    more = sum(parts, np.zeros(()))
    return [
        column + more * added for column, added in zip(told[role], getattr(sums, role), strict=True)
    ]


def first_told(columns: Sequence[np.ndarray]) -> np.ndarray:
    """In each row, the first number that is not missing, or not zero if any is not."""
    merged = columns[0]
    for other in columns[1:]:
        merged = np.where((other > 0) & ~(merged > 0) | np.isnan(merged), other, merged)
    return merged


def is_beside(whole: str, part: str) -> bool:
    """Whether tokens of a part stand beside those of a count, by the names of the columns."""
    written, other = bare_name(whole), bare_name(part)
    said = (
        beside
        for count, among, beside in BESIDE
        if re.fullmatch(count, written) and re.fullmatch(among, other)
    )
    return next(said, False)


def _choice(
    prompt: tuple[TraceColumn, np.ndarray],
    output: tuple[TraceColumn, np.ndarray],
    found: Found,
    told: Columns,
    total: Sequence[np.ndarray],
) -> tuple[bool, bool, bool]:
    """Whether caches are added to a prompt, the reasoning to an output, and no total differs."""
    caches = [column for role in CACHES for column in found.get(role, ())]
    named = (
        any(is_beside(prompt[0].name, cache.name) for cache in caches),
        any(is_beside(output[0].name, thought.name) for thought in found.get("reasoning", ())),
    )
    own, made = prompt[1], output[1]
    nothing = np.zeros(len(own))
    cached, written, reasoning = (
        np.nan_to_num(first_told(told.get(role, [nothing]))) for role in (*CACHES, "reasoning")
    )
    told_all = (total[0] > 0) & ~np.isnan(own + made) if total else nothing > 0
    telling = told_all & (cached + written + reasoning > 0)
    for added, thought in (named, *product((False, True), repeat=2)):
        among = np.all(added | ~(cached > MUCH * own))
        sums = own + added * (cached + written) + made + thought * reasoning
        if among and (not telling.any() or np.all(sums[telling] == total[0][telling])):
            return added, thought, True
    return *named, False


def _require_alike(
    path: Path, role: str, columns: Sequence[TraceColumn], told: Sequence[np.ndarray]
) -> None:
    """Refuse columns of which two say different numbers of one request."""
    if bare_name(columns[0].name).rpartition(".")[2].startswith(PREFERRED):
        return
    merged = told[0]
    for column in told[1:]:
        if np.any((merged > 0) & (column > 0) & (merged != column)):
            several = listed([quoted(column.name) for column in columns])
            what = f"{len(columns)} columns of {REQUIRED[role]} ({several})"
            wanted = f"the option --columns {role}=NAME for one of them"
            raise ParameterError(f"{path}: has {what} that differ, wanted {wanted}.")
        merged = first_told([merged, column])


def _numbers(columns: Sequence[TraceColumn], sample: Sequence[Sequence[Cell]]) -> list[np.ndarray]:
    return [numbers([row[column.place] for row in sample], grouped=True) for column in columns]


def _nearness(prompt: TraceColumn) -> Callable[[TraceColumn], int]:
    """Orders columns by how long the path is that they share with one of prompts."""
    path = prompt.name.split(".")

    def apart(column: TraceColumn) -> int:
        pairs = zip(path, column.name.split("."), strict=False)
        return -len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))

    return apart
