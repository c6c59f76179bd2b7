"""What figures are put together of: panels, plain axes, texts beside points, legends."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tokwatt.reports.figures.common.looks import Look
from tokwatt.reports.labels import context_window

MOST_TICKS = 8
"""Context windows for which an axis of one journal column has room."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def note(
    axes: Axes, text: str, place: tuple[float, float], points: tuple[float, float], **look: Any
) -> None:
    """A text at a distance in points from a place in the units of the axes."""
    axes.annotate(text, place, points, **{"textcoords": "offset points", **look})


def margin_note(axes: Axes, text: str, height: float, points: float, **look: Any) -> None:
    """A text at the right of the axes, at a height in their units."""
    look |= {"xycoords": axes.get_yaxis_transform(), "annotation_clip": False, "va": "center"}
    note(axes, text, (1, height), (points, 0), **look)


def rows(axes: Axes, names: Sequence[str], **look: Any) -> None:
    """A vertical axis of names, the first at the top."""
    axes.set_yticks(range(len(names)), names, **look)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)


def log2_ticks(axes: Axes, windows: Iterable[float]) -> None:
    """A horizontal axis of context windows, base 2: a tick at each, names where there is room."""
    ticks = sorted(windows)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, window_names(ticks))
    axes.minorticks_off()


def window_names(windows: Sequence[float]) -> list[str]:
    """Context windows as they are spoken of; blank between them where they are many."""
    return thinned([context_window(size) for size in windows], MOST_TICKS)


def thinned(names: Sequence[str], most: int) -> list[str]:
    """Names with blanks between them where they are many."""
    step = 1 + (len(names) - 1) // max(1, most)
    return ["" if place % step else name for place, name in enumerate(names)]


def plain_log(axis: Axis, ticks: Iterable[float]) -> None:
    """A logarithmic axis with plain numbers at those of these ticks that are in view."""
    low, high = axis.get_view_interval()
    values = [value for value in ticks if low <= value <= high]
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def decades(axis: Axis) -> None:
    """A logarithmic axis with a power of ten at each decade in view."""
    low, high = np.log10(axis.get_view_interval())
    powers = np.arange(np.ceil(low), np.floor(high) + 1).astype(int).tolist()
    powers = powers[:: 1 + len(powers) // 6]
    axis.set_ticks([10.0**power for power in powers], [_power(power) for power in powers])
    axis.set_ticks([], minor=True)


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(SUPERSCRIPTS)


def heat_map_axes(axes: Axes, across: Sequence[str], down: Sequence[str]) -> None:
    """Axes of a heat map: a name in the middle of each column and each row, and no frame."""
    axes.set_xticks(np.arange(len(across)) + 0.5, across)
    axes.set_yticks(np.arange(len(down)) + 0.5, down)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def times(*factors: float) -> list[float]:
    """Ticks of a logarithmic axis: these factors in each of eight decades."""
    return [float(tick) for tick in np.outer(10.0 ** np.arange(-3, 5), np.array(factors)).ravel()]


def signed(number: str) -> str:
    """A printed number with a minus sign as wide as a digit."""
    return number.replace("-", "−")


def named_lines(looks: Mapping[str, Look]) -> list[Line2D]:
    """A line or mark for each name."""
    return [Line2D([], [], label=name, **look) for name, look in looks.items()]


def named_patches(looks: Mapping[str, Look]) -> list[Patch]:
    """A patch for each name."""
    return [Patch(label=name, **look) for name, look in looks.items()]


def legend_above(figure: Figure, panel: Axes, most: int | None = None) -> None:
    """What is drawn in a panel, above all of them, in so many columns at the most."""
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=most or len(names))


def color_bar(
    figure: Figure, shown: ScalarMappable, panels: Sequence[Axes] | np.ndarray, **look: Any
) -> Colorbar:
    """What the colours of maps mean."""
    bar = figure.colorbar(shown, ax=panels, pad=0.01, **look)
    bar.outline.set_visible(False)
    return bar


class Panel(NamedTuple):
    """A panel and what it shows.

    Attributes:
        axes: where it is drawn.
        name: the entry that it shows.
        rows: the rows of that entry.
    """

    axes: Axes
    name: str
    rows: pd.DataFrame


def panels_side_by_side(
    figure: Figure, frame: pd.DataFrame, column: str, per_row: int = 0
) -> list[Panel]:
    """A panel for each entry of a column, from the left, on one vertical axis."""
    parts = list(frame.groupby(column, sort=False))
    width = per_row or len(parts)
    grid = figure.subplots(-(-len(parts) // width), width, sharey=True, squeeze=False)
    for axes in grid.flat[len(parts) :]:
        axes.remove()
    return [
        Panel(axes, str(name), rows) for axes, (name, rows) in zip(grid.flat, parts, strict=False)
    ]


def lattice(
    figure: Figure, frame: pd.DataFrame, down: str, across: str
) -> tuple[np.ndarray, list[Panel]]:
    """Axes for each pair of entries of two columns, both axes shared, and what each shows."""
    entries = list(product(frame[down].unique(), frame[across].unique()))
    size = frame[down].nunique(), frame[across].nunique()
    grid = figure.subplots(*size, sharex=True, sharey=True, squeeze=False)
    panels = [
        Panel(axes, f"{upper}, {left}", frame[(frame[down] == upper) & (frame[across] == left)])
        for axes, (upper, left) in zip(grid.flat, entries, strict=True)
    ]
    return grid, panels
