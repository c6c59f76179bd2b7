"""Passes of an instance that takes in prompts: how long they last, by what they take in."""

from collections.abc import Iterator
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
from tokwatt.units import Dimensionless, Seconds, Tokens, Watts

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
    """

    full: Seconds
    longer: Seconds
    mean: Seconds
    decoding: Seconds


def passes_of(prefill: Prefill) -> Passes:
    """Passes of an instance."""
    load, traffic, chunk = prefill.load, prefill.traffic, prefill.instance.costs.chunk
    mean = jnp.maximum(1.0, traffic.prompts)
    return Passes(
        *_all_kept(
            prefill,
            _taking_in(load, chunk, mean),
            _taking_in(load, chunk, 2 * mean),
            _taking_in(load, jnp.minimum(mean, chunk), mean),
            _taking_in(load, jnp.zeros_like(mean), mean),
        )
    )


def pass_over(prefill: Prefill, prompt: Tokens) -> Seconds:
    """A pass that takes in a prompt, or as much of it as a chunk takes."""
    taken = jnp.minimum(prompt, prefill.instance.costs.chunk)
    return _kept(prefill.assumed, prefill.instance, _taking_in(prefill.load, taken, prompt))


def pass_power(prefill: Prefill, tokens: Tokens) -> tuple[Seconds, Watts]:
    """A pass that takes in so many tokens of mean prompts, and the power of one GPU in it."""
    prompt = jnp.maximum(1.0, prefill.traffic.prompts)
    return _powered(prefill.assumed, prefill.instance, _taking_in(prefill.load, tokens, prompt))


def _taking_in(load: Load, tokens: Tokens, prompt: Tokens) -> Load:
    """A load whose pass takes in so many tokens of prompts of a length."""
    return load._replace(prompts=tokens, prefills=tokens / prompt)


@partial(jax.jit, static_argnames="assumed")  # traced once for many passes
def _powered(assumed: Assumptions, instance: Instance, load: Load) -> tuple[Seconds, Watts]:
    """A pass at the clock that is kept, and the power of one GPU."""
    return board_power(assumed, instance, single_use(assumed, instance, load))


def _all_kept(prefill: Prefill, *loads: Load) -> Iterator[Seconds]:
    """Passes over several loads, which as one stack are compiled once."""
    stacked = jax.tree.map(lambda *each: jnp.stack(jnp.broadcast_arrays(*each)), *loads)
    return iter(jax.vmap(partial(_kept, prefill.assumed, prefill.instance))(stacked))


def _kept(assumed: Assumptions, instance: Instance, load: Load) -> Seconds:
    return _powered(assumed, instance, load)[0]


def late_load(prefill: Prefill, used: Dimensionless, share: Dimensionless) -> Load:
    r"""The load of the pass that only one output token in a hundred takes longer than.

    .. math:: \operatorname{Var} x = \frac{\lambda \overline{i^2}}{1 - \rho^2}, \quad
        \bar y = \frac{\overline{i^2}}{2 \bar i}, \quad
        \overline{y^2} = \frac{\overline{i^3}}{3 \bar i}

    Args:
        prefill: the instance.
        used: share of the time that prompts fill the chunks, :math:`\rho`.
        share: share of output tokens that come of passes with prompts.

    Returns:
        By what it takes in, which is nothing where no more tokens than one in a hundred come of
        passes with prompts.

    Source: prompts come in an iteration, :math:`\lambda` of them of i tokens, as a Poisson variable
        says. One that takes in more lasts longer, so that more come meanwhile, which is a
        first-order autoregression. A token taken in at random has the y before it that renewal
        theory gives, and attends to them; in a pass that holds whole prompts there are no more
        than that takes in. Both are taken for gamma variables.
    """
    load, traffic, chunk = prefill.load, prefill.traffic, prefill.instance.costs.chunk
    prompt, some = jnp.maximum(1.0, traffic.prompts), jnp.maximum(share, 1e-9)
    within = jnp.maximum(1e-9, 1 - (1 - LATE) / some)
    filled = jnp.maximum(filled_share(prefill.instance.costs, load), 1e-9)
    square = load.prefills * traffic.prompts2 / (1 - used**2) + load.prompts**2
    tokens = gamma_quantile(load.prompts / filled, square / filled, within)
    before = gamma_quantile(
        traffic.prompts2 / (2 * prompt), traffic.prompts3 / (3 * prompt), within
    )
    # In a prompt of twice as many a token has so many before it on the average.
    whole = jnp.minimum(2 * before, tokens)
    seen = whole + chunked_share(prefill) * (2 * before - whole)
    taken = jnp.where(some > 1 - LATE, jnp.clip(tokens, 1.0, chunk), 0.0)
    return _taking_in(load, taken, jnp.maximum(1.0, seen))


def crowded_load(prefill: Prefill) -> Load:
    """The 99th percentile of requests that run, and of the tokens that they hold; no prompts.

    Source: as many run as a Poisson variable says; one sees one more than the mean batch, itself.
    """
    load, none = prefill.load, jnp.zeros_like(prefill.load.batch)
    batch = load.batch + 1 + LATE_DEVIATIONS * jnp.sqrt(load.batch)
    deviation = LATE_DEVIATIONS * resident_deviation(load, prefill.traffic)
    held = load.batch * load.length + load.length + deviation
    return load._replace(batch=batch, length=held / batch, prompts=none, prefills=none)


def chunked_share(prefill: Prefill) -> Dimensionless:
    """How far prompts fill chunks: the prompt of a mean token, over a chunk, at most 1."""
    prompts, chunk = jnp.maximum(1.0, prefill.traffic.prompts), prefill.instance.costs.chunk
    return jnp.minimum(1.0, prefill.traffic.prompts2 / prompts / chunk)


def late_iteration(
    prefill: Prefill, passes: Passes, used: Dimensionless, share: Dimensionless
) -> Seconds:
    """The 99th percentile of the inter-token latency: by the prompts of passes, and by the batch.

    Args:
        prefill: the instance.
        passes: what its passes take.
        used: share of the time that prompts fill the chunks.
        share: share of output tokens that come of passes with prompts.

    Returns:
        Seconds, at least the median.

    Source: `late_load` and `crowded_load`, as if they were independent.
    """
    late = _all_kept(prefill, late_load(prefill, used, share), crowded_load(prefill))
    whole = quantile_of_sum(passes.decoding, [each - passes.decoding for each in late])
    return jnp.maximum(prefill.iteration.median_latency, whole)


def resident_deviation(load: Load, traffic: Traffic) -> Tokens:
    """Standard deviation of the tokens that all running requests hold: of a Poisson number."""
    return jnp.sqrt(load.batch * traffic.steps_mean2 / traffic.steps)
