"""Periods in which a server works without a break, as those see them who are done and stay."""

import jax.numpy as jnp
from jax import lax

from tokwatt.equations.elementary import exp, log1p
from tokwatt.units import Dimensionless, RequestsPerSecond, Seconds

HALLEY_STEPS = 8
"""Each leaves at most a third of the distance to the root, and its third power once it is near."""
LEAST, LEAST_SCV = 1e-12, 1e-6
"""Stand for nothing and for no variation, by which nothing may be divided."""


def share_of_busy(
    utilization: Dimensionless,
    mean: Seconds,
    scv: Dimensionless,
    leaving_busy: RequestsPerSecond,
    leaving_idle: RequestsPerSecond,
) -> Dimensionless:
    r"""Share of what a customer gets while the server of M/G/1 works for others, once it is served.

    .. math:: \varphi = G(z_b + \lambda (1 - \varphi)), \quad
        s = 1 - \frac{(1 - \rho) (1 - \varphi)\, G(\lambda (1 - \varphi))}
        {G(\lambda (1 - \varphi)) - \varphi} \cdot \frac{1 - d}{1 - d \varphi}, \quad
        d = \frac{\lambda}{\lambda + z_i}

    A request decodes once its prompt is taken in, for an exponential number of tokens: they come
    slowly while prompts are taken in that came meanwhile, fast when there are none.

    Args:
        utilization: share of the time that the server works, :math:`\rho`, below 1.
        mean: of its work on a customer, whose law is taken for a gamma law with transform G.
        scv: squared coefficient of variation of that work.
        leaving_busy: rate at which a customer has what it came for while the server works,
            :math:`z_b`: what it gets a second over the mean of what it wants.
        leaving_idle: the same while the server does not, :math:`z_i`.

    Returns:
        A probability: the utilization for customers who leave at once.

    Source: Kendall 1951, doi:10.1111/j.2517-6161.1951.tb00080.x, for the transform of a busy
        period; Pollaczek and Khinchine for the customers that one leaves behind, each of whom
        begins such a period. Exact for gamma work and exponential stays.
    """
    mean, scv = jnp.maximum(mean, LEAST), jnp.maximum(scv, LEAST_SCV)
    rate = utilization / mean

    def transform(at: RequestsPerSecond) -> Dimensionless:
        return exp(-log1p(scv * mean * at) / scv)

    def step(_: int, busy: Dimensionless) -> Dimensionless:
        at = leaving_busy + rate * (1 - busy)
        value, eased = transform(at), utilization / (1 + scv * mean * at)
        over, rising = value - busy, 1 - value * eased
        bent = value * eased**2 * (1 + scv)
        return busy + 2 * over * rising / (2 * rising**2 - over * bent)

    busy = lax.fori_loop(0, HALLEY_STEPS, step, jnp.zeros_like(utilization + mean + leaving_busy))
    left = transform(rate * (1 - busy))
    alone = (1 - utilization) * (1 - busy) * left / jnp.maximum(left - busy, LEAST)
    soon = rate / jnp.maximum(rate + leaving_idle, LEAST)
    share = 1 - alone * (1 - soon) / (1 - soon * busy)
    return jnp.where(utilization > 0, share, 0.0)
