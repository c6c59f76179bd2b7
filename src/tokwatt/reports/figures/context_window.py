"""Tokens per watt against context window, and how far its fall is from inverse proportion."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import (
    COLORS,
    EFFICIENCY,
    GREY,
    SINGLE,
    columns,
    line_look,
    log2_ticks,
    plain_log,
)

WINDOW, SLOPE = "context_window [tok]", "local_slope [1]"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per GPU and context window; the slope is the one from the window before."""
    frame = columns(grids["context_window"], "tokens_per_joule", "local_slope")
    return frame.sort_values(["gpu", WINDOW], ascending=[False, True])[
        ["gpu", WINDOW, EFFICIENCY, SLOPE]
    ]


def draw(frame: pd.DataFrame) -> Figure:
    """Both axes logarithmic; slopes stand between the points they join."""
    figure = Figure(figsize=(SINGLE, 3.1))
    axes = figure.add_subplot()
    best = frame.loc[frame[EFFICIENCY].idxmax(), "gpu"]
    for gpu, rows in frame.groupby("gpu", sort=False):
        _line(axes, str(gpu), rows, above=gpu == best)
    _guide(axes, frame[frame.gpu != best])
    axes.set_yscale("log", base=2)
    log2_ticks(axes, frame[WINDOW].unique())
    plain_log(axes.yaxis, 2.0 ** np.arange(-6, 12))
    axes.set_xlim(frame[WINDOW].min() * 0.7, frame[WINDOW].max() * 2.4)
    axes.set(xlabel="Context window (tok)", ylabel="Tokens per watt (tok/W)")
    return figure


def _line(axes: Axes, gpu: str, rows: pd.DataFrame, above: bool) -> None:
    window, efficiency = rows[WINDOW].to_numpy(), rows[EFFICIENCY].to_numpy()
    axes.plot(window, efficiency, **line_look(gpu))
    axes.annotate(
        gpu,
        (window[-1], efficiency[-1]),
        (6, 0),
        textcoords="offset points",
        va="center",
        color=COLORS[gpu],
        weight="bold",
    )
    middle = np.sqrt(window[1:] * window[:-1])
    level = (
        np.sqrt(efficiency[1:] * efficiency[:-1]) if above else _inverse(window, efficiency, middle)
    )
    place: dict[str, Any] = (
        {"xytext": (2, 3), "ha": "left", "va": "bottom"}
        if above
        else {"xytext": (-2, -3), "ha": "right", "va": "top"}
    )
    for x, y, slope in zip(middle, level, rows[SLOPE].to_numpy()[1:], strict=True):
        axes.annotate(
            f"{slope:.2f}".replace("-", "−"),
            (x, y),
            textcoords="offset points",
            color=COLORS[gpu],
            size=6,
            **place,
        )


def _guide(axes: Axes, rows: pd.DataFrame) -> None:
    """Inverse proportion from the first point on; the slopes of this line stand below it."""
    window = rows[WINDOW].to_numpy()
    level = _inverse(window, rows[EFFICIENCY].to_numpy(), window)
    axes.plot(window, level, color=GREY, linewidth=0.7, linestyle=":", zorder=1)
    axes.annotate(
        "slope −1",
        (window[-1], level[-1]),
        (6, -1),
        textcoords="offset points",
        va="center",
        color=GREY,
    )


def _inverse(window: np.ndarray, efficiency: np.ndarray, at: np.ndarray) -> np.ndarray:
    return efficiency[0] * window[0] / at
