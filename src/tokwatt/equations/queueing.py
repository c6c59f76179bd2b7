"""Waiting and sizing: M/G/c by Erlang's formulas and a two-moment correction."""

import jax
import jax.numpy as jnp

from tokwatt.equations.elementary import log
from tokwatt.equations.erlang import erlang_c
from tokwatt.units import Dimensionless, Instances, RequestsPerSecond, Seconds, Sequences

Search = tuple[Instances, Instances, Dimensionless]
"""Bounds of a number of instances, and whether the upper one meets the target."""


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
    wait = log(delayed) * (1.0 + service_scv) / (2.0 * spare)
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
    probability: Dimensionless = 0.99,
) -> Instances:
    """Fewest instances that keep utilization and a percentile of the wait within bounds.

    Args:
        arrival_rate: requests per second, at least 0.
        service_rate: requests per second that one instance completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        concurrency: sequences one instance serves at once: the servers of the queue.
        latency_target: longest wait allowed, at least 0; a negative one is never met.
        max_utilization: highest utilization allowed, below 1.
        at_least: fewest instances to consider, whole.
        probability: share of arrivals whose wait stays within `latency_target`, below 1.

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
            instances * concurrency,
            arrival_rate,
            service_rate / concurrency,
            service_scv,
            probability,
        )

    def unsettled(search: Search) -> Dimensionless:
        lower, upper, met = search
        return jnp.isfinite(upper) & (~met | (upper - lower > 1))

    def narrow(search: Search) -> Search:
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
    probability: Dimensionless = 0.99,
) -> Instances:
    """Instances as the paper's program searches them, from one above the load.

    Args:
        arrival_rate: requests per second, at least 0.
        service_rate: requests per second that one instance completes, above 0.
        service_scv: squared coefficient of variation of the service time.
        concurrency: sequences one instance serves at once.
        latency_target: longest wait allowed, at least 0.
        max_utilization: highest utilization allowed; from 1 on it binds nowhere.
        probability: share of arrivals whose wait stays within `latency_target`.

    Returns:
        Whole instances. Where more than `MOST_TRIED` and the start would be needed, one more than
        that, whatever the utilization.

    Source: the program of arXiv:2603.17280.
    """
    load = arrival_rate / service_rate
    first = jnp.ceil(load) + 1
    by_wait = instances_required(
        arrival_rate,
        service_rate,
        service_scv,
        concurrency,
        latency_target,
        jnp.inf,
        first,
        probability,
    )
    most = jnp.maximum(first, MOST_TRIED)
    bound = jnp.ceil(arrival_rate / (service_rate * max_utilization))
    by_utilization = jnp.where(max_utilization < 1, bound, 0.0)
    return jnp.where(by_wait > most, most + 1, jnp.maximum(by_wait, by_utilization))
