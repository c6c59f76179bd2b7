"""Tokens per joule over the batch, dense and mixtures of experts, experts read and reached in several ways."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokwatt.reports.figures import DOUBLE, label, plain_log

BATCH, EFFICIENCY = "batch [seq]", "tokens_per_joule [tok/J]"
DENSE = "llama-3.1-70b"
LOOKS: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": {"color": "0.55", "linestyle": "-", "marker": "v"},
    DENSE: {"color": "black", "linestyle": "-", "marker": "s", "linewidth": 1.8},
    "qwen3-30b-a3b": {"color": "#56B4E9", "linestyle": (0, (4, 1.2)), "marker": "^"},
    "qwen3-235b-a22b": {"color": "#0072B2", "linestyle": (0, (4, 1.2)), "marker": "o"},
    "deepseek-v3": {"color": "#D55E00", "linestyle": "-.", "marker": "D"},
    "gpt-oss-120b": {"color": "#009E73", "linestyle": ":", "marker": "P"},
}
"""The LLMs that are drawn: two dense ones, then mixtures of experts."""
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 8,
    "markerfacecolor": "none",
    "markeredgewidth": 1.2,
    "color": "black",
    "linestyle": "",
}

PLACES: list[dict[str, Any]] = [
    {"xytext": (5, -4), "va": "top"},
    {"xytext": (-4, 4), "ha": "right"},
    {"xytext": (6, 0), "va": "center"},
]
"""Where the batches of a panel's rings stand, the smallest first."""


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per reading, GPU, LLM and batch that fits; and one, of the kind `even`, where a mixture is level with the dense LLM."""
    grid = grids["lever"].sel(llm=list(LOOKS))
    order = ["reading", "gpu", "llm", "batch"]
    points = (
        grid[["tokens_per_joule"]]
        .to_dataframe(dim_order=order)
        .dropna()
        .reset_index()
        .assign(kind="point")
    )
    even = (
        grid.even_batch.to_dataframe("batch", dim_order=order[:-1])
        .dropna()
        .reset_index()
        .assign(kind="even")
    )
    frame = pd.concat([points, even])[["kind", *order, "tokens_per_joule"]]
    return frame.rename(columns={"batch": BATCH, "tokens_per_joule": EFFICIENCY})


def draw(frame: pd.DataFrame) -> Figure:
    """A panel per GPU and reading; a ring where a mixture of experts falls behind the dense LLM."""
    figure = Figure(figsize=(DOUBLE, 4.3))
    gpus, readings = frame.gpu.unique(), frame.reading.unique()
    panels = figure.subplots(len(gpus), len(readings), sharex=True, sharey=True)
    for row, gpu in zip(panels, gpus, strict=True):
        for axes, reading in zip(row, readings, strict=True):
            _panel(axes, frame[(frame.gpu == gpu) & (frame.reading == reading)])
            axes.set_title(f"{gpu}, {reading}", size=7)
        row[0].set_ylabel("Tokens per joule (tok/J)")
    _scales(panels[0, 0])
    for axes in panels[-1]:
        axes.set_xlabel("Batch (seq)")
    handles = [Line2D([], [], label=label(llm), **look) for llm, look in LOOKS.items()]
    handles.append(Line2D([], [], label=f"falls behind {label(DENSE)}", **RING))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    lines = {llm: rows[(rows.llm == llm) & (rows.kind == "point")] for llm in LOOKS}
    for llm, line in lines.items():
        axes.plot(line[BATCH], line[EFFICIENCY], markevery=8, markersize=3.2, **LOOKS[llm])
    dense = lines[DENSE]
    for row, place in zip(
        rows[rows.kind == "even"].sort_values(BATCH).to_dict("records"), PLACES, strict=False
    ):
        level = np.exp(
            np.interp(np.log(row[BATCH]), np.log(dense[BATCH]), np.log(dense[EFFICIENCY]))
        )
        axes.plot(row[BATCH], level, **RING | {"markeredgecolor": LOOKS[row["llm"]]["color"]})
        axes.annotate(
            f"{row[BATCH]:.2g}",
            (row[BATCH], level),
            textcoords="offset points",
            size=6.5,
            weight="bold",
            **place,
        )
    absent = [label(llm) for llm, line in lines.items() if line.empty]
    if absent:
        axes.annotate(
            f"{', '.join(absent)} does not fit",
            (0.97, 0.03),
            xycoords="axes fraction",
            ha="right",
            size=6,
        )
    axes.grid()


def _scales(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.margins(y=0.1)
    plain_log(axes.xaxis, 4.0 ** np.arange(0, 8))
    plain_log(axes.yaxis, 10.0 ** np.arange(-3, 4))
