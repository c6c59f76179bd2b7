"""Rows in trees of JSON: which objects are requests, and their cells by path."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.table import Count

Row = Mapping[str, Any]
Where = tuple[str, ...]
TURNS = ("conversations", "conversation", "messages")
"""Keys under which ShareGPT, LMSYS-Chat, WildChat and chats keep the texts of a conversation."""
ANSWERS = frozenset({"gpt", "assistant", "chatgpt", "bard", "bing", "model"})
"""Who says what a model generated."""
FAILED = {"errored": "error", "incomplete": "incomplete"}
"""Lists of requests that were not served, as GuideLLM calls them, and the status they give."""
LISTS = {"input_lens": "input_len", "output_lens": "output_len", "start_times": "start_time"}
"""Columns of vLLM's benchmark, one list each, and the names of their cells."""


def paths_of(rows: Sequence[Row]) -> dict[str, Where]:
    """Where plain values stand in objects, by a name with dots; lists are left out."""
    paths: dict[str, Where] = {}
    for row in rows:
        paths |= _paths(row, ())
    return paths


def _paths(row: Row, above: Where) -> dict[str, Where]:
    paths: dict[str, Where] = {}
    for key, value in row.items():
        here = (*above, key)
        if isinstance(value, dict):
            paths |= _paths(value, here)
        elif not isinstance(value, list):
            paths[".".join(here)] = here
    return paths


def cell(row: Any, where: Where) -> Any:
    """The value at a path; None where there is none."""
    for key in where:
        row = row.get(key) if isinstance(row, dict) else None
    return None if isinstance(row, dict | list) else row


def structure(paths: Sequence[Where]) -> tuple[msgspec.json.Decoder, list[Callable[[Any], Any]]]:
    """A decoder that builds nothing but the values at some paths, and what gets each of them."""
    tree: dict[str, Any] = {}
    for where in paths:
        branch = tree
        for key in where:
            branch = branch.setdefault(key, {})
    kind, names = _struct(tree)
    return msgspec.json.Decoder(kind), [attrgetter(_dotted(names, where)) for where in paths]


def _struct(tree: Mapping[str, Any]) -> tuple[type, dict[str, Any]]:
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, Any] = {}
    for place, (key, below) in enumerate(tree.items()):
        kind, inner = _struct(below) if below else (Any, {})
        default = msgspec.field(name=key, default_factory=kind) if below else None
        fields.append((f"f{place}", kind, default or msgspec.field(name=key, default=None)))
        names[key] = (f"f{place}", inner)
    return msgspec.defstruct("Cells", fields, gc=False), names


def _dotted(names: Mapping[str, Any], where: Where) -> str:
    parts = []
    for key in where:
        name, names = names[key]
        parts.append(name)
    return ".".join(parts)


def rows_of(
    path: Path,
    tree: Any,
    complete: Callable[[list[str]], bool],
    count: Count | None,
    above: Row | None = None,
) -> Iterator[Row]:
    """The outermost objects that hold all a request needs, with what stands around them.

    Args:
        path: the file.
        tree: what it holds.
        complete: whether names are all that a row needs.
        count: tokens of a text, for conversations.
        above: plain values of the objects around it, such as the time of a bucket.
    """
    again: dict[str, Any] = {"complete": complete, "count": count}
    if isinstance(tree, list):
        for entry in tree:
            yield from rows_of(path, entry, above=above, **again)
        return
    if not isinstance(tree, dict):
        return
    here = {key: _attributes(value) for key, value in tree.items()}
    turns = next((here[key] for key in TURNS if _is_turns(here.get(key))), None)
    if complete(list(paths_of([here]))):
        yield {**(above or {}), **here}
    elif turns is not None:
        yield from _texts(path, here, turns, count)
    elif all(isinstance(here.get(key), list) for key in ("input_lens", "output_lens")):
        yield from _columns(here)
    else:
        plain = {key: value for key, value in here.items() if not isinstance(value, dict | list)}
        for key, value in here.items():
            status = {"status": FAILED[key]} if key in FAILED else {}
            yield from rows_of(path, value, above={**(above or {}), **plain, **status}, **again)


def _attributes(value: Any) -> Any:
    """A list of keys and values, as OpenTelemetry writes attributes, as an object."""
    if not (isinstance(value, list) and value and all(_is_attribute(entry) for entry in value)):
        return value
    return {entry["key"]: next(iter(entry["value"].values()), None) for entry in value}


def _is_attribute(entry: Any) -> bool:
    return isinstance(entry, dict) and set(entry) == {"key", "value"} and _is(entry["value"], dict)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind)


def _is_turns(value: Any) -> bool:
    """Whether a value is a list of texts with who says them."""
    return isinstance(value, list) and all(
        isinstance(turn, dict) and _said(turn) is not None for turn in value
    )


def _said(turn: Row) -> tuple[str, str] | None:
    who, text = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    return (who, text) if isinstance(who, str) and isinstance(text, str) else None


def _texts(path: Path, row: Row, turns: Sequence[Row], count: Count | None) -> Iterator[Row]:
    """A request for each answer of a conversation: all that was said before is its prompt."""
    if count is None:
        wanted = "the option --tokenizer with a tokenizer.json to count them by"
        raise ParameterError(f"{path}: holds texts and no token counts, wanted {wanted}.")
    before = 0
    for turn in turns:
        who, text = _said(turn) or ("", "")
        tokens = count(text)
        if who.lower() in ANSWERS and before:
            times = {key: value for key, value in row.items() if not isinstance(value, list)}
            stamp = {"timestamp": turn["timestamp"]} if "timestamp" in turn else {}
            yield {**times, **stamp, "prompt_tokens": before, "output_tokens": tokens}
        before += tokens


def _columns(row: Row) -> Iterator[Row]:
    """Requests whose values stand in lists beside each other."""
    lists = {key: row[key] for key in (*LISTS, "errors") if isinstance(row.get(key), list)}
    for values in zip(*lists.values(), strict=False):
        cells = dict(zip(lists, values, strict=True))
        yield {LISTS.get(key, "error"): value for key, value in cells.items()}
