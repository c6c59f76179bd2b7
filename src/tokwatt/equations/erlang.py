"""Erlang's formulas at any number of servers."""

from fractions import Fraction
from math import prod

import jax.numpy as jnp
from jax.scipy.special import erfc

from tokwatt.equations.elementary import exp, log, log1p, polynomial
from tokwatt.units import Dimensionless


def _uniform_coefficients(orders: int, terms: int) -> tuple[list[list[float]], list[float]]:
    """Taylor coefficients in eta of Temme's c_k, and Stirling coefficients g_k, as fractions.

    Source: DLMF 8.12.8 to 8.12.12 with mu = eta + eta^2/3 + ... from eta^2/2 = mu - ln(1 + mu), and
        5.11.3.
    """
    size = terms + 2 * orders + 2
    mu = [Fraction(0), Fraction(1)]
    for n in range(2, size + 1):
        known = sum((mu[i] * mu[n + 1 - i] for i in range(2, n)), Fraction(0))
        mu.append(mu[n - 1] / (n + 1) - known / 2)
    stirling = [prod(range(1, 2 * k + 2, 2)) * mu[2 * k + 1] for k in range(orders)]
    inverse = [Fraction(1)]
    for n in range(1, size):
        inverse.append(-sum((mu[i + 1] * inverse[n - i] for i in range(1, n + 1)), Fraction(0)))
    rows = [inverse[1:]]
    for k in range(1, orders):
        sign = (-1) ** k * stirling[k]
        rows.append(
            [(n + 2) * rows[-1][n + 2] + sign * inverse[n + 1] for n in range(len(rows[-1]) - 2)]
        )
    return [[float(value) for value in row[:terms]] for row in rows], [
        float(value) for value in stirling
    ]


_FEW = 12
"""Servers below which the recursion is summed; from here on the expansion holds to 1e-12."""
_TEMME, _STIRLING = _uniform_coefficients(orders=8, terms=16)
_LOG_SERIES = [2 * (-1) ** n / (n + 2) for n in range(12)]


def _many_servers(servers: Dimensionless, offered_load: Dimensionless) -> Dimensionless:
    r"""1/B by the uniform expansion.

    .. math:: 1 + \Gamma^* [\sqrt{2 \pi c}\, \tfrac12 e^{c \eta^2/2} \text{erfc}(\eta \sqrt{c/2})
        + S]
    """
    mu = (offered_load - servers) / servers
    near = jnp.abs(mu) < 0.05
    far = jnp.where(near, -0.5, mu)
    # The logarithm of the load itself, as 1 + mu has lost its digits where the load is small.
    logarithm = jnp.where(near, log1p(far), log(offered_load / servers))
    square = jnp.where(near, polynomial(_LOG_SERIES, mu), 2 * (far - logarithm) / far**2)
    eta = mu * jnp.sqrt(square)
    gaussian = exp(servers * eta**2 / 2) * erfc(eta * jnp.sqrt(servers / 2))
    series = polynomial([polynomial(row, eta) for row in _TEMME], 1 / servers)
    return 1 + polynomial(_STIRLING, 1 / servers) * (
        jnp.sqrt(jnp.pi * servers / 2) * gaussian + series
    )


def _few_servers(servers: Dimensionless, offered_load: Dimensionless) -> Dimensionless:
    """1/B by the recursion 1/B_k = 1 + (k / a) / B_{k-1}."""
    inverse = jnp.ones_like(offered_load)
    for k in range(1, _FEW):
        inverse = jnp.where(k <= servers, 1 + k / offered_load * inverse, inverse)
    return inverse


def erlang_b(servers: Dimensionless, offered_load: Dimensionless) -> Dimensionless:
    r"""Share of arrivals that a system without a queue turns away.

    .. math:: B(c, a) = \frac{a^c / c!}{\sum_{k \le c} a^k / k!}

    Args:
        servers: c, at least 1 and whole; from 12 on any real number.
        offered_load: a, arrival rate over service rate, from 0 to `servers`; beyond it the result
            is NaN.

    Returns:
        A probability, to 1e-10 of itself up to 10**7 servers (1e-12 where it is above 1e-20); 0
        below 1e-300.

    Source: the recursion for few servers; for many, 1/B = 1 + Q(c, a) c! e^a / a^c with Temme's
        uniform expansion of the incomplete gamma function (DLMF 8.12.4, 8.12.7), which takes the
        same few operations at any size.
    """
    servers, offered_load = jnp.asarray(servers, float), jnp.asarray(offered_load, float)
    few, busy = servers < _FEW, offered_load != 0
    load = jnp.where(busy, offered_load, 1.0)
    many = _many_servers(jnp.where(few, _FEW, servers), jnp.where(few, _FEW, load))
    inverse = jnp.where(few, _few_servers(servers, jnp.where(few, load, 1.0)), many)
    return jnp.where(offered_load <= servers, jnp.where(busy, 1 / inverse, 0.0), jnp.nan)


def erlang_c(servers: Dimensionless, offered_load: Dimensionless) -> Dimensionless:
    r"""Probability that an arrival has to wait in M/M/c.

    .. math:: C(c, a) = \frac{B}{1 - \rho (1 - B)}, \quad \rho = a / c

    Args:
        servers: c, at least 1.
        offered_load: a; at or above `servers` every arrival waits.

    Returns:
        A probability, 1 without stability, falling in `servers` and rising in `offered_load`.

    Source: Erlang's delay formula.
    """
    stable = jnp.minimum(offered_load, servers)
    blocked, busy = erlang_b(servers, stable), stable / servers
    return blocked / (1.0 - busy + busy * blocked)
