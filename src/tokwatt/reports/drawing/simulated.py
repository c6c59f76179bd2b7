"""One simulated run as a figure: its seconds, and the latencies of its requests."""

from pathlib import Path

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.drawing.plotting import STYLE
from tokwatt.reports.figures.common.axes import decades
from tokwatt.reports.figures.common.looks import DOUBLE

PASSING = {
    "Requests": {"running": "second_running", "waiting": "second_waiting"},
    "KV cache pool in use (1)": {"": "second_kv_use"},
    "Power (kW)": {"": "second_power"},
}
"""Panels over time: their variables by the name of the line."""
LATENCIES = {"first token": "request_first_token", "inter-token, median": "request_itl_p50",
             "inter-token, p99": "request_itl_p99"}  # fmt: skip


def write_run(found: xr.Dataset, path: Path) -> None:
    """Draw the first run of a simulation."""
    with matplotlib.style.context(STYLE):
        draw_run(found.isel(seed=0)).savefig(path)


def draw_run(run: xr.Dataset) -> Figure:
    """Requests, KV cache and power over time, and how latencies are distributed."""
    figure = Figure(figsize=(DOUBLE, 4.0))
    panels = figure.subplots(2, 2).ravel()
    for axes, (label, lines) in zip(panels, PASSING.items(), strict=False):
        _over_time(axes, run, label, lines)
    _distributions(panels[-1], run)
    return figure


def _over_time(axes: Axes, run: xr.Dataset, label: str, lines: dict[str, str]) -> None:
    scale = 1e-3 if "kW" in label else 1.0
    for name, variable in lines.items():
        axes.step(run.second, scale * run[variable], where="post", label=name)
    axes.set(xlabel="Time (s)", ylabel=label, ylim=(0, None))
    if len(lines) > 1:
        axes.legend()


def _distributions(axes: Axes, run: xr.Dataset) -> None:
    for name, variable in LATENCIES.items():
        values = np.sort(run[variable].values[~np.isnan(run[variable].values)])
        axes.plot(values, np.arange(1, len(values) + 1) / len(values), label=name)
    axes.set(xscale="log", xlabel="Latency (s)", ylabel="Share of requests (1)", ylim=(0, 1))
    decades(axes.xaxis)
    axes.legend()
