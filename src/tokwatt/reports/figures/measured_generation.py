"""What a GPU generation gains at equal batch, LLM by LLM."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from tokwatt.reports.figures import DOUBLE
from tokwatt.reports.figures.measured_moe import ratios, small_multiples

TICKS = [0.75, 1, 1.25, 1.5, 2, 2.5, 3]


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per LLM, account and batch at which both generations were measured."""
    return ratios(grids["measured_generation"])


def draw(frame: pd.DataFrame) -> Figure:
    """A panel for each LLM, three to a row."""
    figure = Figure(figsize=(DOUBLE, 4.1))
    panels = figure.subplots(-(-frame.pair.nunique() // 3), 3, sharey=True)
    small_multiples(figure, list(panels.flat), frame, TICKS)
    for axes in panels[:, 0]:
        axes.set_ylabel("Tokens per joule, B200 / H100 (×)")
    return figure
