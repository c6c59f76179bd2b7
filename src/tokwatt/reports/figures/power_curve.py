"""Power of a GPU over its batch, and where the operating points of Table 1 lie on the curve."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import note, window_names
from tokwatt.reports.figures.common.frames import Grids, frame_columns
from tokwatt.reports.figures.common.looks import COLORS, SINGLE, Look, line_look, mark_look
from tokwatt.reports.labels import Labels

BATCH, POWER, WINDOW = "batch [seq]", "power [W]", "context_window [tok]"
ABOVE: Look = {"points": (2, 4), "ha": "right", "va": "bottom"}
BELOW: Look = {"points": (-2, -4), "ha": "left", "va": "top"}


def data(grids: Grids) -> pd.DataFrame:
    """Points of the curve, without a context window, and operating points, which have one."""
    curve = frame_columns(grids["power_curve"], "power")
    points = frame_columns(grids["context_window"], "batch", "power")
    both = pd.concat([curve.assign(kind="curve"), points.assign(kind="operating point")])
    both = both.sort_values(["kind", "gpu", BATCH], ascending=[True, False, True])
    return both.loc[both[BATCH] > 0, ["kind", "gpu", WINDOW, BATCH, POWER]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Batch in doublings; operating points are named by their context window."""
    figure = Figure(figsize=(SINGLE, 2.5))
    axes = figure.add_subplot()
    highest = frame.loc[frame[POWER].idxmax(), "gpu"]
    for gpu, rows in frame.groupby("gpu", sort=False):
        _curve(axes, str(gpu), rows[rows.kind == "curve"])
        _points(axes, str(gpu), rows[rows.kind != "curve"], ABOVE if gpu == highest else BELOW)
    axes.set_xscale("log", base=2)
    ticks = 4 ** np.arange(0, np.log2(frame[BATCH].max()) // 2 + 1).astype(int)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(frame[BATCH].min() * 0.45, frame[BATCH].max() * 1.1)
    axes.set_ylim(0, frame[POWER].max() * 1.15)
    axes.set(xlabel="Running requests (seq)", ylabel="Power of one GPU (W)")
    return figure


def _curve(axes: Axes, gpu: str, rows: pd.DataFrame) -> None:
    axes.plot(rows[BATCH], rows[POWER], **{**line_look(gpu), "marker": ""})
    end = rows[BATCH].iloc[-1], rows[POWER].iloc[-1]
    note(axes, gpu, end, (8, 0), va="center", color=COLORS[gpu], weight="bold")


def _points(axes: Axes, gpu: str, rows: pd.DataFrame, side: Look) -> None:
    white: Look = {"markeredgecolor": "white", "markersize": 5}
    axes.plot(rows[BATCH], rows[POWER], **mark_look(gpu), **white)
    rows = rows.sort_values(WINDOW)
    names = window_names(list(rows[WINDOW]))
    for batch, power, name in zip(rows[BATCH], rows[POWER], names, strict=True):
        note(axes, name, (batch, power), color=COLORS[gpu], size=6.5, **side)
