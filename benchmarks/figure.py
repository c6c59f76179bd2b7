"""How many times as fast this program is as each other, on a log axis."""

from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from benchmarks.timing import OURS

PANELS = {
    "points, three axes": "Operating points: window × utilization × fill",
    "points, two axes": "Operating points: window × utilization",
    "consistent points, dense": "Consistent account, dense LLM: window × utilization",
    "consistent points, experts": "Consistent account, mixture of experts: window × utilization",
    "fleets, paper's rules": "Sized two-pool fleets, paper's rules",
    "fleets, plain rules": "Sized two-pool fleets, plain rules",
    "Erlang C": "Erlang C",
    "simulation, 100 requests/s": "Simulated requests, 100 per second",
    "simulation, 1,000 requests/s": "Simulated requests, 1,000 per second",
    "simulation, 10,000 requests/s": "Simulated requests, 10,000 per second",
}
MARKS = {1: "o", 2: "D"}
COLOURS = {1: "#0072B2", 2: "#D55E00"}


def write(table: list[dict], path: Path) -> None:
    """Draw the ratios as `.png` and `.svg`."""
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        with matplotlib.style.context("tokwatt.reports.figures.tokwatt", after_reset=True):
            draw(table).savefig(path.with_suffix(f".{kind}"), metadata=metadata)


def draw(table: list[dict]) -> Figure:
    """A panel for each thing measured, a line for each program, a mark for each thread count."""
    shown = [
        row
        for row in table
        if row["ours_over_this"] and row["what"] in PANELS and row["program"] != OURS
    ]
    lines = {
        what: list(dict.fromkeys(row["program"] for row in shown if row["what"] == what))
        for what in PANELS
    }
    lines = {what: programs for what, programs in lines.items() if programs}
    canvas = Figure(figsize=(6.9, 0.17 * sum(map(len, lines.values())) + 0.42 * len(lines) + 0.5))
    heights = [len(programs) + 0.6 for programs in lines.values()]
    panels = canvas.subplots(len(lines), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (what, programs) in zip(panels, lines.items(), strict=True):
        for row in (row for row in shown if row["what"] == what):
            ratio, threads = float(row["ours_over_this"]), row["threads"]
            place = programs.index(row["program"]) + (0.18 if threads > 1 else -0.18)
            style = {"marker": MARKS[threads], "color": COLOURS[threads], "linestyle": "none"}
            panel.plot(
                ratio, place, **style, markerfacecolor="white" if threads == 1 else COLOURS[threads]
            )
            text = f"{ratio:,.3g}" if ratio < 1000 else f"{ratio:,.0f}"
            panel.annotate(
                text, (ratio, place), (5, 0), textcoords="offset points", va="center", size=5
            )
        panel.axvline(1, color="black", linewidth=0.6)
        panel.set(
            xscale="log",
            ylim=(len(programs) - 0.4, -0.6),
            yticks=range(len(programs)),
            yticklabels=programs,
        )
        rates = [f"{float(row['value']) / 1e6:.3g}" for row in table if _is_ours(row, what)]
        panel.set_title(f"{PANELS[what]} (ours: {' and '.join(rates)} million/s)", loc="right")
        panel.grid(axis="x")
        panel.xaxis.set_major_formatter("{x:g}")
    faces = {1: "white", 2: COLOURS[2]}
    handles = [
        panels[0].plot([], [], MARKS[count], color=COLOURS[count], markerfacecolor=faces[count])[0]
        for count in MARKS
    ]
    canvas.legend(handles, ["1 thread", "2 threads"], loc="outside lower right", ncols=2)
    panels[-1].set_xlabel(
        "tokwatt is this many times as fast (left of the line: slower, or short of a limit)"
    )
    return canvas


def _is_ours(row: dict, what: str) -> bool:
    return row["what"] == what and row["program"] == OURS and row["state"] == "warm"
