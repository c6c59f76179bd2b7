"""Figures in both palettes: the published drawing, and beside it what each colour is in the dark.

The published files stay as they are. What the site shows of one has a style sheet more, which a
viewer that asks for no dark colours passes over, and coordinates as fine as a screen can show.
"""

import re
from collections.abc import Mapping

from tokwatt.reports.figures.common.looks import HUES

GROUND, INK = "#12171c", "#e6ebf0"
"""What white and black are in the dark; `site.css` has the same."""
SERIES = dict(
    zip(HUES, ("#4490de", "#e8803a", "#12e39a", "#d18aa3", "#ffd93c", "#a8d4ff"), strict=True)
)
"""Okabe and Ito's colours, and what tells series apart as well on a dark ground."""
LUMA = (0.213, 0.715, 0.072)
"""Shares of red, green and blue in how bright a colour is."""
DIMMED = 0.88
"""How much of it a scale keeps, so that text of both kinds stands out in its middle."""

_COLOR = re.compile(r"#[0-9a-f]{6}\b")
_STYLE = re.compile(r' style="([^"]+)"')
_FILL = re.compile(r' fill="(#[0-9a-f]{6})"')
_LINES = re.compile(r'(?<= d=")[^"]+')
_FINE = re.compile(r"(?<=\.\d\d)\d+")
_PLACE = re.compile(r'(?<= )([xy]="-?\d+\.\d\d)\d+')


def in_both_palettes(svg: str) -> str:
    """A drawing of matplotlib with the colours that it has in the dark."""
    styles: dict[str, str] = {}
    styled = _FILL.sub(r' style="fill: \1"', svg)
    classed = _STYLE.sub(lambda found: _classed(found[1], styles), styled)
    head, end, body = _coarse(classed).partition("</style>")
    return f"{head}{_rules(styles)}{end}{_FILTER if '<image' in body else ''}{body}"


def _classed(style: str, styles: dict[str, str]) -> str:
    return f' class="{styles.setdefault(style, f"s{len(styles)}")}"'


def _rules(styles: Mapping[str, str]) -> str:
    """Each style as a class, and in the dark once more; what names no colour is black."""
    light = [f".{name}{{{style}}}" for style, name in styles.items()]
    rules = ["svg{fill:#000000}image{filter:url(#dark)}", *light]
    darkened = [_COLOR.sub(lambda found: dark(found[0]), rule) for rule in rules]
    return "\n".join([*light, "@media (prefers-color-scheme: dark){", *darkened, "}"])


def _coarse(svg: str) -> str:
    """Without what no screen shows: more than two decimals of a point, and indentation."""
    lines = _LINES.sub(lambda line: _FINE.sub("", " ".join(line[0].split())), svg)
    return re.sub(r"\n +", "\n", _PLACE.sub(r"\1", lines))


def dark(color: str) -> str:
    """What a colour is on a dark ground.

    Greys run from ink to ground as they ran from black to white. A colour of a scale is as bright
    as it was dark, so that text on it is as easy to read when black and white change places.
    """
    channels = _channels(color)
    if color in SERIES:
        return SERIES[color]
    if len(set(channels)) == 1:
        pairs = zip(_channels(INK), _channels(GROUND), strict=True)
        return _hexadecimal([ink + channels[0] * (ground - ink) for ink, ground in pairs])
    luma = sum(share * channel for share, channel in zip(LUMA, channels, strict=True))
    return _hexadecimal([DIMMED * (channel + 1 - 2 * luma) for channel in channels])


def _channels(color: str) -> list[float]:
    return [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def _hexadecimal(channels: list[float]) -> str:
    return "#" + "".join(f"{round(255 * min(1, max(0, channel))):02x}" for channel in channels)


def _row(place: int) -> str:
    """A row of the matrix that does to a picture what `dark` does to a colour of a scale."""
    weights = [(place == other) - 2 * share for other, share in enumerate(LUMA)]
    return " ".join(f"{DIMMED * weight:.4f}" for weight in [*weights, 0, 1])


_FILTER = (
    '<filter id="dark" color-interpolation-filters="sRGB"><feColorMatrix values="'
    f'{_row(0)} {_row(1)} {_row(2)} 0 0 0 1 0"/></filter>'
)
