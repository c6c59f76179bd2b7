"""Predicted against measured, run by run, for each account and quantity."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from tokwatt.reports.figures import COLORS, DOUBLE, GREY

PANELS = {
    "latency [s]": "Token latency",
    "throughput [tok/s]": "Throughput",
    "power [W]": "Board power",
    "tokens_per_joule [tok/J]": "Tokens per joule",
}
UNITS = {each: each.split("[")[1].rstrip("]") for each in PANELS}
ROWS = {"paper": "The paper", "consistent": "Consistent account", "held_out": "Calibrated"}
MARKERS = {"dense": "o", "hybrid": "^", "experts": "D"}
KINDS = {"dense": "Dense", "hybrid": "Hybrid", "experts": "Mixture of experts"}


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per account and run, with what was measured beside it."""
    runs = grids["measured_runs"]
    names = {key.split(" ")[0]: key for key in PANELS}
    long = (
        runs[[*names, "gpu", "llm", "task", "kind", "gpus", "batch"]].to_dataframe().reset_index()
    )
    measured = long[long.account == "measured"].set_index("run")
    frame = long[long.account != "measured"].copy()
    for name, key in names.items():
        frame[f"measured_{key}"] = measured.loc[frame.run, name].to_numpy()
    frame = frame.rename(columns={**names, "batch": "batch [seq]", "gpus": "gpus [1]"})
    pairs = [f"{each}{key}" for key in PANELS for each in ("measured_", "")]
    return frame[["account", "gpu", "llm", "task", "kind", "gpus [1]", "batch [seq]", *pairs]]


def draw(frame: pd.DataFrame) -> Figure:
    """A row of panels for each account; behind the predictions of held-out LLMs lies what the fit to every run says."""
    figure = Figure(figsize=(DOUBLE, 5.3))
    panels = figure.subplots(len(ROWS), len(PANELS), sharex="col", sharey="col")
    for row, account in enumerate(ROWS):
        for column, (quantity, title) in enumerate(PANELS.items()):
            axes = panels[row, column]
            if account == "held_out":
                seen = frame[frame.account == "in_sample"]
                axes.plot(
                    seen[f"measured_{quantity}"],
                    seen[quantity],
                    "x",
                    color="0.6",
                    markersize=2.2,
                    markeredgewidth=0.5,
                )
            _scatter(axes, frame[frame.account == account], quantity)
            _frame(axes, frame, quantity)
            if column > 0:
                axes.set_ylabel(f"({UNITS[quantity]})")
            if row == 0:
                axes.set_title(title)
            if row == len(ROWS) - 1:
                axes.set_xlabel(f"Measured ({UNITS[quantity]})")
        panels[row, 0].set_ylabel(f"{ROWS[account]}:\npredicted (s)")
    looks: list[dict[str, Any]] = [
        {"color": COLORS[gpu], "marker": "s", "label": gpu} for gpu in ("H100", "B200")
    ]
    looks += [
        {"color": GREY, "marker": marker, "label": KINDS[kind], "markerfacecolor": "none"}
        for kind, marker in MARKERS.items()
    ]
    looks += [{"color": "0.6", "marker": "x", "label": "Calibrated, LLM not held out"}]
    handles = [Line2D([], [], linestyle="", **look) for look in looks]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(looks), handletextpad=0.2)
    return figure


def _scatter(axes: Axes, frame: pd.DataFrame, quantity: str) -> None:
    for (gpu, kind), rows in frame.groupby(["gpu", "kind"], sort=False):
        look: dict[str, Any] = {
            "color": COLORS[str(gpu)],
            "marker": MARKERS[str(kind)],
            "markerfacecolor": "none",
        }
        axes.plot(
            rows[f"measured_{quantity}"],
            rows[quantity],
            linestyle="",
            markersize=2.6,
            markeredgewidth=0.6,
            **look,
        )


def _frame(axes: Axes, frame: pd.DataFrame, quantity: str) -> None:
    both = frame[[quantity, f"measured_{quantity}"]].to_numpy()
    low, high = np.nanmin(both) / 1.15, np.nanmax(both) * 1.15
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.6, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set_box_aspect(1)
    if quantity.startswith("power"):
        ticks = [200, 400, 800]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
