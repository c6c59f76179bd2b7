"""What a watt and what a dollar buy on four GPU generations."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import EFFICIENCY, SINGLE, bar_look, columns

MILLIONS = "million_tokens_per_dollar [Mtok/USD]"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per GPU."""
    frame = columns(grids["generations"], "tokens_per_joule", "tokens_per_dollar")
    return frame.assign(**{MILLIONS: frame["tokens_per_dollar [tok/USD]"] / 1e6})[
        ["gpu", EFFICIENCY, MILLIONS]
    ]


def draw(frame: pd.DataFrame) -> Figure:
    """Tokens per watt on the left, tokens per dollar on the right."""
    figure = Figure(figsize=(SINGLE, 1.75))
    left, right = figure.subplots(1, 2, sharey=True)
    _bars(left, frame, EFFICIENCY, "{:.1f}", "Tokens per watt (tok/W)")
    _bars(right, frame, MILLIONS, "{:.2f}", "Tokens per dollar (Mtok/USD)")
    left.set_yticks(range(len(frame)), frame.gpu)
    left.invert_yaxis()
    return figure


def _bars(axes: Axes, frame: pd.DataFrame, column: str, text: str, name: str) -> None:
    for place, (gpu, value) in enumerate(zip(frame.gpu, frame[column], strict=True)):
        bar = axes.barh(place, value, 0.68, **bar_look(gpu))
        axes.bar_label(bar, [text.format(value)], padding=2)
    axes.set_xlim(0, frame[column].max() * 1.2)
    axes.set_xlabel(name)
    axes.tick_params(axis="y", length=0)
