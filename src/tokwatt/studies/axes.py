"""Axes of a study as a file writes them: numbers in SI units, or specs of a catalogue."""

from collections.abc import Callable
from typing import Annotated, Any, get_args

import numpy as np

from tokwatt.grid import Axis
from tokwatt.params.records.section import Hints, Section
from tokwatt.params.specs import Workload
from tokwatt.units import MANY, In, mark_of

LONGEST_AXIS = 10**7
"""Most values of an axis that `linspace` and `geomspace` write out."""
SPACINGS: dict[str, Callable[..., np.ndarray]] = {
    "linspace": np.linspace,
    "geomspace": np.geomspace,
}


def axes_of(section: Section, hints: Hints) -> dict[str, Axis]:
    """Each axis as numbers in SI units or as a catalogue of specs, in the order written."""
    if not section.raw:
        raise section.fail("is empty", f"some of {', '.join(hints)}")
    written = {
        name: _written(section, name, section.raw[name], section.pick(name, name, hints))
        for name in section.raw
    }
    listed = {name: _listed(hints[name]) for name in written}
    axes = section.at("", written).bind(listed)
    for name, axis in axes.items():
        _refuse_repeats(section, name, written[name] if isinstance(axis, dict) else axis.tolist())
    return {
        name: _of_one_size(axis) if mark_of(hints[name]) == In("workloads") else axis
        for name, axis in axes.items()
    }


def _of_one_size(laws: dict[str, Workload]) -> dict[str, Workload]:
    """Distributions that stack: all get as many knots, the further ones beyond every request."""
    knots = max(len(law.lengths) for law in laws.values())

    def with_knots(law: Workload) -> Workload:
        more = knots - len(law.lengths)
        lengths = np.append(law.lengths, law.lengths[-1] + np.arange(1, 1 + more))
        return Workload(lengths=lengths, fractions=np.append(law.fractions, np.ones(more)))

    return {name: with_knots(law) for name, law in laws.items()}


def _refuse_repeats(section: Section, name: str, values: list) -> None:
    if not values:
        raise section.fail("is empty", "at least one name", name)
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise section.fail(f"has {twice} more than once", "different values", name)


def _listed(hint: object) -> object:
    """The hint of an axis, from that of a single value."""
    mark = mark_of(hint)
    if isinstance(mark, In):
        return Annotated[dict[str, get_args(hint)[0]], mark]  # type: ignore[misc]
    return Annotated[hint, MANY]


def _written(section: Section, name: str, axis: Any, hint: object) -> Any:
    """An axis with `all`, `linspace` and `geomspace` written out."""
    mark = mark_of(hint)
    if isinstance(mark, In):
        return list(section.catalogue(mark.catalogue)) if axis == "all" else axis
    for spacing in SPACINGS.keys() & (axis if isinstance(axis, dict) else {}):
        values = _spaced(section.at(f"{name}.{spacing}", axis[spacing]), spacing)
        if "value" in axis:
            raise section.fail("stands beside a value", "one of the two", f"{name}.{spacing}")
        whole = np.round(values) if axis.get("unit") == "tok" else values
        rest = {key: value for key, value in axis.items() if key != spacing}
        return rest | {"value": whole.tolist()}
    return axis


def _spaced(section: Section, spacing: str) -> np.ndarray:
    start, stop, count = section.convert(tuple[float, float, int])
    if not (
        1 <= count <= LONGEST_AXIS
        and np.isfinite([start, stop]).all()
        and (spacing == "linspace" or min(start, stop) > 0)
    ):
        raise section.fail(
            f"is {section.raw}",
            f"a start, a stop (both above 0 for geomspace) and a count from 1 to {LONGEST_AXIS}",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return SPACINGS[spacing](start, stop, count)
