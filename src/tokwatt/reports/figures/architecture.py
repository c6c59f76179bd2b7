"""Tokens per watt of LLMs, and what dispatch leaves of the bound for mixtures of experts."""

import json

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tokwatt.reports.figures.common import axes as styled
from tokwatt.reports.figures.common.axes import named_lines, note, plain_log, times
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import (
    COLORS,
    DOUBLE,
    GREY,
    OPEN,
    Look,
    line_look,
    mark_look,
)
from tokwatt.reports.labels import Labels

DISPATCH = "dispatch_time [ms]"


def data(grids: Grids) -> pd.DataFrame:
    """Points of Table 2 (dense or bound), the curve over dispatch, and where dense is level."""
    points, dispatch = grids["architecture"], grids["dispatch"]
    served = json.loads(dispatch.attrs["inputs"])
    mixture = points.active_parameters / points.parameters < 0.999
    kinds = points.assign(kind=(mixture.dims, np.where(mixture, "bound", "dense")))
    curve = _in_ms(dispatch.tokens_per_joule, dispatch.dispatch_time)
    meeting = _in_ms(dispatch.dense_tokens_per_joule, dispatch.even_dispatch_time)
    parts = [
        frame_columns(kinds, "tokens_per_joule", "kind"),
        curve.assign(kind="dispatch", llm=served["mixture"]["llm"]),
        meeting.assign(kind="even", llm=served["dense"]["llm"]),
    ]
    return pd.concat(parts)[["kind", "llm", "gpu", DISPATCH, EFFICIENCY]]


def _in_ms(efficiency: xr.DataArray, dispatch_time: xr.DataArray) -> pd.DataFrame:
    frame = xr.Dataset({EFFICIENCY: efficiency, DISPATCH: dispatch_time * 1e3}).to_dataframe()
    return frame.reset_index().sort_values(["gpu", DISPATCH], ascending=[False, True])


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """LLMs on the left; on the right the mixture over dispatch time and the level of the dense."""
    figure = Figure(figsize=(DOUBLE, 2.5))
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    points = frame[frame.kind.isin(["dense", "bound"])]
    _points(left, points, label)
    _legend(left, points.gpu.unique())
    for gpu, rows in frame[frame.kind == "dispatch"].groupby("gpu", sort=False):
        meeting = frame[(frame.kind == "even") & (frame.gpu == gpu)].iloc[0]
        _over_dispatch(right, str(gpu), rows, meeting, label)
    right.set_yscale("log")
    right.set(xlim=(0, frame[DISPATCH].max()), xlabel="Dispatch time in each iteration (ms)")
    plain_log(right.yaxis, times(1, 3))
    right.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 5, 10]))
    right.set_ylabel("Tokens per watt (tok/W)")
    right.set_title(label(frame.loc[frame.kind == "dispatch", "llm"].iloc[0]))
    return figure


def _points(axes: Axes, rows: pd.DataFrame, label: Labels) -> None:
    llms, gpus = list(rows.llm.unique()), list(rows.gpu.unique())
    styled.rows(axes, [label(llm) for llm in llms])
    for row in rows.to_dict("records"):
        aside = 0.15 if row["gpu"] == gpus[-1] else -0.15
        point = row[EFFICIENCY], llms.index(row["llm"]) + aside
        face: Look = {"markerfacecolor": "white"} if row["kind"] == "bound" else {}
        axes.plot(*point, **mark_look(row["gpu"]), markersize=5, **face)
        note(axes, f"{row[EFFICIENCY]:.3g}", point, (5, 0), va="center", size=6.5)
    axes.set(xscale="log", xlabel="Tokens per watt (tok/W)")
    axes.set_xlim(rows[EFFICIENCY].min() / 1.7, rows[EFFICIENCY].max() * 3)
    plain_log(axes.xaxis, times(1))
    axes.grid(axis="x")


def _legend(axes: Axes, gpus: list[str]) -> None:
    looks = {gpu: {**mark_look(gpu), "markersize": 5} for gpu in gpus}
    bound: Look = {**OPEN, "marker": "o", "color": GREY, "markersize": 5}
    handles = named_lines({**looks, "open: MoE upper bound": bound})
    corner: Look = {"loc": "lower left", "bbox_to_anchor": (0, 1.01), "ncols": 3}
    axes.legend(handles=handles, handletextpad=0.2, columnspacing=1, **corner)


def _over_dispatch(
    axes: Axes, gpu: str, rows: pd.DataFrame, even: pd.Series, label: Labels
) -> None:
    color, meeting, first = COLORS[gpu], (even[DISPATCH], even[EFFICIENCY]), rows.iloc[0]
    axes.plot(rows[DISPATCH], rows[EFFICIENCY], **{**line_look(gpu), "marker": ""})
    axes.axhline(even[EFFICIENCY], color=color, linewidth=0.7, linestyle=":")
    axes.plot(*meeting, **mark_look(gpu), markeredgecolor="white", markersize=6)
    text: Look = {"size": 6.5, "color": color}
    note(axes, f"{even[DISPATCH]:.1f} ms", meeting, (-3, -4), ha="right", va="top", **text)
    note(axes, label(even.llm), meeting, (6, 2), va="bottom", **text)
    start = first[DISPATCH], first[EFFICIENCY]
    note(axes, gpu, start, (8, 0), color=color, weight="bold")
