"""Errors that are one sentence, and the text they are made of."""

import difflib
from collections.abc import Iterable
from pathlib import Path

LONGEST_SHOWN = 60
"""Most characters of a value that a sentence repeats."""


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
    return ParameterError(f"{path}: {key or 'the top level'} {found}, wanted {wanted}.")


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


def nearest(name: str, options: Iterable[object]) -> str:
    """The option that a name was probably meant to be, as the end of a sentence."""
    close = difflib.get_close_matches(name, [str(option) for option in options], 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def join(path: str, name: str) -> str:
    """A key below another."""
    return f"{path}.{name}" if path and name else path or name
