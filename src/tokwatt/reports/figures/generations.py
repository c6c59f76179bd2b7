"""What a watt and what a dollar buy on four GPU generations."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import rows
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import SINGLE, bar_look
from tokwatt.reports.labels import Labels

MILLIONS = "million_tokens_per_dollar [Mtok/USD]"


def data(grids: Grids) -> pd.DataFrame:
    """One row per GPU."""
    frame = frame_columns(grids["generations"], "tokens_per_joule", "tokens_per_dollar")
    millions = frame["tokens_per_dollar [tok/USD]"] / 1e6
    return frame.assign(**{MILLIONS: millions})[["gpu", EFFICIENCY, MILLIONS]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Tokens per watt on the left, tokens per dollar on the right."""
    figure = Figure(figsize=(SINGLE, 1.75))
    left, right = figure.subplots(1, 2, sharey=True)
    _bars(left, frame, EFFICIENCY, "{:.1f}")
    _bars(right, frame, MILLIONS, "{:.2f}")
    left.set_xlabel("Tokens per watt (tok/W)")
    right.set_xlabel("Tokens per dollar (Mtok/USD)")
    return figure


def _bars(axes: Axes, frame: pd.DataFrame, column: str, text: str) -> None:
    rows(axes, list(frame.gpu))
    for place, (gpu, value) in enumerate(zip(frame.gpu, frame[column], strict=True)):
        bar = axes.barh(place, value, 0.68, **bar_look(gpu))
        axes.bar_label(bar, [text.format(value)], padding=2)
    axes.set_xlim(0, frame[column].max() * 1.2)
