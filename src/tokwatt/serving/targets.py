"""Latencies that are targets: of the requests of a pool, at the batch that keeps them."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations.roots import last_within
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.chunked import Load
from tokwatt.serving.instance import Instance
from tokwatt.serving.step import first_token, step
from tokwatt.serving.traffic import Traffic
from tokwatt.units import (
    Dimensionless,
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


def target_latency(assumed: Assumptions, instance: Instance, load: Load, demand: Demand) -> Seconds:
    """The percentile of the inter-token latency that is a target."""
    found = step(assumed, instance, load)
    late = demand.itl_quantile > MEDIAN
    return jnp.where(late, found.late_latency, found.median_latency)


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
        load = asked.at(batch)
        latency = target_latency(assumed, instance, load, demand) / demand.itl_target
        first = first_token(assumed, instance, load, traffic.long_prompt)
        return jnp.maximum(latency, first / demand.latency_target) - 1

    return last_within(over_target, held)


def least_latencies(
    account: Account, instance: Instance, traffic: Traffic, demand: Demand
) -> tuple[Seconds, Seconds]:
    """Inter-token latency and time to first token, at their quantiles, of one request alone."""
    assumed = account.assumed
    alone = asked_of(assumed, traffic).at(1.0)
    first = first_token(assumed, instance, alone, traffic.long_prompt)
    return target_latency(assumed, instance, alone, demand), first
