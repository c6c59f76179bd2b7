"""The figure of a study: what stands under `plot`, the last key of its file."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from tokwatt.params.errors import one_of
from tokwatt.params.records.quantity import Quantity
from tokwatt.params.records.section import Section

PLOT = "plot"
KINDS = ("line", "bar", "heat")
UP = {"line": "y", "bar": "y", "heat": "color"}
"""Where the quantity stands, by kind."""


class Plot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A standard figure, as written.

    Attributes:
        kind: line, bar or heat: a heat map.
        x: the axis of the study from left to right.
        y: the quantity that is drawn; of a heat map, another axis.
        caption: a few sentences.
        category: the heading of the site under which it stands.
        color: the quantity that a heat map draws.
        series: an axis with a line or a bar for each of its values.
        panels: an axis with a panel for each of its values.
        log: which of x, y and color have a logarithmic scale.
        at: one value of each axis that is left, written as `fixed` is.
        title: one line; the study's own where there is none.
    """

    kind: str
    x: str
    y: str
    caption: str
    category: str
    color: str | None = None
    series: str | None = None
    panels: str | None = None
    log: list[str] = []
    at: dict[str, str | Quantity] = {}
    title: str | None = None

    @property
    def quantity(self) -> str:
        """The quantity that is drawn."""
        return str(getattr(self, UP[self.kind]))

    @property
    def drawn(self) -> dict[str, str]:
        """The axes that are drawn, by what they are in the figure."""
        roles = ("x", *(("y",) if self.kind == "heat" else ()), "series", "panels")
        return {role: axis for role in roles if (axis := getattr(self, role))}


def read_plot(study: Section) -> Plot | None:
    """The figure of a study, if it has one.

    Args:
        study: its file, whose axes and quantities are those that a figure may name.

    Raises:
        ParameterError: with one sentence about the first thing that is wrong.
    """
    if PLOT not in study.raw:
        return None
    if list(study.raw)[-1] != PLOT:  # so that an edit of it computes nothing: see the Snakefile
        raise study.fail("stands above other keys", "the last place in the file", PLOT)
    section = study.child(PLOT)
    plot = section.convert(Plot)
    section.pick("kind", plot.kind, dict.fromkeys(KINDS))
    _require_parts(section, plot)
    section.pick(UP[plot.kind], plot.quantity, _keys(study, "quantities"))
    axes = _keys(study, "axes")
    for role, axis in plot.drawn.items():
        section.pick(role, axis, axes)
    _require_each_once(section, plot, axes)
    return plot


def _keys(study: Section, name: str) -> Mapping[str, Any]:
    """What a list or mapping of a study names; nothing where it is neither."""
    raw = study.raw.get(name)
    return dict.fromkeys(raw) if isinstance(raw, list | dict) else {}


def _require_parts(section: Section, plot: Plot) -> None:
    """Refuse what a kind of figure does not have, and ask for what it has."""
    if plot.kind == "heat" and plot.color is None:
        raise section.fail("is missing", "the quantity that the heat map draws", "color")
    for role in ("series",) if plot.kind == "heat" else ("color",):
        if getattr(plot, role) is not None:
            raise section.fail(f"is no part of kind: {plot.kind}", "none", role)
    scales = {"line": ("x", "y"), "bar": ("y",), "heat": ("color",)}[plot.kind]
    for scale in plot.log:
        section.pick("log", scale, dict.fromkeys(scales))


def _require_each_once(section: Section, plot: Plot, axes: Collection[str]) -> None:
    """Every axis is drawn once, or has one value."""
    drawn = list(plot.drawn.values())
    for role, axis in plot.drawn.items():
        if drawn.count(axis) > 1:
            raise section.fail(f"is {axis!r}, which is drawn already", "another axis", role)
    left = [axis for axis in axes if axis not in drawn]
    for axis in plot.at:
        if axis not in left:
            wanted = one_of(axis, left) if left else "none: every axis is drawn"
            raise section.fail("is no axis that is left", wanted, f"at.{axis}")
    for axis in left:
        if axis not in plot.at:
            wanted = "one of its values, or the axis as series or panels"
            raise section.fail("is missing", wanted, f"at.{axis}")
