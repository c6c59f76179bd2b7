"""Pools that carry their requests within bounds, and fleets of pools."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import queueing, roofline
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import Instance, concurrency
from tokwatt.serving.results import readable
from tokwatt.serving.routing import Routed
from tokwatt.serving.step import Load, Step, step
from tokwatt.serving.times import instance_of
from tokwatt.serving.traffic import Traffic, between
from tokwatt.units import (
    Dimensionless,
    Instances,
    RequestsPerSecond,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)

LEAST_VARIABILITY = 0.01
"""Squared coefficient of variation of service below which the paper's program does not go."""


@readable
class Pool(NamedTuple):
    """Instances of one context window and what they serve.

    Attributes:
        instances: whole instances.
        arrival_rate: requests per second.
        service_rate: requests per second that one instance completes.
        service_scv: squared coefficient of variation of the service time.
        utilization: share of the running requests that an instance could hold.
        concurrency: running requests that an instance holds.
        batch: running requests of an instance, on the average.
        iteration_latency: duration of an iteration at full concurrency.
        prompt_time: time that the 99th percentile of prompts takes once it is admitted.
        wait: 99th percentile of the wait.
        power: watts of the whole pool on the basis that is assumed.
        credited: output tokens per second that the account credits.
        generated: output tokens per second.
    """

    instances: Instances
    arrival_rate: RequestsPerSecond
    service_rate: RequestsPerSecond
    service_scv: Dimensionless
    utilization: Dimensionless
    concurrency: Sequences
    batch: Sequences
    iteration_latency: Seconds
    prompt_time: Seconds
    wait: Seconds
    power: Watts
    credited: TokensPerSecond
    generated: TokensPerSecond


@readable
class Fleet(NamedTuple):
    """Pools side by side; a single instance is a fleet of one.

    Attributes:
        instances: whole instances.
        throughput: output tokens per second that the account credits.
        generated: output tokens per second.
        power: watts on the basis that is assumed.
        tokens_per_joule: credited tokens per joule.
        concurrency: running requests of an instance of the longest window.
        rejected: share of requests that are not served.
    """

    instances: Instances
    throughput: TokensPerSecond
    generated: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    concurrency: Sequences
    rejected: Dimensionless


def size_pool(
    account: Account,
    instance: Instance,
    traffic: Traffic,
    window: Tokens,
    demand: Demand,
) -> Pool:
    """The smallest pool that carries its requests within the bounds.

    Args:
        account: how tokens and joules are counted.
        instance: an instance of the pool.
        traffic: the requests of the pool.
        window: context window of the pool.
        demand: arrival rate of all requests, and the bounds to keep.

    Returns:
        The pool. One that nobody arrives at is empty, but for the paper's search, which leaves an
        instance there; one whose prompts alone take longer than the target allows has infinitely
        many.

    Source: arXiv:2603.17280, Section 4; its rules are the alternatives of the preset `paper`.
    """
    assumed, used = account.assumed, traffic.share > 0
    resident = traffic.steps_length if assumed.context_length == "end" else traffic.steps_mean
    steps = jnp.where(used, traffic.steps, 1.0)
    length = jnp.where(used, resident / steps, 1.0)
    prompts = jnp.where(used, traffic.prompts / steps, 0.0)
    slots = concurrency(assumed, instance, jnp.where(used, window, 1.0), length)
    full = step(assumed, instance, Load(slots, length, slots * prompts))
    service_rate = slots / (steps * full.latency)
    scv = _service_scv(instance, traffic, full, slots, length)
    arriving = jnp.where(used, demand.arrival_rate * traffic.share, service_rate)
    prompt_time = _prompt_time(instance, traffic, full)
    left = demand.latency_target - (prompt_time if assumed.target == "first_token" else 0.0)
    search = _search(assumed)
    needed = search(arriving, service_rate, scv, slots, left, demand.max_utilization)
    utilization = jnp.where(used, arriving / (needed * service_rate), 0.0)
    batch = utilization * slots
    if assumed.batch_rounding == "whole":
        batch = jnp.maximum(1.0, jnp.trunc(batch))
    # The paper's search leaves an instance where nobody arrives, and calls its wait infinite.
    left_over, empty_wait = (1.0, jnp.inf) if assumed.search_start == "one_too_many" else (0.0, 0.0)
    instances = jnp.where(used, needed, left_over)
    wait = queueing.wait_quantile(needed * slots, arriving, service_rate / slots, scv)
    watts = step(assumed, instance, Load(batch, length, batch * prompts)).power
    # Without end each instance has no batch, for which a table of kernels holds no step.
    drawn = on_basis(account, instance.gpu, instance.gpus, watts)
    powered = jnp.where(jnp.isinf(instances), jnp.inf, instances * drawn)
    return Pool(
        instances=instances,
        arrival_rate=demand.arrival_rate * traffic.share,
        service_rate=service_rate,
        service_scv=scv,
        utilization=utilization,
        concurrency=slots,
        batch=batch,
        iteration_latency=full.latency,
        prompt_time=prompt_time,
        wait=jnp.where(used, wait, empty_wait),
        power=jnp.where(instances == 0, 0.0, powered),
        credited=demand.arrival_rate * traffic.credited,
        generated=demand.arrival_rate * traffic.generated,
    )


def _search(assumed: Assumptions) -> Callable[..., Instances]:
    if assumed.search_start == "one_too_many":
        return queueing.instances_searched
    return queueing.instances_required


def _prompt_time(instance: Instance, traffic: Traffic, full: Step) -> Seconds:
    """Time from admission to the first token of the 99th percentile of prompts."""
    prefill = traffic.long_prompt * instance.token_flops / instance.times.prefill_rate
    return prefill + full.latency - full.prefill_time


def _service_scv(
    instance: Instance, traffic: Traffic, full: Step, slots: Sequences, length: Tokens
) -> Dimensionless:
    """Variability of service, a request of l tokens and k steps taking k (fixed + slope l)."""
    scan = slots * instance.cache.read * length / instance.times.kv_bandwidth
    fixed, slope = full.latency - scan, scan / traffic.steps_length * traffic.steps
    square = (
        fixed**2 * traffic.steps2
        + 2 * fixed * slope * traffic.steps2_length
        + slope**2 * traffic.steps2_length2
    )
    return jnp.maximum(LEAST_VARIABILITY, square / (traffic.steps * full.latency) ** 2 - 1)


def fleet_of(pools: Sequence[Pool], rejected: Dimensionless) -> Fleet:
    """Pools side by side, the one of the longest window last."""
    throughput = sum(pool.credited for pool in pools)
    power = sum(pool.power for pool in pools)
    return Fleet(
        instances=sum(pool.instances for pool in pools),
        throughput=throughput,
        generated=sum(pool.generated for pool in pools),
        power=power,
        tokens_per_joule=roofline.tokens_per_joule(throughput, power),
        concurrency=pools[-1].concurrency,
        rejected=rejected,
    )


def sized_pools(
    account: Account, deployment: Deployment, routed: Routed, demand: Demand
) -> list[Pool]:
    """Pools of one deployment, for traffic that is routed to them."""
    instance = instance_of(account, deployment)
    return [
        size_pool(account, instance, traffic, window, demand)
        for traffic, window in zip(routed.pools, routed.windows, strict=True)
    ]


def split_fleet(
    account: Account,
    instance: Instance,
    table: Traffic,
    demand: Demand,
    split_length: Tokens,
    context_window: Tokens,
) -> Fleet:
    """One pool, or two pools that share requests at a length, for requests whose sums are at hand.

    Args:
        account: how tokens and joules are counted; too long requests are rejected.
        instance: an instance of both pools.
        table: running sums over the requests of a distribution or a trace.
        demand: what the fleet must carry.
        split_length: requests of at most so many tokens go to a pool with this window; 0 for one
            pool only.
        context_window: window of the other pool; longer requests are rejected and counted.

    Returns:
        The fleet.

    Source: arXiv:2603.17280, Section 4; tokens are credited where they are generated.
    """
    longest = jnp.maximum(split_length, context_window)
    edges = ((jnp.zeros_like(split_length), split_length), (split_length, longest))
    pools = [
        size_pool(account, instance, between(table, low, high), high, demand) for low, high in edges
    ]
    served = sum(pool.arrival_rate for pool in pools)
    return fleet_of(pools, 1 - served / demand.arrival_rate)
