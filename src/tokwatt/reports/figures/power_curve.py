"""Power of a GPU over its batch, and where the operating points of Table 1 lie on the curve."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import COLORS, SINGLE, columns, line_look, windows

BATCH, POWER, WINDOW = "batch [seq]", "power [W]", "context_window [tok]"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Points of the curve, which have no context window, and the operating points, which have one."""
    curve = columns(grids["power_curve"], "power")
    points = columns(grids["context_window"], "batch", "power")
    both = pd.concat([curve.assign(kind="curve"), points.assign(kind="operating point")])
    return both.sort_values(["kind", "gpu", BATCH], ascending=[True, False, True])[
        ["kind", "gpu", WINDOW, BATCH, POWER]
    ]


def draw(frame: pd.DataFrame) -> Figure:
    """Batch in doublings; each operating point is named by its context window."""
    figure = Figure(figsize=(SINGLE, 2.5))
    axes = figure.add_subplot()
    highest = frame.loc[frame[POWER].idxmax(), "gpu"]
    for gpu, rows in frame.groupby("gpu", sort=False):
        _curve(axes, str(gpu), rows[rows.kind == "curve"])
        _points(axes, str(gpu), rows[rows.kind != "curve"], above=gpu == highest)
    axes.set_xscale("log", base=2)
    ticks = [2**power for power in range(0, 12, 2)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.9, frame[BATCH].max() * 1.1)
    axes.set_ylim(0, frame[POWER].max() * 1.15)
    axes.set(xlabel="Sequences in flight (seq)", ylabel="Power of one GPU (W)")
    return figure


def _curve(axes: Axes, gpu: str, rows: pd.DataFrame) -> None:
    batch, power = rows[BATCH].to_numpy(), rows[POWER].to_numpy()
    axes.plot(batch, power, **{**line_look(gpu), "marker": ""})
    axes.annotate(
        gpu,
        (batch[0], power[0]),
        (0, 5),
        textcoords="offset points",
        color=COLORS[gpu],
        weight="bold",
    )


def _points(axes: Axes, gpu: str, rows: pd.DataFrame, above: bool) -> None:
    batch, power = rows[BATCH].to_numpy(), rows[POWER].to_numpy()
    axes.plot(
        batch,
        power,
        **{**line_look(gpu), "linestyle": "", "markeredgecolor": "white", "markersize": 5},
    )
    place: dict[str, Any] = (
        {"xytext": (2, 4), "ha": "right", "va": "bottom"}
        if above
        else {"xytext": (-2, -4), "ha": "left", "va": "top"}
    )
    for x, y, name in zip(batch, power, windows(rows[WINDOW]), strict=True):
        axes.annotate(
            name, (x, y), textcoords="offset points", color=COLORS[gpu], size=6.5, **place
        )
