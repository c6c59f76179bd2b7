"""Tokens per watt of two-pool fleets over split length and overflow factor."""

import json

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tokwatt.reports.figures.common.axes import (
    color_bar,
    heat_map_axes,
    panels_side_by_side,
    plain_log,
    times,
)
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import DOUBLE, MIDDLE, Look
from tokwatt.reports.labels import Labels, context_window

SPLIT, OVERFLOW, CHOSEN = "split_length [tok]", "overflow_factor [1]", "chosen"


def data(grids: Grids) -> pd.DataFrame:
    """One row per GPU, overflow factor and split length, and whether the paper chose that pair."""
    split, paper = grids["split"], grids["fleets"]
    workload = json.loads(split.attrs["inputs"])["workload"]
    short_window = paper.short_window.sel(workload=workload, drop=True)
    chosen = _same(split.split_length, short_window) & _same(
        split.overflow_factor, paper.overflow_factor
    )
    frame = frame_columns(split.assign(chosen=chosen), "tokens_per_joule", CHOSEN)
    return frame[["gpu", OVERFLOW, SPLIT, EFFICIENCY, CHOSEN]]


def _same(axis: xr.DataArray, chosen: xr.DataArray) -> xr.DataArray:
    return abs(axis / chosen - 1) < 1e-6


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A heat map per GPU on one scale of colour; a frame marks the paper's choice."""
    figure = Figure(figsize=(DOUBLE, 2.6))
    norm = LogNorm(frame[EFFICIENCY].min(), frame[EFFICIENCY].max())
    panels = panels_side_by_side(figure, frame, "gpu")
    for axes, gpu, rows in panels:
        mesh = _map(axes, rows, norm)
        axes.set(title=gpu, xlabel="Split length (tok)")
        axes.set_title("□ the paper's choice", loc="right", size=6.5, weight="normal")
    panels[0].axes.set_ylabel("Overflow factor (× split length)")
    everywhere = [panel.axes for panel in panels]
    bar = color_bar(figure, mesh, everywhere, aspect=25, label="Tokens per watt (tok/W)")
    plain_log(bar.ax.yaxis, times(1, 1.5, 2, 3, 4, 6, 8))
    return figure


def _map(axes: Axes, rows: pd.DataFrame, norm: LogNorm) -> QuadMesh:
    table = rows.pivot(index=OVERFLOW, columns=SPLIT, values=EFFICIENCY)
    look: Look = {"cmap": "cividis", "edgecolor": "white", "linewidth": 0.3}
    mesh = axes.pcolormesh(table.to_numpy(), norm=norm, **look)
    for (y, x), value in np.ndenumerate(table.to_numpy()):
        color = "white" if norm(value) < 0.5 else "black"
        axes.text(x + 0.5, y + 0.5, f"{value:#.3g}", color=color, **MIDDLE)
    chosen = rows[rows[CHOSEN]].iloc[0]
    _frame(axes, table.columns.get_loc(chosen[SPLIT]), table.index.get_loc(chosen[OVERFLOW]))
    heat_map_axes(
        axes, [*map(context_window, table.columns)], [f"{factor:g}" for factor in table.index]
    )
    return mesh


def _frame(axes: Axes, column: int, row: int) -> None:
    for color, width in (("white", 3.5), ("black", 1.5)):
        look: Look = {"fill": False, "edgecolor": color, "linewidth": width, "zorder": 3}
        axes.add_patch(Rectangle((column, row), 1, 1, **look))
