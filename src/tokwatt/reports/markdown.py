"""Markdown as every report writes it: tables, numbers, and text that can never become markup."""

import math
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from urllib.parse import quote

from tokwatt.reports.labels import one_line

WIDEST = 24
"""Cells are padded to the width of their column, or to so many characters where it is wider."""

_MARKUP = re.compile(r"[\\`*\[\]$~]|<(?=[A-Za-z/!?])|&(?=[#\w])|(?<![^\W_])_+|_+(?![^\W_])")
"""What is markup within a line; underscores within a word are none."""


class Markdown(str):
    """Text that is markup already; any other text is escaped where it is written."""

    __slots__ = ()


def escaped(text: object) -> Markdown:
    """Text of others on one line, every character that Markdown would read as markup escaped."""
    if isinstance(text, Markdown):
        return text
    plain = one_line(str(text))
    return Markdown(_MARKUP.sub(lambda match: re.sub("(.)", r"\\\1", match[0]), plain))


def code(text: object) -> Markdown:
    """Text of others as code, whatever backticks it holds."""
    plain = one_line(str(text))
    longest = max(map(len, re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    space = " " if plain.startswith("`") or plain.endswith("`") else ""
    return Markdown(f"{fence}{space}{plain}{space}{fence}" if plain else "")


def joined(parts: Iterable[object], separator: str = ", ") -> Markdown:
    """Texts and markup one after the other."""
    return Markdown(separator.join(map(escaped, parts)))


def link(text: object, page: str, place: str) -> Markdown:
    """Text of others that leads to a place of a page."""
    return Markdown(f"[{escaped(text)}]({page}#{quote(place, safe='')})")


def pipe_table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> Markdown:
    """A table, every cell on one line."""
    lines = [[_cell(cell) for cell in row] for row in (heads, *rows)]
    widths = [min(WIDEST, max(map(len, column))) for column in zip(*lines, strict=True)]
    rule = ["-" * max(3, width) for width in widths]
    return Markdown("\n".join(_line(line, widths) for line in (lines[0], rule, *lines[1:])))


def filled_page(name: str, /, **values: object) -> str:
    """A Markdown file beside the page builders with values in the place of their names."""
    template = files("tokwatt.reports.pages").joinpath(name)
    return template.read_text(encoding="utf-8").format(**values)


def percent(share: float, form: str = ".0") -> str:
    """A share with so many decimals, and with its sign where the form begins with `+`: `12 %`."""
    return f"{share:{form}%}".replace("%", " %")


def significant(number: float, digits: int = 3) -> str:
    """A number at so many significant digits; nothing where there is none."""
    return "" if math.isnan(number) else f"{float(f'{number:.{digits}g}'):g}"


def _cell(cell: object) -> str:
    return escaped(cell).replace("|", r"\|")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
