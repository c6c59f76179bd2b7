"""How fast tokens per joule fall with the context window: measured, by the law, and by each account."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures import ACCOUNTS, DOUBLE, columns, log2_ticks, plain_log

WINDOW, EFFICIENCY = "context_window [tok]", "tokens_per_joule [tok/J]"
SLOPE, ERROR = "slope [1]", "slope_error [1]"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per account and window; slopes of the windows up to 64K and of all stand in each row of an account."""
    sweep = grids["measured_sweep"].sel(curve=list(ACCOUNTS))
    frame = sweep[["tokens_per_joule"]].to_dataframe().reset_index()
    frame = frame.rename(columns={"context_window": WINDOW, "tokens_per_joule": EFFICIENCY})
    for span in sweep.span.values:
        slopes = (
            columns(sweep.sel(span=[span]), "slope", "slope_error")
            .set_index("curve")
            .loc[frame.curve]
        )
        for name in (SLOPE, ERROR):
            frame[f"{span}: {name}"] = slopes[name].to_numpy()
    return frame


def draw(frame: pd.DataFrame) -> Figure:
    """Curves on logarithmic axes, and their slopes with standard errors."""
    figure = Figure(figsize=(DOUBLE, 2.8))
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    for curve, rows in frame.groupby("curve", sort=False):
        left.plot(
            rows[WINDOW],
            rows[EFFICIENCY],
            **ACCOUNTS[str(curve)],
            markersize=3,
            markerfacecolor="none",
        )
    left.set_yscale("log", base=2)
    log2_ticks(left, frame[WINDOW].unique())
    plain_log(left.yaxis, [0.125, 0.25, 0.5, 1, 2, 4, 8])
    left.set(xlabel="Context window (tok)", ylabel="Tokens per joule (tok/J)")
    left.axvspan(2**14.5, frame[WINDOW].max() * 1.3, color="0.93", zorder=0)
    left.set_xlim(frame[WINDOW].min() / 1.3, frame[WINDOW].max() * 1.3)
    left.annotate(
        "indicative", (2**14.6, 0.97), xycoords=("data", "axes fraction"), va="top", color="0.35"
    )
    left.legend(loc="lower left")
    _slopes(right, frame)
    return figure


def _slopes(axes: Axes, frame: pd.DataFrame) -> None:
    curves = list(frame.curve.unique())
    for place, curve in enumerate(curves):
        row = frame[frame.curve == curve].iloc[0]
        for offset, span, fill in ((-0.15, "up to 64K", None), (0.15, "all", "white")):
            slope, error, look = row[f"{span}: {SLOPE}"], row[f"{span}: {ERROR}"], ACCOUNTS[curve]
            marks = {
                "color": look["color"],
                "marker": look["marker"] or "|",
                "markerfacecolor": fill or look["color"],
            }
            axes.errorbar(
                slope, place + offset, xerr=error, capsize=2, markersize=4, linewidth=0.9, **marks
            )
            text = f"{slope:.2f}" if error < 5e-4 else f"{slope:.2f} ± {error:.2f}"
            label = f"{text.replace('-', '−')}" + (" (to 64K)" if fill is None else " (all)")
            axes.annotate(
                label,
                (max(slope + error, -1), place + offset),
                (5, 0),
                textcoords="offset points",
                va="center",
                size=6,
            )
    axes.set_yticks(range(len(curves)), [ACCOUNTS[curve]["label"] for curve in curves])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(-1.03, -0.35)
    axes.set_xticks(
        np.arange(-1, -0.39, 0.2), [f"−{-tick:.1f}" for tick in np.arange(-1, -0.39, 0.2)]
    )
    axes.set_xlabel("Slope of log tok/J over log window, ± standard error (1)")
