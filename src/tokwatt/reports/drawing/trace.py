"""A figure of a trace: how long its requests are, and when they come."""

from io import BytesIO
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.output import write_files
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import Trace
from tokwatt.reports.drawing.plotting import STYLE
from tokwatt.reports.figures.common.looks import ACCOUNTS, DASHED, DOUBLE
from tokwatt.reports.labels import context_window

KINDS = ("svg", "pdf", "png")
BINS = 120
"""Parts of the time that a trace spans."""
SHOWN = 1000
"""Points of a distribution."""


def write_trace_figure(trace: Trace, path: Path) -> None:
    """Draw the lengths of a trace's requests and their arrivals.

    Raises:
        ParameterError: where the path ends in anything but svg, pdf or png.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in KINDS:
        wanted = f"a name that ends in {', '.join(KINDS)}"
        raise ParameterError(f"--figure: is {str(path)!r}, wanted {wanted}.")
    content = BytesIO()
    with matplotlib.style.context(STYLE, after_reset=True):
        metadata = {"Date": None} if kind == "svg" else None
        draw_trace(trace).savefig(content, format=kind, metadata=metadata)
    write_files({path: content.getvalue()})


def draw_trace(trace: Trace) -> Figure:
    """Shares of requests up to each length, and where times are known, arrivals over them."""
    timed = bool(trace.span)
    figure = Figure(figsize=(DOUBLE, 2.4))
    panels = figure.subplots(1, 1 + timed, squeeze=False)[0]
    _lengths(panels[0], trace)
    if timed:
        _arrivals(panels[1], trace)
    return figure


def _lengths(axes: Axes, trace: Trace) -> None:
    looks = [*ACCOUNTS.values()]
    lines = {
        "prompt": (trace.prompt, {"color": looks[2]["color"]}),
        "output": (trace.output, {"color": looks[3]["color"], "linestyle": DASHED}),
    }
    shares = np.linspace(0, 1, SHOWN)
    for name, (tokens, look) in lines.items():
        order = np.argsort(tokens)
        upto = np.cumsum(trace.weights[order])
        places = np.minimum(np.searchsorted(upto, shares), len(order) - 1)
        axes.step(tokens[order[places]], shares, where="post", label=name, **look)
    powers = 4.0 ** np.arange(np.ceil(np.log(trace.longest) / np.log(4)) + 1)
    axes.set(xscale="log", xlabel="Length (tok)", ylabel="Share of requests (1)", ylim=(0, 1))
    axes.set_xticks(powers, [_tick(power) for power in powers])
    axes.minorticks_off()
    axes.legend()


def _tick(tokens: float) -> str:
    return context_window(tokens) if tokens >= 1024 else f"{tokens:g}"


def _arrivals(axes: Axes, trace: Trace) -> None:
    assert trace.arrivals is not None and trace.span
    counts, edges = np.histogram(trace.arrivals, BINS, weights=trace.counts)
    scale, unit = _unit(trace.span)
    axes.stairs(counts / np.diff(edges), edges / scale, color="black", linewidth=0.8)
    axes.axhline(trace.arrival_rate or 0.0, color="0.5", linestyle=":")
    axes.set(xlabel=f"Time since the first ({unit})", ylabel="Arrivals (req/s)", ylim=(0, None))


def _unit(span: float) -> tuple[float, str]:
    """A unit in which a span is a number that is easily read."""
    units = [(86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")]
    return next((unit for unit in units if span >= 2 * unit[0]), units[-1])
