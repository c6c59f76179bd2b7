"""Tokens per watt of two-pool fleets over split length and overflow factor."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tokwatt.reports.figures import DOUBLE, EFFICIENCY, columns, plain_log, windows

SPLIT, OVERFLOW, CHOSEN = "split_length [tok]", "overflow_factor [1]", "chosen"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per GPU, overflow factor and split length; the fleets grid tells which pair the paper chose."""
    split, paper = grids["split"], grids["fleets"]
    workload = json.loads(split.attrs["inputs"])["workload"]
    short_window = paper.short_window.sel(workload=workload, drop=True)
    chosen = (split.split_length == short_window) & (split.overflow_factor == paper.overflow_factor)
    return columns(split.assign(chosen=chosen), "tokens_per_joule", CHOSEN)[
        ["gpu", OVERFLOW, SPLIT, EFFICIENCY, CHOSEN]
    ]


def draw(frame: pd.DataFrame) -> Figure:
    """A heat map per GPU on one scale of colour; a frame marks the paper's choice."""
    figure = Figure(figsize=(DOUBLE, 2.6))
    panels = figure.subplots(1, frame.gpu.nunique(), sharey=True)
    norm = LogNorm(frame[EFFICIENCY].min(), frame[EFFICIENCY].max())
    for axes, (gpu, rows) in zip(panels, frame.groupby("gpu", sort=False), strict=True):
        mesh = _map(axes, rows, norm)
        axes.set(title=gpu, xlabel="Split length (tok)")
        axes.set_title("□ the paper's choice", loc="right", size=6.5, weight="normal")
    panels[0].set_ylabel("Overflow factor (× split length)")
    bar = figure.colorbar(mesh, ax=panels, pad=0.01, aspect=25, label="Tokens per watt (tok/W)")
    bar.outline.set_visible(False)
    plain_log(bar.ax.yaxis, [2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80])
    return figure


def _map(axes: Axes, rows: pd.DataFrame, norm: LogNorm) -> QuadMesh:
    table = rows.pivot(index=OVERFLOW, columns=SPLIT, values=EFFICIENCY)
    mesh = axes.pcolormesh(
        table.to_numpy(), norm=norm, cmap="cividis", edgecolor="white", linewidth=0.3
    )
    for (y, x), value in np.ndenumerate(table.to_numpy()):
        color = "white" if norm(value) < 0.5 else "black"
        axes.text(
            x + 0.5, y + 0.5, f"{value:#.3g}", ha="center", va="center", size=5.5, color=color
        )
    paper = rows[rows[CHOSEN]].iloc[0]
    corner = table.columns.get_loc(paper[SPLIT]), table.index.get_loc(paper[OVERFLOW])
    for color, width in (("white", 3.5), ("black", 1.5)):
        axes.add_patch(
            Rectangle(corner, 1, 1, fill=False, edgecolor=color, linewidth=width, zorder=3)
        )
    axes.set_xticks(np.arange(table.shape[1]) + 0.5, windows(table.columns))
    axes.set_yticks(np.arange(table.shape[0]) + 0.5, [f"{factor:g}" for factor in table.index])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh
