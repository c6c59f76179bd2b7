"""Whether the figure of a study has room for its axes, and stands at values that they have."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tokwatt.grid import Axis
from tokwatt.params.errors import shown
from tokwatt.params.records.plots import Plot
from tokwatt.params.records.section import Section

MOST = {"series": 8, "panels": 9}
"""Values of an axis that a figure tells apart, or has room for."""
SAME = 1e-6
"""By how much a value of an axis may differ from how it is written in `at`."""


def check_plot(
    section: Section, plot: Plot, axes: Mapping[str, Axis], hints: Mapping[str, Any]
) -> None:
    """Refuse what an axis is too long for, and values that it has not."""
    if plot.kind == "line" and isinstance(axes[plot.x], dict):
        raise section.fail(f"is {plot.x!r}, an axis of names", "one of numbers, or kind: bar", "x")
    for role, axis in plot.drawn.items():
        count = len(axes[axis])  # type: ignore[arg-type]
        if count > MOST.get(role, count):
            wanted = f"an axis of at most {MOST[role]} values"
            raise section.fail(f"is {axis!r}, which has {count}", wanted, role)
    for axis in plot.at:
        _require_value(section.child("at"), axis, axes[axis], hints[axis])


def _require_value(section: Section, name: str, axis: Axis, hint: Any) -> None:
    written = section.raw[name]
    if isinstance(axis, dict):
        section.pick(name, written, axis)
        return
    value = section.quantity(name, hint)
    numbers = np.asarray(axis)
    if not np.isclose(numbers, value, rtol=SAME).any():
        nearest = numbers[np.argmin(abs(numbers - value))]
        wanted = f"a value of the axis, such as {nearest:g} in SI units"
        raise section.fail(f"is {shown(written['value'])} {written['unit']}", wanted, name)
