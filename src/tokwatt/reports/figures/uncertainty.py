"""How sure each headline is by account, what its ratio cancels, which numbers matter."""

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.params.account_names import AccountName
from tokwatt.reports.figures.common import axes as styled
from tokwatt.reports.figures.common.axes import margin_note, named_lines, plain_log, times
from tokwatt.reports.figures.common.frames import Grids, six_digits
from tokwatt.reports.figures.common.looks import BLUE, DOUBLE, GREY, Look
from tokwatt.reports.labels import Labels

PUBLISHED, CANCELLED = "published [1]", "cancelled [1]"
QUANTILES = {"low [1]": 0.05, "median [1]": 0.5, "high [1]": 0.95}
LOW, MEDIAN, HIGH = QUANTILES
LOOKS: dict[str, Look] = {
    AccountName.PAPER: {
        "color": GREY,
        "marker": "s",
        "markerfacecolor": "white",
        "linestyle": (0, (3, 1.5)),
    },
    AccountName.CONSISTENT: {"color": BLUE, "marker": "o", "linestyle": "-"},
}
BESIDE = {"median (90 %)": 6, "cancelled": 84, "what matters most (total-order index)": 122}
"""What stands beside the axes, and at how many points from them."""
RULE: Look = {"color": "0.85", "linewidth": 0.5, "zorder": 0, "clip_on": False, "in_layout": False}
FARTHEST = 20.0
"""Where an end without bound is drawn, over the published value."""
MATTERS = 0.1
"""Total index from which a second number is named."""


def data(grids: Grids) -> pd.DataFrame:
    """One row per headline and account, with the two numbers of the largest total-order index."""
    spread, waterfall = grids["uncertainty"], grids["waterfall"]
    rows = []
    for headline in spread.headline.values:
        path = waterfall.sel(headline=headline)
        published = path.value.sel(correction="as published").item()
        about = {"headline": headline, "claim": path.claim.item()}
        for account in spread.account.values:
            numbers = _numbers(spread.sel(headline=headline, account=account))
            rows.append({**about, "account": account, PUBLISHED: published, **numbers})
    return pd.DataFrame(rows)


def _numbers(spread: xr.Dataset) -> dict[str, float | str]:
    values = {name: float(spread.value.sel(quantile=share)) for name, share in QUANTILES.items()}
    numbers: dict[str, float | str] = {**values, CANCELLED: float(spread.cancelled)}
    indices = six_digits(spread.total_order)
    for order, place in zip(("first", "second"), np.argsort(-indices, kind="stable"), strict=False):
        numbers |= {order: spread.uncertain.values[place], f"{order}_index [1]": indices[place]}
    return numbers


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Intervals over the published value on one logarithmic axis, their numbers beside them."""
    figure = Figure(figsize=(DOUBLE, 4.2))
    axes = figure.add_subplot()
    headlines, accounts = list(frame.headline.unique()), list(frame.account.unique())
    for row in frame.to_dict("records"):
        aside = 0.42 * (accounts.index(row["account"]) - 0.5)
        _line(axes, headlines.index(row["headline"]) + aside, row, label)
    for title, points in BESIDE.items():
        margin_note(axes, title, -0.72, points, size=6, weight="bold")
    for edge in np.arange(1, len(headlines)) - 0.5:
        axes.plot([-1, 4], [edge, edge], transform=axes.get_yaxis_transform(), **RULE)
    axes.axvline(1, color="black", linewidth=0.7, zorder=1)
    axes.set(xscale="log", xlabel="Over the published value (1)")
    plain_log(axes.xaxis, times(1, 3))
    claims = frame.drop_duplicates("headline").claim
    styled.rows(axes, [fill(claim[0].upper() + claim[1:], 27) for claim in claims], size=6.5)
    named = {f"{label(name)}: median, 90 % interval": LOOKS[name] for name in accounts}
    named["Published"] = {"color": "black", "linewidth": 0.7}
    figure.legend(handles=named_lines(named), loc="outside upper center", ncols=3)
    return figure


def _line(axes: Axes, place: float, row: Mapping[str, float], label: Labels) -> None:
    ends = np.array([row[name] / row[PUBLISHED] for name in QUANTILES])
    look, known = LOOKS[str(row["account"])], np.isfinite(ends) & (ends > 0)
    low, median, high = np.where(known, ends, np.where(ends > 0, FARTHEST, 1 / FARTHEST))
    axes.plot([low, high], [place, place], **(look | {"marker": "|"}))
    for end, mark, shown in zip((low, high), "<>", (known[0], known[2]), strict=True):
        axes.plot(end, place, **(look | {"marker": "" if shown else mark}))
    axes.plot(median, place, **(look | ({} if known[1] else {"marker": ""})))
    texts = _spread(row), _cancelled(row), _causes(row, label)
    for points, text in zip(BESIDE.values(), texts, strict=True):
        margin_note(axes, text, place, points, size=6)


def _spread(row: Mapping[str, float]) -> str:
    low, median, high = (row[name] for name in (LOW, MEDIAN, HIGH))
    middle = f"{median:#.3g} " if 0 < median < np.inf else ""
    if low > 0 and np.isfinite(high):
        return f"{middle}({low:#.3g}–{high:#.3g})"
    return f"{middle}(at least {low:#.3g})" if low > 0 else f"{middle}(at most {high:#.3g})"


def _cancelled(row: Mapping[str, float]) -> str:
    return "no ratio" if np.isnan(row[CANCELLED]) else f"{100 * row[CANCELLED]:.0f} %"


def _causes(row: Mapping[str, float], label: Labels) -> str:
    named = [(label(str(row[name])), row[f"{name}_index [1]"]) for name in ("first", "second")]
    return ", ".join(f"{name} {index:.2f}" for name, index in named if index >= MATTERS)
