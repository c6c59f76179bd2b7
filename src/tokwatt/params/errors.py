"""Errors that are one sentence, and the text they are made of."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TypeVar

Kind = TypeVar("Kind")
LONGEST_SHOWN = 60
"""Most characters of a value that a sentence repeats."""
LONGEST_KEY = 200
"""Most characters of keys that a sentence repeats."""
FEWEST_LETTERS = 4
"""Letters below which a name with numbers is a machine's, of which each letter counts."""


class _Sentence(Exception):
    """An error whose text is one printable line, whatever was found."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class ParameterError(_Sentence, ValueError):
    """One sentence that names the file and the key, what was found and what is wanted."""


class StoreError(_Sentence, RuntimeError):
    """One sentence about a store that cannot be written or read."""


def complaint(path: Path, key: str, found: str, wanted: str) -> ParameterError:
    """The sentence about something wrong under a key of a file."""
    place = str(key or "the top level")
    place = place if len(place) <= LONGEST_KEY else f"{place[: LONGEST_KEY - 3]}..."
    return ParameterError(f"{path}: {place} {found}, wanted {wanted}.")


def printable(text: str) -> str:
    """Text on one line, with everything that could move a cursor written as an escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shown(value: object) -> str:
    """A value as a sentence repeats it, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def one_of(name: object, options: Iterable[object]) -> str:
    """What is wanted where a name is not among some."""
    known = [str(option) for option in options]
    return f"one of {', '.join(known)}{nearest(str(name), known)}"


def nearest(name: str, options: Iterable[str]) -> str:
    """The option that a name was probably meant to be, as the end of a sentence.

    Another spelling of one (case, separators, an organisation before it, words after it), or else
    near letters and the same numbers: what has other numbers is another machine or size.
    """
    known = list(options)
    spelt = [option for option in known if _spells(name, option)]
    numbers = re.findall("[0-9]+", name)
    alike = [option for option in known if re.findall("[0-9]+", option) == numbers]
    if numbers and len(re.findall("[a-zA-Z]", name)) < FEWEST_LETTERS:
        alike = []
    close = [max(spelt, key=len)] if spelt else difflib.get_close_matches(name, alike, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _spells(name: str, option: str) -> bool:
    """Whether a name is another spelling of an option."""
    words, wanted = (_words(text.rpartition("/")[2]) for text in (name, option))
    return bool(wanted) and (words[: len(wanted)] == wanted or "".join(words) == "".join(wanted))


def _words(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.casefold())


def join(path: str, name: str) -> str:
    """A key below another."""
    return f"{path}.{name}" if path and name else path or name


def pick(name: str, value: str, options: Mapping[str, Kind]) -> Kind:
    """What a catalogue holds under a name.

    Raises:
        ParameterError: with the names there are.
    """
    if not isinstance(value, str) or value not in options:
        raise ParameterError(f"{name}: is {shown(value)}, wanted {one_of(value, options)}.")
    return options[value]


def require_kind(name: str, value: object, kind: type | UnionType, made_by: str) -> None:
    """Refuse an argument of another type.

    Raises:
        ParameterError: with what makes one that is right.
    """
    if not isinstance(value, kind):
        raise ParameterError(f"{name}: is {shown(value)}, wanted {made_by}.")


def require_changes(changes: object) -> None:
    """Refuse changes that are no alternatives by the names of choices."""
    require_kind("changes", changes or {}, Mapping, "alternatives by choice, {'router': 'random'}")


def require_once(option: str, names: Sequence[str]) -> None:
    """Refuse a name that an option has twice, as nobody knows which is meant."""
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"{option}: has {shown(name)} twice, wanted it once.")
