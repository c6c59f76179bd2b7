"""Percentiles of waits, of sums of times and of tokens, by their first two moments."""

import jax.numpy as jnp
from jax.scipy.special import ndtri

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


def wait_scv(
    utilization: Dimensionless, mean: Seconds, square: Seconds, cube: Seconds
) -> Dimensionless:
    r"""Squared coefficient of variation of the wait in M/G/1, of those who wait.

    .. math:: c^2 = 2 \rho - 1 + \frac{4}{3} (1 - \rho)
        \frac{\bar s \, \overline{s^3}}{\overline{s^2}^2}

    Args:
        utilization: share of the time that the server works, below 1.
        mean: of the time that it works on a request.
        square: its mean square.
        cube: its mean third power.

    Returns:
        1 for exponential service, a third for equal times and little work, above 1 for laws whose
        longest values are rare but very long.

    Source: the transform of Pollaczek and Khinchine differentiated twice, as in Kleinrock 1975,
        "Queueing Systems", chapter 5; exact.
    """
    spread = mean * cube / jnp.maximum(square, 1e-30) ** 2
    return 2 * utilization - 1 + 4 / 3 * (1 - utilization) * spread


def late_wait(
    delayed: Dimensionless, wait: Seconds, scv: Dimensionless, probability: Dimensionless
) -> Seconds:
    """Wait that a share of arrivals stays within; that of those who wait is taken for a gamma law.

    Args:
        delayed: share of arrivals that wait.
        wait: their mean, those that do not wait among them.
        scv: squared coefficient of variation of the wait of those who wait.
        probability: share of arrivals, below 1.

    Returns:
        Seconds; 0 where no more wait than may be later.

    Source: the first two moments of the wait; for exponential service the 99th percentile is
        within 1.5 % of the exact one, the median within 2.2 %.
    """
    some = jnp.maximum(delayed, 1e-12)
    mean, within = wait / some, 1 - (1 - probability) / some
    late = gamma_quantile(mean, (1 + scv) * mean**2, jnp.maximum(within, 1e-12))
    return jnp.where(within > 0, late, 0.0)


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
