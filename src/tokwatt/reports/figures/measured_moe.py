"""A mixture of experts against a dense LLM at equal batch."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.ratios import draw_ratios, ratios
from tokwatt.reports.labels import Labels

TICKS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16]


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per pair, account and batch at which both were measured."""
    return ratios(grids["measured_moe"])


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel for each pair."""
    return draw_ratios(frame, label, "Tokens per joule, mixture / dense (×)", TICKS)
