"""How much of Table 3 is the luck of one seed: fleets of many seeds around those of the length law itself."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokwatt.reports.figures import COLORS, DOUBLE, EFFICIENCY, MARKERS, columns, label

INSTANCES, SEED, SPREAD = "instances [instance]", "seed [1]", "tokens_per_joule_spread [1]"
EXACT, PAPER = "exact_", "published_"
LINE: dict[str, Any] = {"color": "black", "linewidth": 0.8}
DIAMOND: dict[str, Any] = {"marker": "d", "color": "black", "linestyle": "none", "markersize": 3.8}


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per workload, topology, GPU and seed; beside it stand the exact fleet and the published one."""
    grid = grids["sampling_error"]
    frame = columns(grid, *grid.data_vars)
    frame = frame.rename(
        columns={
            f"{kind}tokens_per_joule [tok/J]": f"{kind}{EFFICIENCY}" for kind in (EXACT, PAPER)
        }
    )
    values = [
        f"{kind}{quantity}" for quantity in (INSTANCES, EFFICIENCY) for kind in ("", EXACT, PAPER)
    ]
    return frame[["workload", "topology", "gpu", SEED, *values, SPREAD, "survives"]]


def draw(frame: pd.DataFrame) -> Figure:
    """Two panels per workload with a line per fleet: counts, a mark's area by its seeds; tokens per watt, a mark per seed."""
    figure = Figure(figsize=(DOUBLE, 4.0))
    panels = figure.subplots(frame.workload.nunique(), 2, sharey="row")
    for (left, right), (workload, rows) in zip(
        panels, frame.groupby("workload", sort=False), strict=True
    ):
        fleets = [fleet for _, fleet in rows.groupby(["topology", "gpu"], sort=False)]
        for place, fleet in enumerate(fleets):
            _counts(left, place, fleet)
            _efficiencies(right, place, fleet)
        survivors = sum(fleet.survives.all() for fleet in fleets)
        left.set_title(f"{label(str(workload))}: {survivors} of {len(fleets)} counts survive")
        left.set_yticks(
            range(len(fleets)),
            [f"{label(fleet.topology.iloc[0])}, {fleet.gpu.iloc[0]}" for fleet in fleets],
        )
        left.set_ylim(len(fleets) - 0.4, -0.6)
        _beside(left, -0.75, "Paper, exact")
        _beside(right, -0.75, "Rel. s.d.")
    for axes in panels.flat:
        axes.axvline(0, zorder=1, **LINE)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=8, steps=[1, 2, 5, 10])
    panels[-1, 0].set_xlabel("Instances, off the exact count (%)")
    panels[-1, 1].set_xlabel("Tokens per watt, off the exact value (%)")
    figure.legend(handles=_handles(frame.gpu.unique()), loc="outside upper center", ncols=5)
    return figure


def _counts(axes: Axes, place: int, fleet: pd.DataFrame) -> None:
    seeds, first = _off(fleet, INSTANCES).value_counts(), fleet.iloc[0]
    axes.scatter(seeds.index, [place] * len(seeds), 2.2 * seeds, alpha=0.5, **_look(first.gpu))
    _paper(axes, place, fleet, INSTANCES)
    sign, weight = ("=", "bold") if first.survives else ("≠", "normal")
    _beside(axes, place, f"{first[PAPER + INSTANCES]} {sign} {first[EXACT + INSTANCES]}", weight)


def _efficiencies(axes: Axes, place: int, fleet: pd.DataFrame) -> None:
    # Multiples of the golden ratio, less their whole parts, spread evenly however many there are.
    heights = place + 0.55 * (fleet[SEED] * 0.618 % 1 - 0.5)
    axes.scatter(_off(fleet, EFFICIENCY), heights, 5, alpha=0.5, **_look(fleet.gpu.iloc[0]))
    _paper(axes, place, fleet, EFFICIENCY)
    _beside(axes, place, f"{100 * fleet[SPREAD].iloc[0]:.1f} %")


def _paper(axes: Axes, place: int, fleet: pd.DataFrame, quantity: str) -> None:
    axes.plot(
        _off(fleet, quantity, PAPER).iloc[0],
        place,
        markerfacecolor="black" if fleet.survives.all() else "white",
        **DIAMOND,
    )


def _off(fleet: pd.DataFrame, quantity: str, kind: str = "") -> pd.Series:
    """Percent above the exact value."""
    return 100 * (fleet[kind + quantity] / fleet[EXACT + quantity] - 1)


def _look(gpu: str) -> dict[str, Any]:
    return {"color": COLORS[gpu], "marker": MARKERS[gpu], "linewidths": 0}


def _beside(axes: Axes, place: float, text: str, weight: str = "normal") -> None:
    axes.annotate(
        text,
        (1.02, place),
        xycoords=axes.get_yaxis_transform(),
        va="center",
        size=6.5,
        weight=weight,
    )


def _handles(gpus: list[str]) -> list[Line2D]:
    seeds = [
        Line2D(
            [],
            [],
            color=COLORS[gpu],
            marker=MARKERS[gpu],
            linestyle="none",
            alpha=0.6,
            label=f"{gpu}, all seeds",
        )
        for gpu in gpus
    ]
    return [
        *seeds,
        Line2D([], [], label="The paper's seed: count survives", **DIAMOND),
        Line2D([], [], label="does not", markerfacecolor="white", **DIAMOND),
        Line2D([], [], label="Exact integration", **LINE),
    ]
