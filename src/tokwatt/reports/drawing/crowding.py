"""Whether the texts of a drawing can be read: how many lie over each other or across an axis."""

import math
import warnings
from collections.abc import Iterator
from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def overlaps(canvas: Figure) -> float:
    """How many texts lie over each other or across an axis; infinity where axes have no room."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        canvas.draw_without_rendering()
    if any("constrained_layout" in str(warning.message) for warning in caught):
        return math.inf
    # A box is larger than its letters.
    boxes = [text.get_window_extent().shrunk(1.0, 0.7) for text in texts_of(canvas)]
    over = sum(upper.overlaps(lower) for upper, lower in combinations(boxes, 2))
    return over + sum(spine.overlaps(box) for spine in _spines(canvas) for box in boxes)


def texts_of(canvas: Figure) -> list[Text]:
    """What can be read in a drawing."""
    unseen = set(_out_of_view(canvas))
    texts = [text for text in canvas.findobj(Text) if text.get_visible() and text.get_text()]
    return [text for text in texts if text not in unseen]


def _out_of_view(canvas: Figure) -> Iterator[Text]:
    """Names of ticks that no axis shows."""
    for axis in (axis for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)


def _spines(canvas: Figure) -> list[Bbox]:
    """Where the left and the lower axis of each panel are drawn."""
    return [
        axes.spines[side].get_window_extent()
        for axes in canvas.axes
        for side in ("left", "bottom")
        if axes.axison and axes.spines[side].get_visible()
    ]
