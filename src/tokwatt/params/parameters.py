"""The parameter folder as specs in SI units, each file read when it is first asked for."""

from functools import cached_property

import numpy as np

from tokwatt.params.calibrated import Values
from tokwatt.params.folder import Folder
from tokwatt.params.records.names import Named
from tokwatt.params.records.section import Section
from tokwatt.params.specs import (
    ActivityPower,
    Board,
    Engine,
    ExpertKernels,
    Gpu,
    Llm,
    LlmRecord,
    LogisticPower,
    Precision,
    Profile,
    ProjectedPower,
    Scaling,
    ServingEngine,
    Workload,
)

SIXTEEN_BITS = "bfloat16"
"""The precision of checkpoints that are not quantised."""


class ParameterFolder(Folder):
    """Everything a parameter folder holds, by name.

    Args:
        folder: where `gpus.yaml`, `llms.yaml`, `serving.yaml`, `power.yaml`,
            `profiles.yaml`, `workloads.yaml` and `paper.yaml` are.

    Raises:
        ParameterError: with one sentence about the first thing that is wrong in a file, when that
            file is needed.
    """

    @cached_property
    def gpus(self) -> dict[str, Gpu]:
        """Accelerators."""
        return Named("gpu", self.section("gpus").specs(Gpu))

    @cached_property
    def llms(self) -> dict[str, LlmRecord]:
        """Language models as published, and as the paper has them where that differs."""
        section = self.section("llms")
        return Named("llm", {name: _llm(section.child(name)) for name in section.raw})

    @cached_property
    def checkpoints(self) -> dict[str, str]:
        """The precision of the published weights of each LLM by name."""
        section = self.section("llms")
        return {name: _checkpoint(section.child(name)) for name in section.raw}

    @cached_property
    def paper_llms(self) -> dict[str, LlmRecord]:
        """The language models of the paper's catalogue."""
        return {
            name: llm
            for name, llm in self.llms.items()
            if "paper" in self.section("llms").raw[name]
        }

    @cached_property
    def engine(self) -> Engine:
        """How the paper's program runs an instance."""
        return self._serving.child("engine").spec(Engine)

    @cached_property
    def engines(self) -> dict[str, ServingEngine]:
        """How engines use memory, by name and first version."""
        return self._serving.child("engines").specs(ServingEngine)

    @property
    def _serving(self) -> Section:
        return self.section("serving").only("engine", "engines", "precisions")

    @cached_property
    def precisions(self) -> dict[str, Precision]:
        """Widths of weights and KV cache, named as checkpoints are."""
        return Named("precision", self.section("serving").child("precisions").specs(Precision))

    @cached_property
    def power_fractions(self) -> ActivityPower:
        """Idle and nominal power as shares of TDP."""
        return self.section("power").child("fractions").spec(ActivityPower)

    @cached_property
    def power_curves(self) -> dict[str, LogisticPower]:
        """Logistic power curves by GPU."""
        return (
            self.section("power")
            .only("fractions", "projected", "curves")
            .child("curves")
            .specs(LogisticPower)
        )

    @cached_property
    def calibrated(self) -> Values:
        """What the calibration found."""
        return Values(self)

    @cached_property
    def projected_power(self) -> ProjectedPower:
        """Power laws of GPUs without curves of their own."""
        return self.section("power").child("projected").spec(ProjectedPower)

    @cached_property
    def boards(self) -> dict[str, Board]:
        """Every GPU with its power laws and its steps."""
        boards = {
            name: Board(
                gpu=gpu,
                logistic=self.power_curves.get(name) or self._projected_logistic(gpu),
                activity=self.power_fractions,
                utilization=self.calibrated.power(name, gpu.tdp),
                fitted={engine: self.calibrated.step(name, engine) for engine in self.engines},
            )
            for name, gpu in self.gpus.items()
        }
        return Named("gpu", boards)

    def _projected_logistic(self, gpu: Gpu) -> LogisticPower:
        shares, law = self.power_fractions, self.projected_power
        return LogisticPower(
            idle=shares.idle_fraction * gpu.tdp,
            nominal=shares.nominal_fraction * gpu.tdp,
            steepness=law.steepness,
            log2_midpoint=law.log2_midpoint,
        )

    @cached_property
    def calibrated_profiles(self) -> dict[str, Profile]:
        """Instances given by their own numbers."""
        return (
            self.section("profiles").only("calibrated", "scaled").child("calibrated").specs(Profile)
        )

    @cached_property
    def scalings(self) -> dict[str, Scaling]:
        """How calibrated profiles are carried to other GPUs, by the name of the result."""
        return self.section("profiles").child("scaled").specs(Scaling)

    @cached_property
    def workloads(self) -> dict[str, Workload]:
        """Length laws of requests."""
        section = self.section("workloads")
        return Named("workload", {name: _law(section.child(name)) for name in section.raw})

    def check(self) -> None:
        """Read everything, sources and qualities too, so that what is wrong comes up now."""
        super().check()
        self.records()


def _llm(section: Section) -> LlmRecord:
    section.only("name", "checkpoint", "published", "paper", "expert_kernels")
    published, kernels = section.child("published"), section.raw.get("expert_kernels")
    paper = (
        section.child("paper").spec(Llm, published.raw)
        if "paper" in section.raw
        else published.spec(Llm)
    )
    return LlmRecord(
        published=published.spec(Llm),
        paper=paper,
        expert_kernels=section.child("expert_kernels").spec(ExpertKernels)
        if kernels
        else ExpertKernels(),
    )


def _checkpoint(section: Section) -> str:
    name = str(section.raw.get("checkpoint", SIXTEEN_BITS))
    section.choose("checkpoint", name, "precisions")
    return name


def _law(section: Section) -> Workload:
    law = section.spec(Workload)
    lengths, fractions = law.lengths, law.fractions
    if len(lengths) != len(fractions):
        raise section.fail(
            f"has {len(fractions)} numbers",
            f"{len(lengths)}, as many as lengths",
            "fractions.value",
        )
    if (lengths % 1).any():
        raise section.fail(f"has {lengths[lengths % 1 > 0][0]:g}", "whole tokens", "lengths.value")
    if (np.diff(lengths, prepend=0) <= 0).any():
        raise section.fail(
            f"goes {_first_fall(lengths)}", "numbers that rise from above 0", "lengths.value"
        )
    if (np.diff(fractions) < 0).any():
        raise section.fail(
            f"goes {_first_fall(fractions)}", "numbers that never fall", "fractions.value"
        )
    if fractions[-1] != 1:
        raise section.fail(f"ends at {fractions[-1]:g}", "a last number of 1", "fractions.value")
    return law


def _first_fall(values: np.ndarray) -> str:
    before = np.concatenate([[0.0], values[:-1]])
    place = int(np.argmin(np.diff(values, prepend=0) > 0)) if (values <= before).any() else 0
    return f"from {before[place]:g} to {values[place]:g}"
