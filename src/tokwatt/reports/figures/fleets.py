"""Tokens per watt of whole fleets, over workload, topology and GPU."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tokwatt.reports.figures.common.axes import note, panels_side_by_side
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import DOUBLE, GREY, Look, bar_look
from tokwatt.reports.labels import Labels, context_window

INSTANCES, SHORT = "instances [instance]", "short_window [tok]"
WIDTH = 0.38
BOX: Look = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}


def data(grids: Grids) -> pd.DataFrame:
    """One row per workload, topology and GPU, in the order of Table 3."""
    frame = frame_columns(grids["fleets"], "tokens_per_joule", "instances", "short_window")
    return frame[["workload", "topology", "gpu", SHORT, INSTANCES, EFFICIENCY]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel per workload; tokens per watt stand on the bars, instances in them."""
    figure = Figure(figsize=(DOUBLE, 2.4))
    panels = panels_side_by_side(figure, frame, "workload")
    topologies = frame.topology.unique()
    for axes, workload, rows in panels:
        _bars(axes, rows)
        axes.set_xticks(range(len(topologies)), [label(name) for name in topologies])
        axes.tick_params(axis="x", length=0)
        short = context_window(rows[SHORT].iloc[0])
        axes.set_title(f"{label(workload)}, short window {short}")
    panels[0].axes.set_ylabel("Tokens per watt (tok/W)")
    handles = [Patch(label=gpu, **bar_look(gpu)) for gpu in frame.gpu.unique()]
    handles.append(Patch(facecolor="white", edgecolor=GREY, label="boxed: instances"))
    panels[-1].axes.legend(handles=handles, loc="upper left", handleheight=1.1)
    panels[0].axes.set_ylim(0, frame[EFFICIENCY].max() * 1.08)
    return figure


def _bars(axes: Axes, rows: pd.DataFrame) -> None:
    topologies, gpus = list(rows.topology.unique()), list(rows.gpu.unique())
    for row in rows.to_dict("records"):
        aside = gpus.index(row["gpu"]) - (len(gpus) - 1) / 2
        place = topologies.index(row["topology"]) + WIDTH * aside
        bar = axes.bar(place, row[EFFICIENCY], WIDTH * 0.94, **bar_look(row["gpu"]))
        axes.bar_label(bar, [f"{row[EFFICIENCY]:.2f}"], padding=2, size=7)
        note(axes, f"{row[INSTANCES]}", (place, 0), (0, 5), ha="center", size=6.5, bbox=BOX)
