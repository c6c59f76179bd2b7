"""How fast tokens per joule fall with the context window: measured, by the law, and by account."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common import axes as styled
from tokwatt.reports.figures.common.axes import log2_ticks, note, plain_log, signed
from tokwatt.reports.figures.common.frames import Grids, unit_columns
from tokwatt.reports.figures.common.looks import ACCOUNTS, DOUBLE, GREY, Look
from tokwatt.reports.labels import Labels

WINDOW, EFFICIENCY = "context_window [tok]", "tokens_per_joule [tok/J]"
SLOPE, ERROR = "slope [1]", "slope_error [1]"
SURE = "up to 64K"
SPANS = {SURE: "to 64K", "all": "all"}
"""Windows over which slopes are fitted, and how that is said beside one."""


def data(grids: Grids) -> pd.DataFrame:
    """One row per account and window, with the account's slopes to 64K and over all windows."""
    sweep = grids["measured_sweep"].sel(curve=list(ACCOUNTS))
    frame = unit_columns(sweep, "tokens_per_joule")
    for span in sweep.span.values:
        slopes = unit_columns(sweep.sel(span=[span]), "slope", "slope_error").set_index("curve")
        for name in (SLOPE, ERROR):
            frame[f"{span}: {name}"] = slopes.loc[frame.curve, name].to_numpy()
    return frame


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Curves on logarithmic axes, and their slopes with standard errors."""
    figure = Figure(figsize=(DOUBLE, 2.8))
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    for curve, rows in frame.groupby("curve", sort=False):
        look = {**ACCOUNTS[str(curve)], "label": label(str(curve)), "markerfacecolor": "none"}
        left.plot(rows[WINDOW], rows[EFFICIENCY], markersize=3, **look)
    left.set_yscale("log", base=2)
    log2_ticks(left, frame[WINDOW].unique())
    plain_log(left.yaxis, 2.0 ** np.arange(-3, 4))
    left.set(xlabel="Context window (tok)", ylabel="Tokens per joule (tok/J)")
    _indicative(left, frame[WINDOW].min(), frame[WINDOW].max())
    left.legend(loc="lower left")
    _slopes(right, frame.drop_duplicates("curve"), label)
    return figure


def _indicative(axes: Axes, first: float, last: float) -> None:
    axes.axvspan(2**14.5, last * 1.3, color="0.93", zorder=0)
    axes.set_xlim(first / 1.3, last * 1.3)
    corner: Look = {"transform": axes.get_xaxis_transform(), "va": "top", "color": GREY}
    axes.text(2**14.6, 0.97, "indicative", **corner)


def _slopes(axes: Axes, curves: pd.DataFrame, label: Labels) -> None:
    for place, row in enumerate(curves.to_dict("records")):
        look, span = ACCOUNTS[row["curve"]], dict(zip(SPANS, (-0.15, 0.15), strict=True))
        marks = {"color": look["color"], "marker": look["marker"] or "|"}
        for name, aside in span.items():
            slope, error = row[f"{name}: {SLOPE}"], row[f"{name}: {ERROR}"]
            face = {"markerfacecolor": look["color"] if name == SURE else "white"}
            bar: Look = {"capsize": 2, "markersize": 4, "linewidth": 0.9, **marks, **face}
            axes.errorbar(slope, place + aside, xerr=error, **bar)
            end = max(slope + error, -1), place + aside
            note(axes, _slope(slope, error, name), end, (5, 0), va="center", size=6)
    styled.rows(axes, [label(curve) for curve in curves.curve])
    axes.set_xlim(-1.03, -0.35)
    ticks = np.arange(-10, -3, 2) / 10
    axes.set_xticks(ticks, [signed(f"{tick:.1f}") for tick in ticks])
    axes.set_xlabel("Slope of log tok/J over log window, ± standard error (1)")


def _slope(slope: float, error: float, span: str) -> str:
    spread = f" ± {error:.2f}" if error >= 5e-4 else ""
    return f"{signed(f'{slope:.2f}')}{spread} ({SPANS[span]})"
