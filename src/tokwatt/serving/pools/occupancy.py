"""How many requests an instance runs under its load, and for how much of the time it runs any."""

import jax.numpy as jnp

from tokwatt.equations.elementary import expm1
from tokwatt.equations.roots import last_within
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.targets import SELDOM, MeanRequest
from tokwatt.serving.steps.step import step
from tokwatt.units import Dimensionless, RequestsPerSecond, Sequences


def batch_at(
    assumed: Assumptions,
    instance: Instance,
    asked: MeanRequest,
    slots: Sequences,
    utilization: Dimensionless,
    service_rate: RequestsPerSecond,
) -> Sequences:
    """Running requests of an instance that completes a share of what it could.

    Args:
        assumed: the paper takes a share of `slots`, as if a step lasted as long with fewer of them.
        instance: the instance.
        asked: its mean request.
        slots: most running requests.
        utilization: that share.
        service_rate: requests per second that it completes with all of them.

    Source: Little's law.
    """
    if assumed.prefill == "chunked":
        # As steps last longer nearly in proportion to the batch, this is nearly a straight line.
        def over_load(batch: Sequences) -> Dimensionless:
            busy = busy_share(assumed, batch, slots)
            found = step(assumed, instance, asked.at(batch / busy))
            arriving = utilization * service_rate * asked.steps * found.latency
            return (busy * found.running - arriving) / slots

        return last_within(over_load, utilization * slots)
    batch = utilization * slots
    return jnp.maximum(1.0, jnp.trunc(batch)) if assumed.batch_rounding == "whole" else batch


def busy_share(assumed: Assumptions, batch: Sequences, slots: Sequences) -> Dimensionless:
    r"""Share of the time in which an instance runs anything.

    .. math:: \max(1 - e^{-b}, b / n)

    Args:
        assumed: the paper's instances never rest.
        batch: running requests on the average over all of the time, b.
        slots: most running requests, n: while there is work there are no more than these.

    Source: running requests as a Poisson variable, exact for M/G/infinity, and a single server's
        utilization; in the rest of the time the boards draw what they do without work, and while
        there is work there is more of it.
    """
    if assumed.prefill != "chunked":
        return jnp.ones_like(batch)
    seldom = jnp.maximum(batch, SELDOM)
    return jnp.maximum(-expm1(-seldom), seldom / jnp.maximum(slots, seldom))
