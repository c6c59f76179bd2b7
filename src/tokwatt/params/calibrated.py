"""What the calibration found, as specs: steps and power of a GPU by `params/calibrated.yaml`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.records.section import Section
from tokwatt.params.specs import StepParameters, UtilizationPower
from tokwatt.units import Dimensionless, Signed, SignedAxis, Watts, hints_of

if TYPE_CHECKING:
    from tokwatt.params.folder import Folder

OTHER = "other"
"""Stands for every board that nobody measured."""
CAPPED = "efficiency"
"""Parameters with this in their name are shares of what a data sheet says, and at most 1."""
POWER_TERMS = ("idle", "memory", "compute", "launch", "scale")
"""Numbers of a law of power: shares of TDP, and a factor on all but the first."""
PAIRS = "gpus_engines"
PARTS = ("gpus", "engines", PAIRS)
"""Parts of the files with deviations of a GPU, of an engine, and of the two together."""
HELD_OUT = "measured/held_out"
"""The file of what is fitted without each LLM."""
DRAWS, SEED = 64, 0
"""How many joint draws there are, in pairs that mirror each other, and the seed of their choice."""
Deviations = dict[str, Any]
"""Logarithms of parameters, one of each or a list by LLM, from those that all have in common."""
Influence = tuple[Dimensionless, SignedAxis]
"""A fitted number, and what each LLM moves it by."""


class Values:
    """The fitted values of `params/calibrated.yaml`.

    A number is what all GPUs and engines have in common times e to the deviations of a GPU, of an
    engine and of the two together; what nobody measured deviates by nothing. No efficiency is
    above 1.
    """

    def __init__(self, folder: "Folder") -> None:
        self.section = folder.section("calibrated").child("value")
        self.families = folder.section("calibration").child("families").raw
        settings = folder.section("calibration").child("fit")
        self.limit = settings.quantity("power_cap", Dimensionless)
        self.clock_exponent = settings.quantity("clock_exponent", Dimensionless)

    @cached_property
    def common(self) -> dict[str, Dimensionless]:
        """What all GPUs and engines have in common."""
        return self.section.child("common").bind(hints_of(StepParameters))

    @cached_property
    def _fitted(self) -> dict[str, dict[str, Deviations]]:
        return {part: deviations(self.section, part) for part in PARTS}

    def step(self, gpu: str, engine: str) -> StepParameters:
        """What steps on a GPU take under an engine, or under the one that it is a version of."""
        deviations = self._deviations(gpu, self.fitted_engine(engine))
        numbers = {name: value * math.exp(deviations[name]) for name, value in self.common.items()}
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
        board = self.fitted_board(gpu)
        scale = tdp * self._share(board, "scale")
        terms: dict[str, Dimensionless] = {
            name: scale * self._share(board, name) for name in ("memory", "compute", "launch")
        }
        return UtilizationPower(
            idle=tdp * self._share(board, "idle"),
            **terms,
            limit=tdp * self.limit,
            clock_exponent=self.clock_exponent,
        )

    def _deviations(self, gpu: str, engine: str) -> dict[str, Dimensionless]:
        """How far logarithms of parameters are from the common ones."""
        return _summed(self.common, _parts(self._fitted, gpu, engine))

    def _share(self, board: str, name: str) -> Dimensionless:
        """A share of TDP, or the scale of a board."""
        own = self.section.child("boards").child(board)
        return (own if name in own.raw else self.section.child("power")).quantity(
            name, Dimensionless
        )


class DrawnValues(Values):
    r"""One joint draw of the fitted values: a bootstrap over LLMs, half of them at a time.

    .. math:: \ln \theta' = \ln \theta + \sum_l s_l (\ln \theta - \ln \theta_{-l}), \; s_l = \pm 1

    An LLM counts twice (+1) or not at all (-1); what is fitted without it, :math:`\theta_{-l}` of
    `params/measured/held_out.yaml`, says how far that moves every number at once. Over draws the
    covariance is that of the jackknife over LLMs, and the mean logarithm is that of the fit to all.
    What rests on no LLM, as the deviation of a GPU that nobody measured, does not move: intervals
    add that.

    Source: McCarthy (1969), doi:10.2307/1402116, for half samples; the jackknife's influences.
    """

    def __init__(self, folder: "Folder") -> None:
        super().__init__(folder)
        file = folder.section(HELD_OUT)
        self.llms, self.without = file.texts("llms"), file.child("value")
        self._common_without = fitted_numbers(self.without.child("common"), self.llms)
        self._without = {part: deviations(self.without, part, self.llms) for part in PARTS}
        half = np.random.default_rng(SEED).choice([-1.0, 1.0], (DRAWS // 2, len(self.llms)))
        self.all_sides = np.stack([half, -half], axis=1).reshape(DRAWS, -1)
        self.sides = self.all_sides[0]
        # The same at every draw, so that all of them read it once.
        self._of_steps: dict[tuple[str, str], dict[str, Influence]] = {}
        self._of_boards: dict[tuple[str, str], Influence] = {}

    def at(self, place: int) -> "DrawnValues":
        """A draw, counted from 0.

        Raises:
            ParameterError: for a draw that there is none of.
        """
        if place not in range(DRAWS):
            raise ParameterError(f"draw: is {place}, wanted a number from 0 to {DRAWS - 1}.")
        other = copy(self)
        other.sides = self.all_sides[place]
        return other

    def _deviations(self, gpu: str, engine: str) -> dict[str, Dimensionless]:
        if (gpu, engine) not in self._of_steps:
            fitted = super()._deviations(gpu, engine)
            without = _summed(fitted, [self._common_without, *_parts(self._without, gpu, engine)])
            self._of_steps[gpu, engine] = {
                name: (value, value - without[name]) for name, value in fitted.items()
            }
        moves = self._of_steps[gpu, engine]
        return {
            name: fit + float((self.sides * by_llm).sum()) for name, (fit, by_llm) in moves.items()
        }

    def _share(self, board: str, name: str) -> Dimensionless:
        if (board, name) not in self._of_boards:
            fitted = super()._share(board, name)
            boards = self.without.child("boards")
            without = fitted_numbers(boards.child(board), self.llms, POWER_TERMS)
            self._of_boards[board, name] = fitted, np.log(fitted / without[name])
        fitted, by_llm = self._of_boards[board, name]
        return fitted * math.exp(float(self.sides @ by_llm))


def deviations(
    section: Section, part: str, llms: Sequence[str] | None = None
) -> dict[str, Deviations]:
    """Deviations that a part of a file has, by label; those of pairs by `GPU/engine`."""
    own = section.child(part)
    entries = {label: own.child(label) for label in own.raw}
    if part == PAIRS:
        entries = {
            f"{gpu}/{engine}": pairs.child(engine)
            for gpu, pairs in entries.items()
            for engine in pairs.raw
        }
    return {label: fitted_numbers(entry, llms) for label, entry in entries.items()}


def fitted_numbers(
    section: Section, llms: Sequence[str] | None, required: Sequence[str] = ()
) -> Deviations:
    """Numbers of a section, or lists of one for each LLM.

    Args:
        section: where they stand.
        llms: those that were left out in turn; None for numbers that are fitted to all.
        required: names of all numbers; without, any parameters of steps.
    """
    hints = dict.fromkeys(
        required or hints_of(StepParameters), Signed if llms is None else SignedAxis
    )
    found = section.bind(hints, optional=() if required else list(hints))
    for name, values in found.items():
        if llms is not None and len(values) != len(llms):
            wanted = f"{len(llms)}, one for each of llms"
            raise section.fail(f"has {len(values)} numbers", wanted, name)
    return found


def _parts(
    fitted: Mapping[str, Mapping[str, Deviations]], gpu: str, engine: str
) -> list[Deviations]:
    """The deviations of a GPU, of an engine and of both, empty where nothing was measured."""
    labels = {"gpus": gpu, "engines": engine, PAIRS: f"{gpu}/{engine}"}
    return [fitted[part].get(label, {}) for part, label in labels.items()]


def _summed(names: Iterable[str], parts: Sequence[Deviations]) -> Deviations:
    """The sum of deviations, parameter by parameter."""
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}
