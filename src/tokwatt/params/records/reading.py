"""YAML text to plain mappings, lists, numbers and text; refused where it holds anything else."""

import json
import re
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tokwatt.params.errors import ParameterError, complaint, join, shown
from tokwatt.params.files import contents

Tree = dict[str, Any]
"""What a file of YAML or JSON holds."""
DEEPEST, LONGEST_KEY, LONGEST_TEXT, MOST_VALUES = 50, 100, 10**4, 2 * 10**5
"""Levels of nesting, characters of a key and of a text, values with every alias written out."""
LONGEST_NUMBER = 19
"""Characters of a whole number in JSON."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that are no text: they move the cursor, are half a character, or mark byte order."""


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """Refuses a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[Hashable] = set()
        for key in [self.construct_object(key, deep=True) for key, _ in node.value]:
            if isinstance(key, Hashable) and key in seen:
                line = node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands twice in the mapping of line {line}"
                )
            seen.update([key] if isinstance(key, Hashable) else [])
        return super().construct_mapping(node, deep)


_FASTEST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LOADER: Any = type("_Loader", (_UniqueKeys, _FASTEST), {})


def read_yaml(path: Path) -> Tree:
    """Parse a YAML file whose top level is a mapping."""
    return mapping(path, contents(path, "a YAML file"))


def mapping(path: Path, content: bytes) -> Tree:
    """Parse what a YAML file holds, whose top level is a mapping."""
    try:
        tree = parsed(content.decode("utf-8"))
    except Exception as error:  # a value that its tag cannot read raises nearly anything
        raise ParameterError(f"{path}: {_problem(error)}, wanted valid YAML.") from None
    require_plain(path, tree)
    if not isinstance(tree, dict):
        raise complaint(path, "", f"is {shown(tree)}", "a mapping")
    return tree


@lru_cache(maxsize=64)
def parsed(text: str) -> object:
    """The tree of a text, refused before it is built where that would take too much.

    Equal texts share one tree, which is only read.
    """
    depth = 0
    for values, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if problem := _excess(event, depth, values):
            mark: Any = event.start_mark
            raise yaml.error.MarkedYAMLError(problem=problem, problem_mark=mark)
    return yaml.load(text, Loader=_LOADER)


def _excess(event: yaml.Event, depth: int, values: int) -> str:
    """What there is too much of; empty where there is not."""
    if depth > DEEPEST:
        return f"there are more than {DEEPEST} levels"
    if values > 2 * MOST_VALUES:
        return f"there are more than {MOST_VALUES} values"
    if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_TEXT:
        return f"there is a text of more than {LONGEST_TEXT} characters"
    return ""


def read_json(path: Path) -> Tree:
    """Parse a JSON file whose top level is a mapping, of keys that are each written once."""
    content = contents(path, "a JSON file")
    try:
        tree = json.loads(content, object_pairs_hook=_unique, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        problem = f"cannot be parsed{_json_problem(error)}"
        raise ParameterError(f"{path}: {problem}, wanted valid JSON.") from None
    if not isinstance(tree, dict):
        raise complaint(path, "", f"is {shown(tree)}", "a mapping")
    return tree


class _Refused(ValueError):
    """Text that is JSON and is not read."""


def _unique(pairs: list[tuple[str, object]]) -> Tree:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key {shown(twice)} stands twice")
    return entries


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise _Refused(f"a whole number has more than {LONGEST_NUMBER} characters")
    return int(digits)


def _json_problem(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f" at line {error.lineno}"
    return f" ({error})" if isinstance(error, _Refused) else ""


def require_plain(path: Path, tree: object) -> None:
    """Refuse aliases that multiply or hold themselves, and what is neither number nor text."""
    left: list[tuple[str, object, int]] = [("", tree, 1)]
    met = 0
    while left:
        key, value, depth = left.pop()
        met += 1
        if met > MOST_VALUES or depth > DEEPEST:
            most = f"at most {MOST_VALUES} values in {DEEPEST} levels, aliases written out"
            raise complaint(path, key, "holds too much", most)
        if problem := _problem_of_keys(value) or _problem_of_value(value):
            raise complaint(path, key, *problem)
        left += [(name, inner, depth + 1) for name, inner in _inside(key, value)]


def _inside(key: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(join(key, name), inner) for name, inner in value.items()]
    if isinstance(value, list):
        return [(f"{key}[{i}]", inner) for i, inner in enumerate(value) if type(inner) is not float]
    return []


def _problem_of_keys(value: object) -> tuple[str, str] | None:
    """What is wrong with the keys of a mapping, and what is wanted."""
    for name in value if isinstance(value, dict) else ():
        if not (isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_KEY):
            wanted = f"printable text of at most {LONGEST_KEY} characters"
            return (f"has the key {shown(name)}", f"{wanted}, in quotes where YAML reads another")
    return None


def _problem_of_value(value: object) -> tuple[str, str] | None:
    """What is wrong with a single value, and what is wanted."""
    if isinstance(value, str):
        good = len(value) <= LONGEST_TEXT and not _CONTROL.search(value)
        wanted = f"printable text of at most {LONGEST_TEXT} characters"
        return None if good else (f"is {shown(value)}", wanted)
    if isinstance(value, int):
        long = value.bit_length() > 63
        return ("is a whole number of more than 63 bits", "a smaller one") if long else None
    if isinstance(value, dict | list | float | None):
        return None
    return (f"is a {type(value).__name__}", "a number or text, in quotes where YAML reads another")


def _problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f" at line {mark.line + 1}" if mark else ""
    return f"{getattr(error, 'problem', None) or 'cannot be parsed'}{line}"
