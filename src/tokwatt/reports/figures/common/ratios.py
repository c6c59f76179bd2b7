"""Ratios of tokens per joule over the batch: a panel for each pair, a line for each account."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import legend_above, panels_side_by_side, plain_log
from tokwatt.reports.figures.common.frames import Grids, unit_columns
from tokwatt.reports.figures.common.looks import ACCOUNTS, DOUBLE, GREY
from tokwatt.reports.labels import Labels

BATCH, RATIO = "batch [seq]", "ratio [1]"
PER_ROW, HEIGHT, AROUND = 3, 1.75, 0.6
"""Panels in a row, and inches of a row and of what lies around the rows."""


@dataclass(frozen=True)
class Ratios:
    """Draws a grid of ratios.

    Attributes:
        grid: its name.
        quantity: what the vertical axis is called.
        ticks: numbers on that axis.
    """

    grid: str
    quantity: str
    ticks: Sequence[float]

    def data(self, grids: Grids) -> pd.DataFrame:
        """One row per pair, account and batch at which both were measured."""
        accounts = [name for name in ACCOUNTS if name in grids[self.grid].account]
        return unit_columns(grids[self.grid].sel(account=accounts), "ratio").dropna()

    def draw(self, frame: pd.DataFrame, label: Labels) -> Figure:
        """Three panels to a row, one for each pair, on one vertical axis."""
        lines = -(-frame.pair.nunique() // PER_ROW)
        figure = Figure(figsize=(DOUBLE, HEIGHT * lines + AROUND))
        panels = panels_side_by_side(figure, frame, "pair", PER_ROW)
        for axes, pair, rows in panels:
            _lines(axes, rows, label)
            _scales(axes, rows[BATCH].unique(), self.ticks)
            axes.set_title(label(pair))
        for axes, *_ in panels[::PER_ROW]:
            axes.set_ylabel(self.quantity)
        legend_above(figure, panels[0].axes)
        return figure


def _lines(axes: Axes, rows: pd.DataFrame, label: Labels) -> None:
    axes.axhline(1, color=GREY, linewidth=0.6, linestyle=":", zorder=1)
    for account, line in rows.groupby("account", sort=False):
        look = {**ACCOUNTS[str(account)], "label": label(str(account)), "markerfacecolor": "none"}
        axes.plot(line[BATCH], line[RATIO], markersize=2.8, **look)


def _scales(axes: Axes, batches: list[float], ticks: Sequence[float]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    shown = batches[:: 1 + len(batches) // 6]
    axes.set_xticks(shown, [f"{batch:g}" for batch in shown])
    axes.minorticks_off()
    plain_log(axes.yaxis, ticks)
    axes.set_xlabel("Batch (seq)")
