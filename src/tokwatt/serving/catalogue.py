"""The parameter folder with every profile worked out: what a user and a study start from."""

from collections.abc import Sized
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from tokwatt.params.calibrated import DRAWS, DrawnValues
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.records.names import Named
from tokwatt.params.specs import Board, LlmRecord, Parallelism, Precision, Profile
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.profile import scaled_profile
from tokwatt.units import Dimensionless

ENGINE = "vllm"
"""The serving engine of a deployment that names none."""


class Catalogue(ParameterFolder):
    """Parameters, and what follows from them."""

    def __repr__(self) -> str:
        """Where it is, and how much it holds."""
        held: dict[str, Sized] = {
            "GPUs": self.gpus,
            "LLMs": self.llms,
            "precisions": self.precisions,
        }
        held |= {"profiles": self.profiles, "workloads": self.workloads}
        counts = ", ".join(f"{len(entries)} {name}" for name, entries in held.items())
        return f"Catalogue({str(self.folder)!r}): {counts}"

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Instances: the hand-calibrated ones, then those scaled from them to other GPUs."""
        scaled = {
            name: scaled_profile(scaling, self.engine) for name, scaling in self.scalings.items()
        }
        return Named("profile", self.calibrated_profiles | scaled)

    def deployment(
        self,
        board: Board,
        llm: LlmRecord,
        precision: Precision,
        tensor_parallel: Dimensionless,
        expert_parallel: Dimensionless = 1.0,
        engine: str = ENGINE,
        data_parallel: Dimensionless = 1.0,
    ) -> Deployment:
        """An LLM on a board, as the paper's program and as a serving engine run it."""
        return Deployment(
            **(vars(board) | {"fitted": board.fitted[engine]}),
            llm=llm,
            parallelism=Parallelism(
                tensor_parallel=tensor_parallel,
                data_parallel=data_parallel,
                expert_parallel=expert_parallel,
            ),
            precision=precision,
            engine=self.engine,
            serving_engine=self.engines[engine],
        )

    @property
    def draws(self) -> int:
        """How many joint draws of the calibrated parameters there are."""
        return DRAWS

    def drawn(self, place: int) -> "Catalogue":
        """The catalogue whose boards take their steps and power from a draw, counted from 0.

        Raises:
            ParameterError: for a draw that there is none of.
        """
        if place not in self._drawn:
            other = copy(self)
            other.__dict__ |= {"calibrated": self._draws.at(place)}
            other.__dict__.pop("boards", None)
            self._drawn[place] = other
        return self._drawn[place]

    @cached_property
    def _drawn(self) -> "dict[int, Catalogue]":
        """Catalogues at the draws that were asked for."""
        return {}

    @cached_property
    def _draws(self) -> DrawnValues:
        """The fitted values at any draw."""
        return DrawnValues(self)

    def profiled(self, profile: Profile) -> Deployment:
        """The deployment of a hand-calibrated profile, which knows its own power."""
        bare = self.deployment(profile.board, profile.llm, profile.precision, profile.gpus)
        return replace(bare, logistic=profile.power, profile=profile)


def load(folder: str | Path | None = None) -> Catalogue:
    """Read and check a parameter folder.

    Args:
        folder: see `params.parameters.ParameterFolder`; if left out, `params` in the working
            directory where there is one, else the folder that came with tokwatt.

    Returns:
        Specs in SI units by name.

    Raises:
        ParameterError: with one sentence, at the first thing that is wrong.
    """
    catalogue = Catalogue(folder)
    catalogue.check()
    return catalogue
