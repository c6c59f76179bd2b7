"""Where the panels of a drawing lie, so that a narrow screen can show them one below the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

POINTS = 72
"""Points of an inch."""
PAD = 1.5
"""Points around a panel with its texts, as formats set them a little wider or narrower."""
ROW = 170.0
"""Points of a row of a legend, about the width of a panel."""
COLORBAR = "<colorbar>"
"""Matplotlib's name of the axes of a colour bar."""


class _Crop(NamedTuple):
    """A part of a drawing, and where its upper left corner is put, points from the panel's."""

    box: Bbox
    x: float = 0.0
    y: float = 0.0


def panels_of(canvas: Canvas) -> str:
    """What a narrow screen shows of a drawing whose layout is settled.

    Returns:
        A panel each between semicolons, of crops between commas: left and upper edge, width and
        height in points, and the left and upper edge that it is put at. A panel that shares a scale
        or a title with others is shown beside, above or below that. Texts and legends of the whole
        figure come first, colour bars last.
    """
    places = _Places(canvas)
    texts = [[_Crop(places.in_points(it.get_window_extent()))] for it in canvas.texts]
    legends = [places.legend(it) for it in canvas.legends]
    bars = [[_Crop(places.tight(bar))] for bar in places.bars]
    stack = [*texts, *legends, *(places.panel(own) for own in places.distinct), *bars]
    return "; ".join(", ".join(map(places.written, crops)) for crops in stack)


@dataclass(frozen=True)
class _Places:
    """Where the panels of a drawing lie, in points from its lower left corner."""

    canvas: Canvas

    @cached_property
    def bars(self) -> list[Axes]:
        return [panel for panel in self._visible if panel.get_label() == COLORBAR]

    @cached_property
    def drawn(self) -> list[Axes]:
        return [panel for panel in self._visible if panel not in self.bars]

    @property
    def _visible(self) -> list[Axes]:
        return [panel for panel in self.canvas.axes if panel.get_visible()]

    @property
    def distinct(self) -> Iterator[Axes]:
        """Panels that no earlier one lies upon, as a second scale does."""
        known: list[tuple[float, ...]] = []
        for panel in self.drawn:
            place = tuple(panel.get_position().bounds)
            if place not in known:
                known.append(place)
                yield panel

    def panel(self, own: Axes) -> list[_Crop]:
        """Crops of a panel, and of what it shares with others in its row and column."""
        left, low, right, high = Bbox.union([self.tight(it) for it in self._upon(own)]).extents
        frame, row, column = self.frame(own), self._beside(own, "y"), self._beside(own, "x")
        scale = None if _labelled(own.yaxis) else _first(row, lambda it: _labelled(it.yaxis))
        below = own if scale else None  # its names of ticks may begin left of its frame
        if not _labelled(own.xaxis):
            below = _first(column, lambda it: _labelled(it.xaxis))
        above = None if _title(own) else _first(column, _title)
        ticks = self.ticks(below) if below else 0.0
        left, low = (frame.x0 if scale else left), (frame.y0 - ticks if below else low)
        parts = [Bbox.from_extents(left, low, right, high)]
        if above:
            edges = self.frame(above).y1, self.tight(above).y1
            parts.insert(0, Bbox.from_extents(left, edges[0], right, edges[1]))
        if below:
            around, edge = self.tight(below), self.frame(below).y0 - ticks
            parts.append(Bbox.from_extents(min(left, around.x0), around.y0, around.x1, edge))
        if scale:
            edges = self.tight(scale).x0, self.frame(scale).x0
            named = self.in_points(scale.yaxis.label.get_window_extent())
            parts.append(Bbox.from_extents(edges[0], min(low, named.y0), edges[1], high))
        return _put(parts, left - (parts[-1].width if scale else 0.0), has_scale=scale is not None)

    def legend(self, own: Legend) -> list[_Crop]:
        """Crops of its title and entries, in rows as wide as a panel."""
        size = float(own.get_texts()[0].get_fontsize())
        before = (own.handlelength + own.handletextpad) * size
        crops, x, y = [], 0.0, 0.0
        for text in filter(Text.get_text, [own.get_title(), *own.get_texts()]):
            box = self.in_points(text.get_window_extent())
            left = box.x0 - (0 if text is own.get_title() else before)
            box = Bbox.from_extents(left, box.y0 - 1, box.x1 + before / 3, box.y1 + 1)
            if x + box.width > ROW and x > 0:
                x, y = 0.0, y + box.height
            crops.append(_Crop(box, x, y))
            x += box.width
        return crops

    def _upon(self, own: Axes) -> list[Axes]:
        """A panel with those that lie upon it."""
        place = own.get_position().bounds
        return [panel for panel in self.drawn if panel.get_position().bounds == place]

    def _beside(self, own: Axes, edge: str) -> Sequence[Axes]:
        """Panels in the same row (y) or column (x), from the left, or from below."""
        frame, across = self.frame(own), "x" if edge == "y" else "y"
        near = [it for it in self.drawn if _overlap(self.frame(it), frame, edge)]
        return sorted(near, key=lambda it: getattr(self.frame(it), f"{across}0"))

    def tight(self, panel: Axes) -> Bbox:
        """A panel with its texts."""
        box = panel.get_tightbbox()
        assert box is not None
        return self.in_points(box).padded(PAD)

    def ticks(self, panel: Axes) -> float:
        """How far below its frame the names of its ticks begin."""
        names = [it for it in panel.get_xticklabels() if it.get_text() and it.get_visible()]
        tops = (self.in_points(name.get_window_extent()).y1 for name in names)
        return self.frame(panel).y0 - max(tops)

    def frame(self, panel: Axes) -> Bbox:
        """A panel without them."""
        return self.in_points(panel.get_window_extent())

    def in_points(self, box: Bbox) -> Bbox:
        """A box of pixels."""
        scale = POINTS / self.canvas.dpi
        return Bbox.from_extents(*(scale * edge for edge in box.extents))

    def written(self, crop: _Crop) -> str:
        """A crop as panels are written, from the upper left corner of the drawing."""
        height, box = POINTS * self.canvas.get_size_inches()[1], crop.box
        numbers = box.x0, height - box.y1, box.width, box.height, crop.x, crop.y
        return " ".join(f"{number:.1f}" for number in numbers)


def _put(parts: Sequence[Bbox], left: float, has_scale: bool) -> list[_Crop]:
    """Parts of a panel one below the other, the last beside what it is the scale of."""
    crops, y = [], 0.0
    for part in parts[:-1] if has_scale else parts:
        beside = has_scale and part.y1 == parts[-1].y1
        if beside:
            crops.append(_Crop(parts[-1], 0.0, y))
        crops.append(_Crop(part, max(0.0, part.x0 - left), y))
        y += part.height
    return crops


def _labelled(axis: Axis) -> bool:
    return any(it.get_text() and it.get_visible() for it in axis.get_ticklabels())


def _title(panel: Axes) -> bool:
    return any(panel.get_title(loc) for loc in ("left", "center", "right"))


def _first(panels: Sequence[Axes], holds: Callable[[Axes], bool]) -> Axes | None:
    return next(filter(holds, panels), None)


def _overlap(frame: Bbox, other: Bbox, edge: str) -> bool:
    """Whether two panels stand in one row, or one above the other."""
    low, high = f"{edge}0", f"{edge}1"
    shared = min(getattr(frame, high), getattr(other, high)) - max(
        getattr(frame, low), getattr(other, low)
    )
    return shared > 0.5 * (getattr(other, high) - getattr(other, low))
