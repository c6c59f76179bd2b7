"""How tokens per joule of four operating points follow each number behind them, under either account."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tokwatt.reports.figures import DOUBLE, words

ELASTICITY = "elasticity [1]"
LARGEST, NOISE = 10, 1e-9
"""How many numbers are drawn of each account, and what is nothing but rounding."""
PAPER = "paper"
TITLES = {
    "h100_4k": "Llama-3.1-70B, H100, 4K",
    "h100_64k": "Llama-3.1-70B, H100, 64K",
    "llama_8k": "Llama-3.1-70B, H100, 8K",
    "qwen_8k": "Qwen3-235B-A22B, H100, 8K",
}
PARTS = {
    "constants": "measured step",
    "activity": "power by activity",
    "gpu": "GPU",
    "logistic": "power by batch",
    "profile": "calibrated step",
    "engine": "engine",
    "parallelism": "parallelism",
    "precision": "precision",
    "utilization": "power by use",
}
RISES: dict[str, Any] = {
    "facecolor": "#0072B2",
    "hatch": "",
    "label": "consistent account: more of it raises tok/J",
}
FALLS: dict[str, Any] = {
    "facecolor": "#E69F00",
    "hatch": "//////",
    "label": "consistent account: more of it lowers tok/J",
}
PLAIN: dict[str, Any] = {"edgecolor": "white", "linewidth": 0}
MARK: dict[str, Any] = {
    "marker": "o",
    "markerfacecolor": "white",
    "color": "black",
    "linestyle": "none",
    "label": "the paper's account",
}


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per case, number and account, for the numbers that are among the largest of one account."""
    frame = (
        grids["elasticities"]
        .elasticity.to_dataframe(ELASTICITY, dim_order=["case", "parameter", "account"])
        .reset_index()
    )
    frame = frame[frame[ELASTICITY].abs() > NOISE]
    size = frame[ELASTICITY].abs().groupby([frame.account, frame.parameter]).max()
    largest = (
        size.groupby("account", group_keys=False)
        .nlargest(LARGEST)
        .index.get_level_values("parameter")
    )
    return frame[frame.parameter.isin(largest)].reset_index(drop=True)


def draw(frame: pd.DataFrame) -> Figure:
    """A panel per case over the same numbers: bars for the consistent account, open marks for the paper's."""
    names = _ordered(frame)
    figure = Figure(figsize=(DOUBLE, 0.14 * len(names) + 0.9))
    panels = figure.subplots(1, frame["case"].nunique(), sharex=True, sharey=True)
    for axes, (case, rows) in zip(panels, frame.groupby("case", sort=False), strict=True):
        _panel(axes, rows, names)
        axes.set_title(TITLES.get(str(case), words(str(case))).replace(", ", "\n", 1))
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    panels[0].set_yticks(range(len(names)), [_named(name) for name in names], size=6.5)
    handles = [Patch(**RISES, **PLAIN), Patch(**FALLS, **PLAIN), Line2D([], [], **MARK)]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, handleheight=1.1)
    return figure


def _ordered(frame: pd.DataFrame) -> list[str]:
    """Numbers of the consistent account, then those of the paper's alone; the largest first."""
    sizes = (
        frame[ELASTICITY]
        .abs()
        .groupby([frame.account, frame.parameter])
        .max()
        .sort_values(ascending=False, kind="stable")
    )
    return list(
        dict.fromkeys(
            [*sizes.drop(PAPER, level="account").index.get_level_values(1), *sizes[PAPER].index]
        )
    )


def _panel(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    for row in rows.to_dict("records"):
        place, value = names.index(row["parameter"]), row[ELASTICITY]
        if row["account"] == PAPER:
            axes.plot(value, place, **MARK)
        else:
            axes.barh(place, value, 0.7, **(RISES if value > 0 else FALLS), **PLAIN)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid()
    axes.set_xlabel("Elasticity (1)")


def _named(parameter: str) -> str:
    part, _, name = parameter.partition(".")
    return f"{PARTS[part]}: {words(name)}"
