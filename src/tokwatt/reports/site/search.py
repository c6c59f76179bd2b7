"""What the search of the site looks through: every page, cut where one can be led to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

HEADS = ("h1", "h2", "h3", "h4", "td", "th")
"""What ends the title of a piece."""
LED_TO = (*HEADS, "tr", "article")
"""Elements whose `id` begins a piece; others are controls and whole tables."""
UNREAD = ("form", "nav", "noscript", "small")
"""Elements that are no content of a page."""
APART = (*LED_TO, *UNREAD, "main", "p", "li", "dt", "dd", "div", "pre", "summary", "br")
"""Elements whose text is none of the sentence around them."""


@dataclass
class Piece:
    """A part of a page.

    Attributes:
        place: what follows `#` in its address.
        row: whether it is a row, whose head is still to come.
        title: its heading, or the first cell of its row and the head of that.
        texts: what it holds, once each.
    """

    place: str
    row: bool = False
    title: str = ""
    texts: dict[str, None] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Reads the content of a page into pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[Piece] = []
        self._text = ""
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in APART:
            self._close()
        self._unread += tag in UNREAD
        if tag == "main":
            self.pieces.append(Piece(""))
        elif self.pieces and tag == "tr" and (file := found.get("data-file")):
            self.pieces.append(Piece(urlencode({"file": file}) + "&words=", True))
        elif self.pieces and tag in LED_TO and (place := found.get("id")):
            self.pieces.append(Piece(place, tag in ("td", "tr")))

    def handle_endtag(self, tag: str) -> None:
        if tag in APART:
            self._close(tag)
        self._unread -= tag in UNREAD

    def handle_data(self, data: str) -> None:
        self._text += data

    def _close(self, tag: str = "") -> None:
        """Ends a text, which may be the title of its piece."""
        text = " ".join(self._text.split())
        self._text = ""
        if not (text and self.pieces) or self._unread:
            return
        piece = self.pieces[-1]
        if tag in HEADS and not piece.title:
            piece.title = text
        elif tag == "th" and piece.row:
            piece.title, piece.row = f"{piece.title}: {text}", False
        elif re.search(r"[^\W\d_]", text):
            piece.texts[text] = None


def pieces(pages: Mapping[str, str]) -> list[list]:
    """Every page by its address, its title, and its parts: place, title and text of each."""
    return [[address, *_read(page)] for address, page in pages.items()]


def _read(page: str) -> tuple[str, list[tuple[str, str, str]]]:
    reader = _Reader()
    reader.feed(page.partition("<footer>")[0])
    parts = [(piece.place, piece.title, " ".join(piece.texts)) for piece in reader.pieces]
    return parts[0][1], parts
