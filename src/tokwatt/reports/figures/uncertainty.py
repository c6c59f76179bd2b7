"""How sure each headline is under either account, what of that its ratio cancels, and which numbers matter."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokwatt.reports.figures import DOUBLE, GREY, plain_log, words

PUBLISHED, CANCELLED = "published [1]", "cancelled [1]"
QUANTILES = {"low [1]": 0.05, "median [1]": 0.5, "high [1]": 0.95}
LOW, MEDIAN, HIGH = QUANTILES
LOOKS: dict[str, dict[str, Any]] = {
    "paper": {"color": GREY, "marker": "s", "markerfacecolor": "white", "linestyle": (0, (3, 1.5))},
    "consistent": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
}
BESIDE = {"median (90 %)": 6, "cancelled": 84, "what matters most (total-order index)": 122}
"""What stands beside the axes, and at how many points from them."""
RULE: dict[str, Any] = {"color": "0.85", "linewidth": 0.5, "zorder": 0}
MATTERS = 0.1
"""Total index from which a second number is named."""


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per headline and account, with the two uncertain numbers of the largest total-order index."""
    spread, about = grids["uncertainty"], grids["waterfall"]
    return pd.DataFrame(
        [
            {
                "headline": name,
                "claim": about.claim.sel(headline=name).item(),
                "account": account,
                PUBLISHED: about.value.sel(headline=name, correction="as published").item(),
                **_numbers(spread.sel(headline=name, account=account)),
            }
            for name in spread.headline.values
            for account in spread.account.values
        ]
    )


def _numbers(spread: xr.Dataset) -> dict[str, Any]:
    largest = spread.total_order.sortby(-spread.total_order)[:2]
    found = {
        name: spread.value.sel(quantile=quantile).item() for name, quantile in QUANTILES.items()
    }
    found[CANCELLED] = spread.cancelled.item()
    for order, each in zip(("first", "second"), largest, strict=True):
        found |= {order: each.uncertain.item(), f"{order}_index [1]": each.item()}
    return found


def draw(frame: pd.DataFrame) -> Figure:
    """Intervals over the published value on one logarithmic axis; their numbers stand beside them."""
    figure = Figure(figsize=(DOUBLE, 4.2))
    axes = figure.add_subplot()
    headlines, accounts = list(frame.headline.unique()), list(frame.account.unique())
    for row in frame.to_dict("records"):
        place = headlines.index(row["headline"]) + 0.42 * (accounts.index(row["account"]) - 0.5)
        _interval(axes, place, row)
        for points, text in zip(
            BESIDE.values(), (_spread(row), _cancelled(row), _causes(row)), strict=True
        ):
            _beside(axes, points, place, text)
    for title, points in BESIDE.items():
        _beside(axes, points, -0.72, title, weight="bold")
    for edge in range(1, len(headlines)):
        axes.plot(
            [-1, 4],
            [edge - 0.5] * 2,
            transform=axes.get_yaxis_transform(),
            clip_on=False,
            in_layout=False,
            **RULE,
        )
    axes.axvline(1, color="black", linewidth=0.7, zorder=1)
    axes.set_xscale("log")
    plain_log(axes.xaxis, [0.01, 0.03, 0.1, 0.3, 1, 3])
    axes.set(ylim=(len(headlines) - 0.5, -0.5), xlabel="Over the published value (1)")
    axes.set_yticks(
        range(len(headlines)),
        [
            fill(claim[0].upper() + claim[1:], 27)
            for claim in frame.drop_duplicates("headline").claim
        ],
        size=6.5,
    )
    axes.tick_params(axis="y", length=0)
    handles = [
        Line2D([], [], label=f"{account}: median, 90 % interval", **LOOKS[account])
        for account in accounts
    ]
    handles.append(Line2D([], [], color="black", linewidth=0.7, label="published"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _interval(axes: Axes, place: float, row: dict[str, Any]) -> None:
    low, median, high = (row[name] / row[PUBLISHED] for name in QUANTILES)
    look = LOOKS[row["account"]]
    axes.plot([low, high], [place, place], **(look | {"marker": "|"}))
    axes.plot(median, place, **look)


def _spread(row: dict[str, Any]) -> str:
    return f"{row[MEDIAN]:#.3g} ({row[LOW]:#.3g}–{row[HIGH]:#.3g})"


def _cancelled(row: dict[str, Any]) -> str:
    return "no ratio" if np.isnan(row[CANCELLED]) else f"{row[CANCELLED]:.0%}".replace("%", " %")


def _causes(row: dict[str, Any]) -> str:
    named = [(row[name], row[f"{name}_index [1]"]) for name in ("first", "second")]
    return ", ".join(f"{words(name)} {index:.2f}" for name, index in named if index >= MATTERS)


def _beside(axes: Axes, points: float, place: float, text: str, weight: str = "normal") -> None:
    where: dict[str, Any] = {
        "xycoords": axes.get_yaxis_transform(),
        "textcoords": "offset points",
        "annotation_clip": False,
    }
    axes.annotate(text, (1, place), (points, 0), va="center", size=6, weight=weight, **where)
