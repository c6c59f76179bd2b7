"""Standard figures, which a study's file describes, in place of a module of their own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from tokwatt.params.records.plots import Plot
from tokwatt.params.records.quantity import Quantity, factor
from tokwatt.reports.figures.common.axes import panels_side_by_side
from tokwatt.reports.figures.common.frames import Grids, unit_columns
from tokwatt.reports.figures.common.kinds import ALL, KINDS, Encoding, heat_scale, legend, log_ticks
from tokwatt.reports.figures.common.looks import DOUBLE, SINGLE
from tokwatt.reports.labels import Labels

PER_ROW, HEIGHT, AROUND = 3, 1.9, 0.75
"""Panels in a row, and inches of a row and of what lies around the rows."""


@dataclass(frozen=True)
class Standard:
    """Draws a study as its file says.

    Attributes:
        study: its name.
        plot: what stands there.
    """

    study: str
    plot: Plot

    def data(self, grids: Grids) -> pd.DataFrame:
        """One row per point; of lines and bars, what does not fit has none."""
        grid = grids[self.study]
        places = {name: _coordinate(grid[name], place) for name, place in self.plot.at.items()}
        frame = unit_columns(grid.sel(places), self.plot.quantity)
        named = {column.partition(" [")[0]: column for column in frame}
        names = [*reversed(self.plot.drawn.values()), self.plot.quantity]
        frame = frame[[named[name] for name in names]]
        return frame if self.plot.kind == "heat" else frame.dropna()

    def draw(self, frame: pd.DataFrame, label: Labels) -> Figure:
        """Panels beside each other on the same scales; what tells series apart stands above."""
        named = {column.partition(" [")[0]: column for column in frame}
        axes_of = {role: named[axis] for role, axis in self.plot.drawn.items()}
        columns = Encoding(axes_of, named[self.plot.quantity], self.plot.log, label)
        column = axes_of.get("panels", ALL)
        frame = frame if column else frame.assign(**{ALL: ""})
        count = frame[column].nunique()
        figure = Figure(
            figsize=(SINGLE if count == 1 else DOUBLE, HEIGHT * -(-count // PER_ROW) + AROUND)
        )
        panels = panels_side_by_side(figure, frame, column, min(count, PER_ROW))
        for axes, _, rows in panels:
            KINDS[self.plot.kind](axes, rows, frame, columns)
            axes.set_title(columns.name(column, rows[column].iloc[0]))
            axes.set_xlabel(columns.title("x"))
        for axes, *_ in panels[::PER_ROW]:
            axes.set_ylabel(columns.title("y"))
        if "y" in self.plot.log:
            log_ticks(panels[0].axes.yaxis)
        if self.plot.kind == "heat":
            heat_scale(figure, [panel.axes for panel in panels], frame, columns)
        if self.plot.series:
            legend(figure, panels[0].axes)
        return figure


def _coordinate(axis: xr.DataArray, place: str | Quantity) -> str | float:
    """A value of an axis, from how it is written."""
    if isinstance(place, str):
        return place
    value = np.asarray(place.value) * (factor(place.unit, axis.attrs["units"]) or np.nan)
    return float(axis[np.argmin(abs(axis.to_numpy() - value))])
