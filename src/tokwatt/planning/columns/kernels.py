"""Programs of a plan: what a block of configurations takes for a block of classes of requests."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.share import memory_of
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.disaggregated import transfer_time
from tokwatt.serving.pools.pool import held_requests, size_pool
from tokwatt.serving.pools.targets import BatchLimits, batch_limits, least_latencies, prompt_within
from tokwatt.serving.steps.times import instance_of
from tokwatt.units import BytesPerSecond, Dimensionless, Instances, Seconds, Tokens, Watts


class Column(NamedTuple):
    """What one configuration takes for one class.

    Attributes:
        power: watts of its pool.
        instances: whole instances.
    """

    power: Watts
    instances: Instances


class Alone(NamedTuple):
    """Latencies of one request alone, at the quantiles of the targets."""

    itl: Seconds
    ttft: Seconds


@jax.jit
def block_instances(account: Account, deployments: Deployment) -> Instance:
    """Instances of a block, apart from columns, which compile sooner so."""
    return jax.vmap(jax.vmap(partial(instance_of, account)))(deployments)


@jax.jit
def block_starts(account: Account, deployments: Deployment, windows: Tokens) -> Dimensionless:
    """Whether an engine starts with a window, shape (configuration, window)."""

    def starts(deployment: Deployment, window: Tokens) -> jax.Array:
        if account.assumed.memory != "measured":
            return jnp.array(True)
        return memory_of(deployment, deployment.llm.published, window).tokens >= window

    over_windows = jax.vmap(starts, in_axes=(None, 0))
    return jax.vmap(over_windows, in_axes=(0, None))(deployments, windows)


@jax.jit
def block_columns(
    account: Account,
    instances: Instance,
    traffic: Traffic,
    windows: Tokens,
    demand: Demand,
    transfer: BytesPerSecond,
    least: Instances,
) -> Column:
    """Columns of a block, shape (group, member, class), infinite where the LLM misses a target.

    Members of a group hold more or fewer requests and are else the same, so that one search for the
    batch that keeps the targets does for all. Each has at least so many instances, shape (group,
    member, class). What the cache of a prompt takes to leave a GPU is no time that the first token
    may take.
    """

    def left(instance: Instance, traffic: Traffic) -> Demand:
        sending = transfer_time(instance, prompt_within(traffic, demand), transfer)
        return replace(demand, latency_target=demand.latency_target - sending)

    def of(group: tuple[Instance, Instances]) -> Column:
        limits = _limits(account, group[0], traffic, windows, left)
        columns = partial(_columns, account, traffic, windows, limits, left)
        return jax.lax.map(lambda member: columns(*member), group)

    return jax.lax.map(of, (instances, least))


def _limits(
    account: Account,
    members: Instance,
    traffic: Traffic,
    windows: Tokens,
    left: Callable[[Instance, Traffic], Demand],
) -> BatchLimits:
    """Most running requests that keep the targets, of any member of a group, shape (class,)."""
    first = jax.tree.map(lambda leaf: leaf[0], members)

    def limits(traffic: Traffic, window: Tokens) -> BatchLimits:
        held = jax.vmap(lambda it: held_requests(account.assumed, it, traffic, window))(members)
        return batch_limits(account, first, traffic, jnp.nanmax(held), left(first, traffic))

    return jax.vmap(limits)(traffic, windows)


def _columns(
    account: Account,
    traffic: Traffic,
    windows: Tokens,
    limits: BatchLimits,
    left: Callable[[Instance, Traffic], Demand],
    instance: Instance,
    least: Instances,
) -> Column:
    """Columns of one configuration, shape (class,)."""

    def column(traffic: Traffic, window: Tokens, limits: BatchLimits, fewest: Instances) -> Column:
        own = replace(left(instance, traffic), least_instances=fewest)
        pool = size_pool(account, instance, traffic, window, own, limits)
        holds = jnp.isfinite(pool.power) & (own.latency_target > 0)
        return Column(*(jnp.where(holds, it, jnp.inf) for it in (pool.power, pool.instances)))

    return jax.vmap(column)(traffic, windows, limits, least)


@jax.jit
def block_alone(
    account: Account, instances: Instance, traffic: Traffic, windows: Tokens, demand: Demand
) -> Alone:
    """Latencies of one request alone for a block, infinite where the LLM does not fit."""

    def of(instance: Instance, traffic: Traffic, window: Tokens) -> Alone:
        found = least_latencies(account, instance, traffic, demand)
        return Alone(*(jnp.where(instance.kv_budget >= 0, it, jnp.inf) for it in found))

    over_classes = jax.vmap(of, in_axes=(None, 0, 0))
    over_members = jax.vmap(over_classes, in_axes=(0, None, None))
    return jax.lax.map(lambda members: over_members(members, traffic, windows), instances)
