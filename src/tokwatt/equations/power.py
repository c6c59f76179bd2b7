"""Board power of one GPU."""

import jax.numpy as jnp

from tokwatt.equations.elementary import exp, exp2, expm1, log2
from tokwatt.units import Dimensionless, Sequences, Watts

LEAST_CORRELATION = 1e-9
"""Stands for no correlation, by which nothing may be divided."""


def logistic_power(
    batch: Sequences,
    idle: Watts,
    nominal: Watts,
    steepness: Dimensionless,
    log2_midpoint: Dimensionless,
) -> Watts:
    r"""Board power of one GPU that decodes `batch` sequences at once.

    .. math:: P(b) = P_\text{idle} + \frac{P_\text{nom} - P_\text{idle}}{1 + e^{-k (\log_2 b -
    x_0)}}

    Args:
        batch: running requests, at least 1.
        idle: lower asymptote; P(1) already lies above it.
        nominal: upper asymptote, never reached.
        steepness: slope per doubling of the batch.
        log2_midpoint: log2 of the batch at which power is halfway.

    Returns:
        Power between `idle` and `nominal`, strictly increasing in `batch`.

    Source: arXiv:2603.17280, Eq. (1).
    """
    return idle + (nominal - idle) / (1.0 + exp(-steepness * (log2(batch) - log2_midpoint)))


def activity_power(
    activity: Dimensionless,
    tdp: Watts,
    idle_fraction: Dimensionless,
    nominal_fraction: Dimensionless,
) -> Watts:
    r"""Board power of one GPU by the busy share of a step.

    .. math:: P = f_0 \, \text{TDP} + (f_1 - f_0) \, \text{TDP} \, \min(1, a)

    Args:
        activity: busy share, at least 0; a step cannot be busy for longer than it lasts, so more
            than 1 counts as 1.
        tdp: thermal design power.
        idle_fraction: share of TDP at no activity.
        nominal_fraction: share of TDP at full activity.

    Returns:
        Power between the two fractions of `tdp`.

    Source: the program of arXiv:2603.17280, behind its Tables 2 and 5 (not in the text).
    """
    return idle_fraction * tdp + (nominal_fraction - idle_fraction) * tdp * jnp.minimum(
        1.0, activity
    )


def utilization_power(
    bandwidth: Dimensionless, arithmetic: Dimensionless, idle: Watts, memory: Watts, compute: Watts
) -> Watts:
    r"""Board power of one GPU by what it uses of its memory bandwidth and of its arithmetic.

    .. math:: P = a + b\,u_\text{HBM} + c \sqrt{u_\text{FLOP}}

    Args:
        bandwidth: achieved share of peak bandwidth, 0 to 1.
        arithmetic: achieved share of peak arithmetic, 0 to 1.
        idle: power of a board that runs and moves nothing.
        memory: what full bandwidth adds.
        compute: what full arithmetic adds.

    Returns:
        Power, rising in both shares; beyond 1 it goes on, as the caller's step is then shorter than
        it can be.

    Source: a least-squares form; see `params/calibrated.yaml` for what its numbers were fitted to.
    """
    return idle + memory * bandwidth + compute * jnp.sqrt(arithmetic)


def clock_stretch(
    demand: Watts, idle: Watts, limit: Watts, exponent: Dimensionless
) -> Dimensionless:
    r"""How many times as long a step takes as clocks fall until the board keeps its limit.

    .. math:: s = \max\left(1, \frac{P - a}{P_{max} - a}\right)^{1 / k}

    Args:
        demand: P, what the board would draw at full clocks.
        idle: a, power of a board that runs and moves nothing.
        limit: power that the board does not exceed.
        exponent: k, by whose power of the clock all that is above `idle` falls.

    Returns:
        s, at least 1; infinite where `idle` is not below `limit`.

    Source: switching draws in proportion to clock and squared voltage (doi:10.1109/4.126534,
    equation 1), and voltage falls with the clock, so that k is about 3.
    """
    spare = limit - idle
    above = jnp.maximum(1.0, (demand - idle) / jnp.where(spare > 0, spare, 1.0))
    return jnp.where(spare > 0, exp2(log2(above) / exponent), jnp.inf)


def window_spread(correlation: Dimensionless) -> Dimensionless:
    r"""Share of its variance that a fluctuating load keeps in means over a window of time.

    .. math:: 2 x \left(1 - x (1 - e^{-1/x})\right)

    Args:
        correlation: time after which the load is no longer correlated, over the window: x.

    Returns:
        A share, rising from 0 to 1.

    Source: variance of the mean of a process whose correlation falls exponentially, as that of one
        that goes on and off at random does.
    """
    most = jnp.maximum(correlation, LEAST_CORRELATION)
    return 2 * most * (1 + most * expm1(-1 / most))
