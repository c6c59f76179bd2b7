"""An account: an assumption set, and the numbers that its alternatives rest on."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax

from tokwatt.params.specs import spec
from tokwatt.serving.choices import Assumptions, switched
from tokwatt.units import Dimensionless, Watts


@spec
class Constants:
    """Numbers that alternatives other than the paper's rest on.

    Attributes:
        host_power: watts of host, network and fans for each GPU.
        facility_factor: power of the facility over that of its servers.
        compressible: share of the overflow that can be compressed.
    """

    host_power: Watts = 0.0
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

    def switched(self, **alternatives: Any) -> "Account":
        """The account with other alternatives for some of the choices."""
        return replace(self, assumed=switched(self.assumed, alternatives))


def on_basis(account: Account, gpus: Dimensionless, watts: Watts) -> Watts:
    """Power of an instance from the power of one of its GPUs, on the basis of the account."""
    basis, constants = account.assumed.basis, account.constants
    if basis == "gpu":
        return watts
    if basis == "instance":
        return gpus * watts
    server = gpus * (watts + constants.host_power)
    return server * constants.facility_factor if basis == "facility" else server
