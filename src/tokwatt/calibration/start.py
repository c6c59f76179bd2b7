"""`params/calibration.yaml`: what is fitted, what it starts from, and how runs are weighed."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
from jax.flatten_util import ravel_pytree

from tokwatt.calibration.runs import Measured
from tokwatt.params.calibrated import TERMS
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import StepParameters
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Scalar,
    SecondsAxis,
    Tokens,
    TokensAxis,
    hints_of,
    units_of,
)


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How residuals are weighed.

    Attributes:
        scale: logarithmic error of a step beyond which a run counts less and less.
        power_scale: relative error of power below which every run counts the same.
        balance: power of the size of an LLM's runs on one GPU that they are weighed down by.
        power_cap: the largest share of TDP that a board draws.
        draws: fits to LLMs drawn with replacement.
        coverage: share of held-out runs that an interval should hold.
    """

    scale: Dimensionless
    power_scale: Dimensionless
    balance: Dimensionless
    power_cap: Dimensionless
    draws: Dimensionless
    coverage: Dimensionless


@dataclass(frozen=True, kw_only=True)
class PowerTerms:
    """The terms of board power that the runs of a GPU tell apart.

    Attributes:
        terms: names of fields of `UtilizationPower`.
    """

    terms: list[str]


@dataclass(frozen=True, kw_only=True)
class PromptPrior:
    """What is assumed of the prompts of a task before anything is measured.

    Attributes:
        prompt: mean prompt tokens, tok.
        spread: standard deviation of their logarithm.
    """

    prompt: Tokens
    spread: Dimensionless


class RescaledCheckpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Checkpoints with a scale for each block of weights, which kernels apply on the way.

    Attributes:
        precision: the precision that is stored so.
        llms: the LLMs whose checkpoints are.
    """

    precision: str
    llms: list[str]


class ParameterName(NamedTuple):
    """A fitted parameter of a step: the part of the records it stands in, its name there, unit."""

    part: str
    name: str
    unit: str


class StepVector(NamedTuple):
    """Everything that the fit of a step moves.

    Attributes:
        shared: parameters that hold on every GPU, by their name in `StepParameters`, in its units.
        layer_overhead: time that the host adds to each layer, s, by GPU.
        prompts: mean prompt tokens, tok, by the tasks that publish none.
    """

    shared: OrderedDict[str, Scalar]
    layer_overhead: SecondsAxis
    prompts: TokensAxis


class FitRecords:
    """The records that a calibration starts from, looked up and checked."""

    def __init__(self, parameters: ParameterFolder, measured: Measured) -> None:
        section = parameters.section("calibration").only(
            "source",
            "quality",
            "fixed",
            "start",
            "spread",
            "prompts",
            "gpus",
            "unmeasured",
            "requantized",
            "fit",
        )
        self.section = section
        self.boards = section.child("gpus").specs(PowerTerms)
        self.priors = section.child("prompts").specs(PromptPrior)
        self.settings = section.child("fit").spec(FitSettings)
        self.rescaled = section.child("requantized").convert(RescaledCheckpoints)
        hints = hints_of(StepParameters)
        fixed = section.child("fixed")
        self.fixed = fixed.bind({name: hint for name, hint in hints.items() if name in fixed.raw})
        self.free = {name: hint for name, hint in hints.items() if name not in self.fixed}
        self._refuse_unknown(parameters, measured)

    @property
    def gpus(self) -> list[str]:
        """The GPUs that are calibrated."""
        return list(self.boards)

    @property
    def tasks(self) -> list[str]:
        """The tasks whose prompts are calibrated."""
        return list(self.priors)

    @property
    def names(self) -> list[ParameterName]:
        """Names of the parameters of a step, in the order of a flattened `StepVector`."""
        units = units_of(StepParameters)
        shared = [name for name in self.free if name != "layer_overhead"]
        return [
            *(ParameterName("step", name, str(units[name])) for name in shared),
            *(ParameterName("layer_overhead", gpu, "s") for gpu in self.gpus),
            *(ParameterName("prompts", task, "tok") for task in self.tasks),
        ]

    @cached_property
    def start(self) -> StepVector:
        """Where the fit starts."""
        numbers = self.section.child("start").bind(self.free)
        return self._vector(numbers, [prior.prompt for prior in self.priors.values()])

    @property
    def spread(self) -> DimensionlessAxis:
        """Standard deviations of logarithms before anything is measured, flattened."""
        numbers = self.section.child("spread").bind(dict.fromkeys(self.free, Dimensionless))
        prompts = [prior.spread for prior in self.priors.values()]
        return ravel_pytree(self._vector(numbers, prompts))[0]

    def unravel(self, numbers: DimensionlessAxis) -> StepVector:
        """A vector from flat numbers, each in its SI unit, in the order of `names`."""
        return ravel_pytree(self.start)[1](numbers)

    def is_rescaled(self, llm: str, precision: str) -> bool:
        """Whether kernels rescale blocks of the weights of an LLM at a precision."""
        return precision == self.rescaled.precision and llm in self.rescaled.llms

    def _vector(self, numbers: dict[str, Scalar], prompts: TokensAxis) -> StepVector:
        """A vector in which every GPU has the same overhead of a layer."""
        shared = {name: numbers[name] for name in self.free if name != "layer_overhead"}
        overhead = np.full(len(self.gpus), numbers["layer_overhead"])
        return StepVector(OrderedDict(shared), overhead, np.array(prompts))

    def _refuse_unknown(self, parameters: ParameterFolder, measured: Measured) -> None:
        """Refuse a GPU, task, term of power or checkpoint that no other record knows."""
        for gpu, board in self.boards.items():
            self.section.child("gpus").pick(gpu, gpu, parameters.gpus)
            for term in board.terms:
                self.section.child("gpus").child(gpu).pick("terms", term, dict.fromkeys(TERMS))
        for task in self.tasks:
            self.section.child("prompts").pick(task, task, measured.tasks)
        rescaled = self.section.child("requantized")
        rescaled.pick("precision", self.rescaled.precision, measured.parameters.precisions)
        for llm in self.rescaled.llms:
            rescaled.choose("llms", llm, "llms")
