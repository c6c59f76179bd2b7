"""Latencies that are targets: of the requests of a pool, at the batch that keeps them."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from tokwatt.equations.roots import last_within
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.prompts import PoolLatencies, pool_latencies
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.passes import LATE
from tokwatt.serving.steps.step import Step, first_token, step
from tokwatt.units import (
    Dimensionless,
    RequestsPerSecond,
    Scalar,
    Seconds,
    Sequences,
    Tokens,
)

MEDIAN = 0.5
"""Quantile of the median."""
SELDOM = 1e-6
"""Mean batch of requests that come one by one."""
LEAST_PROMPTS = 1e-9
"""Prompt tokens for each iteration of a request that has none."""


class MeanRequest(NamedTuple):
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
        """The load of so many of them; prefills begin where they have prompts."""
        prefills = jnp.where(self.prompts > 0, batch / self.steps, 0.0)
        return Load(batch, self.length, batch * self.prompts, prefills)


def asked_of(assumed: Assumptions, traffic: Traffic) -> MeanRequest:
    """The mean request of a pool; any finite stand-in for one that nobody arrives at."""
    used = traffic.share > 0
    resident = traffic.steps_length if assumed.context_length == "end" else traffic.steps_mean
    steps = jnp.where(used, traffic.steps, 1.0)
    return MeanRequest(
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
        pool, median = self.pool, self.step.median_latency
        late = demand.itl_quantile > MEDIAN
        return lax.cond(late, lambda: pool.late(pool.token_share), lambda: median)

    def first_token(self, demand: Demand, traffic: Traffic) -> Seconds:
        """The percentile of the time to first token that is a target, less what prompts allow."""
        probability = first_token_share(demand)
        whole = self.pool.first_token(prompt_within(traffic, demand), probability)
        shortest = partial(self.pool.shortest, probability)
        return _less_allowed(whole, shortest, traffic, demand)


def latencies_at(
    assumed: Assumptions,
    instance: Instance,
    asked: MeanRequest,
    traffic: Traffic,
    batch: Sequences,
    arriving: RequestsPerSecond,
) -> Latencies:
    """Latencies at a batch that requests of a pool keep, as many ending as are admitted.

    Args:
        assumed: how a step is counted.
        instance: an instance of the pool.
        asked: its mean request.
        traffic: its requests.
        batch: running requests.
        arriving: requests per second of the pool, which has as many instances as they keep at it.
    """
    load = asked.at(batch)
    found = step(assumed, instance, load)
    rate = found.running / (asked.steps * found.latency)
    # At random their number makes no difference, and a search need not be repeated at each.
    drawn = assumed.router == "random"
    instances = jnp.array(1.0) if drawn else jnp.maximum(1.0, arriving / rate)
    mostly = pool_latencies(assumed, instance, load, traffic, found, rate, instances)
    return Latencies(found, rate, mostly)


class BatchLimits(NamedTuple):
    """Most running requests of an instance whose latencies are within the targets.

    Attributes:
        concurrency: beside which a request still is.
        batch: on the average, so that the percentiles of a pool are.
    """

    concurrency: Sequences
    batch: Sequences


def batch_limits(
    account: Account, instance: Instance, traffic: Traffic, held: Sequences, demand: Demand
) -> BatchLimits:
    """How many requests instances may run that keep the targets, whatever else limits them.

    Args:
        account: whether there are two targets, and a queue of prompts for their chunks.
        instance: an instance of the pool; how many requests it holds makes no difference.
        traffic: its requests.
        held: the greatest answer.
        demand: the targets.

    Returns:
        Both at most `held`; 0 where requests that come one by one are late.
    """
    assumed, asked = account.assumed, asked_of(account.assumed, traffic)
    if assumed.target != "both":
        return BatchLimits(held, held)

    def beside(batch: Sequences) -> Dimensionless:
        load = asked.at(batch)
        over = _beside(assumed, instance, load, demand) / demand.itl_target
        if assumed.prefill != "chunked":
            first = first_alone(assumed, instance, load, traffic, demand)
            over = jnp.maximum(over, first / demand.latency_target)
        return over - 1

    def of_pool(batch: Sequences) -> Dimensionless:
        arriving = demand.arrival_rate * traffic.share
        found = latencies_at(assumed, instance, asked, traffic, batch, arriving)
        itl, ttft = found.inter_token(demand), found.first_token(demand, traffic)
        return jnp.maximum(itl / demand.itl_target, ttft / demand.latency_target) - 1

    if assumed.prefill != "chunked":
        slots = last_within(beside, held)
        return BatchLimits(slots, slots)
    # Requests beyond those that fill the chunks wait, so that latencies are as they were.
    filling = instance.costs.chunk / jnp.maximum(asked.prompts, LEAST_PROMPTS)

    def last(over: Callable[[Sequences], Dimensionless], most: Sequences) -> Sequences:
        upper = jnp.minimum(most, filling)
        found = last_within(over, upper)
        return jnp.where(found < upper, found, most)

    slots = last(beside, held)
    # The first token is the business of the mean batch.
    return BatchLimits(slots, last(of_pool, slots))


def least_latencies(
    account: Account, instance: Instance, traffic: Traffic, demand: Demand
) -> tuple[Seconds, Seconds]:
    """Inter-token latency and time to first token, at their quantiles, of requests one by one."""
    assumed, one = account.assumed, jnp.array(1.0)
    asked = asked_of(assumed, traffic)
    itl = _beside(assumed, instance, asked.at(one), demand)
    if assumed.prefill != "chunked":
        return itl, first_alone(assumed, instance, asked.at(one), traffic, demand)
    seldom = latencies_at(assumed, instance, asked, traffic, SELDOM * one, 0.0 * one)
    return jnp.maximum(itl, seldom.inter_token(demand)), seldom.first_token(demand, traffic)


def _beside(assumed: Assumptions, instance: Instance, load: Load, demand: Demand) -> Seconds:
    """The inter-token latency that is a target, of requests beside a whole batch."""
    found = step(assumed, instance, load)
    return _percentile(demand.itl_quantile, found.median_latency, found.late_latency)


def first_alone(
    assumed: Assumptions, instance: Instance, load: Load, traffic: Traffic, demand: Demand
) -> Seconds:
    """The first token that is a target where no prompts queue, less what its prompt allows."""
    whole = first_token(assumed, instance, load, prompt_within(traffic, demand))
    shortest = partial(first_token, assumed, instance, load, jnp.ones_like(whole))
    return _less_allowed(whole, shortest, traffic, demand)


def _less_allowed(
    whole: Seconds, shortest: Callable[[], Seconds], traffic: Traffic, demand: Demand
) -> Seconds:
    """A first token less what its prompt allows; that of one token where prompts allow too much."""
    more = demand.ttft_per_token

    def less() -> Seconds:
        return jnp.maximum(whole - more * prompt_within(traffic, demand), shortest() - more)

    return lax.cond(more > 0, less, lambda: whole)


def prompt_within(traffic: Traffic, demand: Demand) -> Tokens:
    """The percentile of prompts whose first token is a target."""
    return _percentile(demand.ttft_quantile, traffic.median_prompt, traffic.long_prompt)


def first_token_share(demand: Demand) -> Dimensionless:
    """Share of requests whose first token is within its target: a half, or 0.99."""
    return _percentile(demand.ttft_quantile, MEDIAN, LATE)


def _percentile(quantile: Dimensionless, median: Scalar, late: Scalar) -> Scalar:
    """What belongs to the median, or to the 99th percentile."""
    return jnp.where(quantile > MEDIAN, late, median)
