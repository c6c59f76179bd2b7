"""Waiting and sizing: M/G/c by Erlang's formulas and a two-moment correction."""

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import erfc

from tokwatt.units import Dimensionless, Instances, RequestsPerSecond, Seconds, Sequences


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


def _polynomial(coefficients: Sequence[Any], at: Any) -> Any:
    return reduce(lambda total, coefficient: total * at + coefficient, reversed(coefficients))


def _many_servers(servers: Dimensionless, offered_load: Dimensionless) -> Dimensionless:
    r"""1/B by the uniform expansion.

    .. math:: 1 + \Gamma^* [\sqrt{2 \pi c}\, \tfrac12 e^{c \eta^2/2} \text{erfc}(\eta \sqrt{c/2})
        + S]
    """
    mu = (offered_load - servers) / servers
    near = jnp.abs(mu) < 0.05
    far = jnp.where(near, -0.5, mu)
    # The logarithm of the load itself, as 1 + mu has lost its digits where the load is small.
    logarithm = jnp.where(near, jnp.log1p(far), jnp.log(offered_load / servers))
    square = jnp.where(near, _polynomial(_LOG_SERIES, mu), 2 * (far - logarithm) / far**2)
    eta = mu * jnp.sqrt(square)
    gaussian = jnp.exp(servers * eta**2 / 2) * erfc(eta * jnp.sqrt(servers / 2))
    series = _polynomial([_polynomial(row, eta) for row in _TEMME], 1 / servers)
    return 1 + _polynomial(_STIRLING, 1 / servers) * (
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


@jax.jit
def wait_quantile(
    servers: Dimensionless,
    arrival_rate: RequestsPerSecond,
    service_rate: RequestsPerSecond,
    service_scv: Dimensionless,
    probability: Dimensionless = 0.99,
) -> Seconds:
    r"""Wait that a share `probability` of arrivals stays within, in M/G/c.

    .. math:: t = \max\!\left(0, \frac{1 + c_v^2}{2 (c \mu - \lambda)} \ln \frac{C(c,
    \lambda/\mu)}{1 - p}\right)

    Args:
        servers: c, at least 1.
        arrival_rate: requests per second.
        service_rate: requests per second that one server completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        probability: share of arrivals, below 1.

    Returns:
        Seconds; 0 where fewer than 1 - `probability` wait at all, infinite where the queue grows
        without end.

    Source: exact for exponential service; two-moment correction of Allen and Cunneen as in
        arXiv:2603.17280.
    """
    spare = servers * service_rate - arrival_rate
    delayed = jnp.maximum(1.0, erlang_c(servers, arrival_rate / service_rate) / (1.0 - probability))
    wait = jnp.log(delayed) * (1.0 + service_scv) / (2.0 * spare)
    return jnp.where(spare > 0, wait, jnp.inf)


@jax.jit
def instances_required(
    arrival_rate: RequestsPerSecond,
    service_rate: RequestsPerSecond,
    service_scv: Dimensionless,
    concurrency: Sequences,
    latency_target: Seconds,
    max_utilization: Dimensionless,
    at_least: Instances = 1.0,
) -> Instances:
    """Fewest instances that keep utilization and the 99th percentile of the wait within bounds.

    Args:
        arrival_rate: requests per second, at least 0.
        service_rate: requests per second that one instance completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        concurrency: sequences one instance serves at once: the servers of the queue.
        latency_target: longest wait allowed, at least 0; a negative one is never met.
        max_utilization: highest utilization allowed, below 1.
        at_least: fewest instances to consider, whole.

    Returns:
        Whole instances, at least `at_least`; infinite where no number meets the target. The wait
        falls with every instance added, so the answer meets both bounds and one instance fewer does
        not. A count that only jumps has no slope: gradients are 0.

    Source: definition; steps that double, then bisection.
    """
    arrival_rate, service_rate, service_scv, concurrency, latency_target, max_utilization = (
        jax.lax.stop_gradient(
            (arrival_rate, service_rate, service_scv, concurrency, latency_target, max_utilization)
        )
    )

    def wait(instances: Instances) -> Seconds:
        return wait_quantile(
            instances * concurrency, arrival_rate, service_rate / concurrency, service_scv
        )

    def unsettled(search: tuple[Any, Any, Any]) -> Any:
        lower, upper, met = search
        return jnp.isfinite(upper) & (~met | (upper - lower > 1))

    def narrow(search: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        lower, upper, met = search
        tried = jnp.where(met, jnp.floor((lower + upper) / 2), upper)
        late = wait(tried) > latency_target
        wider = jnp.where(
            late, jnp.where(upper < 2.0**52, upper + 2 * (upper - lower), jnp.inf), upper
        )
        return (
            jnp.where(late, tried, lower),
            jnp.where(met & ~late, tried, jnp.where(met, upper, wider)),
            met | ~late,
        )

    fewest = jnp.maximum(at_least, jnp.ceil(arrival_rate / (service_rate * max_utilization)))
    fewest = jnp.where(latency_target < 0, jnp.inf, fewest)
    return jax.lax.while_loop(
        unsettled, narrow, (fewest - 1, fewest, jnp.zeros_like(fewest, bool))
    )[1]


MOST_TRIED = 5000.0
"""Instances beyond which the paper's program gives up its search."""


def instances_searched(
    arrival_rate: RequestsPerSecond,
    service_rate: RequestsPerSecond,
    service_scv: Dimensionless,
    concurrency: Sequences,
    latency_target: Seconds,
    max_utilization: Dimensionless,
) -> Instances:
    """Instances as the paper's program searches them, from one above the load.

    Args:
        arrival_rate: requests per second, at least 0.
        service_rate: requests per second that one instance completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        concurrency: sequences one instance serves at once.
        latency_target: longest wait allowed, at least 0.
        max_utilization: highest utilization allowed; from 1 on it binds nowhere.

    Returns:
        Whole instances. Where more than `MOST_TRIED` and the start would be needed, one more than
        that, whatever the utilization.

    Source: the program of arXiv:2603.17280.
    """
    load = arrival_rate / service_rate
    first = jnp.ceil(load) + 1
    by_wait = instances_required(
        arrival_rate, service_rate, service_scv, concurrency, latency_target, jnp.inf, first
    )
    most = jnp.maximum(first, MOST_TRIED)
    bound = jnp.ceil(arrival_rate / (service_rate * max_utilization))
    by_utilization = jnp.where(max_utilization < 1, bound, 0.0)
    return jnp.where(by_wait > most, most + 1, jnp.maximum(by_wait, by_utilization))
