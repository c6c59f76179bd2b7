"""The parameter folder with every profile and board worked out: what a user and a study start from."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import jax.numpy as jnp

from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import Board, Precision, Profile, Serving
from tokwatt.serving import decode
from tokwatt.units import Dimensionless


class Catalogue(ParameterFolder):
    """A parameter folder, and what follows from them."""

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Instances: the calibrated ones, then those carried from them to other GPUs."""
        scaled = {
            name: decode.scaled_profile(scaling, self.power_fractions)
            for name, scaling in self.scalings.items()
        }
        return self.calibrated_profiles | scaled

    @cached_property
    def boards(self) -> dict[str, Board]:
        """GPUs whose power is known by every law."""
        laws = self.power_curves.keys() & self.utilization_curves.keys()
        return {
            name: Board(
                gpu=gpu, logistic=self.power_curves[name], utilization=self.utilization_curves[name]
            )
            for name, gpu in self.gpus.items()
            if name in laws
        }

    def layout(
        self,
        serving: Serving,
        precision: Precision,
        tensor_parallel: Dimensionless,
        kv_heads: Dimensionless,
    ) -> Serving:
        """A layout on another number of GPUs at another precision; a rank holds at least one head."""
        return replace(
            serving,
            tensor_parallel=tensor_parallel,
            weight_width=precision.weight_width,
            kv_width=precision.kv_width,
            kv_shards=jnp.minimum(tensor_parallel, kv_heads),
            workspace=jnp.interp(tensor_parallel, self.workspaces.gpus, self.workspaces.workspace),
        )


def load(folder: str | Path = "params") -> Catalogue:
    """Read and check a parameter folder.

    Args:
        folder: see `params.parameters.ParameterFolder`.

    Returns:
        Specs in SI units by name.

    Raises:
        ParameterError: with one sentence, at the first thing that is wrong.
    """
    catalogue = Catalogue(folder)
    catalogue.check()
    return catalogue
