"""Markdown, docstrings and mathematics as HTML, none of whose text can become a live tag."""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape, unescape
from itertools import pairwise
from posixpath import join, normpath
from xml.etree.ElementTree import tostring

import yaml
from latex2mathml import converter
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from tokwatt.reports.pages.accounts import LABELS
from tokwatt.text import visible

SCROLLED = (
    '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table class="report">'
)
KINDS = {label: kind for kind, label in LABELS.items()}
Drawing = Callable[[str, str], Markup]
"""How pages show a figure, by its address and what it shows in words."""
UNSAFE = ("class", "href", "id", "style")
"""Attributes that LaTeX could set and no formula of ours needs."""

_REFERENCE = r"(?P<paper>arXiv:\d{4}\.\d{4,5})|(?P<doi>doi:10\.[^\s,]+[^\s,.])"
_REFERENCES = re.compile(_REFERENCE)
_INLINE = re.compile(rf":math:`(?P<math>[^`]+)`|``?(?P<code>[^`]+)``?|{_REFERENCE}")
_ALLOWED = re.compile(r"https?://|mailto:|(?!//)[^:/?#]*([/?#]|$)", re.IGNORECASE)


class _Reader(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return bool(_ALLOWED.match(url))


class Article:
    """A Markdown page.

    Args:
        text: the page.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _READER.parse(visible(text))

    @property
    def title(self) -> str:
        """Its title."""
        pairs = pairwise(self._tokens)
        return next(_text(token) for opening, token in pairs if opening.type == "heading_open")

    @property
    def places(self) -> list[tuple[str, str]]:
        """Its sections: where each begins, and its head."""
        return [
            (str(opening.attrs["id"]), _text(token))
            for opening, token in pairwise(self._tokens)
            if opening.tag == "h2" and opening.nesting == 1
        ]

    @property
    def heads(self) -> list[str]:
        """Heads of its first table."""
        types = [token.type for token in self._tokens]
        end = types.index("thead_close") if "thead_close" in types else 0
        pairs = pairwise(self._tokens[:end])
        return [_text(token) for opening, token in pairs if opening.type == "th_open"]

    def body(
        self,
        folder: str,
        addresses: Mapping[str, str],
        drawing: Drawing,
        columns: Sequence[str] = (),
    ) -> Markup:
        """What it holds below its title, or some columns of its first table.

        Args:
            folder: where the page lies, from which its links start.
            addresses: what the site has of the repository, by path; links, pictures and code that
                name such a path lead there.
            drawing: shows its pictures.
            columns: heads of the columns to keep; the whole page where there are none.
        """
        tokens = self._tokens[3:] if self._tokens[0].tag == "h1" else self._tokens
        tokens = [_with_links(token, folder, addresses) for token in tokens]
        _mark_accounts(tokens)
        _mark_cells(tokens)
        _mark_figures(tokens)
        if columns:
            tokens = _with_columns(tokens, columns)
        html = _READER.renderer.render(tokens, _READER.options, {"drawing": drawing})
        scrolled = html.replace("<table>", SCROLLED).replace("</table>", "</table></div>")
        return Markup(scrolled.replace("<pre>", '<pre tabindex="0">'))


def _with_links(token: Token, folder: str, addresses: Mapping[str, str]) -> Token:
    return token.copy(children=_led(token.children or [], folder, addresses))


def _text(token: Token) -> str:
    """What a line says without its markup."""
    return "".join(inner.content or " " for inner in token.children or [] if not inner.nesting)


def _with_columns(tokens: list[Token], columns: Sequence[str]) -> list[Token]:
    """The first table with only those columns; a cell is three tokens."""
    types = [token.type for token in tokens]
    table = tokens[types.index("table_open") : types.index("table_close") + 1]
    names: list[str] = []
    kept = []
    column = 0
    for place, token in enumerate(table):
        if token.type == "tr_open":
            column = 0
        if token.type == "th_open":
            names.append(_text(table[place + 1]))
        in_cell = token.type in ("th_open", "td_open", "inline", "th_close", "td_close")
        if not in_cell or names[column] in columns:
            kept.append(token)
        column += token.type in ("th_close", "td_close")
    return kept


def _led(line: list[Token], folder: str, addresses: Mapping[str, str]) -> list[Token]:
    """A line whose links, and code that names a page, lead to pages of the site."""
    led: list[Token] = []
    links = 0
    for token in line:
        for attribute in token.attrs.keys() & {"src", "href"}:
            path, hash_, place = str(token.attrs[attribute]).partition("#")
            if address := addresses.get(normpath(join(folder, path))):
                token.attrs[attribute] = address + hash_ + place
        links += token.nesting if token.tag == "a" else 0
        named = addresses.get(token.content) if token.type == "code_inline" and not links else None
        led += _linked(token, named) if named else [token]
    return led


def _linked(token: Token, address: str) -> list[Token]:
    opening = Token("link_open", "a", 1, attrs={"href": address})
    return [opening, token, Token("link_close", "a", -1)]


def _mark_accounts(tokens: list[Token]) -> None:
    """The class of its kind for each line that begins with the label of an account."""
    for opening, token in pairwise(tokens):
        if opening.type == "paragraph_open":
            label, _, rest = token.content.removeprefix("**").partition(".** ")
            if label in KINDS and rest.startswith("Account and basis: "):
                opening.attrSet("class", f"account {KINDS[label]}")


def _mark_cells(tokens: list[Token]) -> None:
    """Classes in place of styles, which pages forbid; what is below `id` can be led to."""
    names: list[str] = []
    column = 0
    for opening, token in pairwise(tokens):
        if "right" in str(opening.attrs.pop("style", "")):
            opening.attrSet("class", "number")
        if opening.type == "table_open":
            names = []
        if opening.type == "tr_open":
            column = 0
        if opening.type == "th_open":
            names.append(_text(token))
        if opening.type == "td_open":
            if names[column] in ("verdict", "audit"):
                opening.attrSet("class", verdict_class(_text(token)))
            if names[column] == "id" and _text(token):
                opening.attrSet("id", _text(token))
            column += 1


def _mark_figures(tokens: list[Token]) -> None:
    """Figures of what would be paragraphs of a picture alone."""
    for opening, token, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if [inner.type for inner in token.children or []] == ["image"]:
            opening.tag = closing.tag = "figure"


def verdict_class(verdict: str) -> str:
    """How style sheets know a verdict."""
    return f"verdict {verdict.replace(' ', '-')}"


def mathematics(latex: str, display: str = "inline") -> Markup:
    """LaTeX as MathML, or as code where it is no LaTeX."""
    try:
        root = converter.convert_to_element(latex.strip(), display=display)
    except Exception:  # the converter raises nearly anything
        return Markup(f"<code>{escape(visible(latex))}</code>")
    for element in root.iter():
        element.text = unescape(element.text or "")
        for name in element.attrib.keys() & UNSAFE:
            del element.attrib[name]
    return Markup(visible(tostring(root, encoding="unicode")))


def _equation(latex: str, options: Mapping[str, object]) -> str:
    return mathematics(latex, "block" if options["display_mode"] else "inline")


def references(text: str) -> Markup:
    """Text of a record, its references to papers as links."""
    return _marked(_REFERENCES, text)


def documentation(text: str) -> Markup:
    """Text of a docstring: its mathematics, code and references to papers."""
    return _marked(_INLINE, text)


def _marked(pattern: re.Pattern[str], text: str) -> Markup:
    text = visible(text)
    parts = []
    end = 0
    for match in pattern.finditer(text):
        parts += [escape(text[end : match.start()]), _mark(match.groupdict(), match[0])]
        end = match.end()
    return Markup("".join([*parts, escape(text[end:])]))


def _mark(kinds: Mapping[str, str | None], whole: str) -> str:
    if math := kinds.get("math"):
        return mathematics(math)
    if code := kinds.get("code"):
        return f"<code>{escape(code)}</code>"
    kind, _, number = whole.partition(":")
    host = "https://arxiv.org/abs/" if kind == "arXiv" else "https://doi.org/"
    return f'<a href="{escape(host + number)}">{escape(whole)}</a>'


def as_yaml(entry: Mapping[str, object]) -> str:
    """An entry of a parameter file as it may be written there."""
    return yaml.safe_dump(
        dict(entry), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType
) -> str:
    """A picture as all pages show theirs."""
    title = renderer.renderInlineAsText(tokens[place].children, options, env)
    return env["drawing"](str(tokens[place].attrs["src"]), title)


_READER = (
    _Reader("commonmark", {"html": False})
    .enable("table")
    .use(anchors_plugin, max_level=4)
    .use(dollarmath_plugin, renderer=_equation)
)
_READER.add_render_rule("image", _image)
