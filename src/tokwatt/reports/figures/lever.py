"""Tokens per joule over the batch: dense LLMs and mixtures of experts, by interpretation."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import lattice, named_lines, note, plain_log, times
from tokwatt.reports.figures.common.frames import Grids
from tokwatt.reports.figures.common.looks import (
    BLUE,
    DASHED,
    DOUBLE,
    GREEN,
    OPEN,
    SKY,
    VERMILION,
    Look,
)
from tokwatt.reports.labels import Labels
from tokwatt.reports.markdown import significant

BATCH, EFFICIENCY = "batch [seq]", "tokens_per_joule [tok/J]"
ORDER = ["reading", "gpu", "llm", BATCH]
DENSE = "llama-3.1-70b"
LOOKS: dict[str, Look] = {
    "llama-3.1-8b": {"color": "0.55", "linestyle": "-", "marker": "v"},
    DENSE: {"color": "black", "linestyle": "-", "marker": "s", "linewidth": 1.8},
    "qwen3-30b-a3b": {"color": SKY, "linestyle": DASHED, "marker": "^"},
    "qwen3-235b-a22b": {"color": BLUE, "linestyle": DASHED, "marker": "o"},
    "deepseek-v3": {"color": VERMILION, "linestyle": "-.", "marker": "D"},
    "gpt-oss-120b": {"color": GREEN, "linestyle": ":", "marker": "P"},
}
"""The LLMs that are drawn: two dense ones, then mixtures of experts."""
RING: Look = {**OPEN, "marker": "o", "markersize": 8, "markeredgewidth": 1.2, "color": "black"}
PLACES: list[Look] = [
    {"points": (5, -4), "va": "top"},
    {"points": (-4, 4), "ha": "right"},
    {"points": (6, 0), "va": "center"},
]
"""Where the batches of rings that lie on each other stand, the smallest first."""
APART = 1.3
"""Ratio of batches from which rings lie beside each other."""


def data(grids: Grids) -> pd.DataFrame:
    """One row per reading, GPU, LLM and batch that fits; `even` where a mixture equals dense."""
    grid = grids["lever"].sel(llm=list(LOOKS))
    points = grid.tokens_per_joule.rename(batch=BATCH).to_dataframe(EFFICIENCY, dim_order=ORDER)
    even = grid.even_batch.to_dataframe(BATCH, dim_order=ORDER[:-1])
    parts = {"point": points, "even": even}
    frames = [part.dropna().reset_index().assign(kind=kind) for kind, part in parts.items()]
    return pd.concat(frames)[["kind", *ORDER, EFFICIENCY]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel per GPU and reading; a ring where a mixture of experts falls behind the dense LLM."""
    figure = Figure(figsize=(DOUBLE, 4.3))
    grid, panels = lattice(figure, frame, "gpu", "reading")
    for axes, name, rows in panels:
        lines = {llm: rows[(rows.llm == llm) & (rows.kind == "point")] for llm in LOOKS}
        _lines(axes, lines)
        _rings(axes, rows[rows.kind == "even"].sort_values(BATCH), lines[DENSE])
        _absent(axes, [label(llm) for llm, line in lines.items() if line.empty])
        axes.set_title(name, size=7)
    _scales(grid[0, 0])
    for axes in grid[:, 0]:
        axes.set_ylabel("Tokens per joule (tok/J)")
    for axes in grid[-1]:
        axes.set_xlabel("Batch (seq)")
    looks = {label(llm): look for llm, look in LOOKS.items()}
    handles = named_lines({**looks, f"falls behind {label(DENSE)}": RING})
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _lines(axes: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    axes.grid()
    for llm, line in lines.items():
        axes.plot(line[BATCH], line[EFFICIENCY], markevery=8, markersize=3.2, **LOOKS[llm])


def _rings(axes: Axes, even: pd.DataFrame, dense: pd.DataFrame) -> None:
    batches, levels = np.log(dense[BATCH]), np.log(dense[EFFICIENCY])
    heaps = (even[BATCH] > APART * even[BATCH].shift(fill_value=0)).cumsum()
    for llm, batch, place in zip(
        even.llm, even[BATCH], even.groupby(heaps).cumcount(), strict=True
    ):
        ring = batch, float(np.exp(np.interp(np.log(batch), batches, levels)))
        axes.plot(*ring, **RING | {"markeredgecolor": LOOKS[llm]["color"]})
        note(axes, significant(batch, 2), ring, size=6.5, weight="bold", **PLACES[place])


def _absent(axes: Axes, llms: list[str]) -> None:
    if llms:
        look: Look = {"transform": axes.transAxes, "ha": "right", "size": 6}
        axes.text(0.97, 0.03, f"{', '.join(llms)} does not fit", **look)


def _scales(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log")
    axes.margins(y=0.14)
    plain_log(axes.xaxis, 4.0 ** np.arange(0, 8))
    plain_log(axes.yaxis, times(1))
