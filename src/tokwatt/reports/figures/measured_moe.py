"""A mixture of experts against a dense LLM at equal batch."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import ACCOUNTS, DOUBLE, GREY, label, plain_log

BATCH, RATIO = "batch [seq]", "ratio [1]"
TICKS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16]


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per pair, account and batch at which both were measured."""
    return ratios(grids["measured_moe"])


def ratios(grid: xr.Dataset) -> pd.DataFrame:
    """Rows of a grid of ratios, without what is missing."""
    known = [name for name in ACCOUNTS if name in grid.account]
    frame = grid[["ratio"]].sel(account=known).to_dataframe().reset_index().dropna()
    return frame.rename(columns={"batch": BATCH, "ratio": RATIO})


def draw(frame: pd.DataFrame) -> Figure:
    """A panel for each pair."""
    figure = Figure(figsize=(DOUBLE, 2.6))
    panels = figure.subplots(1, frame.pair.nunique(), sharey=True)
    small_multiples(figure, list(panels), frame, TICKS)
    panels[0].set_ylabel("Tokens per joule, mixture / dense (×)")
    return figure


def small_multiples(
    figure: Figure, panels: list[Axes], frame: pd.DataFrame, ticks: list[float]
) -> None:
    """A panel for each pair, a line for each account, one legend."""
    for axes, (pair, rows) in zip(panels, frame.groupby("pair", sort=False), strict=True):
        axes.axhline(1, color=GREY, linewidth=0.6, linestyle=":", zorder=1)
        for account, own in rows.groupby("account", sort=False):
            axes.plot(
                own[BATCH],
                own[RATIO],
                **ACCOUNTS[str(account)],
                markersize=2.8,
                markerfacecolor="none",
            )
        axes.set_title(str(pair) if " " in str(pair) else label(str(pair)))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        batches = rows[BATCH].unique()
        shown = batches[:: 1 + len(batches) // 6]
        axes.set_xticks(shown, [f"{batch:g}" for batch in shown])
        axes.minorticks_off()
        plain_log(axes.yaxis, ticks)
        axes.set_xlabel("Batch (seq)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
