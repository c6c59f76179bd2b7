"""Pools that carry their requests within bounds, and fleets of pools."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations import queueing, roofline
from tokwatt.equations.roots import last_within
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.chunked import Load
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import Instance, concurrency
from tokwatt.serving.results import readable
from tokwatt.serving.routing import Routed
from tokwatt.serving.step import Step, first_token, step
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

MEDIAN = 0.5
"""Quantile of the median."""
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
        utilization: share of what its instances could carry.
        concurrency: running requests that an instance holds, or that the target lets it run.
        batch: running requests of an instance, on the average.
        iteration_latency: duration of an iteration at full concurrency.
        median_latency: median inter-token latency.
        late_latency: 99th percentile of the inter-token latency.
        prompt_time: time that the 99th percentile of prompts takes once it is admitted.
        wait: 99th percentile of the wait.
        median_first_token: median time to first token.
        late_first_token: 99th percentile of the time to first token.
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
    power: Watts
    credited: TokensPerSecond
    generated: TokensPerSecond


@readable
class Fleet(NamedTuple):
    """Pools side by side; a single instance is a fleet of one. Latencies are the slowest pool's.

    Attributes:
        instances: whole instances.
        gpus: their GPUs.
        throughput: output tokens per second that the account credits.
        generated: output tokens per second.
        power: watts on the basis that is assumed.
        tokens_per_joule: credited tokens per joule.
        concurrency: running requests of an instance of the longest window.
        rejected: share of requests that are not served.
        median_latency: median inter-token latency.
        late_latency: 99th percentile of the inter-token latency.
        median_first_token: median time to first token.
        late_first_token: 99th percentile of the time to first token.
    """

    instances: Instances
    gpus: Dimensionless
    throughput: TokensPerSecond
    generated: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    concurrency: Sequences
    rejected: Dimensionless
    median_latency: Seconds
    late_latency: Seconds
    median_first_token: Seconds
    late_first_token: Seconds


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
    asked = _asked(assumed, traffic)
    held = concurrency(assumed, instance, jnp.where(used, window, 1.0), asked.length)
    slots = _slots(assumed, instance, asked, traffic, held, demand)
    full = step(assumed, instance, asked.at(slots))
    service_rate = full.running / (asked.steps * full.latency)
    scv = _service_scv(assumed, instance, traffic, full, slots, asked.length)
    arriving = jnp.where(used, demand.arrival_rate * traffic.share, service_rate)
    prompt_time = first_token(assumed, instance, asked.at(slots), traffic.long_prompt)
    left = demand.latency_target - (0.0 if assumed.target == "wait" else prompt_time)
    # The slots keep the target but for rounding; where not even one request may run, none does.
    left = jnp.maximum(left, 0.0) if assumed.target == "both" else left
    left = jnp.where((slots < 1) & (held >= 1), -1.0, left)
    search = _search(assumed)
    needed = search(arriving, service_rate, scv, slots, left, demand.max_utilization)
    needed = jnp.maximum(needed + demand.spare_instances, demand.least_instances)
    utilization = jnp.where(used, arriving / (needed * service_rate), 0.0)
    batch = _batch(assumed, instance, asked, slots, utilization, service_rate)
    # The paper's search leaves an instance where nobody arrives, and calls its wait infinite.
    left_over, empty_wait = (1.0, jnp.inf) if assumed.search_start == "one_too_many" else (0.0, 0.0)
    instances = jnp.where(used, needed, left_over)
    queue = needed * slots, arriving, service_rate / slots, scv
    wait = jnp.where(used, queueing.wait_quantile(*queue), empty_wait)
    running = step(assumed, instance, asked.at(batch))
    typical = first_token(assumed, instance, asked.at(batch), traffic.median_prompt)
    # Without end each instance has no batch, for which a table of kernels holds no step.
    powered = jnp.where(
        jnp.isinf(instances),
        jnp.inf,
        instances * on_basis(account, instance.gpu, instance.gpus, running.power),
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
        late_latency=jnp.where(used, running.late_latency, 0.0),
        prompt_time=prompt_time,
        wait=wait,
        median_first_token=jnp.where(
            used, queueing.wait_quantile(*queue, probability=0.5) + typical, 0.0
        ),
        late_first_token=jnp.where(used, wait + prompt_time, 0.0),
        power=jnp.where(instances == 0, 0.0, powered),
        credited=demand.arrival_rate * traffic.credited,
        generated=demand.arrival_rate * traffic.generated,
    )


class Asked(NamedTuple):
    """What the mean request of a pool asks of an instance.

    Attributes:
        steps: iterations that it runs.
        length: tokens that it holds on the average.
        prompts: prompt tokens for each of its iterations.
    """

    steps: Dimensionless
    length: Tokens
    prompts: Tokens

    def at(self, batch: Sequences) -> Load:
        """The load of so many of them."""
        return Load(batch, self.length, batch * self.prompts, batch / self.steps)


def _asked(assumed: Assumptions, traffic: Traffic) -> Asked:
    """The mean request of a pool; any finite stand-in for one that nobody arrives at."""
    used = traffic.share > 0
    resident = traffic.steps_length if assumed.context_length == "end" else traffic.steps_mean
    steps = jnp.where(used, traffic.steps, 1.0)
    return Asked(
        steps=steps,
        length=jnp.where(used, resident / steps, 1.0),
        prompts=jnp.where(used, traffic.prompts / steps, 0.0),
    )


def _slots(
    assumed: Assumptions,
    instance: Instance,
    asked: Asked,
    traffic: Traffic,
    held: Sequences,
    demand: Demand,
) -> Sequences:
    """Running requests of an instance: what it holds, or fewer that keep both targets."""
    if assumed.target != "both":
        return held

    def over_target(batch: Sequences) -> Dimensionless:
        load = asked.at(batch)
        latency = _latency(assumed, instance, load, demand) / demand.itl_target
        first = first_token(assumed, instance, load, traffic.long_prompt)
        return jnp.maximum(latency, first / demand.latency_target) - 1

    return last_within(over_target, held)


def _batch(
    assumed: Assumptions,
    instance: Instance,
    asked: Asked,
    slots: Sequences,
    utilization: Dimensionless,
    service_rate: RequestsPerSecond,
) -> Sequences:
    """Running requests of an instance that completes a share of what it could.

    The paper takes a share of `slots`, as if a step lasted as long with fewer of them.
    """
    if assumed.prefill == "chunked":
        # As steps last longer nearly in proportion to the batch, this is nearly a straight line.
        def over_load(batch: Sequences) -> Dimensionless:
            found = step(assumed, instance, asked.at(batch))
            arriving = utilization * service_rate * asked.steps * found.latency
            return (found.running - arriving) / slots

        return last_within(over_load, utilization * slots)
    batch = utilization * slots
    return jnp.maximum(1.0, jnp.trunc(batch)) if assumed.batch_rounding == "whole" else batch


def least_latencies(
    account: Account, instance: Instance, traffic: Traffic, demand: Demand
) -> tuple[Seconds, Seconds]:
    """Inter-token latency and time to first token, at their quantiles, of one request alone."""
    assumed = account.assumed
    alone = _asked(assumed, traffic).at(1.0)
    first = first_token(assumed, instance, alone, traffic.long_prompt)
    return _latency(assumed, instance, alone, demand), first


def _latency(assumed: Assumptions, instance: Instance, load: Load, demand: Demand) -> Seconds:
    """The percentile of the inter-token latency that is a target."""
    found = step(assumed, instance, load)
    late = demand.itl_quantile > MEDIAN
    return jnp.where(late, found.late_latency, found.median_latency)


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


def fleet_of(pools: Sequence[Pool], gpus: Dimensionless, rejected: Dimensionless) -> Fleet:
    """Pools of instances of so many GPUs side by side, the one of the longest window last."""
    throughput = sum(pool.credited for pool in pools)
    power = sum(pool.power for pool in pools)
    instances = sum(pool.instances for pool in pools)
    return Fleet(
        instances=instances,
        gpus=instances * gpus,
        throughput=throughput,
        generated=sum(pool.generated for pool in pools),
        power=power,
        tokens_per_joule=roofline.tokens_per_joule(throughput, power),
        concurrency=pools[-1].concurrency,
        rejected=rejected,
        median_latency=_slowest([pool.median_latency for pool in pools]),
        late_latency=_slowest([pool.late_latency for pool in pools]),
        median_first_token=_slowest([pool.median_first_token for pool in pools]),
        late_first_token=_slowest([pool.late_first_token for pool in pools]),
    )


def _slowest(latencies: Sequence[Seconds]) -> Seconds:
    return reduce(jnp.maximum, latencies)


@jax.jit
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
    return fleet_of(pools, instance.gpus, 1 - served / demand.arrival_rate)
