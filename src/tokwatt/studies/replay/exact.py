"""The paper's two-pool fleets with its draws replaced by exact sums, a few look-ups a pool.

Every other rule of the replay is kept: the long pool begins at one token, requests too long for the
short pool's window are served as one full window and credited in full, searches begin one instance
too high, power is taken at a whole batch, mean outputs are cut to whole tokens. Only the search
does not give up above 5000 instances.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from tokwatt.equations import lengths
from tokwatt.params.specs import Demand, Workload
from tokwatt.serving.account import Account
from tokwatt.serving.demand.traffic import Traffic, request_powers
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.fleet import Fleet, fleet_of
from tokwatt.serving.pools.pool import size_pool
from tokwatt.units import Dimensionless, Tokens

SUMMED = ("generated", *request_powers(1.0, 1.0, 1.0))
"""What is summed over lengths, by the field of `Traffic`."""


class ExactLaw(NamedTuple):
    """A request length distribution with sums of the powers that traffic is made of.

    Attributes:
        knots: lengths of the distribution, beginning with 0.
        fractions: share of requests of at most so many tokens, beginning with 0.
        upto: entry l sums over each whole length up to l once, shape (length + 1, power).
        weighted: entry j is the mean over requests of at most knot j - 1, times their share.
        middles: the same of the lengths, taken as continuous.
    """

    knots: Tokens
    fractions: Dimensionless
    upto: Array
    weighted: Array
    middles: Tokens


def law_of(
    workload: Workload, output_share: Dimensionless, prefill_chunk: Tokens, longest: Tokens
) -> ExactLaw:
    """Tables of a workload for one prefill chunk; `longest` is a Python int that sets a shape."""
    length = jnp.arange(1.0, longest + 1)
    prompt = jnp.maximum(1.0, jnp.trunc((1 - output_share) * length))
    output = jnp.maximum(1.0, length - prompt)
    powers = request_powers(prompt, output, lengths.decode_steps(prompt, output, prefill_chunk))
    upto = lengths.running_sums(jnp.stack([output, *powers.values()], axis=1))
    knots, fractions = jnp.append(0.0, workload.lengths), jnp.append(0.0, workload.fractions)
    masses, widths = jnp.diff(fractions), jnp.diff(knots)
    means = jnp.diff(upto[knots.astype(int)], axis=0) / widths[:, None]
    middles = lengths.running_sums((masses * (knots[1:] - widths / 2))[:, None])[:, 0]
    return ExactLaw(knots, fractions, upto, lengths.running_sums(masses[:, None] * means), middles)


def two_pools(
    account: Account,
    instance: Instance,
    law: ExactLaw,
    demand: Demand,
    short_window: Tokens,
    overflow_factor: Dimensionless,
    long_window: Tokens,
) -> Fleet:
    """Requests up to `overflow_factor` short windows in a short pool, the rest in a long one.

    Args:
        account: the paper's.
        instance: an instance of both pools.
        law: tables of the requests.
        demand: what the fleet must carry.
        short_window: window of the short pool, whole tokens.
        overflow_factor: at least 1.
        long_window: window of the long pool, whole tokens.

    Returns:
        The fleet; where fewer than one request in a million goes to a pool it differs from the
        paper's by as little.

    Source: the program of arXiv:2603.17280, its sampler replaced by sums over whole lengths.
    """
    cut = jnp.trunc(overflow_factor * short_window)
    share = lengths.fraction_within(cut, law.knots[1:], law.fractions[1:])
    short = _short_sums(law, cut, short_window) / jnp.where(share > 0, share, 1.0)
    long, long_middle = _long_sums(law, cut, share, long_window)
    last = jnp.searchsorted(law.knots, cut, side="right") - 1
    tail = (share - law.fractions[last]) * (law.knots[last] + cut) / 2
    short_middle = (law.middles[last] + tail) / jnp.where(share > 0, share, 1.0)
    traffic = (
        _traffic(share, demand, short, short_middle),
        _traffic(1 - share, demand, long, long_middle),
    )
    windows = short_window, long_window
    pools = [
        size_pool(account, instance, requests, window, demand)
        for requests, window in zip(traffic, windows, strict=True)
    ]
    return fleet_of(pools, instance.gpus, 0.0)


def _traffic(share: Dimensionless, demand: Demand, sums: Array, middle: Tokens) -> Traffic:
    """Traffic from means over a pool's requests, credited with the paper's whole mean output."""
    means = dict(zip(SUMMED, sums, strict=True))
    credited = share * jnp.maximum(1.0, jnp.trunc(demand.output_share * middle))
    means["generated"] = share * means["generated"]
    return Traffic(
        share=share, credited=credited, long_prompt=jnp.nan, median_prompt=jnp.nan, **means
    )


def _short_sums(law: ExactLaw, cut: Tokens, window: Tokens) -> Array:
    """Sums over requests up to `cut`: the bin of the window is squeezed, longer ones clipped."""
    straddled = jnp.searchsorted(law.knots, window)
    start, end = law.knots[straddled - 1], jnp.minimum(law.knots[straddled], cut)
    within = lengths.fraction_within(end, law.knots[1:], law.fractions[1:])
    beyond = lengths.fraction_within(cut, law.knots[1:], law.fractions[1:]) - within
    squeezed = (
        (within - law.fractions[straddled - 1])
        * (_upto(law, window) - _upto(law, start))
        / (window - start)
    )
    return (
        law.weighted[straddled - 1]
        + squeezed
        + beyond * (_upto(law, window) - _upto(law, window - 1))
    )


def _long_sums(
    law: ExactLaw, cut: Tokens, share: Dimensionless, window: Tokens
) -> tuple[Array, Tokens]:
    """Means over requests longer than `cut`, the first bin from one token on, and their middle."""
    count = law.knots.shape[0]
    first = jnp.searchsorted(law.knots, cut, side="right")
    inside = first < count
    end = jnp.where(inside, law.knots[jnp.minimum(first, count - 1)], cut + 1)
    rest = jnp.where(share < 1, 1 - share, 1.0)
    mass = jnp.where(
        share < 1,
        (jnp.where(inside, law.fractions[jnp.minimum(first, count - 1)], 1.0) - share) / rest,
        1.0,
    )
    reach = jnp.minimum(window, end)
    head = mass * _upto(law, reach) / reach
    tail = (_clipped(law, -1, window) - _clipped(law, jnp.minimum(first, count - 1), window)) / rest
    middle = mass * end / 2 + (law.middles[-1] - law.middles[jnp.minimum(first, count - 1)]) / rest
    return head + jnp.where(share < 1, tail, 0.0), middle


def _clipped(law: ExactLaw, knot: Array | int, window: Tokens) -> Array:
    """Sums over requests up to a knot, clipped to a window as the sampler does."""
    straddled = jnp.minimum(jnp.searchsorted(law.knots, window), law.knots.shape[0] - 1)
    start, end = law.knots[straddled - 1], jnp.minimum(window, law.knots[straddled])
    mass = law.fractions[straddled] - law.fractions[straddled - 1]
    squeezed = mass * (_upto(law, end) - _upto(law, start)) / (end - start)
    beyond = (law.fractions[knot] - law.fractions[straddled]) * (
        _upto(law, window) - _upto(law, window - 1)
    )
    return jnp.where(
        law.knots[knot] <= window,
        law.weighted[knot],
        law.weighted[straddled - 1] + squeezed + beyond,
    )


def _upto(law: ExactLaw, length: Tokens) -> Array:
    return jnp.take(law.upto, jnp.asarray(length, int), axis=0, mode="clip")
