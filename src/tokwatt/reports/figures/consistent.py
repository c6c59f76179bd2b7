"""Tokens per watt against context window under the consistent account, for several LLMs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import DOUBLE, EFFICIENCY, GREY, columns, label, log2_ticks, plain_log

WINDOW = "context_window [tok]"
GPUS = ("H100", "B200")
LLMS = ("llama-3.1-8b", "qwen3-235b-a22b", "llama-3.1-70b", "llama-3.1-405b", "deepseek-v3")
CHOSEN = {
    "gpu": list(GPUS),
    "llm": list(LLMS),
    "precision": "fp8",
    "tensor_parallel": 8,
    "prompt_ratio": 4,
}
MARKERS = ("o", "s", "^", "D", "v")


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per GPU, LLM and window; LLMs that do not fit have none."""
    frame = columns(grids["consistent"].sel(CHOSEN), "tokens_per_joule")
    return frame[["gpu", "llm", WINDOW, EFFICIENCY]].dropna()


def draw(frame: pd.DataFrame) -> Figure:
    """A panel per GPU, a line per LLM, and a dotted one that falls with slope -1."""
    figure = Figure(figsize=(DOUBLE, 2.8))
    panels = figure.subplots(1, frame.gpu.nunique(), sharey=True)
    for axes, (gpu, rows) in zip(panels, frame.groupby("gpu", sort=False), strict=True):
        _lines(axes, rows)
        axes.set(title=str(gpu), xlabel="Context window (tok)")
    panels[0].set_ylabel("Tokens per watt (tok/W)")
    plain_log(panels[0].yaxis, [0.03, 0.1, 0.3, 1, 3, 10])
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside right center")
    return figure


def _lines(axes: Axes, rows: pd.DataFrame) -> None:
    for place, (llm, line) in enumerate(rows.groupby("llm", sort=False)):
        axes.plot(
            line[WINDOW],
            line[EFFICIENCY],
            color=f"C{place}",
            marker=MARKERS[place],
            markevery=4,
            label=label(str(llm)),
        )
    windows = np.array([rows[WINDOW].min(), rows[WINDOW].max()])
    axes.plot(
        windows,
        rows[EFFICIENCY].max() * windows[0] / windows,
        color=GREY,
        linestyle=":",
        linewidth=0.9,
        label="Slope −1",
    )
    axes.set_yscale("log")
    log2_ticks(axes, 2.0 ** np.arange(11, 18, 2))
