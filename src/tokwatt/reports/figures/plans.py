"""Levers taken from the best fleet one after another, and its joules over the latency target."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import legend_above, note, plain_log, rows, times
from tokwatt.reports.figures.common.frames import Grids
from tokwatt.reports.figures.common.looks import BLUE, DASHED, DOUBLE, VERMILION, Look
from tokwatt.reports.labels import Labels

WORKLOAD = "azure"
BEST = "best fleet"
JOULES, TARGET = "joules_per_token [J/tok]", "itl_target [s]"
LOOKS: dict[str, Look] = {
    "llama-3.1-70b": {"color": BLUE, "linestyle": "-", "marker": "s"},
    "qwen3-235b-a22b": {"color": VERMILION, "linestyle": DASHED, "marker": "o"},
}
"""The LLMs that are drawn."""
OTHER: Look = {"color": "0.35", "linestyle": ":", "marker": "v"}
HEIGHT = 0.36


def data(grids: Grids) -> pd.DataFrame:
    """One row per LLM and lever, the best fleet first, and one per LLM and target."""
    levers, front = (grids[name].sel(workload=WORKLOAD) for name in ("plan_levers", "plan_front"))
    first = levers.isel(lever=0)
    # Joules of the best fleet: what is left without the first lever, over that one's own worth.
    best = (first.left / first.alone).assign_coords(lever=BEST)
    parts = [bars.to_dataframe(JOULES).reset_index() for bars in (best, levers.left)]
    targets = front.joules_per_token.to_dataframe(JOULES).reset_index()
    targets = targets.rename(columns={"itl_target": TARGET})
    frame = pd.concat(
        [*(part.assign(kind="lever") for part in parts), targets.assign(kind="front")]
    )
    return frame[["kind", "llm", "lever", TARGET, JOULES]].dropna(subset=[JOULES])


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """Levers as bars from the best fleet down, and the front beside them."""
    figure = Figure(figsize=(DOUBLE, 3.0))
    left, right = figure.subplots(1, 2)
    llms = list(frame.llm.unique())
    levers = list(frame[frame.kind == "lever"].lever.unique())
    for place, llm in enumerate(llms):
        own, look = frame[frame.llm == llm], LOOKS.get(llm, OTHER)
        _bars(left, own[own.kind == "lever"], levers, (place - 0.5) * HEIGHT, look)
        line = own[own.kind == "front"]
        right.plot(1e3 * line[TARGET], line[JOULES], label=label(llm), markersize=3.5, **look)
    rows(left, [BEST, *(f"then without {label(lever)}" for lever in levers[1:])])
    left.set_xlabel("Joules of an output token (J/tok)")
    right.set(xscale="log", yscale="log", xlabel="Target on the inter-token latency (ms)")
    right.set_ylabel("Joules of an output token (J/tok)")
    right.grid()
    right.margins(y=0.1)
    plain_log(right.xaxis, times(1, 1.5, 2, 3, 5))
    plain_log(right.yaxis, times(1, 1.5, 2, 3, 5))
    legend_above(figure, right)
    return figure


def _bars(axes: Axes, own: pd.DataFrame, levers: list[str], offset: float, look: Look) -> None:
    places = [levers.index(lever) + offset for lever in own.lever]
    axes.barh(places, own[JOULES], HEIGHT, color=look["color"])
    for place, joules in zip(places, own[JOULES], strict=True):
        note(axes, f"{joules:.2f}", (joules, place), (2, 0), size=6, va="center")
    axes.margins(x=0.12)
