"""What a GPU generation gains at equal batch, LLM by LLM."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.ratios import draw_ratios, ratios
from tokwatt.reports.labels import Labels

TICKS = [0.75, 1, 1.25, 1.5, 2, 2.5, 3]


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per LLM, account and batch at which both generations were measured."""
    return ratios(grids["measured_generation"])


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel for each LLM."""
    return draw_ratios(frame, label, "Tokens per joule, B200 / H100 (×)", TICKS)
