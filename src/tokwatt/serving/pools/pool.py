"""Whole instances of one context window that carry their requests within bounds."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import queueing
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance, concurrency
from tokwatt.serving.pools.occupancy import batch_at
from tokwatt.serving.pools.power import load_power
from tokwatt.serving.pools.prompts import pool_latencies
from tokwatt.serving.pools.targets import (
    MEDIAN,
    BatchLimits,
    asked_of,
    batch_limits,
    first_alone,
    first_token_share,
    latencies_at,
)
from tokwatt.serving.results import readable
from tokwatt.serving.steps.passes import LATE
from tokwatt.serving.steps.step import Step, first_token, step
from tokwatt.units import (
    Dimensionless,
    Instances,
    RequestsPerSecond,
    Seconds,
    Sequences,
    Tokens,
    TokensPerSecond,
    Watts,
)

LEAST_VARIABILITY = 0.01
"""Squared coefficient of variation of service below which the paper's program does not go."""
ROUNDING = 1e-9
"""Share of an instance that rounding may ask for too much."""


@readable
class Pool(NamedTuple):
    """Instances of one context window and what they serve.

    Attributes:
        instances: whole instances.
        arrival_rate: requests per second.
        service_rate: requests per second that one instance completes.
        service_scv: squared coefficient of variation of the service time.
        utilization: share of what its instances could carry.
        concurrency: running requests that an instance holds, or that the target lets it run.
        batch: running requests of an instance, on the average.
        iteration_latency: duration of an iteration at full concurrency.
        median_latency: median inter-token latency.
        late_latency: 99th percentile of the inter-token latency.
        prompt_time: time to first token, once it is admitted, of the prompt that is a target, less
            what the tokens of prompts allow.
        wait: 99th percentile of the wait.
        median_first_token: median time to first token.
        late_first_token: 99th percentile of the time to first token.
        prefill_utilization: share of the time that prompts fill the chunks.
        prefill_share: share of iterations that take in prompts.
        token_share: share of output tokens that come of such iterations.
        blocking: mean time that a prompt in progress still takes over all of the time of the 99th
            percentile of prompts.
        median_blocking: the same over the time to first token of the median prompt alone.
        kv_peak: 99th percentile of the tokens that requests hold, over those of the KV cache pool.
        latency_ratio: mean inter-token latency over the mean iteration, which is less where
            requests pile up while prompts follow upon one another.
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
    median_latency: Seconds
    late_latency: Seconds
    prompt_time: Seconds
    wait: Seconds
    median_first_token: Seconds
    late_first_token: Seconds
    prefill_utilization: Dimensionless
    prefill_share: Dimensionless
    token_share: Dimensionless
    blocking: Dimensionless
    median_blocking: Dimensionless
    kv_peak: Dimensionless
    latency_ratio: Dimensionless
    power: Watts
    credited: TokensPerSecond
    generated: TokensPerSecond


def held_requests(
    assumed: Assumptions, instance: Instance, traffic: Traffic, window: Tokens
) -> Sequences:
    """Running requests of a pool that an instance holds."""
    own = jnp.where(traffic.share > 0, window, 1.0)
    return concurrency(assumed, instance, own, asked_of(assumed, traffic).length)


def size_pool(
    account: Account,
    instance: Instance,
    traffic: Traffic,
    window: Tokens,
    demand: Demand,
    limits: BatchLimits | None = None,
) -> Pool:
    """The smallest pool that carries its requests within the bounds.

    Args:
        account: how tokens and joules are counted.
        instance: an instance of the pool.
        traffic: the requests of the pool.
        window: context window of the pool.
        demand: arrival rate of all requests, and the bounds to keep.
        limits: what the targets leave of any batch; worked out if left out.

    Returns:
        The pool. One that nobody arrives at has the fewest instances of the demand, and one in the
        paper's search; one whose prompts alone take longer than the target allows has infinitely
        many.

    Source: arXiv:2603.17280, Section 4; its rules are the alternatives of the preset `paper`.
    """
    assumed, used = account.assumed, traffic.share > 0
    asked = asked_of(assumed, traffic)
    held = held_requests(assumed, instance, traffic, window)
    limits = limits or batch_limits(account, instance, traffic, held, demand)
    slots = jnp.minimum(held, limits.concurrency)
    full = step(assumed, instance, asked.at(slots))
    service_rate = full.running / (asked.steps * full.latency)
    scv = _service_scv(assumed, instance, traffic, full, slots, asked.length)
    arriving = jnp.where(used, demand.arrival_rate * traffic.share, service_rate)
    most = jnp.minimum(slots, limits.batch)
    at_most = latencies_at(assumed, instance, asked, traffic, most, arriving)
    if assumed.target == "both":
        prompt_time = at_most.first_token(demand, traffic)
    else:
        prompt_time = first_alone(assumed, instance, asked.at(slots), traffic, demand)
    left = demand.latency_target - (0.0 if assumed.target == "wait" else prompt_time)
    # The batch keeps the target but for rounding.
    left = jnp.maximum(left, 0.0) if assumed.target == "both" else left
    # Where not even one request may run, none does.
    left = jnp.where((slots < 1) & (held >= 1), -1.0, left)
    search = partial(_search(assumed), probability=first_token_share(demand))
    needed = search(arriving, service_rate, scv, slots, left, demand.max_utilization)
    needed = jnp.maximum(needed, jnp.ceil(arriving / at_most.rate * (1 - ROUNDING)))
    needed = jnp.maximum(needed + demand.spare_instances, demand.least_instances)
    utilization = jnp.where(used, arriving / (needed * service_rate), 0.0)
    batch = batch_at(assumed, instance, asked, slots, utilization, service_rate)
    load = asked.at(batch)
    # The paper's search leaves an instance where nobody arrives, and calls its wait infinite.
    left_over, empty_wait = (1.0, jnp.inf) if assumed.search_start == "one_too_many" else (0.0, 0.0)
    instances = jnp.where(used, needed, jnp.maximum(left_over, demand.least_instances))
    running = step(assumed, instance, load)
    each = arriving / needed
    mostly = pool_latencies(assumed, instance, load, traffic, running, each, needed)
    if assumed.prefill == "chunked":  # where requests that share iterations with fewer end sooner
        served = jnp.where(batch > 0, arriving / (needed * batch), service_rate / slots)
        late_prompt = mostly.first_token(traffic.long_prompt, LATE)
    else:
        served = service_rate / slots
        late_prompt = first_token(assumed, instance, asked.at(slots), traffic.long_prompt)
    share = mostly.token_share
    typical_prompt = mostly.first_token(traffic.median_prompt, MEDIAN)
    queue = needed * slots, arriving, served, scv
    wait = jnp.where(used, queueing.wait_quantile(*queue), empty_wait)
    middle = queueing.wait_quantile(*queue, probability=0.5)
    watts = load_power(assumed, instance, asked, traffic, batch, slots, each)
    # Without end each instance has no batch, for which a table of kernels holds no step.
    powered = jnp.where(
        jnp.isinf(instances),
        jnp.inf,
        instances * on_basis(account, instance.gpu, instance.gpus, watts),
    )
    return Pool(
        instances=instances,
        arrival_rate=demand.arrival_rate * traffic.share,
        service_rate=service_rate,
        service_scv=scv,
        utilization=utilization,
        concurrency=slots,
        batch=batch,
        iteration_latency=full.latency,
        median_latency=jnp.where(used, running.median_latency, 0.0),
        late_latency=jnp.where(used, mostly.late(share), 0.0),
        prompt_time=prompt_time,
        wait=wait,
        median_first_token=jnp.where(used, middle + typical_prompt, 0.0),
        late_first_token=jnp.where(used, wait + late_prompt, 0.0),
        **mostly.use(load, held, share)._asdict(),
        power=jnp.where(instances == 0, 0.0, powered),
        credited=demand.arrival_rate * traffic.credited,
        generated=demand.arrival_rate * traffic.generated,
    )


def _search(assumed: Assumptions) -> Callable[..., Instances]:
    if assumed.search_start == "one_too_many":
        return queueing.instances_searched
    return queueing.instances_required


def _service_scv(
    assumed: Assumptions,
    instance: Instance,
    traffic: Traffic,
    full: Step,
    slots: Sequences,
    length: Tokens,
) -> Dimensionless:
    """Variability of service.

    Requests of an engine share its iterations, so that one takes as long as its iterations; in the
    paper one of l tokens and k steps takes k (fixed + slope l).
    """
    if assumed.prefill == "chunked":
        return jnp.maximum(0.0, traffic.steps2 / traffic.steps**2 - 1)
    scan = slots * instance.cache.read * length / instance.times.kv_bandwidth
    fixed, slope = full.latency - scan, scan / traffic.steps_length * traffic.steps
    square = (
        fixed**2 * traffic.steps2
        + 2 * fixed * slope * traffic.steps2_length
        + slope**2 * traffic.steps2_length2
    )
    return jnp.maximum(LEAST_VARIABILITY, square / (traffic.steps * full.latency) ** 2 - 1)
