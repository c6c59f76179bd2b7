"""Tokens per watt of two-pool fleets over where they are split, for fleets of any size."""

from itertools import cycle

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import log2_ticks, panels_side_by_side, plain_log, times
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import DASHED, DOUBLE
from tokwatt.reports.labels import Labels

SPLIT, RATE = "split_length [tok]", "arrival_rate [req/s]"
TICKS = (256, 1024, 4096, 16384)
DASHES = (":", "-.", DASHED, (0, (6, 1, 1, 1)), "-")


def data(grids: Grids) -> pd.DataFrame:
    """One row per workload, arrival rate and split length."""
    return frame_columns(grids["fleet_size"], "tokens_per_joule")[
        ["workload", RATE, SPLIT, EFFICIENCY]
    ]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel per workload, a line per arrival rate with a dot at its best split."""
    figure = Figure(figsize=(DOUBLE, 2.6))
    panels = panels_side_by_side(figure, frame, "workload")
    for axes, workload, rows in panels:
        _lines(axes, rows)
        axes.set(title=label(workload), xlabel="Split length (tok)")
    first = panels[0].axes
    first.set_ylabel("Tokens per watt (tok/W)")
    plain_log(first.yaxis, times(1, 3))
    handles, labels = first.get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], title="Requests per second", loc="outside right center"
    )
    return figure


def _lines(axes: Axes, rows: pd.DataFrame) -> None:
    rates = rows.groupby(RATE)
    shades = matplotlib.colormaps["cividis"](np.linspace(0.6, 0, len(rates)))
    for (rate, line), color, dashes in zip(rates, shades, cycle(DASHES), strict=False):
        look = {"color": color, "linestyle": dashes, "label": f"{rate:,.0f}"}
        axes.plot(line[SPLIT], line[EFFICIENCY], **look)
        best = line.loc[line[EFFICIENCY].idxmax()]
        axes.plot(best[SPLIT], best[EFFICIENCY], "o", color=color)
    axes.set_yscale("log")
    log2_ticks(axes, TICKS)
