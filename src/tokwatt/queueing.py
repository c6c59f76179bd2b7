"""Waiting and sizing: M/G/c by Erlang's formulas and a two-moment correction."""

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaincc, gammaln

from tokwatt.units import Dimensionless, Instances, RequestsPerSecond, Seconds, Sequences


def erlang_b(servers: Dimensionless, offered_load: Dimensionless) -> Dimensionless:
    r"""Share of arrivals that a system without a queue turns away.

    .. math:: B(c, a) = \frac{a^c e^{-a}}{\Gamma(c + 1)} \Big/ Q(c + 1, a)

    Args:
        servers: c, at least 0, whole or not.
        offered_load: a, arrival rate over service rate, above 0.

    Returns:
        A probability; relative error about 1e-14 at 10 servers, 2e-9 at 10**6.

    Source: Erlang's loss formula, summed by the regularised incomplete gamma function (DLMF 8.4.10).
    """
    return jnp.exp(servers * jnp.log(offered_load) - offered_load - gammaln(servers + 1)) / gammaincc(servers + 1, offered_load)


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


def wait_quantile(
    servers: Dimensionless,
    arrival_rate: RequestsPerSecond,
    service_rate: RequestsPerSecond,
    service_scv: Dimensionless,
    probability: Dimensionless = 0.99,
) -> Seconds:
    r"""Wait that a share `probability` of arrivals stays within, in M/G/c.

    .. math:: t = \max\!\left(0, \frac{1 + c_v^2}{2 (c \mu - \lambda)} \ln \frac{C(c, \lambda/\mu)}{1 - p}\right)

    Args:
        servers: c, at least 1.
        arrival_rate: requests per second.
        service_rate: requests per second that one server completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        probability: share of arrivals, below 1.

    Returns:
        Seconds; 0 where fewer than 1 - `probability` wait at all, infinite where the queue grows without end.

    Source: exact for exponential service; two-moment correction of Allen and Cunneen as in arXiv:2603.17280.
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
) -> Instances:
    """Fewest instances that keep utilization and the 99th percentile of the wait within bounds.

    Args:
        arrival_rate: requests per second, at least 0.
        service_rate: requests per second that one instance completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        concurrency: sequences one instance serves at once: the servers of the queue.
        latency_target: longest wait allowed, at least 0; a negative one is never met.
        max_utilization: highest utilization allowed, below 1.

    Returns:
        Whole instances, at least 1; infinite where no number meets the target. The wait falls with every
        instance added, so the answer meets both bounds and one instance fewer does not. A count that only
        jumps has no slope: gradients are 0.

    Source: definition; doubling, then bisection.
    """
    arrival_rate, service_rate, service_scv, concurrency, latency_target, max_utilization = jax.lax.stop_gradient(
        (arrival_rate, service_rate, service_scv, concurrency, latency_target, max_utilization)
    )

    def wait(instances: Instances) -> Seconds:
        return wait_quantile(instances * concurrency, arrival_rate, service_rate / concurrency, service_scv)

    def misses(bracket: tuple[Instances, Instances]) -> jax.Array:
        return (wait(bracket[1]) > latency_target) & jnp.isfinite(bracket[1])

    def double(bracket: tuple[Instances, Instances]) -> tuple[Instances, Instances]:
        _, upper = bracket
        return upper, jnp.where(upper < 2.0**52, 2 * upper, jnp.inf)

    def halve(bracket: tuple[Instances, Instances]) -> tuple[Instances, Instances]:
        lower, upper = bracket
        middle = jnp.floor((lower + upper) / 2)
        late = wait(middle) > latency_target
        return jnp.where(late, middle, lower), jnp.where(late, upper, middle)

    fewest = jnp.maximum(1.0, jnp.ceil(arrival_rate / (service_rate * max_utilization)))
    bracket = jax.lax.while_loop(misses, double, (fewest - 1, fewest))
    return jax.lax.while_loop(lambda b: jnp.isfinite(b[1]) & (b[1] - b[0] > 1), halve, bracket)[1]
