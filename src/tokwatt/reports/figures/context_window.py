"""Tokens per watt against context window, and how far its fall is from inverse proportion."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import log2_ticks, note, plain_log, signed
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import COLORS, GREY, SINGLE, Look, line_look
from tokwatt.reports.labels import Labels

Numbers = npt.NDArray[np.float64]
WINDOW, SLOPE = "context_window [tok]", "local_slope [1]"
ABOVE: Look = {"points": (2, 3), "ha": "left", "va": "bottom"}
BELOW: Look = {"points": (-2, -3), "ha": "right", "va": "top"}


def data(grids: Grids) -> pd.DataFrame:
    """One row per GPU and context window; the slope is the one from the window before."""
    frame = frame_columns(grids["context_window"], "tokens_per_joule", "local_slope")
    frame = frame.sort_values(["gpu", WINDOW], ascending=[False, True])
    return frame.loc[frame[EFFICIENCY] > 0, ["gpu", WINDOW, EFFICIENCY, SLOPE]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Both axes logarithmic; slopes stand between the points they join."""
    figure = Figure(figsize=(SINGLE, 3.1))
    axes = figure.add_subplot()
    best = frame.loc[frame[EFFICIENCY].idxmax(), "gpu"]
    for gpu, rows in frame.groupby("gpu", sort=False):
        axes.plot(rows[WINDOW], rows[EFFICIENCY], label=str(gpu), **line_look(str(gpu)))
        _slopes(axes, str(gpu), rows, above=gpu == best)
    _guide(axes, frame[frame.gpu != best], label("law"))
    axes.set_yscale("log", base=2)
    log2_ticks(axes, frame[WINDOW].unique())
    plain_log(axes.yaxis, 2.0 ** np.arange(-6, 12))
    first, last = frame[WINDOW].min(), frame[WINDOW].max()
    axes.set_xlim(first * (first / last) ** 0.11, last * (last / first) ** 0.09)
    axes.legend(loc="upper right")
    axes.set(xlabel="Context window (tok)", ylabel="Tokens per watt (tok/W)")
    return figure


def _slopes(axes: Axes, gpu: str, rows: pd.DataFrame, above: bool) -> None:
    window, efficiency = rows[WINDOW].to_numpy(), rows[EFFICIENCY].to_numpy()
    middle = np.sqrt(window[1:] * window[:-1])
    line = np.sqrt(efficiency[1:] * efficiency[:-1])
    level = line if above else np.minimum(line, _inverse(window, efficiency, middle))
    for x, y, slope in zip(middle, level, rows[SLOPE].to_numpy()[1:], strict=True):
        look = {"color": COLORS[gpu], "size": 6, **(ABOVE if above else BELOW)}
        note(axes, signed(f"{slope:.2f}"), (x, y), **look)


def _guide(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """Inverse proportion from the first point on; the slopes of this line stand below it."""
    window = rows[WINDOW].to_numpy()
    level = _inverse(window, rows[EFFICIENCY].to_numpy(), window)
    axes.plot(window, level, color=GREY, linewidth=0.7, linestyle=":", zorder=1, label=name)


def _inverse(window: Numbers, efficiency: Numbers, places: Numbers) -> Numbers:
    return efficiency[0] * window[0] / places
