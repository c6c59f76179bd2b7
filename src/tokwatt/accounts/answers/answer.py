"""An answer: its numbers with intervals, and what they stand on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from tokwatt.params.intervals import is_known
from tokwatt.serving.demand.traffic import Part


class Estimate(NamedTuple):
    """A number of an answer.

    Attributes:
        value: the number.
        low: lower end of its 90 % interval; None where nothing says how wide that is.
        high: upper end.
        unit: of all three.
    """

    value: float
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class Basis:
    """What an answer stands on.

    Attributes:
        account: the assumption set, and what was changed in it.
        basis: whose watts are counted.
        engine: the serving engine.
        precision: the precision of weights by name; empty for a profile of the paper.
        kv_cache: how wide the KV cache is; empty for such a profile.
        calibrated_on: the measured runs behind it; empty for the paper's account.
        extrapolated: what no measured run supports.
        simulate: what a formula cannot tell and must be simulated.
        targets: what a fleet keeps, in words; empty for an instance and for a simulation.
    """

    account: str
    basis: str
    engine: str
    precision: str
    kv_cache: str
    calibrated_on: str
    extrapolated: tuple[str, ...]
    simulate: tuple[str, ...] = ()
    targets: str = ""

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        held = [self.precision, self.kv_cache, self.calibrated_on]
        parts = [f"{self.account} account", self.basis, self.engine, *held]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Answer:
    """Numbers with intervals, and what they stand on; each number is an attribute as well.

    Attributes:
        quantities: the numbers by name.
        basis: what they stand on.
        pools: numbers of each pool of a fleet, the one of the longest window last.
        parts: what the instances of each do for a request.
    """

    quantities: Mapping[str, Estimate]
    basis: Basis
    pools: tuple[Mapping[str, Estimate], ...] = ()
    parts: tuple[Part, ...] = ()

    def __getattr__(self, name: str) -> float:
        """The value of a number."""
        numbers = self.__dict__.get("quantities", {})
        if name not in numbers:
            raise AttributeError(f"an answer has no {name!r}, it has {', '.join(numbers)}")
        return numbers[name].value

    def __repr__(self) -> str:
        """A line for what it stands on, and one for each number."""
        rows = [*self.rows()]
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        lines = (
            f"{name:{widths[0]}}  {value:>{widths[1]}} {unit:{widths[2]}}  {between}".rstrip()
            for name, value, unit, between in rows
        )
        return "\n".join([self.basis.sentence, *lines, *self._notes()])

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows()
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes())
        return f"<table><caption>{escape(self.basis.sentence)}</caption>{cells}</table>{notes}"

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Name, value, unit and interval of each number, as they are shown.

        Where requests have one output token, no time lies between two: there is none.
        """
        for name, quantity in self.quantities.items():
            scale, unit = _scaled(quantity)
            between = ""
            if quantity.low is not None and quantity.high is not None:
                between = f"{quantity.low / scale:.4g} - {quantity.high / scale:.4g}"
                if quantity.value and not is_known(quantity.low, quantity.high):
                    between += ", not known"
            if math.isnan(quantity.value):
                yield name.replace("_", " "), "none", "", ""
            else:
                yield name.replace("_", " "), f"{quantity.value / scale:.4g}", unit, between

    def _notes(self) -> list[str]:
        notes = {
            "pools": tuple(self._sizes()),
            "extrapolated": self.basis.extrapolated,
            "must be simulated": self.basis.simulate,
        }
        return [f"{name}: {'; '.join(told)}" for name, told in notes.items() if told]

    def _sizes(self) -> Iterator[str]:
        """Instances of each pool, where there are several."""
        for part, pool in zip(self.parts, self.pools, strict=True):
            if len(self.pools) > 1:
                does = "" if part == "both" else f" {part}"
                window = pool["context_window"].value
                yield f"{pool['instances'].value:.0f}{does} up to {window:.0f}"
        if sum(part != "prefill" for part in self.parts) > 1:
            yield "latencies are those of the slowest"


SCALES = {
    "s": [(1.0, "s"), (1e-3, "ms")],
    "W": [(1e6, "MW"), (1e4, "kW"), (1.0, "W")],
    "B": [(2.0**30, "GiB")],
    "USD/tok": [(1e-6, "USD/Mtok")],
    "g/tok": [(1e-6, "g/Mtok")],
    "1": [(1.0, "")],
}
"""Units in which numbers of an SI unit are shown, from the largest on."""


def _scaled(quantity: Estimate) -> tuple[float, str]:
    """The scale and the unit in which a number is easily read."""
    choices = SCALES.get(quantity.unit, [(1.0, quantity.unit)])
    least, unit = next(
        (choice for choice in choices if abs(quantity.value) >= choice[0]), choices[-1]
    )
    return (1e3 if unit == "kW" else least), unit
