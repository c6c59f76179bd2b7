"""What msgspec says about a value that does not fit its type, in our words.

Its errors carry no data but their English (0.18 to 0.21); a sentence that is not recognised is
passed on as it is.
"""

import re
from collections.abc import Iterable
from typing import Literal, get_args, get_origin

import msgspec

from tokwatt.params.errors import join, one_of, shown

WORDS = {
    "object": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "null": "nothing",
}
"""Words of YAML for msgspec's names of types."""


def translated(message: str, kind: type, raw: object) -> tuple[str, str, str]:
    """The key, what was found there and what is wanted, of a message about a value."""
    problem, _, place = message.partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    if unknown := re.search(r"unknown field `(.*)`", problem):
        valid = [name for part in _at(kind, key) for name in _names(part)]
        return join(key, unknown[1]), *unknown_key(unknown[1], valid)
    if missing := re.search(r"missing required field `(.*)`", problem):
        wanted = "a unit, '1' where a number has none" if missing[1] == "unit" else "a value"
        return join(key, missing[1]), "is missing", wanted
    wanted = problem.removeprefix("Expected ").partition(", got")[0]
    plain = re.sub(r"`?\b(\w+)\b`?", lambda word: WORDS.get(word[1], word[0]), wanted)
    few = "enum" in problem
    words = f"one of {', '.join(_texts(kind, key))}" if few else plain.replace("`", "")
    return key, f"is {shown(_under(raw, key))}", words.replace(" | ", " or ")


def unknown_key(key: str, valid: Iterable[str]) -> tuple[str, str]:
    """What is found and what is wanted where a key is not among those that are valid."""
    return "is not a known key", one_of(key, valid)


def _names(kind: type) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def _at(kind: type, key: str) -> list[type]:
    """The structures that may stand under a key of a structure."""
    found = _structures(kind)
    for name in re.findall(r"(?:^|\.)(\w+)", key):
        fields = [field for part in found for field in _fields(part) if field.name == name]
        found = [part for field in fields for part in _structures(field.type)]
    return found


def _structures(kind: object) -> list[type]:
    """The structure that a type is, or those that it is made of."""
    inside = [part for own in get_args(kind) for part in _structures(own)]
    return [kind] if isinstance(kind, type) and _is_structure(kind) else inside


def _inside(kind: type) -> list[type]:
    """The structures that fields of a structure hold, or that another type is made of."""
    types = [part for field in _fields(kind) for part in (field.type, *get_args(field.type))]
    return [part for part in (*types, *get_args(kind)) if _is_structure(part)]


def _fields(kind: type) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind) if _is_structure(kind) else ()


def _is_structure(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _texts(kind: type, key: str) -> tuple[str, ...]:
    """The texts that may stand under a key where only some do."""
    name = key.rpartition(".")[2]
    for field in _fields(kind):
        for part in (field.type, *get_args(field.type)):
            if field.name == name and get_origin(part) is Literal:
                return get_args(part)
    return next((texts for part in _inside(kind) if (texts := _texts(part, key))), ())


def _under(raw: object, key: str) -> object:
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(raw, dict):
            raw = raw.get(part, raw)
        elif isinstance(raw, list) and part.isdigit():
            raw = raw[int(part)]
    return raw
