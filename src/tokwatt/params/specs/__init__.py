"""Specs: frozen records of SI numbers, by what they describe."""

from tokwatt.params.specs.boards import (
    ActivityPower,
    Board,
    Gpu,
    LogisticPower,
    ProjectedPower,
    StepParameters,
    UtilizationPower,
)
from tokwatt.params.specs.demand import Demand, Workload
from tokwatt.params.specs.engines import Engine, Parallelism, ServingEngine
from tokwatt.params.specs.llms import ExpertKernels, Llm, LlmRecord, Precision
from tokwatt.params.specs.profiles import Profile, Scaling
from tokwatt.params.specs.record import spec

__all__ = [
    "ActivityPower",
    "Board",
    "Demand",
    "Engine",
    "ExpertKernels",
    "Gpu",
    "Llm",
    "LlmRecord",
    "LogisticPower",
    "Parallelism",
    "Precision",
    "Profile",
    "ProjectedPower",
    "Scaling",
    "ServingEngine",
    "StepParameters",
    "UtilizationPower",
    "Workload",
    "spec",
]
