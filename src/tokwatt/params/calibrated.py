"""What the calibration found, as specs: steps and power of a GPU by `params/calibrated.yaml`."""

from typing import TYPE_CHECKING, Any

import msgspec

from tokwatt.params.quantity import Quality
from tokwatt.params.specs import StepParameters, UtilizationPower
from tokwatt.units import Dimensionless, Seconds, Watts, hints_of, units_of

if TYPE_CHECKING:
    from tokwatt.params.folder import Folder


TERMS = tuple(name for name in units_of(UtilizationPower) if name != "limit")
"""Coefficients of board power, in the order of the terms that they multiply."""


class Likeness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which measured GPU one without runs is taken to be like."""

    like: str
    source: str
    quality: Quality


class Values:
    """The fitted values of `params/calibrated.yaml`, and what `params/calibration.yaml` fixes."""

    def __init__(self, folder: "Folder") -> None:
        self.section = folder.section("calibrated").child("value")
        self.fixed = folder.section("calibration").child("fixed")
        settings = folder.section("calibration").child("fit")
        self.power_cap = settings.quantity("power_cap", Dimensionless)

    def step(self, gpu: str) -> StepParameters:
        """What steps on a calibrated GPU take."""
        hints, fixed = hints_of(StepParameters), self.fixed.raw
        shared = {name: hint for name, hint in hints.items() if name not in fixed}
        del shared["layer_overhead"]
        known = self.fixed.bind({name: hints[name] for name in fixed})
        overhead = self.section.child("layer_overhead").quantity(gpu, Seconds)
        found = self.section.child("step").bind(shared)
        return StepParameters(**known, **found, layer_overhead=overhead)

    def power(self, gpu: str, tdp: Watts) -> UtilizationPower:
        """The law of power of a calibrated GPU, for a board of some thermal design power."""
        section = self.section.child("boards").child(gpu)
        terms: dict[str, Any] = dict.fromkeys(TERMS, 0.0)
        for term in section.raw:
            section.pick(term, term, terms)
            terms[term] = tdp * section.quantity(term, Dimensionless, positive=False)
        return UtilizationPower(**terms, limit=tdp * self.power_cap)
