"""Tokens per watt against context window under the consistent account, for several LLMs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import log2_ticks, panels_side_by_side, plain_log, times
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import DOUBLE, GREY, Look
from tokwatt.reports.labels import Labels

WINDOW = "context_window [tok]"
LLMS = ("llama-3.1-8b", "qwen3-235b-a22b", "llama-3.1-70b", "llama-3.1-405b", "deepseek-v3")
CHOSEN = {
    "gpu": ["H100", "B200"],
    "llm": list(LLMS),
    "precision": "fp8",
    "tensor_parallel": 8,
    "prompt_ratio": 4,
}
MARKERS = ("o", "s", "^", "D", "v")


def data(grids: Grids) -> pd.DataFrame:
    """One row per GPU, LLM and window; LLMs that do not fit have none."""
    frame = frame_columns(grids["consistent"].sel(CHOSEN), "tokens_per_joule")
    return frame[["gpu", "llm", WINDOW, EFFICIENCY]].dropna()


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel per GPU, a line per LLM, and a dotted one that falls with slope -1."""
    figure = Figure(figsize=(DOUBLE, 2.8))
    panels = panels_side_by_side(figure, frame, "gpu")
    for axes, gpu, rows in panels:
        _lines(axes, rows, label)
        axes.set(title=gpu, xlabel="Context window (tok)")
    panels[0].axes.set_ylabel("Tokens per watt (tok/W)")
    plain_log(panels[0].axes.yaxis, times(1, 3))
    figure.legend(*panels[-1].axes.get_legend_handles_labels(), loc="outside right center")
    return figure


def _lines(axes: Axes, rows: pd.DataFrame, label: Labels) -> None:
    for place, (llm, line) in enumerate(rows.groupby("llm", sort=False)):
        look: Look = {"color": f"C{place}", "marker": MARKERS[place], "label": label(str(llm))}
        axes.plot(line[WINDOW], line[EFFICIENCY], markevery=4, **look)
    windows = np.array([rows[WINDOW].min(), rows[WINDOW].max()])
    law = rows[EFFICIENCY].max() * windows[0] / windows
    axes.plot(windows, law, color=GREY, linestyle=":", linewidth=0.9, label=label("law"))
    axes.set_yscale("log")
    log2_ticks(axes, windows[0] * 4.0 ** np.arange(np.log2(windows[1] / windows[0]) // 2 + 1))
