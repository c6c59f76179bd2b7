"""What each account misses, against the batch and against the size of the LLM."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import ACCOUNTS, DOUBLE, GREY

QUANTITIES = {
    "latency": "Time between tokens",
    "power": "Board power",
    "tokens_per_joule": "Tokens per joule",
}
DRAWN = ("paper", "consistent", "held_out")
BATCH, SIZE = "batch [seq]", "parameters [param]"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per account and run: predicted over measured."""
    runs = grids["measured_runs"]
    ratio = runs[[f"{name}_over_measured" for name in QUANTITIES]]
    frame = ratio.sel(account=list(DRAWN)).to_dataframe().reset_index()
    own = (
        runs[["gpu", "llm", "task", "batch", "parameters"]]
        .to_dataframe()
        .loc[frame.run]
        .reset_index(drop=True)
    )
    frame = frame.drop(columns="run").rename(
        columns={f"{name}_over_measured": _column(name) for name in QUANTITIES}
    )
    return pd.concat([own.rename(columns={"batch": BATCH, "parameters": SIZE}), frame], axis=1)


def draw(frame: pd.DataFrame) -> Figure:
    """Logarithmic throughout; the band holds errors of up to a quarter either way."""
    figure = Figure(figsize=(DOUBLE, 5.2))
    panels = figure.subplots(len(QUANTITIES), 2, sharex="col", sharey="row")
    for row, (name, title) in enumerate(QUANTITIES.items()):
        for axes, against in zip(panels[row], (BATCH, SIZE), strict=True):
            _panel(axes, frame, against, _column(name))
        panels[row, 0].set_ylabel(f"{title}:\npredicted / measured (×)")
    panels[-1, 0].set(xlabel="Batch (seq)", xscale="log")
    panels[-1, 1].set(xlabel="Parameters of the LLM (param)", xscale="log")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(DRAWN))
    return figure


def _panel(axes: Axes, frame: pd.DataFrame, against: str, quantity: str) -> None:
    axes.axhspan(0.8, 1.25, color="0.9", zorder=0)
    axes.axhline(1, color=GREY, linewidth=0.6, zorder=1)
    for number, account in enumerate(DRAWN):
        rows, look = frame[frame.account == account], ACCOUNTS[account]
        # The sizes are few, so that marks of the accounts would lie upon each other.
        aside = 1.06 ** (number - 1) if against == SIZE else 1.0
        marks = {
            "color": look["color"],
            "marker": look["marker"],
            "label": look["label"],
            "markerfacecolor": "none",
        }
        axes.plot(
            rows[against] * aside,
            rows[quantity],
            linestyle="",
            markersize=2.4,
            markeredgewidth=0.6,
            **marks,
        )
    axes.set_yscale("log", base=2)
    powers = np.arange(
        np.floor(np.log2(frame[quantity].min())), np.ceil(np.log2(frame[quantity].max())) + 1
    )
    ticks = 2.0 ** powers[powers % max(1, len(powers) // 5) == 0]
    axes.set_yticks(ticks, [f"{tick:g}" if tick >= 1 else f"1/{1 / tick:g}" for tick in ticks])
    axes.minorticks_off()


def _column(name: str) -> str:
    return f"{name}_over_measured [1]"
