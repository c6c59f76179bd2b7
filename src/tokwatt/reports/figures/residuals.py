"""What each account misses, against the batch and against the size of the LLM."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import decades, legend_above
from tokwatt.reports.figures.common.frames import Grids, unit_columns
from tokwatt.reports.figures.common.looks import ACCOUNTS, COMPARED, DOUBLE, GREY, OPEN
from tokwatt.reports.labels import Labels

QUANTITIES = {
    "latency": "Inter-token latency",
    "power": "Board power",
    "tokens_per_joule": "Tokens per joule",
}
BATCH, SIZE = "batch [seq]", "parameters [param]"


def data(grids: Grids) -> pd.DataFrame:
    """One row per account and run: predicted over measured."""
    runs = grids["measured_runs"]
    about = ["gpu", "llm", "task", "batch", "parameters"]
    ratios = [f"{name}_over_measured" for name in QUANTITIES]
    frame = unit_columns(runs.sel(account=list(COMPARED)), *ratios, *about)
    named = ["gpu", "llm", "task", BATCH, SIZE, "account"]
    return frame[[*named, *map(_column, QUANTITIES)]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Logarithmic throughout; the band holds errors of up to a quarter either way."""
    figure = Figure(figsize=(DOUBLE, 5.2))
    grid = figure.subplots(len(QUANTITIES), 2, sharex="col", sharey="row")
    for pair, (name, title) in zip(grid, QUANTITIES.items(), strict=True):
        for axes, against in zip(pair, (BATCH, SIZE), strict=True):
            _panel(axes, frame, against, _column(name), label)
        _halvings(pair[0].yaxis, frame[_column(name)])
        pair[0].set_ylabel(f"{title}:\npredicted / measured (×)")
    for axes, text in zip(grid[-1], ("Batch (seq)", "Parameters of the LLM (param)"), strict=True):
        axes.set(xlabel=text, xscale="log")
        decades(axes.xaxis)
    legend_above(figure, grid[0, 0])
    return figure


def _panel(axes: Axes, frame: pd.DataFrame, against: str, quantity: str, label: Labels) -> None:
    axes.axhspan(0.8, 1.25, color="0.9", zorder=0)
    axes.axhline(1, color=GREY, linewidth=0.6, zorder=1)
    axes.set_yscale("log", base=2)
    for number, account in enumerate(COMPARED):
        rows, look = frame[frame.account == account], {**ACCOUNTS[account], **OPEN}
        # The sizes are few, so that marks of the accounts would lie upon each other.
        aside = 1.06 ** (number - 1) if against == SIZE else 1.0
        look |= {"markersize": 2.4, "markeredgewidth": 0.6, "label": label(account)}
        axes.plot(rows[against] * aside, rows[quantity], **look)


def _halvings(axis: Axis, values: pd.Series) -> None:
    powers = np.arange(np.floor(np.log2(values.min())), np.ceil(np.log2(values.max())) + 1)
    ticks = 2.0 ** powers[powers % max(1, len(powers) // 5) == 0]
    axis.set_ticks(ticks, [f"{tick:g}" if tick >= 1 else f"1/{1 / tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _column(name: str) -> str:
    return f"{name}_over_measured [1]"
