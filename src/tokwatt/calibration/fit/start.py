"""`params/calibration.yaml`: what is fitted, what it starts from, and how runs are weighed."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from tokwatt.calibration.runs.runs import Measured
from tokwatt.params.calibrated import POWER_TERMS
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.records.section import Section
from tokwatt.params.specs import StepParameters
from tokwatt.units import Dimensionless, DimensionlessAxis, Scalar, Tokens, hints_of

LEVELS = ("common", "gpu", "engine", "both", "release")
"""What a parameter may deviate by."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How residuals are weighed.

    Attributes:
        scale: logarithmic error of a step beyond which a run counts less and less.
        power_scale: the same of power.
        balance: power of the size of a cell of LLM, GPU and engine that it is weighed down by.
        throughput_weight: how much throughput counts beside latency, where lengths are known.
        first_token_weight: how much the time to first token does.
        most_in_flight: requests for each rank of attention up to which it does.
        power_cap: the largest share of TDP that a board draws.
        clock_exponent: by whose power of the clock its power above idle falls.
        folds: parts of the configurations that are left out in turn where all else is known.
        coverage: share of left-out runs that an interval should hold.
    """

    scale: Dimensionless
    power_scale: Dimensionless
    balance: Dimensionless
    throughput_weight: Dimensionless
    first_token_weight: Dimensionless
    most_in_flight: Dimensionless
    power_cap: Dimensionless
    clock_exponent: Dimensionless
    folds: Dimensionless
    coverage: Dimensionless


@dataclass(frozen=True, kw_only=True)
class PromptPrior:
    """What is assumed of the prompts of a task before anything is measured.

    Attributes:
        prompt: mean prompt tokens, tok.
        spread: standard deviation of their logarithm.
    """

    prompt: Tokens
    spread: Dimensionless


class Prior(NamedTuple):
    """Where the logarithm of a number starts, and how far it may deviate at each level."""

    start: Scalar
    spread: DimensionlessAxis


class FitRecords:
    """The records that a calibration starts from, looked up and checked."""

    def __init__(self, parameters: ParameterFolder, measured: Measured) -> None:
        parts = ("priors", "power", "prompts", "families", "checkpoints", "rescaled", "fit")
        section = parameters.section("calibration").only("source", "quality", "levels", *parts)
        if section.raw.get("levels") != list(LEVELS):
            found = f"is {section.raw.get('levels')!r:.60}"
            raise section.fail(found, str(list(LEVELS)), "levels")
        self.section = section
        hints = hints_of(StepParameters)
        self.names = [field.name for field in fields(StepParameters)]
        self.priors = {
            name: _prior(section.child("priors").child(name), hints[name], len(LEVELS))
            for name in self.names
        }
        self.power = {
            name: _prior(section.child("power").child(name), Dimensionless, 2)
            for name in POWER_TERMS
        }
        self.prompts = section.child("prompts").specs(PromptPrior)
        self.settings = section.child("fit").spec(FitSettings)
        self.families = section.child("families").convert(dict[str, str])
        self.checkpoints = section.child("checkpoints").convert(dict[str, dict[str, list[str]]])
        self.rescaled = section.child("rescaled").convert(dict[str, list[str]])
        self._refuse_unknown(parameters, measured)

    def checkpoint(self, llm: str, precision: str) -> str:
        """The precision of an LLM's checkpoint that a table calls by a shorter name."""
        recipes = self.checkpoints.get(precision, {})
        return next((name for name, llms in recipes.items() if llm in llms), precision)

    def family(self, engine: str) -> str:
        """The engine whose deviations that of another begins at; often itself."""
        return self.families.get(engine, engine)

    def _refuse_unknown(self, parameters: ParameterFolder, measured: Measured) -> None:
        """Refuse a task, LLM, precision or engine that no other record knows."""
        for task in self.prompts:
            self.section.child("prompts").pick(task, task, measured.tasks)
        for engine, family in self.families.items():
            self.section.child("families").pick(engine, family, parameters.engines)
        recipes = [
            (self.section.child("checkpoints").child(precision), name, llms)
            for precision, entry in self.checkpoints.items()
            for name, llms in entry.items()
        ]
        for section, name, llms in recipes:
            section.pick(name, name, parameters.precisions)
            for llm in llms:
                section.choose(name, llm, "llms")
        for engine, llms in self.rescaled.items():
            for llm in llms:
                self.section.child("rescaled").choose(engine, llm, "llms")


def _prior(section: Section, hint: object, levels: int) -> Prior:
    """A prior, whose start is a number of some unit."""
    start = section.quantity("start", hint)
    spread = section.quantity("spread", DimensionlessAxis)
    if len(spread) != levels:
        found = f"has {len(spread)} numbers"
        raise section.fail(found, f"{levels}, one for each level", "spread.value")
    return Prior(float(np.log(start)), spread)
