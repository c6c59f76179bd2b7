"""How much of Table 3 is the luck of one seed: fleets of many seeds around the exact ones."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokwatt.reports.figures.common import axes as styled
from tokwatt.reports.figures.common.axes import margin_note, named_lines
from tokwatt.reports.figures.common.frames import EFFICIENCY, Grids, frame_columns
from tokwatt.reports.figures.common.looks import COLORS, DOUBLE, MARKERS, Look, mark_look
from tokwatt.reports.labels import Labels

INSTANCES, SEED, SPREAD = "instances [instance]", "seed [1]", "tokens_per_joule_spread [1]"
EXACT, PAPER = "exact_", "published_"
ASIDE = 8
"""Points between the axes and what stands beside them."""
LINE: Look = {"color": "black", "linewidth": 0.8}
DIAMOND: Look = {"marker": "d", "color": "black", "linestyle": "none", "markersize": 3.8}


def data(grids: Grids) -> pd.DataFrame:
    """One row per workload, topology, GPU and seed, with the exact fleet and the published one."""
    grid = grids["sampling_error"]
    kinds = ("", EXACT, PAPER)
    frame = frame_columns(grid, *map(str, grid.data_vars)).rename(
        columns={f"{kind}tokens_per_joule [tok/J]": f"{kind}{EFFICIENCY}" for kind in kinds}
    )
    values = [f"{kind}{quantity}" for quantity in (INSTANCES, EFFICIENCY) for kind in kinds]
    return frame[["workload", "topology", "gpu", SEED, *values, SPREAD, "survives"]]


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Two panels per workload, a line per fleet: counts, and tokens per watt of each seed."""
    figure = Figure(figsize=(DOUBLE, 4.0))
    grid = figure.subplots(frame.workload.nunique(), 2, sharey="row", squeeze=False)
    for (left, right), (workload, rows) in zip(
        grid, frame.groupby("workload", sort=False), strict=True
    ):
        fleets = [fleet for _, fleet in rows.groupby(["topology", "gpu"], sort=False)]
        _fleets(left, right, fleets, label)
        survivors = sum(fleet.survives.all() for fleet in fleets)
        title = f"{label(str(workload))}: {survivors} of {len(fleets)} counts survive"
        left.set_title(title)
    for axes in grid.flat:
        axes.axvline(0, zorder=1, **LINE)
        axes.locator_params(axis="x", nbins=8, steps=[1, 2, 5, 10])
    grid[-1, 0].set_xlabel("Instances, off the exact count (%)")
    grid[-1, 1].set_xlabel("Tokens per watt, off the exact value (%)")
    figure.legend(handles=_handles(frame.gpu.unique()), loc="outside upper center", ncols=5)
    return figure


def _fleets(left: Axes, right: Axes, fleets: list[pd.DataFrame], label: Labels) -> None:
    firsts = [fleet.iloc[0] for fleet in fleets]
    for axes, title in ((left, "Paper, exact"), (right, "Rel. s.d.")):
        styled.rows(axes, [f"{label(first.topology)}, {first.gpu}" for first in firsts])
        axes.set_ylim(len(fleets) - 0.4, -0.6)
        margin_note(axes, title, -0.75, ASIDE, size=6.5)
    for place, fleet in enumerate(fleets):
        _counts(left, place, fleet)
        _efficiencies(right, place, fleet)


def _counts(axes: Axes, place: int, fleet: pd.DataFrame) -> None:
    seeds, first = _off(fleet, INSTANCES).value_counts(), fleet.iloc[0]
    axes.scatter(seeds.index, [place] * len(seeds), 2.2 * seeds, alpha=0.5, **_look(first.gpu))
    _paper(axes, place, fleet, INSTANCES)
    sign, weight = ("=", "bold") if first.survives else ("≠", "normal")
    counts = f"{first[PAPER + INSTANCES]} {sign} {first[EXACT + INSTANCES]}"
    margin_note(axes, counts, place, ASIDE, size=6.5, weight=weight)


def _efficiencies(axes: Axes, place: int, fleet: pd.DataFrame) -> None:
    # Multiples of the golden ratio, less their whole parts, spread evenly however many there are.
    heights = place + 0.55 * (fleet[SEED] * 0.618 % 1 - 0.5)
    axes.scatter(_off(fleet, EFFICIENCY), heights, 5, alpha=0.5, **_look(fleet.gpu.iloc[0]))
    _paper(axes, place, fleet, EFFICIENCY)
    margin_note(axes, f"{100 * fleet[SPREAD].iloc[0]:.1f} %", place, ASIDE, size=6.5)


def _paper(axes: Axes, place: int, fleet: pd.DataFrame, quantity: str) -> None:
    face = "black" if fleet.survives.all() else "white"
    value = _off(fleet, quantity, PAPER).iloc[0]
    axes.plot(value, place, markerfacecolor=face, **DIAMOND)


def _off(fleet: pd.DataFrame, quantity: str, kind: str = "") -> pd.Series:
    """Percent above the exact value."""
    return 100 * (fleet[kind + quantity] / fleet[EXACT + quantity] - 1)


def _look(gpu: str) -> Look:
    return {"color": COLORS[gpu], "marker": MARKERS[gpu], "linewidths": 0}


def _handles(gpus: list[str]) -> list[Line2D]:
    looks: dict[str, Look] = {f"{gpu}, all seeds": {**mark_look(gpu), "alpha": 0.6} for gpu in gpus}
    looks["The paper's seed: count survives"] = DIAMOND
    looks["does not"] = {**DIAMOND, "markerfacecolor": "white"}
    looks["Exact integration"] = LINE
    return named_lines(looks)
