"""Axes and notes of several figures: plain logarithmic ticks, cells, texts beside points."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis

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
    step = 1 + (len(windows) - 1) // MOST_TICKS
    return ["" if place % step else context_window(size) for place, size in enumerate(windows)]


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
