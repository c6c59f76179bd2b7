"""Predicted against measured, run by run, for each account and quantity."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokwatt.params.account_names import AccountName
from tokwatt.reports.figures.common.axes import decades, named_lines, plain_log
from tokwatt.reports.figures.common.frames import Grids, unit_columns
from tokwatt.reports.figures.common.looks import COLORS, COMPARED, DOUBLE, GREY, OPEN, Look
from tokwatt.reports.labels import Labels

PANELS = {
    "latency [s]": "Inter-token latency",
    "throughput [tok/s]": "Throughput",
    "power [W]": "Board power",
    "tokens_per_joule [tok/J]": "Tokens per joule",
}
NAMES = {column.split(" ")[0]: column for column in PANELS}
UNITS = {column: column.split(" ")[1].strip("[]") for column in PANELS}
MARKERS = {"dense": "o", "hybrid": "^", "experts": "D"}
KINDS = {"dense": "Dense", "hybrid": "Hybrid", "experts": "Mixture of experts"}
CROSS: Look = {"color": "0.6", "marker": "x", "linestyle": ""}


def data(grids: Grids) -> pd.DataFrame:
    """One row per account and run, with what was measured beside it."""
    about = "gpu", "llm", "task", "kind", "gpus", "batch"
    long = unit_columns(grids["measured_runs"], *NAMES, *about)
    measured = long[long.account == AccountName.MEASURED].set_index("run")
    frame = long[long.account != AccountName.MEASURED].copy()
    for column in PANELS:
        frame[f"measured_{column}"] = measured.loc[frame.run, column].to_numpy()
    pairs = [f"{kind}{column}" for column in PANELS for kind in ("measured_", "")]
    return frame[["account", "gpu", "llm", "task", "kind", "gpus [1]", "batch [seq]", *pairs]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A row of panels for each account; crosses are what the fit to every run says."""
    figure = Figure(figsize=(DOUBLE, 5.3))
    grid = figure.subplots(len(COMPARED), len(PANELS), sharex="col", sharey="col")
    for line, account in zip(grid, COMPARED, strict=True):
        for axes, column in zip(line, PANELS, strict=True):
            _panel(axes, frame, account, column)
            axes.set_ylabel(f"({UNITS[column]})")
        line[0].set_ylabel(f"{label(account)}:\npredicted ({UNITS[next(iter(PANELS))]})")
    for top, bottom, (column, title) in zip(grid[0], grid[-1], PANELS.items(), strict=True):
        top.set_title(title)
        bottom.set_xlabel(f"Measured ({UNITS[column]})")
    figure.legend(handles=_handles(), loc="outside lower center", ncols=6, handletextpad=0.2)
    return figure


def _handles() -> list[Line2D]:
    gpus = {gpu: {"color": COLORS[gpu], "marker": "s", "linestyle": ""} for gpu in ("H100", "B200")}
    kinds = {KINDS[kind]: {**OPEN, "color": GREY, "marker": MARKERS[kind]} for kind in KINDS}
    looks: dict[str, Look] = {**gpus, **kinds, "Calibrated, LLM not held out": CROSS}
    return named_lines(looks)


def _panel(axes: Axes, frame: pd.DataFrame, account: str, column: str) -> None:
    if account == AccountName.HELD_OUT:
        seen = frame[frame.account == AccountName.IN_SAMPLE]
        small: Look = {"markersize": 2.2, "markeredgewidth": 0.5}
        axes.plot(seen[f"measured_{column}"], seen[column], **CROSS, **small)
    for (gpu, kind), rows in frame[frame.account == account].groupby(["gpu", "kind"], sort=False):
        look = {**OPEN, "color": COLORS[gpu], "marker": MARKERS[kind]}
        look |= {"markersize": 2.6, "markeredgewidth": 0.6}
        axes.plot(rows[f"measured_{column}"], rows[column], **look)
    _equality(axes, frame[[column, f"measured_{column}"]].to_numpy())
    for axis in (axes.xaxis, axes.yaxis):
        plain_log(axis, [200, 400, 800]) if column == NAMES["power"] else decades(axis)


def _equality(axes: Axes, both: np.ndarray) -> None:
    low, high = np.nanmin(both) / 1.15, np.nanmax(both) * 1.15
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.6, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set_box_aspect(1)
