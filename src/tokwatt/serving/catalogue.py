"""The parameter folder with every profile and board worked out: what a user and a study start from."""

from functools import cached_property
from pathlib import Path

from tokwatt.params.parameters import Parameters
from tokwatt.params.specs import (
    Board,
    LlmRecord,
    Parallelism,
    Precision,
    Profile,
)
from tokwatt.serving.instance import Deployment
from tokwatt.serving.profile import scaled_profile
from tokwatt.units import Dimensionless


class Catalogue(Parameters):
    """Parameters, and what follows from them."""

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Instances: the hand-calibrated ones, then those scaled from them to other GPUs."""
        scaled = {
            name: scaled_profile(scaling, self.engine, self.power_fractions)
            for name, scaling in self.scalings.items()
        }
        return self.calibrated_profiles | scaled

    @cached_property
    def boards(self) -> dict[str, Board]:
        """GPUs whose power is known by every law."""
        laws = self.power_curves.keys() & self.utilization_curves.keys()
        return {
            name: Board(
                gpu=gpu,
                logistic=self.power_curves[name],
                activity=self.power_fractions,
                utilization=self.utilization_curves[name],
            )
            for name, gpu in self.gpus.items()
            if name in laws
        }

    def deployment(
        self,
        board: Board,
        llm: LlmRecord,
        precision: Precision,
        tensor_parallel: Dimensionless,
        expert_parallel: Dimensionless = 1.0,
    ) -> Deployment:
        """An LLM on a board, as the paper's engine runs it."""
        parallelism = Parallelism(tensor_parallel=tensor_parallel, expert_parallel=expert_parallel)
        return Deployment(
            **vars(board), llm=llm, parallelism=parallelism, precision=precision, engine=self.engine
        )


def load(folder: str | Path = "params") -> Catalogue:
    """Read and check a parameter folder.

    Args:
        folder: see `params.Parameters`.

    Returns:
        Specs in SI units by name.

    Raises:
        ParameterError: with one sentence, at the first thing that is wrong.
    """
    catalogue = Catalogue(folder)
    catalogue.check()
    return catalogue
