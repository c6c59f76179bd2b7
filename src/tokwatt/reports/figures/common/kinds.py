"""Panels of standard figures: lines, bars and heat maps of the columns of a frame."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tokwatt.reports.figures.common.axes import (
    color_bar,
    decades,
    heat_map_axes,
    legend_above,
    log2_ticks,
    plain_log,
    thinned,
    times,
)
from tokwatt.reports.figures.common.looks import GPUS, HUES, PLAIN, Look, bar_look, line_look
from tokwatt.reports.labels import Labels, context_window

ALL, TOKENS = "", "tok"
MARKED = 12
"""Points from which not every one of a line has a mark."""
TALL = 300.0
"""Ratio of the ends of a logarithmic axis from which only powers of ten have room."""
LETTERS = 24
"""Letters for which the foot of a panel has room."""
LINES = 12
"""Names for which the side of a heat map has room."""
POINTS, HANDLE, LETTER = 72, 32, 4.2
"""Points of an inch, and those that a mark and a letter of a legend take."""
LOOKS: list[Look] = [
    {"color": color, "marker": marker, "linestyle": dashes, "hatch": hatch}
    for color, marker, dashes, hatch in zip(
        (*HUES, "black", "0.5"),
        "os^DvPX*",
        ("-", (0, (4, 1.2)), "-.", ":", (0, (6, 1, 1, 1)), (0, (2, 1)), "-", "--"),
        ("", "//////", "....", "xxxxx", "ooo", "\\\\\\\\", "++++", "||||"),
        strict=True,
    )
]
"""What tells as many series apart as there may be, with and without colour."""


class Encoding(NamedTuple):
    """Which columns of a frame are drawn as what.

    Attributes:
        axes: columns of axes of the study, by what they are in the figure.
        quantity: the column that is drawn.
        log: which of x, y and color have a logarithmic scale.
        label: how names are printed.
    """

    axes: Mapping[str, str]
    quantity: str
    log: Sequence[str]
    label: Labels

    def title(self, side: str) -> str:
        """How a side of the figure is called: in words, with its unit; names need no title."""
        column = self.axes.get(side, self.quantity)
        words, unit = column.partition(" [")[0].replace("_", " "), unit_of_column(column)
        return f"{words[0].upper()}{words[1:]} ({unit})" if unit else ""

    def tick(self, column: str, value: str | float) -> str:
        """How a value is printed on an axis whose title has the unit."""
        if isinstance(value, str):
            return self.label(value)
        return context_window(value) if unit_of_column(column) == TOKENS else f"{value:g}"

    def name(self, column: str, value: str | float) -> str:
        """How a value is printed by itself."""
        unit = unit_of_column(column)
        if unit in ("", TOKENS):
            return self.tick(column, value)
        words = column.partition(" [")[0].replace("_", " ")
        return f"{words} {value:g}" if unit == "1" else f"{value:g} {unit}"

    def series(self, frame: pd.DataFrame) -> list[tuple[str | float, str, Look]]:
        """Each series of a figure with its name and its look; GPUs have looks of their own."""
        if "series" not in self.axes:
            return [(ALL, "", LOOKS[0])]
        values = list(frame[self.axes["series"]].unique())
        own = [{**line_look(value), **bar_look(value)} for value in values if value in GPUS]
        looks = own if len(own) == len(values) else LOOKS
        names = [self.name(self.axes["series"], value) for value in values]
        return list(zip(values, names, looks, strict=False))

    def rows(self, rows: pd.DataFrame, value: str | float) -> pd.DataFrame:
        """The rows of a series."""
        return rows if value == ALL else rows[rows[self.axes["series"]] == value]


def unit_of_column(column: str) -> str:
    """The unit in a column's name; empty where there is none."""
    return column.partition(" [")[2].removesuffix("]")


def line_panel(axes: Axes, rows: pd.DataFrame, frame: pd.DataFrame, columns: Encoding) -> None:
    """A line for each series."""
    x = columns.axes["x"]
    for value, name, look in columns.series(frame):
        line = columns.rows(rows, value)
        kept = {key: look[key] for key in ("color", "marker", "linestyle")}
        every = 1 + (len(line) - 1) // MARKED
        axes.plot(line[x], line[columns.quantity], label=name, markevery=every, **kept)
    _scale(axes, columns)
    if "x" in columns.log and unit_of_column(x) == TOKENS:
        low, high = np.log2([frame[x].min(), frame[x].max()])
        log2_ticks(axes, 2.0 ** np.arange(np.ceil(low), np.floor(high) + 1))
    elif "x" in columns.log:
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.ticklabel_format(axis="x", style="plain")


def bar_panel(axes: Axes, rows: pd.DataFrame, frame: pd.DataFrame, columns: Encoding) -> None:
    """A group of bars for each value of the axis from left to right."""
    x, series = columns.axes["x"], columns.series(frame)
    values = list(frame[x].unique())
    width = 0.8 / len(series)
    for place, (value, name, look) in enumerate(series):
        group = columns.rows(rows, value)
        middle = [
            values.index(found) + width * (place - (len(series) - 1) / 2) for found in group[x]
        ]
        kept = {"facecolor": look.get("facecolor", look["color"]), "hatch": look["hatch"]}
        axes.bar(middle, group[columns.quantity], width, label=name, **kept, **PLAIN)
    _scale(axes, columns)
    axes.set_xticks(range(len(values)))
    _name_foot(axes, x, values, columns)


def heat_map_panel(axes: Axes, rows: pd.DataFrame, frame: pd.DataFrame, columns: Encoding) -> None:
    """A cell for each pair of values; what does not fit is grey."""
    sides = [columns.axes[side] for side in ("y", "x")]
    down, across = (list(frame[side].unique()) for side in sides)
    table = rows.pivot(index=sides[0], columns=sides[1], values=columns.quantity)
    look: Look = {"norm": _norm(frame, columns), "cmap": "cividis", "edgecolor": "none"}
    axes.pcolormesh(table.reindex(index=down, columns=across).to_numpy(), **look)
    axes.set_facecolor("0.85")
    heat_map_axes(axes, across, thinned([columns.tick(sides[0], value) for value in down], LINES))
    _name_foot(axes, sides[1], across, columns)


def _name_foot(axes: Axes, column: str, values: Sequence, columns: Encoding) -> None:
    """Names at the ticks below a panel: numbers where there is room, long names aslant."""
    names = [columns.tick(column, value) for value in values]
    letters = len("".join(names))
    if unit_of_column(column):
        names = thinned(names, LETTERS * len(names) // letters)
    aslant: Look = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    look = {} if unit_of_column(column) or letters <= LETTERS else aslant
    axes.set_xticks(axes.get_xticks(), names, **look)
    axes.tick_params(axis="x", length=0)


def _norm(frame: pd.DataFrame, columns: Encoding) -> Normalize:
    ends = frame[columns.quantity].min(), frame[columns.quantity].max()
    return LogNorm(*ends) if "color" in columns.log else Normalize(*ends)


def heat_scale(
    figure: Figure, panels: Sequence[Axes], frame: pd.DataFrame, columns: Encoding
) -> None:
    """What the colours of heat maps mean."""
    shown = ScalarMappable(_norm(frame, columns), "cividis")
    bar = color_bar(figure, shown, panels, aspect=25, label=columns.title("color"))
    if "color" in columns.log:
        log_ticks(bar.ax.yaxis)


def legend(figure: Figure, panel: Axes) -> None:
    """What tells the series apart, in as many columns as a figure has room for."""
    _, names = panel.get_legend_handles_labels()
    room = POINTS * figure.get_figwidth() // (HANDLE + LETTER * max(map(len, names)))
    legend_above(figure, panel, max(1, int(room)))


def _scale(axes: Axes, columns: Encoding) -> None:
    if "y" in columns.log:
        axes.set_yscale("log")


def log_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis, or powers of ten where it is tall."""
    low, high = axis.get_view_interval()
    decades(axis) if high > TALL * low else plain_log(axis, times(1, 2, 5))


KINDS: dict[str, Callable[[Axes, pd.DataFrame, pd.DataFrame, Encoding], None]] = {
    "line": line_panel,
    "bar": bar_panel,
    "heat": heat_map_panel,
}
