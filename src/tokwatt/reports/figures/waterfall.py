"""Each headline's way from its published to its consistent value, one correction at a time."""

from collections.abc import Iterator
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common import axes as styled
from tokwatt.reports.figures.common.axes import named_patches, note, plain_log, times
from tokwatt.reports.figures.common.frames import Grids
from tokwatt.reports.figures.common.looks import DOUBLE, LOWERS, PLAIN, RAISES, Look
from tokwatt.reports.labels import Labels

BEFORE, AFTER = "before [1]", "after [1]"
COLUMNS = ["headline", "claim", "unit", "label", BEFORE, AFTER]
SMALL = 0.02
"""Corrections of less than this are drawn together."""
ACROSS = 3
STEPS: dict[float, list[float]] = {
    0.3: [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8],
    0.7: [1, 1.5, 2, 3, 4, 6, 8],
    1.6: [1, 2, 5],
    2.1: [1, 3],
    np.inf: [1],
}
"""Ticks in a decade, by the decades that a panel's values span."""
LOOKS: dict[str, Look] = {"lowers": {**LOWERS, **PLAIN}, "raises": {**RAISES, **PLAIN}}
QUANTITIES = {"1": "Ratio (1)", "tok/W": "Tokens per watt (tok/W)"}


def data(grids: Grids) -> pd.DataFrame:
    """One row per headline and bar, in the order of corrections; an end has no value before."""
    waterfall = grids["waterfall"]
    rows = []
    for headline in waterfall.headline.values:
        path = waterfall.sel(headline=headline)
        about = headline, path.claim.item(), path.unit.item()
        rows += [(*about, *bar) for bar in _bars(path)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _bars(path: xr.Dataset) -> Iterator[tuple[str, float, float]]:
    values, labels = path.value.to_numpy(), path.label.to_numpy()
    yield labels[0], np.nan, values[0]
    drawn = values[0]
    for label, before, after in zip(labels[1:], values[:-1], values[1:], strict=True):
        if _small(after / before):
            continue
        if not _small(before / drawn):
            yield "others together", drawn, before
        yield label, before, after
        drawn = after
    if not _small(values[-1] / drawn):
        yield "others together", drawn, values[-1]
    yield "consistent", np.nan, values[-1]


def _small(factor: float) -> bool:
    return abs(np.log(factor)) < np.log1p(SMALL)


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel per headline; factors stand beside the bars, values at both ends."""
    paths = [rows.reset_index(drop=True) for _, rows in frame.groupby("headline", sort=False)]
    lines = [max(map(len, paths[start : start + ACROSS])) for start in range(0, len(paths), ACROSS)]
    figure = Figure(figsize=(DOUBLE, 0.125 * sum(lines) + 0.75 * len(lines)))
    grid = figure.subplots(len(lines), ACROSS, height_ratios=lines, squeeze=False)
    for axes, rows in zip(grid.flat, paths, strict=False):
        _path(axes, rows)
        claim = fill(rows.claim[0][0].upper() + rows.claim[0][1:], 29)
        axes.set_title(claim, loc="right", multialignment="left")
    for axes in grid.flat[len(paths) :]:
        axes.remove()
    handles = named_patches({f"{name.capitalize()} the value": LOOKS[name] for name in LOOKS})
    figure.legend(handles=handles, loc="outside upper right", ncols=2, handleheight=1.1)
    return figure


def _path(axes: Axes, rows: pd.DataFrame) -> None:
    for place, (before, after) in enumerate(rows[[BEFORE, AFTER]].to_numpy()):
        if np.isnan(before):
            _end(axes, place, after, f"{after:g}" if place == 0 else f"{after:#.3g}")
        else:
            _bar(axes, place, before, after)
    following = rows[BEFORE].fillna(rows[AFTER])
    for place, (after, before) in enumerate(zip(rows[AFTER], following[1:], strict=False)):
        axes.plot([after, before], [place + 0.38, place + 0.62], color="black", linewidth=0.6)
    _values(axes, rows[AFTER].min(), rows[AFTER].max())
    styled.rows(axes, list(rows.label), size=6)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(QUANTITIES[rows.unit[0]])


def _values(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis with room for the factors, and ticks as close as there is room for."""
    decades = np.log10(high / low)
    axes.set_xscale("log")
    axes.set_xlim(low / 10 ** (0.06 * decades), high * 10 ** (0.5 * decades))
    plain_log(axes.xaxis, times(*next(steps for most, steps in STEPS.items() if decades < most)))


def _end(axes: Axes, place: int, value: float, text: str) -> None:
    axes.plot(value, place, marker="d", color="black", markersize=4)
    note(axes, text, (value, place), (5, 0), va="center", size=6.5, weight="bold")


def _bar(axes: Axes, place: int, before: float, after: float) -> None:
    low, high = sorted((before, after))
    axes.barh(place, high - low, 0.76, left=low, **LOOKS["raises" if after > before else "lowers"])
    note(axes, f"× {after / before:#.3g}", (high, place), (3, 0), va="center", size=6)
