"""An account: an assumption set, and the numbers that its alternatives rest on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp

from tokwatt.params.specs import Gpu, spec
from tokwatt.serving.choices import Assumptions, alike, switched
from tokwatt.units import Dimensionless, Watts


@spec
class Constants:
    """Numbers that alternatives other than the paper's rest on.

    Attributes:
        facility_factor: power of the facility over that of its servers.
        compressible: share of the overflow that can be compressed.
    """

    facility_factor: Dimensionless
    compressible: Dimensionless


@partial(jax.tree_util.register_dataclass, data_fields=["constants"], meta_fields=["assumed"])
@dataclass(frozen=True)
class Account:
    """How tokens and joules are counted.

    Attributes:
        assumed: one alternative for each choice, known when JAX compiles.
        constants: numbers that can be swept, sampled and differentiated.
    """

    assumed: Assumptions
    constants: Constants

    def switched(self, **alternatives: str) -> "Account":
        """The account with other alternatives for some of the choices."""
        return replace(self, assumed=switched(self.assumed, alternatives))

    def alike(self, names: Iterable[str]) -> "Account":
        """One account for all that agree on the choices that are named."""
        return replace(self, assumed=alike(self.assumed, names))


def on_basis(account: Account, gpu: Gpu, gpus: Dimensionless, watts: Watts) -> Watts:
    """Power of an instance from the power of one of its GPUs, on the basis of the account.

    Args:
        account: its basis says whose watts are counted.
        gpu: the kind of GPU, whose server the watts of the host are those of.
        gpus: how many share the instance.
        watts: of one board.

    Returns:
        The power; NaN for a basis beyond the GPUs where nobody knows what their host draws.
    """
    basis, constants = account.assumed.basis, account.constants
    if basis == "gpu":
        return watts
    if basis == "instance":
        return gpus * watts
    host = jnp.where(gpu.host_power > 0, gpu.host_power, jnp.nan)
    server = gpus * (watts + host)
    return server * constants.facility_factor if basis == "facility" else server
