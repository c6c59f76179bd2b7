"""The law itself: slope of log tok/J over log window, and what keeps it from -1."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tokwatt.reports.figures.common.axes import (
    color_bar,
    heat_map_axes,
    lattice,
    signed,
    window_names,
)
from tokwatt.reports.figures.common.frames import Grids, frame_columns, six_digits
from tokwatt.reports.figures.common.looks import DOUBLE, Look
from tokwatt.reports.labels import Labels

WINDOW, SLOPE, MISSING = "context_window [tok]", "slope [1]", "missing [B]"
GPUS = ("H100", "B200")
CAUSES = {
    "by_prompts": ("P", "prompts"),
    "by_arithmetic": ("A", "arithmetic of decoding"),
    "by_experts": ("E", "experts touched"),
    "by_overhead": ("O", "overhead of sequences"),
    "by_limited_layers": ("L", "window-limited layers"),
    "by_sequence_limit": ("N", "limit of sequences"),
}
SCALE = Normalize(-1, 0)
FLAT: Look = {"norm": SCALE, "cmap": "cividis", "edgecolor": "white", "linewidth": 0.3}
HATCHED: Look = {"facecolor": "0.93", "edgecolor": "0.6", "hatch": "//////", "linewidth": 0}
BOX: Look = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
SMALL: Look = {"ha": "center", "size": 5.5}


def data(grids: Grids) -> pd.DataFrame:
    """One row per account, GPU, LLM and window, with the cause that moves the slope most."""
    grid = grids["slopes"].sel(gpu=list(GPUS))
    causes = grid[list(CAUSES)].to_array("cause").fillna(0)
    largest = causes.cause[causes.copy(data=six_digits(causes)).argmax("cause")].drop_vars("cause")
    grid = grid.assign(cause=largest.where(grid.slope.notnull(), ""))
    frame = frame_columns(grid, "slope", "missing", "cause")
    return frame[["account", "gpu", "llm", WINDOW, SLOPE, MISSING, "cause"]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A map per GPU and account on one scale of colour."""
    figure = Figure(figsize=(DOUBLE, 5.2))
    grid, panels = lattice(figure, frame, "gpu", "account")
    for axes, name, rows in panels:
        mesh = _map(axes, rows, label)
        axes.set_title(name)
    for axes in grid[-1]:
        axes.set_xlabel("Context window (tok)")
    color_bar(figure, mesh, grid, aspect=40, label="Slope of log tok/J over log window (1)")
    named = ";  ".join(f"{letter} {name}" for letter, name in CAUSES.values())
    figure.suptitle(f"Letters name what keeps the slope from −1 the most:\n{named}", size=7)
    return figure


def _map(axes: Axes, rows: pd.DataFrame, label: Labels) -> QuadMesh:
    llms, windows = list(rows.llm.unique()), list(rows[WINDOW].unique())
    table = rows.pivot(index="llm", columns=WINDOW, values=SLOPE).loc[llms]
    mesh = axes.pcolormesh(table.to_numpy(), **FLAT)
    fits = rows[SLOPE].notna()
    for row in rows[fits].to_dict("records"):
        _cell(axes, windows.index(row[WINDOW]) + 0.5, llms.index(row["llm"]) + 0.5, row)
    for llm, missing in rows[~fits].groupby("llm")[MISSING].max().items():
        _misfit(axes, llms.index(llm), len(windows), missing)
    heat_map_axes(axes, window_names(windows), [label(llm) for llm in llms])
    axes.set_ylim(len(llms), 0)
    return mesh


def _cell(axes: Axes, x: float, y: float, row: Mapping[str, float]) -> None:
    look = {**SMALL, "color": "white" if SCALE(row[SLOPE]) < 0.5 else "black"}
    axes.text(x, y + 0.06, signed(f"{row[SLOPE]:.2f}"), va="bottom", **look)
    axes.text(x, y + 0.11, CAUSES[str(row["cause"])][0], va="top", weight="bold", **look)


def _misfit(axes: Axes, place: int, width: int, missing: float) -> None:
    axes.add_patch(Rectangle((0, place), width, 1, **HATCHED))
    text = f"does not fit: {missing / 1e9:.1f} GB missing on each GPU"
    middle: Look = {"ha": "center", "va": "center", "size": 6, "bbox": BOX}
    axes.text(width / 2, place + 0.5, text, **middle)
