"""The parameter folder with every profile worked out: what a user and a study start from."""

from functools import cached_property
from pathlib import Path

from tokwatt import decode
from tokwatt.params import Parameters
from tokwatt.specs import Profile


class Catalogue(Parameters):
    """Parameters, and the profiles that follow from them."""

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """Instances: the calibrated ones, then those carried from them to other GPUs."""
        scaled = {name: decode.scaled_profile(scaling, self.power_fractions) for name, scaling in self.scalings.items()}
        return self.calibrated_profiles | scaled


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
