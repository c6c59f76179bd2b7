"""The law itself: slope of log tok/J over log window, and what keeps it from -1."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tokwatt.reports.figures import DOUBLE, columns, label, windows

WINDOW, SLOPE, MISSING = "context_window [tok]", "slope [1]", "missing [B]"
GPUS = ("H100", "B200")
CAUSES = {
    "by_prompts": ("P", "prompts"),
    "by_arithmetic": ("A", "arithmetic of decoding"),
    "by_experts": ("E", "experts touched"),
    "by_overhead": ("O", "overhead of sequences"),
    "by_limited_layers": ("L", "window-limited layers"),
}


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per account, GPU, LLM and window, with the cause that moves the slope most."""
    grid = grids["slopes"].sel(gpu=list(GPUS))
    causes = grid[list(CAUSES)].to_array("cause")
    largest = causes.cause[causes.fillna(0).argmax("cause")].drop_vars("cause")
    frame = columns(
        grid.assign(cause=largest.where(grid.slope.notnull(), "")), "slope", "missing", "cause"
    )
    return frame[["account", "gpu", "llm", WINDOW, SLOPE, MISSING, "cause"]]


def draw(frame: pd.DataFrame) -> Figure:
    """A map per GPU and account on one scale of colour."""
    figure = Figure(figsize=(DOUBLE, 5.2))
    gpus, accounts = frame.gpu.unique(), frame.account.unique()
    panels = figure.subplots(len(gpus), len(accounts), sharex=True, sharey=True)
    for row, gpu in zip(panels, gpus, strict=True):
        for axes, account in zip(row, accounts, strict=True):
            mesh = _map(axes, frame[(frame.gpu == gpu) & (frame.account == account)])
            axes.set_title(f"{gpu}, {account}")
    for axes in panels[-1]:
        axes.set_xlabel("Context window (tok)")
    bar = figure.colorbar(
        mesh, ax=panels, pad=0.01, aspect=40, label="Slope of log tok/J over log window (1)"
    )
    bar.outline.set_visible(False)
    named = ";  ".join(f"{letter} {name}" for letter, name in CAUSES.values())
    figure.suptitle(f"Letters name what keeps the slope from −1 the most:\n{named}", size=7)
    return figure


def _map(axes: Axes, rows: pd.DataFrame) -> QuadMesh:
    llms, lengths, norm = list(rows.llm.unique()), list(rows[WINDOW].unique()), Normalize(-1, 0)
    table = rows.pivot(index="llm", columns=WINDOW, values=SLOPE).loc[llms]
    mesh = axes.pcolormesh(
        table.to_numpy(), norm=norm, cmap="cividis", edgecolor="white", linewidth=0.3
    )
    for row in rows.to_dict("records"):
        if not np.isnan(row[SLOPE]):
            x, y = lengths.index(row[WINDOW]) + 0.5, llms.index(row["llm"]) + 0.5
            color = "white" if norm(row[SLOPE]) < 0.5 else "black"
            axes.text(
                x,
                y + 0.06,
                f"{row[SLOPE]:.2f}".replace("-", "−"),
                ha="center",
                va="bottom",
                size=5.5,
                color=color,
            )
            axes.text(
                x,
                y + 0.11,
                CAUSES[row["cause"]][0],
                ha="center",
                va="top",
                size=5.5,
                weight="bold",
                color=color,
            )
    for llm, own in rows[rows[SLOPE].isna()].groupby("llm"):
        _infeasible(axes, llms.index(str(llm)), len(lengths), own[MISSING].max())
    axes.set_xticks(np.arange(len(lengths)) + 0.5, windows(lengths))
    axes.set_yticks(np.arange(len(llms)) + 0.5, [label(llm) for llm in llms])
    axes.set_ylim(len(llms), 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh


def _infeasible(axes: Axes, place: int, width: int, missing: float) -> None:
    axes.add_patch(
        Rectangle(
            (0, place), width, 1, facecolor="0.93", edgecolor="0.6", hatch="//////", linewidth=0
        )
    )
    text = f"does not fit: {missing / 1e9:.1f} GB missing on each GPU"
    axes.text(
        width / 2,
        place + 0.5,
        text,
        ha="center",
        va="center",
        size=6,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )
