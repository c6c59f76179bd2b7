"""Rows in trees of JSON: which objects are requests, and their cells by path."""

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, TypeAlias, TypeGuard

import msgspec

from tokwatt.params.tables.table import Cell, Complete, Count

Json: TypeAlias = "str | float | bool | list[Json] | dict[str, Json] | None"
"""A value of JSON."""
Row = dict[str, Json]
Where = tuple[str, ...]
Branches: TypeAlias = "dict[str, Branches]"
"""Keys that are wanted, those below each of them."""
Names: TypeAlias = "dict[str, tuple[str, Names]]"
"""What the decoder calls them."""
BROKEN = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a decoder raises where a text is no JSON."""
TURNS = ("conversations", "conversation", "messages")
"""Keys under which ShareGPT, LMSYS-Chat, WildChat and chats keep the texts of a conversation."""
ANSWERS = frozenset({"gpt", "assistant", "chatgpt", "bard", "bing", "model"})
"""Who says what a model generated."""
FAILED = {"errored": "error", "incomplete": "incomplete"}
"""Lists of requests that were not served, as GuideLLM calls them, and the status they give."""
LISTS = {
    **{"input_lens": "input_len", "output_lens": "output_len", "start_times": "start_time"},
    **{"errors": "error", "timestamps": "timestamp"},
}
"""Columns of vLLM's benchmark, one list each, and the names of their cells."""
OWN = ("id", "request_id", "error")
"""Keys whose plain values say nothing of the objects inside."""


def paths_of(rows: Sequence[Row]) -> dict[str, Where]:
    """Where plain values stand in objects, by a name with dots; lists are left out."""
    paths: dict[str, Where] = {}
    for row in rows:
        paths |= _paths(row, ())
    return paths


def _paths(row: Row, above: Where) -> dict[str, Where]:
    paths: dict[str, Where] = {}
    for key, value in row.items():
        here = (*above, str(key))
        if isinstance(value, dict):
            paths |= _paths(value, here)
        elif not isinstance(value, list):
            paths[".".join(here)] = here
    return paths


def cell(row: Json, where: Where) -> Cell:
    """The value at a path; None where there is none."""
    for key in where:
        row = row.get(key) if isinstance(row, dict) else None
    return None if isinstance(row, dict | list) else row


def object_in(text: Cell) -> Json:
    """The object that a text is, as JSON has it or else Python; None where it is none."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        tree = msgspec.json.decode(text)
    except BROKEN:
        tree = _literal(text)
    return tree if isinstance(tree, dict) else None


def _literal(text: str) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def structure(
    paths: Sequence[Where],
) -> tuple[msgspec.json.Decoder, list[Callable[[object], Cell]]]:
    """A decoder that builds nothing but the values at some paths, and what gets each of them."""
    tree: Branches = {}
    for where in paths:
        branch = tree
        for key in where:
            branch = branch.setdefault(key, {})
    kind, names = _struct(tree)
    return msgspec.json.Decoder(kind), [attrgetter(_dotted(names, where)) for where in paths]


def _struct(tree: Branches) -> tuple[type, Names]:
    fields: list[tuple[str, type, object]] = []
    names: Names = {}
    for place, (key, below) in enumerate(tree.items()):
        kind, inner = _struct(below) if below else (Any, {})
        default = msgspec.field(name=key, default_factory=kind) if below else None
        fields.append((f"f{place}", kind, default or msgspec.field(name=key, default=None)))
        names[key] = (f"f{place}", inner)
    return msgspec.defstruct("Cells", fields, gc=False), names


def _dotted(names: Names, where: Where) -> str:
    parts = []
    for key in where:
        name, names = names[key]
        parts.append(name)
    return ".".join(parts)


def rows_of(
    tree: Json, complete: Complete, count: Count | None, above: Row | None = None
) -> Iterator[Row]:
    """The objects that hold all a request needs, with what stands around them.

    Where lists in one hold such objects too, it is their sum and they are read. A conversation that
    nothing counts is a row without counts.

    Args:
        tree: what a file holds.
        complete: what a row needs.
        count: tokens of a text, for conversations.
        above: plain values of the objects around it, such as the time of a bucket.
    """
    search = partial(rows_of, complete=complete, count=count)
    if isinstance(tree, list):
        for entry in tree:
            yield from search(entry, above=above)
        return
    if isinstance(tree, str):
        tree = object_in(tree)
    if not isinstance(tree, dict):
        return
    here = {key: _attributes(value) for key, value in tree.items()}
    turns = turns_of(here)
    if is_row(here, complete):
        parts = summed_lists(here, complete)
        yield from search(parts, above=above) if parts else [{**(above or {}), **here}]
    elif turns is not None:
        yield from _texts(here, turns, count) if count else [{**(above or {}), **here}]
    elif complete(list(lists := _lists(here))):
        for cells in zip(*lists.values(), strict=False):
            yield dict(zip(lists, cells, strict=True))
    else:
        for key, value in here.items():
            status = {"status": FAILED[key]} if key in FAILED else {}
            yield from search(value, above={**(above or {}), **_plain(here), **status})


def is_row(row: Row, complete: Complete) -> bool:
    """Whether an object holds all a request needs."""
    return complete(list(paths_of([row])))


def summed_lists(row: Row, complete: Complete) -> list[Json]:
    """Lists in an object whose sum it is: they have objects that hold all a request needs."""
    return [
        value
        for value in row.values()
        if isinstance(value, list)
        and any(isinstance(entry, dict) and is_row(entry, complete) for entry in value)
    ]


def _plain(row: Row) -> Row:
    """Values that what is in an object has too; its name is its own."""
    return {
        key: value
        for key, value in row.items()
        if not isinstance(value, dict | list) and key not in OWN
    }


def _attributes(value: Json) -> Json:
    """A list of keys and values, as OpenTelemetry and Jaeger write attributes, as an object."""
    pairs = [_attribute(entry) for entry in value] if isinstance(value, list) else []
    found = [pair for pair in pairs if pair]
    return dict(found) if found and len(found) == len(pairs) else value


def _attribute(entry: Json) -> tuple[str, Json] | None:
    if not isinstance(entry, dict) or set(entry) - {"type"} != {"key", "value"}:
        return None
    key, value = entry["key"], entry["value"]
    if not isinstance(key, str):
        return None
    return key, next(iter(value.values()), None) if isinstance(value, dict) else value


def turns_of(row: Row) -> list[Row] | None:
    """The texts of a conversation, None where an object is none."""
    return next((value for value in map(row.get, TURNS) if _is_turns(value)), None)


def _is_turns(value: Json) -> TypeGuard[list[Row]]:
    """Whether a value is a list of texts with who says them."""
    return isinstance(value, list) and all(
        isinstance(turn, dict) and _said(turn) is not None for turn in value
    )


def _said(turn: Row) -> tuple[str, str] | None:
    who, text = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    return (who, text) if isinstance(who, str) and isinstance(text, str) else None


def _texts(row: Row, turns: Sequence[Row], count: Count) -> Iterator[Row]:
    """A request for each answer of a conversation: all that was said before is its prompt."""
    before = 0
    for turn in turns:
        who, text = _said(turn) or ("", "")
        tokens = count(text)
        if who.lower() in ANSWERS and before:
            times = {key: value for key, value in row.items() if not isinstance(value, list)}
            stamp = {"timestamp": turn["timestamp"]} if "timestamp" in turn else {}
            yield {**times, **stamp, "prompt_tokens": before, "output_tokens": tokens}
        before += tokens


def _lists(row: Row) -> dict[str, list[Json]]:
    """Lists beside each other that hold a plain value of each request, by the names of those."""
    return {
        LISTS.get(key, key): value
        for key, value in row.items()
        if isinstance(value, list) and not any(isinstance(cell, list | dict) for cell in value)
    }
