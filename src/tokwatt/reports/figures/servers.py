"""Latencies of servers over the arrival rate, measured and simulated."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokwatt.reports.figures.common.axes import decades, named_lines, plain_log, times
from tokwatt.reports.figures.common.frames import Grids, unit_columns
from tokwatt.reports.figures.common.looks import BLUE, DASHED, DOUBLE, VERMILION, Look
from tokwatt.reports.labels import Labels

LATENCIES = {
    "first_token": "Time to first token (s)",
    "time_per_output_token": "Time per output token (s)",
}
FEWEST = 3
"""Rates of a server that is drawn."""
MOST_RATE = 1000.0
"""Rates beyond it stand for requests that all come at once, req/s."""
RATE = "arrival_rate [req/s]"
SERIES: dict[str, Look] = {
    "measured": {"color": "black", "marker": "o"},
    "calibrated": {"color": BLUE, "marker": "s"},
    "fitted": {"color": VERMILION, "marker": "^"},
}
NAMES = {
    "measured": "Measured",
    "calibrated": "Simulated, calibrated steps",
    "fitted": "Simulated, steps fitted at the lowest rate",
}
PERCENTILES: dict[str, Look] = {
    "": {"linestyle": "-", "markersize": 2.6},
    "_p99": {"linestyle": DASHED, "markersize": 2.6, "markerfacecolor": "white"},
}


def data(grids: Grids) -> pd.DataFrame:
    """One row per series and run of a server that was measured at several rates."""
    runs = grids["replayed_servers"].drop_dims("server_name").sel(series=list(SERIES))
    columns = [f"{name}{share}" for name in LATENCIES for share in PERCENTILES]
    frame = unit_columns(runs, "server", "arrival_rate", *columns)
    frame = frame[frame[RATE] < MOST_RATE]
    rates = frame.groupby("server")[RATE].transform("nunique")
    return frame[rates >= FEWEST]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A column of panels for each server."""
    figure = Figure(figsize=(DOUBLE, 3.9))
    servers = list(frame.groupby("server", sort=False))
    grid = figure.subplots(2, len(servers), sharex="col", sharey="row", squeeze=False)
    for column, (server, rows) in zip(grid.T, servers, strict=True):
        for axes, latency in zip(column, LATENCIES, strict=True):
            _panel(axes, rows, latency)
        column[0].set_title(label(str(server)), size=6.2)
        column[1].set_xlabel("Arrivals (req/s)")
        plain_log(column[1].xaxis, times(1, 2, 5))
    for line, name in zip(grid, LATENCIES.values(), strict=True):
        line[0].set_ylabel(name)
        decades(line[0].yaxis)
    figure.legend(handles=_handles(), loc="outside lower center", ncols=5)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, latency: str) -> None:
    axes.set(xscale="log", yscale="log")
    for series, look in SERIES.items():
        own = rows[rows.series == series].sort_values(RATE)
        for share, line in PERCENTILES.items():
            axes.plot(own[RATE], own[f"{latency}{share} [s]"], **look, **line)


def _handles() -> list[Line2D]:
    looks = {NAMES[name]: look for name, look in SERIES.items()}
    shares = {"": "Median", "_p99": "99th percentile"}
    looks |= {shares[s]: {"color": "black", **look} for s, look in PERCENTILES.items()}
    return named_lines(looks)
