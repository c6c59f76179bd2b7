"""Tokens per watt of whole fleets, over workload, topology and GPU."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tokwatt.reports.figures import DOUBLE, EFFICIENCY, GREY, bar_look, columns, label, windows

INSTANCES, SHORT = "instances [instance]", "short_window [tok]"
WIDTH = 0.38


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per workload, topology and GPU, in the order of Table 3."""
    frame = columns(grids["fleets"], "tokens_per_joule", "instances", "short_window")
    return frame[["workload", "topology", "gpu", SHORT, INSTANCES, EFFICIENCY]]


def draw(frame: pd.DataFrame) -> Figure:
    """A panel per workload; tokens per watt stand on the bars, instances in them."""
    figure = Figure(figsize=(DOUBLE, 2.4))
    panels = figure.subplots(1, frame.workload.nunique(), sharey=True)
    for axes, (workload, rows) in zip(panels, frame.groupby("workload", sort=False), strict=True):
        _panel(axes, rows)
        axes.set_title(f"{label(str(workload))}, short window {windows(rows[SHORT])[0]}")
    panels[0].set_ylabel("Tokens per watt (tok/W)")
    handles = [Patch(label=gpu, **bar_look(gpu)) for gpu in frame.gpu.unique()]
    handles.append(Patch(facecolor="white", edgecolor=GREY, label="boxed: instances"))
    panels[-1].legend(handles=handles, loc="upper left", handleheight=1.1)
    panels[0].set_ylim(0, frame[EFFICIENCY].max() * 1.08)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    topologies, gpus = list(rows.topology.unique()), list(rows.gpu.unique())
    for position, gpu in enumerate(gpus):
        own = rows[rows.gpu == gpu]
        places = [
            topologies.index(name) + WIDTH * (position - (len(gpus) - 1) / 2)
            for name in own.topology
        ]
        bars = axes.bar(places, own[EFFICIENCY], WIDTH * 0.94, **bar_look(gpu))
        axes.bar_label(bars, [f"{value:.2f}" for value in own[EFFICIENCY]], padding=2, size=7)
        for place, count in zip(places, own[INSTANCES], strict=True):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
            axes.annotate(
                f"{count}",
                (place, 0),
                (0, 5),
                textcoords="offset points",
                ha="center",
                size=6.5,
                bbox=box,
            )
    axes.set_xticks(range(len(topologies)), [label(name) for name in topologies])
    axes.tick_params(axis="x", length=0)
