"""Small multiples: a panel for each entry of a column, or of two."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure


class Panel(NamedTuple):
    """A panel and what it shows.

    Attributes:
        axes: where it is drawn.
        name: the entry that it shows.
        rows: the rows of that entry.
    """

    axes: Axes
    name: str
    rows: pd.DataFrame


def panels_side_by_side(
    figure: Figure, frame: pd.DataFrame, column: str, per_row: int = 0
) -> list[Panel]:
    """A panel for each entry of a column, from the left, on one vertical axis."""
    parts = list(frame.groupby(column, sort=False))
    width = per_row or len(parts)
    grid = figure.subplots(-(-len(parts) // width), width, sharey=True, squeeze=False)
    for axes in grid.flat[len(parts) :]:
        axes.remove()
    return [
        Panel(axes, str(name), rows) for axes, (name, rows) in zip(grid.flat, parts, strict=False)
    ]


def lattice(
    figure: Figure, frame: pd.DataFrame, down: str, across: str
) -> tuple[np.ndarray, list[Panel]]:
    """Axes for each pair of entries of two columns, both axes shared, and what each shows."""
    entries = list(product(frame[down].unique(), frame[across].unique()))
    size = frame[down].nunique(), frame[across].nunique()
    grid = figure.subplots(*size, sharex=True, sharey=True, squeeze=False)
    panels = [
        Panel(axes, f"{upper}, {left}", frame[(frame[down] == upper) & (frame[across] == left)])
        for axes, (upper, left) in zip(grid.flat, entries, strict=True)
    ]
    return grid, panels
