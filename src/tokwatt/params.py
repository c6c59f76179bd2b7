"""The parameter folder as specs in SI units, each file read when it is first asked for."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tokwatt.records import Record, Section, read
from tokwatt.specs import ActivityPower, Gpu, Llm, LogisticPower, Profile, Scaling, Serving, Workload

CATALOGUES = ("gpus", "llms", "serving", "power", "profiles", "workloads")


class Parameters:
    """Everything a parameter folder holds, by name.

    Args:
        folder: where `gpus.yaml`, `llms.yaml`, `serving.yaml`, `power.yaml`, `profiles.yaml`, `workloads.yaml`
            and `paper.yaml` are.

    Raises:
        ParameterError: with one sentence about the first thing that is wrong in a file, when that file is needed.
    """

    def __init__(self, folder: str | Path = "params") -> None:
        self.folder = Path(folder)
        self.digests: dict[str, str] = {}
        self._sections: dict[str, Section] = {}

    def section(self, name: str) -> Section:
        """A file of the folder, read once; its digest is kept as provenance."""
        if name not in self._sections:
            path = self.folder / f"{name}.yaml"
            self._sections[name] = Section(path, read(path), self.catalogue)
            self.digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return self._sections[name]

    def catalogue(self, name: str) -> Mapping[str, Any]:
        """What a reference to a catalogue may name."""
        return getattr(self, name)

    @cached_property
    def gpus(self) -> dict[str, Gpu]:
        """Accelerators."""
        return self.section("gpus").specs(Gpu)

    @cached_property
    def llms(self) -> dict[str, Llm]:
        """Language models."""
        return self.section("llms").specs(Llm)

    @cached_property
    def servings(self) -> dict[str, Serving]:
        """Layouts of a replica."""
        serving = self.section("serving")
        return serving.child("layouts").specs(Serving, common=serving.child("common").raw)

    @cached_property
    def power_fractions(self) -> ActivityPower:
        """Idle and nominal power as shares of TDP."""
        return self.section("power").child("fractions").spec(ActivityPower)

    @cached_property
    def power_curves(self) -> dict[str, LogisticPower]:
        """Logistic power curves by GPU."""
        return self.section("power").child("curves").specs(LogisticPower)

    @cached_property
    def calibrated_profiles(self) -> dict[str, Profile]:
        """Instances given by their own numbers."""
        return self.section("profiles").child("calibrated").specs(Profile)

    @cached_property
    def scalings(self) -> dict[str, Scaling]:
        """How calibrated profiles are carried to other GPUs, by the name of the profile that results."""
        return self.section("profiles").child("scaled").specs(Scaling)

    @cached_property
    def workloads(self) -> dict[str, Workload]:
        """Length laws of requests."""
        return {name: _law(self.section("workloads").child(name)) for name in self.section("workloads").raw}

    def label(self, catalogue: str, name: str) -> str:
        """How an entry of a catalogue is printed: its `name`, or its key."""
        return self.section(catalogue).child(name).raw.get("name", name)

    def records(self) -> list[Record]:
        """Every number of the catalogues with its unit, source and quality."""
        return [record for name in CATALOGUES for record in self.section(name).records()]

    def check(self) -> None:
        """Read everything, so that what is wrong comes up now."""
        for catalogue in ("gpus", "llms", "servings", "power_fractions", "calibrated_profiles", "scalings", "workloads"):
            self.catalogue(catalogue)
        self.records()


def _law(section: Section) -> Workload:
    law = section.spec(Workload)
    lengths, fractions = np.atleast_1d(law.lengths), np.atleast_1d(law.fractions)
    if len(lengths) != len(fractions):
        raise section.fail(f"has {len(fractions)} numbers", f"{len(lengths)}, as many as lengths", "fractions.value")
    for key, values, strict in (("lengths.value", lengths, True), ("fractions.value", fractions, False)):
        steps = np.diff(values)
        if falls := np.flatnonzero(steps <= 0 if strict else steps < 0).tolist():
            before, after = values[falls[0]], values[falls[0] + 1]
            raise section.fail(f"goes from {before:g} to {after:g}", "numbers that rise" if strict else "numbers that never fall", key)
    if fractions[-1] != 1:
        raise section.fail(f"ends at {fractions[-1]:g}", "a last number of 1", "fractions.value")
    if (lengths % 1).any():
        raise section.fail(f"has {lengths[lengths % 1 > 0][0]:g}", "whole tokens", "lengths.value")
    return law
