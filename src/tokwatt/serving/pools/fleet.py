"""Fleets: pools side by side."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations import roofline
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.choices import OF_INSTANCES, OF_POOLS
from tokwatt.serving.demand.routing import Routed
from tokwatt.serving.demand.running_sums import between
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.pool import Pool, size_pool
from tokwatt.serving.results import readable
from tokwatt.serving.steps.times import instance_of
from tokwatt.units import (
    Dimensionless,
    Instances,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)
from tokwatt.x64 import RUN_ONCE

_SIZED = jax.jit(size_pool)
_SIZED_ONCE = jax.jit(size_pool, compiler_options=RUN_ONCE)


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


def sized_pools(
    account: Account, deployment: Deployment, routed: Routed, demand: Demand
) -> list[Pool]:
    """Pools of one deployment, for traffic that is routed to them; JAX may trace it."""
    instance, alike = compiled_instance(account, deployment), account.alike(OF_POOLS)
    return [
        _SIZED(alike, instance, traffic, window, demand)
        for traffic, window in zip(routed.pools, routed.windows, strict=True)
    ]


def compiled_instance(account: Account, deployment: Deployment) -> Instance:
    """`instance_of`, compiled once for all accounts that it makes no difference to."""
    return instance_of(account.alike(OF_INSTANCES), deployment)


def sized_pool(
    account: Account, instance: Instance, traffic: Traffic, window: Tokens, demand: Demand
) -> Pool:
    """`size_pool`, compiled once for all accounts that it makes no difference to; not traced."""
    return _SIZED_ONCE(account.alike(OF_POOLS), instance, traffic, window, demand)


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
