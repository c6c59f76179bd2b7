"""Latencies of fleets by formula over the same ones simulated, by load, workload and GPU."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tokwatt.reports.figures.common.axes import color_bar, heat_map_axes, panels_side_by_side
from tokwatt.reports.figures.common.frames import Grids, frame_columns
from tokwatt.reports.figures.common.looks import DOUBLE, MIDDLE, Look
from tokwatt.reports.labels import PERCENTILES, Labels

GRIDS = {"percentiles": "", "percentiles_in_bursts": ", bursts"}
"""Datasets and what their rows are called beside their GPU."""
LOAD, RATIO, DOUBTFUL = "load [1]", "over_simulated [1]", "doubtful [1]"
FARTHEST = 1.0
"""Powers of two beyond which colours no longer change."""
FLAT: Look = {"cmap": "PuOr", "edgecolor": "white", "linewidth": 0.3}
HATCHED: Look = {"fill": False, "edgecolor": "0.45", "hatch": "/////", "linewidth": 0}
BOX: Look = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75}
CASE = ["workload", "gpu", "arrivals"]
"""What a row of the map stands for."""


def data(grids: Grids) -> pd.DataFrame:
    """One row per percentile, workload, GPU, process of arrival and load."""
    parts = [
        frame_columns(grids[name], "over_simulated", "doubtful").assign(arrivals=arrivals)
        for name, arrivals in GRIDS.items()
    ]
    frame = pd.concat(parts)
    frame = frame.rename(columns={"load": LOAD})
    return frame[["percentile", "arrivals", "workload", "gpu", LOAD, RATIO, DOUBTFUL]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A map for each percentile on one scale of colour."""
    figure = Figure(figsize=(DOUBLE, 2.9))
    panels = panels_side_by_side(figure, frame.fillna({"arrivals": ""}), "percentile")
    for axes, percentile, rows in panels:
        mesh = _map(axes, rows, label)
        axes.set(title=PERCENTILES[percentile], xlabel="Load (1)")
    everywhere = [panel.axes for panel in panels]
    look: Look = {"aspect": 30, "label": "Formula over simulation (×)"}
    bar = color_bar(figure, mesh, everywhere, ticks=[-1, -0.5, 0, 0.5, 1], **look)
    bar.ax.set_yticklabels(["0.5", "0.7", "1", "1.4", "2"])
    return figure


def _map(axes: Axes, rows: pd.DataFrame, label: Labels) -> QuadMesh:
    cases = list(dict.fromkeys(zip(*(rows[name] for name in CASE), strict=True)))
    table = rows.pivot(index=CASE, columns=LOAD, values=RATIO).loc[cases]
    doubtful = rows.pivot(index=CASE, columns=LOAD, values=DOUBTFUL).loc[cases].to_numpy()
    names = [f"{label(workload)}, {gpu}{arrivals}" for workload, gpu, arrivals in cases]
    mesh = axes.pcolormesh(np.log2(table.to_numpy()), norm=Normalize(-FARTHEST, FARTHEST), **FLAT)
    for y, x in np.argwhere(table.notna().to_numpy()):
        if doubtful[y, x]:
            axes.add_patch(Rectangle((x, y), 1, 1, **HATCHED))
        axes.text(x + 0.5, y + 0.5, f"{table.iat[y, x]:.2f}", bbox=BOX, **MIDDLE)
    heat_map_axes(axes, [f"{load:g}" for load in table.columns], names)
    axes.set_ylim(len(names), 0)
    return mesh
