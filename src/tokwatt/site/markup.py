"""Markdown, docstrings and mathematics as HTML; LaTeX becomes MathML, which browsers draw by themselves."""

import re
from collections.abc import Collection, Mapping
from html import escape
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, get_args

from latex2mathml import converter
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from tokwatt.published import Verdict

VERDICTS = get_args(Verdict)
SCROLL = '<div class="scroll" role="region" aria-label="Table" tabindex="0">'
_READER = MarkdownIt("commonmark").enable("table")
_INLINE = re.compile(r":math:`(?P<math>[^`]+)`|``?(?P<code>[^`]+)``?|(?P<paper>arXiv:\d{4}\.\d{4,5})|(?P<doi>doi:10\.[^\s,]+[^\s,.])")


def page(text: str, files: Collection[str]) -> tuple[str, Markup]:
    """A Markdown page as its title and what stands below it; pictures and links of the name of one of `files` point to it."""
    tokens = _READER.parse(text)
    title = ""
    if len(tokens) > 2 and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        title, tokens = tokens[1].content, tokens[3:]
    _point(tokens, files)
    _mark_verdicts(tokens)
    html = _READER.renderer.render(tokens, _READER.options, {})
    return title, Markup(html.replace("<table>", SCROLL + "<table>").replace("</table>", "</table></div>"))


def chosen_columns(text: str, columns: list[str]) -> tuple[list[str], list[list[Markup]]]:
    """Some columns of the first table of a Markdown page, cells as HTML."""
    tokens = _READER.parse(text)
    cells = [[token for token in row if token.type == "inline"] for row in _rows(tokens)]
    places = [[cell.content for cell in cells[0]].index(column) for column in columns] if cells else []
    return columns, [[_inline(row[place]) for place in places] for row in cells[1:]]


def _rows(tokens: list[Token]) -> list[list[Token]]:
    rows: list[list[Token]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif rows:
            rows[-1].append(token)
    return rows


def _inline(token: Token) -> Markup:
    return Markup(_READER.renderer.render([token], _READER.options, {}))


def _point(tokens: list[Token], files: Collection[str]) -> None:
    for child in (child for token in tokens for child in token.children or []):
        for attribute in ("src", "href"):
            name = PurePosixPath(str(child.attrs.get(attribute, ""))).name
            if name in files:
                child.attrs[attribute] = f"data/{name}"


def _mark_verdicts(tokens: list[Token]) -> None:
    for opening, token in pairwise(tokens):
        if opening.type == "td_open" and token.content in VERDICTS:
            opening.attrSet("class", verdict_class(token.content))


def verdict_class(verdict: str) -> str:
    """How style sheets know a verdict."""
    return f"verdict {verdict.replace(' ', '-')}"


def mathematics(latex: str, display: str = "inline") -> Markup:
    """LaTeX as MathML."""
    return Markup(converter.convert(latex.strip(), display=display))


def linked(text: str) -> Markup:
    """Text of a docstring or a source: its mathematics, code and references to papers."""
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        parts += [escape(text[end : found.start()]), _marked(found.groupdict(), found[0])]
        end = found.end()
    return Markup("".join([*parts, escape(text[end:])]))


def _marked(kinds: Mapping[str, str | None], whole: str) -> str:
    if kinds["math"]:
        return mathematics(kinds["math"])
    if kinds["code"]:
        return f"<code>{escape(kinds['code'])}</code>"
    kind, _, number = whole.partition(":")
    host = "https://arxiv.org/abs/" if kind == "arXiv" else "https://doi.org/"
    return f'<a href="{escape(host + number)}">{escape(whole)}</a>'


def as_yaml(entry: Mapping[str, Any]) -> str:
    """An entry of a parameter file as it may be written there."""
    import yaml

    return yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
