"""Passes of an instance that takes in prompts: how long they last, by what they take in."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations.percentiles import gamma_quantile, quantile_of_sum
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.steps.chunked import LATE_DEVIATIONS, Load, filled_share
from tokwatt.serving.steps.power import board_power
from tokwatt.serving.steps.step import Step, single_use
from tokwatt.units import Seconds, Tokens

LATE = 0.99
"""The percentile of those that come late."""


class Prefill(NamedTuple):
    """An instance that takes in prompts beside what it decodes.

    Attributes:
        assumed: what passes cost.
        instance: the instance.
        load: its batch, of which no more decode than chunks leave.
        traffic: the requests.
        iteration: its mean iteration.
    """

    assumed: Assumptions
    instance: Instance
    load: Load
    traffic: Traffic
    iteration: Step


class Passes(NamedTuple):
    """Durations of passes, at the clock that the board keeps.

    Attributes:
        full: of a full chunk of mean prompts.
        longer: of a full chunk of prompts twice as long.
        mean: of the mean prompt, or of as much of it as a chunk takes.
        decoding: that takes in no prompt.
        filled: with the 99th percentile of what iterations take in.
        crowded: that takes in no prompt, with the 99th percentile of requests.
    """

    full: Seconds
    longer: Seconds
    mean: Seconds
    decoding: Seconds
    filled: Seconds
    crowded: Seconds


def passes_of(prefill: Prefill) -> Passes:
    """Passes of an instance."""
    load, traffic, chunk = prefill.load, prefill.traffic, prefill.instance.costs.chunk
    mean = jnp.maximum(1.0, traffic.prompts)
    batch = load.batch + 1 + LATE_DEVIATIONS * jnp.sqrt(load.batch)
    held = (
        load.batch * load.length + load.length + LATE_DEVIATIONS * resident_deviation(load, traffic)
    )
    crowded = load._replace(batch=batch, length=held / batch)
    none = jnp.zeros_like(mean)
    loads = {
        "full": _taking_in(load, chunk, mean),
        "longer": _taking_in(load, chunk, 2 * mean),
        "mean": _taking_in(load, jnp.minimum(mean, chunk), mean),
        "decoding": _taking_in(load, none, mean),
        "filled": _taking_in(load, late_tokens(prefill), mean),
        "crowded": _taking_in(crowded, none, mean),
    }
    # As one stack they are compiled once.
    stacked = jax.tree.map(lambda *each: jnp.stack(jnp.broadcast_arrays(*each)), *loads.values())
    kept = jax.vmap(partial(_kept, prefill.assumed, prefill.instance))(stacked)
    return Passes(**dict(zip(loads, kept, strict=True)))


def pass_over(prefill: Prefill, prompt: Tokens) -> Seconds:
    """A pass that takes in a prompt, or as much of it as a chunk takes."""
    taken = jnp.minimum(prompt, prefill.instance.costs.chunk)
    return _kept(prefill.assumed, prefill.instance, _taking_in(prefill.load, taken, prompt))


def _taking_in(load: Load, tokens: Tokens, prompt: Tokens) -> Load:
    """A load whose pass takes in so many tokens of prompts of a length."""
    return load._replace(prompts=tokens, prefills=tokens / prompt)


@partial(jax.jit, static_argnames="assumed")  # traced once for many passes
def _kept(assumed: Assumptions, instance: Instance, load: Load) -> Seconds:
    """A pass at the clock that is kept."""
    return board_power(assumed, instance, single_use(assumed, instance, load))[0]


def late_tokens(prefill: Prefill) -> Tokens:
    """The 99th percentile of the prompt tokens that an iteration takes in.

    Source: as many prompts come in an iteration as a Poisson variable says; the tokens of prompts
        that come together are taken for a gamma variable.
    """
    load, traffic = prefill.load, prefill.traffic
    some = jnp.maximum(filled_share(prefill.instance.costs, load), 1e-9)
    square = (load.prefills * traffic.prompts2 + load.prompts**2) / some
    share = jnp.maximum(1e-9, 1 - (1 - LATE) / some)
    tokens = jnp.minimum(
        prefill.instance.costs.chunk, gamma_quantile(load.prompts / some, square, share)
    )
    return jnp.where(some > 1 - LATE, jnp.maximum(tokens, 1.0), 0.0)


def late_iteration(prefill: Prefill, passes: Passes) -> Seconds:
    """The 99th percentile of iterations: by the prompts of those that take in any, by the batch.

    Args:
        prefill: the instance.
        passes: what its passes take.

    Returns:
        Seconds, at least the median.

    Source: as many requests run as a Poisson variable says; one sees one more than the mean batch,
        itself.
    """
    decoding = passes.decoding
    late = quantile_of_sum(decoding, (passes.filled - decoding, passes.crowded - decoding))
    return jnp.maximum(prefill.iteration.median_latency, late)


def resident_deviation(load: Load, traffic: Traffic) -> Tokens:
    """Standard deviation of the tokens that all running requests hold: of a Poisson number."""
    return jnp.sqrt(load.batch * traffic.steps_mean2 / traffic.steps)
