"""What the calibration found, as specs: steps and power of a GPU by `params/calibrated.yaml`."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tokwatt.params.section import Section
from tokwatt.params.specs import StepParameters, UtilizationPower
from tokwatt.units import Dimensionless, Signed, Watts, hints_of

if TYPE_CHECKING:
    from tokwatt.params.folder import Folder

OTHER = "other"
"""Stands for every board that nobody measured."""
CAPPED = "efficiency"
"""Parameters with this in their name are shares of what a data sheet says, and at most 1."""


class Values:
    """The fitted values of `params/calibrated.yaml`.

    A number is what all GPUs and engines have in common times e to the deviations of a GPU, of an
    engine and of the two together; what nobody measured deviates by nothing. No efficiency is
    above 1.
    """

    def __init__(self, folder: "Folder") -> None:
        self.section = folder.section("calibrated").child("value")
        self.families = folder.section("calibration").child("families").raw
        self.limit = folder.section("calibration").child("fit").quantity("power_cap", Dimensionless)

    @cached_property
    def common(self) -> dict[str, Any]:
        """What all GPUs and engines have in common."""
        return self.section.child("common").bind(hints_of(StepParameters))

    def step(self, gpu: str, engine: str) -> StepParameters:
        """What steps on a GPU take under an engine, or under the one that it is a version of."""
        engine = self.fitted_engine(engine)
        both = self._within("gpus_engines", gpu)
        parts = [
            self._within("gpus", gpu),
            self._within("engines", engine),
            both.child(engine) if both and engine in both.raw else None,
        ]
        deviations = [part for part in parts if part is not None]
        numbers = {
            name: value * math.exp(sum(_at(part, name) for part in deviations))
            for name, value in self.common.items()
        }
        capped = {name: min(1.0, value) for name, value in numbers.items() if CAPPED in name}
        return StepParameters(**numbers | capped)

    def fitted_engine(self, engine: str) -> str:
        """The engine whose deviations one has: its own, or that which it is a version of."""
        known = engine in self.section.child("engines").raw
        return engine if known else self.families.get(engine, engine)

    def fitted_board(self, gpu: str) -> str:
        """The board whose power a GPU has: its own, or that of boards that nobody measured."""
        return gpu if gpu in self.section.child("boards").raw else OTHER

    def power(self, gpu: str, tdp: Watts) -> UtilizationPower:
        """The law of power of a GPU, for a board of some thermal design power."""
        shared, boards = self.section.child("power"), self.section.child("boards")
        board = boards.child(self.fitted_board(gpu))
        scale = tdp * board.quantity("scale", Dimensionless)
        terms: Mapping[str, Any] = {
            name: scale * shared.quantity(name, Dimensionless)
            for name in ("memory", "compute", "launch")
        }
        idle = tdp * board.quantity("idle", Dimensionless)
        return UtilizationPower(idle=idle, **terms, limit=tdp * self.limit)

    def _within(self, part: str, name: str) -> Section | None:
        """A part of deviations by name, where there is one."""
        section = self.section.child(part)
        return section.child(name) if name in section.raw else None


def _at(section: Section, name: str) -> Dimensionless:
    """The deviation of a number; 0 where the section names none."""
    if name not in section.raw:
        return 0.0
    return section.quantity(name, Signed, positive=False)
