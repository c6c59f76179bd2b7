"""Latencies that are targets: of the requests of a pool, at the batch that keeps them."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations.roots import last_within
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.chunked import Load
from tokwatt.serving.instance import Instance, concurrency
from tokwatt.serving.prompts import PoolLatencies, pool_latencies
from tokwatt.serving.step import Step, step
from tokwatt.serving.traffic import Traffic
from tokwatt.units import (
    Dimensionless,
    RequestsPerSecond,
    Seconds,
    Sequences,
    Tokens,
)

MEDIAN = 0.5
"""Quantile of the median."""


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


def asked_of(assumed: Assumptions, traffic: Traffic) -> Asked:
    """The mean request of a pool; any finite stand-in for one that nobody arrives at."""
    used = traffic.share > 0
    resident = traffic.steps_length if assumed.context_length == "end" else traffic.steps_mean
    steps = jnp.where(used, traffic.steps, 1.0)
    return Asked(
        steps=steps,
        length=jnp.where(used, resident / steps, 1.0),
        prompts=jnp.where(used, traffic.prompts / steps, 0.0),
    )


class Latencies(NamedTuple):
    """How an instance steps at a batch, and how long its requests wait for their tokens then.

    Attributes:
        step: the mean iteration.
        rate: requests per second that keep the batch.
        pool: percentiles of its requests.
    """

    step: Step
    rate: RequestsPerSecond
    pool: PoolLatencies

    def inter_token(self, demand: Demand) -> Seconds:
        """The percentile of the inter-token latency that is a target."""
        late = demand.itl_quantile > MEDIAN
        return jnp.where(late, self.pool.late_latency, self.step.median_latency)


def latencies_at(
    assumed: Assumptions,
    instance: Instance,
    asked: Asked,
    traffic: Traffic,
    held: Sequences,
    batch: Sequences,
) -> Latencies:
    """Latencies at a batch that requests of a pool keep, as many ending as are admitted.

    Args:
        assumed: how a step is counted.
        instance: an instance of the pool.
        asked: its mean request.
        traffic: its requests.
        held: mean requests that its KV cache pool holds.
        batch: running requests.
    """
    load = asked.at(batch)
    found = step(assumed, instance, load)
    rate = found.running / (asked.steps * found.latency)
    mostly = pool_latencies(assumed, instance, load, traffic, found, rate, held)
    return Latencies(found, rate, mostly)


def concurrency_within(
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
        found = latencies_at(assumed, instance, asked, traffic, held, batch)
        latency = found.inter_token(demand) / demand.itl_target
        first = found.pool.late_first_token
        return jnp.maximum(latency, first / demand.latency_target) - 1

    return last_within(over_target, held)


def least_latencies(
    account: Account, instance: Instance, traffic: Traffic, demand: Demand
) -> tuple[Seconds, Seconds]:
    """Inter-token latency and time to first token, at their quantiles, of one request at a time."""
    assumed = account.assumed
    asked = asked_of(assumed, traffic)
    held = concurrency(assumed, instance, traffic.long_prompt, asked.length)
    one = latencies_at(assumed, instance, asked, traffic, held, jnp.array(1.0))
    return one.inter_token(demand), one.pool.late_first_token
