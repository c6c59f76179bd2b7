"""Waits of prompts behind routers of instances, over those behind one that draws at random."""

import jax.numpy as jnp

from tokwatt.equations.elementary import exp
from tokwatt.units import Dimensionless, Instances

LEAST_USED = 1e-12
"""Utilization below which nothing waits."""


def waiting_shared(utilization: Dimensionless, instances: Instances) -> Dimensionless:
    r"""Share of arrivals that find every instance at work, of a queue that all of them share.

    .. math:: d = \rho^{\sqrt{2 (n + 1)} - 1}

    Args:
        utilization: share of the time that an instance works, :math:`\rho`, at most 1.
        instances: n, at least 1 and any real number.

    Returns:
        A probability, :math:`\rho` for one instance.

    Source: Sakasegawa 1977, doi:10.1007/BF02532776, near Erlang C.
    """
    return utilization ** (jnp.sqrt(2 * (instances + 1)) - 1)


def wait_shared(utilization: Dimensionless, instances: Instances) -> Dimensionless:
    r"""Mean wait in M/G/n over that in M/G/1 of the same utilization.

    .. math:: \frac{d}{n \rho}

    Args:
        utilization: share of the time that an instance works.
        instances: n.

    Returns:
        At most 1; a router that knows the work before each instance does the same as one queue.

    Source: Lee and Longton 1959, doi:10.1057/jors.1959.10, for all laws of service; Foss 1980 and
        Daley 1987 that no other router does better.
    """
    used = jnp.maximum(utilization, LEAST_USED)
    return waiting_shared(used, instances) / (instances * used)


def waiting_in_order(
    utilization: Dimensionless, scv: Dimensionless, instances: Instances
) -> Dimensionless:
    r"""Share of arrivals that wait where every n-th of a Poisson process comes.

    .. math:: d = \rho - (1 - c_a^2) \rho (1 - \rho)
        \frac{1 + c_a^2 + \rho c_s^2}{1 + \rho (c_s^2 - 1) + \rho^2 (4 c_a^2 + c_s^2)}, \quad
        c_a^2 = 1 / n

    Args:
        utilization: share of the time that an instance works.
        scv: squared coefficient of variation of the work of a request.
        instances: n.

    Returns:
        A probability, :math:`\rho` for one instance.

    Source: Kraemer and Langenbach-Belz 1976, as in Whitt 1983,
        doi:10.1002/j.1538-7305.1983.tb03204.x.
    """
    used, gaps = utilization, 1 / instances
    below = 1 + used * (scv - 1) + used**2 * (4 * gaps + scv)
    return used * (1 - (1 - gaps) * (1 - used) * (1 + gaps + used * scv) / below)


def wait_in_order(
    utilization: Dimensionless, scv: Dimensionless, instances: Instances
) -> Dimensionless:
    r"""Mean wait where every n-th of a Poisson process comes, over that in M/G/1.

    .. math:: \frac{c_a^2 + c_s^2}{1 + c_s^2}
        \exp\left(-\frac{2 (1 - \rho) (1 - c_a^2)^2}{3 \rho (c_a^2 + c_s^2)}\right), \quad
        c_a^2 = 1 / n

    Args:
        utilization: share of the time that an instance works.
        scv: squared coefficient of variation of the work of a request.
        instances: n.

    Returns:
        At most 1.

    Source: Kraemer and Langenbach-Belz 1976, as in Whitt 1983,
        doi:10.1002/j.1538-7305.1983.tb03204.x.
    """
    used, gaps = jnp.maximum(utilization, LEAST_USED), 1 / instances
    less = 2 * (1 - used) * (1 - gaps) ** 2 / (3 * used * (gaps + scv))
    return (gaps + scv) / (1 + scv) * exp(-less)
