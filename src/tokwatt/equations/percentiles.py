"""Percentiles of waits, of sums of times and of tokens, by their first two moments."""

import jax.numpy as jnp
from jax.scipy.special import ndtri

from tokwatt.equations.elementary import log
from tokwatt.units import Dimensionless, RequestsPerSecond, Seconds, SecondsAxis, Tokens


def mean_wait(
    utilization: Dimensionless, arrival_rate: RequestsPerSecond, square: Seconds
) -> Seconds:
    r"""Mean wait for a server that works on one request at a time, M/G/1.

    .. math:: \bar w = \frac{\lambda \overline{s^2}}{2 (1 - \rho)}

    Args:
        utilization: share of the time that the server works, below 1.
        arrival_rate: requests per second.
        square: mean square of the time that it works on a request.

    Returns:
        Seconds; of all requests, those that do not wait among them.

    Source: Pollaczek and Khinchine, exact.
    """
    return arrival_rate * square / (2 * (1 - utilization))


def late_wait(utilization: Dimensionless, wait: Seconds, probability: Dimensionless) -> Seconds:
    r"""Wait in M/G/1 that a share `probability` of arrivals stays within.

    .. math:: t = \max\!\left(0, \frac{\bar w}{\rho} \ln \frac{\rho}{1 - p}\right)

    Args:
        utilization: share of arrivals that wait.
        wait: their mean, those that do not wait among them.
        probability: share of arrivals, below 1.

    Returns:
        Seconds.

    Source: exact for exponential service; of a law whose longest values are rare but very long the
        tail is no exponential, and the wait is longer.
    """
    delayed = jnp.maximum(utilization, 1e-12)
    return wait / delayed * log(jnp.maximum(1.0, delayed / (1 - probability)))


def quantile_of_sum(mean: Seconds, deviations: SecondsAxis) -> Seconds:
    r"""A quantile of a sum of independent times.

    .. math:: q = \bar t + \operatorname{sgn}(d) \sqrt{|d|}, \quad
        d = \sum_i \operatorname{sgn}(d_i) d_i^2

    Args:
        mean: of the sum.
        deviations: of the same quantile of each time from its own mean, d_i.

    Returns:
        The quantile: that of the only one that varies, where the others do not.

    Source: exact for normal laws, whose variances add up.
    """
    total = sum(jnp.sign(deviation) * deviation**2 for deviation in deviations)
    return mean + jnp.sign(total) * jnp.sqrt(jnp.abs(total))


def gamma_quantile(mean: Tokens, square: Tokens, probability: Dimensionless) -> Tokens:
    r"""A quantile of a gamma law.

    .. math:: x = m \left(1 - \frac{c^2}{9} + z_p \frac{c}{3}\right)^3, \quad
        c^2 = \overline{x^2} / m^2 - 1

    Args:
        mean: m, at least 0.
        square: mean square.
        probability: share of the law within the quantile, between 0 and 1.

    Returns:
        The quantile, at least 0.

    Source: Wilson and Hilferty 1931, doi:10.1073/pnas.17.12.684.
    """
    variation = jnp.maximum(square / jnp.maximum(mean, 1e-12) ** 2 - 1, 1e-12)
    root = 1 - variation / 9 + ndtri(probability) * jnp.sqrt(variation) / 3
    return mean * jnp.maximum(root, 0.0) ** 3
