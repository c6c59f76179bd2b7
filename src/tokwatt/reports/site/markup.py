"""Markdown, docstrings and mathematics as HTML; LaTeX becomes MathML, which browsers draw by themselves."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from posixpath import join, normpath
from typing import Any

from latex2mathml import converter
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

SCROLLED = (
    '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table class="report">'
)
_INLINE = re.compile(
    r":math:`(?P<math>[^`]+)`|``?(?P<code>[^`]+)``?|(?P<paper>arXiv:\d{4}\.\d{4,5})|(?P<doi>doi:10\.[^\s,]+[^\s,.])"
)


def page(
    text: str, folder: str, addresses: Mapping[str, str], columns: Sequence[str] = ()
) -> Markup:
    """What stands below the title of a Markdown page, or some columns of its first table.

    Args:
        text: the page.
        folder: where the page lies, from which its links start.
        addresses: what the site has of the repository, by path; links, pictures and code that name
            such a path lead there.
        columns: heads of the columns to keep; the whole page where there are none.
    """
    tokens = _READER.parse(text)
    if tokens and tokens[0].tag == "h1":
        tokens = tokens[3:]
    for token in tokens:
        token.children = _led(token.children or [], folder, addresses)
    _mark_verdicts(tokens)
    if columns:
        tokens = _with_columns(tokens, columns)
    html = _READER.renderer.render(tokens, _READER.options, {})
    scrolled = html.replace("<table>", SCROLLED).replace("</table>", "</table></div>")
    return Markup(scrolled.replace("<pre>", '<pre tabindex="0">'))


def title(text: str) -> str:
    """The title of a Markdown page."""
    return next(
        token.content for opening, token in pairwise(_READER.parse(text)) if opening.tag == "h1"
    )


def places(text: str) -> list[tuple[str, str]]:
    """The sections of a Markdown page: where each begins, and its head."""
    return [
        (str(opening.attrs["id"]), token.content)
        for opening, token in pairwise(_READER.parse(text))
        if opening.tag == "h2" and opening.nesting == 1
    ]


def heads(text: str) -> list[str]:
    """Heads of the first table of a Markdown page."""
    tokens = _READER.parse(text)
    ends = [place for place, token in enumerate(tokens) if token.type == "thead_close"]
    return (
        [
            token.content
            for opening, token in pairwise(tokens[: ends[0]])
            if opening.type == "th_open"
        ]
        if ends
        else []
    )


def _with_columns(tokens: list[Token], columns: Sequence[str]) -> list[Token]:
    """The first table with only those columns; a cell is three tokens."""
    first = [token.type for token in tokens].index("table_open")
    table = tokens[first : [token.type for token in tokens].index("table_close") + 1]
    kept, column, found = [], 0, []
    for place, token in enumerate(table):
        if token.type == "tr_open":
            column = 0
        if token.type == "th_open":
            found.append(table[place + 1].content)
        inside = token.type in ("th_open", "td_open", "inline", "th_close", "td_close")
        if not inside or found[column] in columns:
            kept.append(token)
        column += token.type in ("th_close", "td_close")
    return kept


def _led(text: list[Token], folder: str, addresses: Mapping[str, str]) -> list[Token]:
    """A line of text whose links lead to pages of the site, with a link around code that names one."""
    led, within = [], 0
    for token in text:
        for attribute in token.attrs.keys() & {"src", "href"}:
            path, hash_, place = str(token.attrs[attribute]).partition("#")
            if address := addresses.get(normpath(join(folder, path))):
                token.attrs[attribute] = address + hash_ + place
        within += token.nesting if token.tag == "a" else 0
        address = (
            addresses.get(token.content) if token.type == "code_inline" and not within else None
        )
        led += (
            [
                Token("link_open", "a", 1, attrs={"href": address}),
                token,
                Token("link_close", "a", -1),
            ]
            if address
            else [token]
        )
    return led


def _mark_verdicts(tokens: list[Token]) -> None:
    """Give cells below a head named verdict the looks of one."""
    named: list[str] = []
    column = 0
    for opening, token in pairwise(tokens):
        if opening.type == "table_open":
            named = []
        if opening.type == "tr_open":
            column = 0
        if opening.type == "th_open":
            named.append(token.content)
        if opening.type == "td_open":
            if named[column] == "verdict":
                opening.attrSet("class", verdict_class(token.content))
            column += 1


def verdict_class(verdict: str) -> str:
    """How style sheets know a verdict."""
    return f"verdict {verdict.replace(' ', '-')}"


def mathematics(latex: str, display: str = "inline") -> Markup:
    """LaTeX as MathML."""
    return Markup(converter.convert(latex.strip(), display=display))


def _equation(latex: str, options: Mapping[str, Any]) -> str:
    return mathematics(latex, "block" if options["display_mode"] else "inline")


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

    return yaml.safe_dump(
        dict(entry), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )


_READER = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(anchors_plugin, max_level=4)
    .use(dollarmath_plugin, renderer=_equation)
)
