"""Panels of a drawing, which a narrow screen shows one below the other."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

WIDEST = 200.0
"""Points of the widest panel whose texts a narrow screen can show without scrolling."""
_COVERAGE = re.compile(r"<dc:coverage>(.*?)</dc:coverage>", re.DOTALL)
_SIZE = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"', re.DOTALL)


class Crop(NamedTuple):
    """A part of a drawing, and where it is put in its panel, in points from upper left corners."""

    x: float
    y: float
    width: float
    height: float
    left: float
    top: float


class Panels(NamedTuple):
    """A drawing that is shown in parts.

    Attributes:
        width: of the drawing, in points.
        height: of the drawing.
        crops: of each panel.
    """

    width: float
    height: float
    crops: list[list[Crop]]

    @staticmethod
    def looks(width: float) -> str:
        """How style sheets know a panel."""
        return "wide" if width > WIDEST else ""

    @staticmethod
    def size(crops: list[Crop]) -> tuple[float, float]:
        """Width and height of a panel."""
        right = max(crop.left + crop.width for crop in crops)
        return right, max(crop.top + crop.height for crop in crops)


def panels_in(svg: str) -> Panels | None:
    """The panels of a drawing, as `stacking.panels_of` writes them; None where it has only one."""
    coverage, size = _COVERAGE.search(svg), _SIZE.search(svg)
    panels = coverage[1].split(";") if coverage else []
    if len(panels) < 2 or size is None:
        return None
    crops = [[Crop(*map(float, it.split())) for it in panel.split(",")] for panel in panels]
    return Panels(float(size[1]), float(size[2]), crops)


def panels_of(figures: Path, names: Iterable[str]) -> dict[str, Panels]:
    """Panels of the figures that have some, by where the site has their drawings."""
    drawn = {name: (figures / f"{name}.svg").read_text(encoding="utf-8") for name in names}
    found = {f"data/{name}.svg": panels_in(svg) for name, svg in drawn.items()}
    return {address: panels for address, panels in found.items() if panels}
