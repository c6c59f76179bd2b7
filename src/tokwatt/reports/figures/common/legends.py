"""Legends and colour bars: what tells lines, marks, bars and cells apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tokwatt.reports.figures.common.looks import Look


def named_lines(looks: Mapping[str, Look]) -> list[Line2D]:
    """A line or mark for each name."""
    return [Line2D([], [], label=name, **look) for name, look in looks.items()]


def named_patches(looks: Mapping[str, Look]) -> list[Patch]:
    """A patch for each name."""
    return [Patch(label=name, **look) for name, look in looks.items()]


def legend_above(figure: Figure, panel: Axes, most: int | None = None) -> None:
    """What is drawn in a panel, above all of them, in so many columns at the most."""
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=most or len(names))


def color_bar(
    figure: Figure, shown: ScalarMappable, panels: Sequence[Axes] | np.ndarray, **look: Any
) -> Colorbar:
    """What the colours of maps mean."""
    bar = figure.colorbar(shown, ax=panels, pad=0.01, **look)
    bar.outline.set_visible(False)
    return bar
