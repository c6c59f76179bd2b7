"""What FleetOpt is worth, by the paper's rules and by ours, beside every other lever."""

import pandas as pd
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import legend_above, plain_log, rows, times
from tokwatt.reports.figures.common.frames import Grids
from tokwatt.reports.figures.common.looks import BLUE, DOUBLE, GREEN, GREY, VERMILION, Look
from tokwatt.reports.labels import Labels
from tokwatt.reports.pages.planning import ALL, FREE, PAPER, SPLIT, factors

FACTOR = "factor [1]"
LOOKS: dict[str, Look] = {
    PAPER: {"color": BLUE, "marker": "s"},
    FREE: {"color": BLUE, "marker": "s", "markerfacecolor": "white"},
    SPLIT: {"color": VERMILION, "marker": "^"},
    "length split": {"color": VERMILION, "marker": "^", "markerfacecolor": "white"},
    "gpu": {"color": GREEN, "marker": "o"},
    "precision": {"color": GREEN, "marker": "D", "markerfacecolor": "white"},
    "width": {"color": GREEN, "marker": "v"},
    "batch cap": {"color": GREEN, "marker": "x"},
    ALL: {"color": "black", "marker": "*"},
}
"""Factors that are drawn: by the paper's rules, of a split, of the other levers, of all."""
NAMES = {
    PAPER: "FleetOpt, the paper's rules",
    FREE: "the paper's rules, all free",
    SPLIT: "FleetOpt's split, consistent",
    "length split": "best splits",
    ALL: "all levers",
}


def data(grids: Grids) -> pd.DataFrame:
    """One row per workload, LLM and factor."""
    found = factors(grids["plan_fleetopt"], grids["plan_levers"])
    lines = [
        (workload, llm, what, factor)
        for workload, llm, own in found
        for what, factor in own.items()
    ]
    return pd.DataFrame(lines, columns=["workload", "llm", "what", FACTOR]).dropna()


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A row for each workload and LLM, a mark for each factor."""
    figure = Figure(figsize=(DOUBLE, 2.9))
    axes = figure.subplots()
    cases = list(dict.fromkeys(zip(frame.workload, frame.llm, strict=True)))
    for what, look in LOOKS.items():
        own = frame[frame.what == what]
        places = [cases.index(case) for case in zip(own.workload, own.llm, strict=True)]
        name = NAMES.get(what, label(what))
        axes.plot(own[FACTOR], places, label=name, linestyle="", markersize=4.5, **look)
    rows(axes, [f"{label(workload)}, {label(llm)}" for workload, llm in cases])
    axes.axvline(1, color=GREY, linewidth=0.7, linestyle=":", zorder=0)
    axes.grid(axis="y")
    axes.set_xscale("log")
    axes.margins(x=0.05)
    axes.set_xlabel("Tokens per joule over those of one plain pool of H100 (×)")
    plain_log(axes.xaxis, times(1, 2, 5))
    legend_above(figure, axes, 5)
    return figure
