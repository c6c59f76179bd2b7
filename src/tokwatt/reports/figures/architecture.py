"""Tokens per watt of LLMs, the bound for mixtures of experts, and what a dispatch time leaves of it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tokwatt.reports.figures import (
    COLORS,
    DOUBLE,
    EFFICIENCY,
    GREY,
    columns,
    label,
    line_look,
    plain_log,
)

DISPATCH = "dispatch_time [ms]"


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Points of Table 2 (kind dense or bound), the curve over dispatch, the dense level, and where they meet."""
    points, dispatch = grids["architecture"], grids["dispatch"]
    served = json.loads(dispatch.attrs["inputs"])
    bound = np.where(points.active_parameters < points.parameters, "bound", "dense")
    level = dispatch.dense_tokens_per_joule
    parts = [
        columns(points.assign(kind=(points.parameters.dims, bound)), "tokens_per_joule", "kind"),
        _in_ms(dispatch.tokens_per_joule, dispatch.dispatch_time).assign(
            kind="dispatch", llm=served["mixture"]["llm"]
        ),
        _in_ms(level, dispatch.even_dispatch_time).assign(kind="even", llm=served["dense"]["llm"]),
    ]
    return pd.concat(parts)[["kind", "llm", "gpu", DISPATCH, EFFICIENCY]]


def _in_ms(efficiency: xr.DataArray, dispatch_time: xr.DataArray) -> pd.DataFrame:
    frame = xr.Dataset({EFFICIENCY: efficiency, DISPATCH: dispatch_time * 1e3}).to_dataframe()
    return frame.reset_index().sort_values(["gpu", DISPATCH], ascending=[False, True])


def draw(frame: pd.DataFrame) -> Figure:
    """LLMs on the left; on the right the mixture over dispatch time, with the dense LLM as a level."""
    figure = Figure(figsize=(DOUBLE, 2.5))
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _points(left, frame[frame.kind.isin(["dense", "bound"])])
    for gpu, rows in frame[frame.kind == "dispatch"].groupby("gpu", sort=False):
        _over_dispatch(
            right, str(gpu), rows, frame[(frame.kind == "even") & (frame.gpu == gpu)].iloc[0]
        )
    right.set_yscale("log")
    right.set(xlim=(0, frame[DISPATCH].max()), xlabel="Dispatch time in each iteration (ms)")
    plain_log(right.yaxis, np.outer(10.0 ** np.arange(-3, 5), [1, 3]).ravel())
    right.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 5, 10]))
    right.set_ylabel("Tokens per watt (tok/W)")
    right.set_title(label(frame.loc[frame.kind == "dispatch", "llm"].iloc[0]))
    return figure


def _points(axes: Axes, rows: pd.DataFrame) -> None:
    llms, gpus = list(rows.llm.unique()), list(rows.gpu.unique())
    for row in rows.to_dict("records"):
        gpu, place = (
            row["gpu"],
            llms.index(row["llm"]) + 0.15 * (1 if row["gpu"] == gpus[-1] else -1),
        )
        face = "white" if row["kind"] == "bound" else COLORS[gpu]
        axes.plot(
            row[EFFICIENCY],
            place,
            **{**line_look(gpu), "linestyle": "", "markerfacecolor": face, "markersize": 5},
        )
        axes.annotate(
            f"{row[EFFICIENCY]:.3g}",
            (row[EFFICIENCY], place),
            (5, 0),
            textcoords="offset points",
            va="center",
            size=6.5,
        )
    axes.set_xscale("log")
    axes.set_xlim(rows[EFFICIENCY].min() / 1.7, rows[EFFICIENCY].max() * 3)
    plain_log(axes.xaxis, 10.0 ** np.arange(-3, 5))
    axes.set(ylim=(len(llms) - 0.5, -0.5), xlabel="Tokens per watt (tok/W)")
    axes.set_yticks(range(len(llms)), [label(llm) for llm in llms])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    handles = [
        Line2D([], [], **{**line_look(gpu), "linestyle": "", "label": gpu, "markersize": 5})
        for gpu in gpus
    ]
    bound = Line2D(
        [],
        [],
        linestyle="",
        marker="o",
        color=GREY,
        markerfacecolor="white",
        markersize=5,
        label="open: MoE upper bound",
    )
    axes.legend(
        handles=[*handles, bound],
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=3,
        handletextpad=0.2,
        columnspacing=1,
    )


def _over_dispatch(axes: Axes, gpu: str, rows: pd.DataFrame, even: pd.Series) -> None:
    axes.plot(rows[DISPATCH], rows[EFFICIENCY], **{**line_look(gpu), "marker": ""})
    axes.axhline(even[EFFICIENCY], color=COLORS[gpu], linewidth=0.7, linestyle=":")
    axes.plot(
        even[DISPATCH],
        even[EFFICIENCY],
        **{**line_look(gpu), "linestyle": "", "markeredgecolor": "white", "markersize": 6},
    )
    meeting = even[DISPATCH], even[EFFICIENCY]
    text: dict[str, Any] = {"textcoords": "offset points", "size": 6.5, "color": COLORS[gpu]}
    axes.annotate(f"{even[DISPATCH]:.1f} ms", meeting, (-3, -4), ha="right", va="top", **text)
    axes.annotate(label(even.llm), meeting, (6, 2), va="bottom", **text)
    first = rows.iloc[0]
    axes.annotate(
        gpu,
        (first[DISPATCH], first[EFFICIENCY]),
        (8, 0),
        textcoords="offset points",
        color=COLORS[gpu],
        weight="bold",
    )
