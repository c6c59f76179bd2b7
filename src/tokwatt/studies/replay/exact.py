"""The paper's two-pool fleets with its draws replaced by exact sums: a few look-ups a pool, so that JAX maps millions.

Every other rule of the replay is kept: the long pool begins at one token, requests too long for the
short pool's window are served as one full window and credited in full, searches begin one instance
too high, power is taken at a whole batch, mean outputs are cut to whole tokens. Only the search
does not give up above 5000 instances.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations import lengths, queueing, roofline
from tokwatt.params.specs import Demand, Profile, Workload
from tokwatt.serving import decode
from tokwatt.units import (
    Dimensionless,
    Instances,
    RequestsPerSecond,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


class ExactFleet(NamedTuple):
    """A fleet of Table 3 without sampling error."""

    instances: Instances
    power: Watts
    throughput: TokensPerSecond
    tokens_per_joule: TokensPerJoule


class Law(NamedTuple):
    """A length law with sums of (steps, steps l, steps^2, steps^2 l, steps^2 l^2).

    `upto[l]` sums over each whole length up to l once; `weighted[j]` is the mean over requests of
    at most knot j - 1, times their share; `middles[j]` the same of the lengths, taken as
    continuous. Knots and fractions begin with 0.
    """

    knots: Tokens
    fractions: Dimensionless
    upto: Any
    weighted: Any
    middles: Tokens


def law_of(
    workload: Workload, output_share: Dimensionless, prefill_chunk: Tokens, longest: int
) -> Law:
    """Tables of a workload for instances of one prefill chunk; `longest` is a Python int that sets a shape."""
    length = jnp.arange(1.0, longest + 1)
    prompt = jnp.maximum(1.0, jnp.trunc((1 - output_share) * length))
    output = jnp.maximum(1.0, length - prompt)
    total, steps = prompt + output, lengths.decode_steps(prompt, output, prefill_chunk)
    upto = lengths.running_sums(
        jnp.stack([steps, steps * total, steps**2, steps**2 * total, (steps * total) ** 2], axis=1)
    )
    knots, fractions = jnp.append(0.0, workload.lengths), jnp.append(0.0, workload.fractions)
    masses, widths = jnp.diff(fractions), jnp.diff(knots)
    means = jnp.diff(upto[knots.astype(int)], axis=0) / widths[:, None]
    middles = lengths.running_sums((masses * (knots[1:] - widths / 2))[:, None])[:, 0]
    return Law(knots, fractions, upto, lengths.running_sums(masses[:, None] * means), middles)


def one_pool(law: Law, profile: Profile, demand: Demand, window: Tokens) -> ExactFleet:
    """Every request in one pool."""
    return _fleet(
        [
            _pool(
                law,
                profile,
                demand,
                demand.arrival_rate,
                window,
                _clipped(law, -1, window),
                law.middles[-1],
            )
        ]
    )


def two_pools(
    law: Law,
    profile: Profile,
    demand: Demand,
    short_window: Tokens,
    overflow_factor: Dimensionless,
    long_window: Tokens,
) -> ExactFleet:
    """Requests up to `overflow_factor` short windows in a pool of short windows, the rest in one of long windows.

    Args:
        law: tables of the requests.
        profile: instance of both pools.
        demand: what the fleet must carry.
        short_window: window of the short pool, whole tokens.
        overflow_factor: at least 1.
        long_window: window of the long pool, whole tokens.

    Returns:
        The fleet; where fewer than one request in a million goes to a pool it differs from the
        replay by as little.

    Source: the program of arXiv:2603.17280, its sampler replaced by sums over whole lengths.
    """
    cut = jnp.trunc(overflow_factor * short_window)
    share = lengths.fraction_within(cut, law.knots[1:], law.fractions[1:])
    short = _short_sums(law, cut, short_window) / jnp.where(share > 0, share, 1.0)
    long, long_middle = _long_sums(law, cut, share, long_window)
    last = jnp.searchsorted(law.knots, cut, side="right") - 1
    tail = (share - law.fractions[last]) * (law.knots[last] + cut) / 2
    short_middle = (law.middles[last] + tail) / jnp.where(share > 0, share, 1.0)
    return _fleet(
        [
            _pool(
                law, profile, demand, share * demand.arrival_rate, short_window, short, short_middle
            ),
            _pool(
                law,
                profile,
                demand,
                (1 - share) * demand.arrival_rate,
                long_window,
                long,
                long_middle,
            ),
        ]
    )


def _short_sums(law: Law, cut: Tokens, window: Tokens) -> Any:
    """Sums over requests up to `cut`; the bin that the window cuts is squeezed below it, what is longer fills a window."""
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


def _long_sums(law: Law, cut: Tokens, share: Dimensionless, window: Tokens) -> tuple[Any, Tokens]:
    """Means over requests longer than `cut`, whose first bin reaches down to one token, and their middle."""
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


def _clipped(law: Law, knot: Any, window: Tokens) -> Any:
    """Sums over requests up to a knot in a pool of a window, with the longer ones clipped to it as the sampler does."""
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


def _upto(law: Law, length: Tokens) -> Any:
    return jnp.take(law.upto, jnp.asarray(length, int), axis=0, mode="clip")


class _Pool(NamedTuple):
    instances: Instances
    power: Watts
    throughput: TokensPerSecond


def _pool(
    law: Law,
    profile: Profile,
    demand: Demand,
    rate: RequestsPerSecond,
    window: Tokens,
    sums: Any,
    middle: Tokens,
) -> _Pool:
    concurrency = decode.reserved_concurrency(profile, window)
    fixed, scan = profile.weight_time, profile.scan_time * concurrency / profile.calibration_length
    steps, steps_lengths, steps2, steps2_lengths, steps2_lengths2 = sums
    time = fixed * steps + scan * steps_lengths
    square = fixed**2 * steps2 + 2 * fixed * scan * steps2_lengths + scan**2 * steps2_lengths2
    service_rate, scv = concurrency / time, jnp.maximum(0.01, square / time**2 - 1)
    needed = queueing.instances_required(
        rate,
        service_rate,
        scv,
        concurrency,
        demand.latency_target,
        demand.max_utilization,
        jnp.ceil(rate / service_rate) + 1,
    )
    instances = jnp.where(rate > 0, needed, 1.0)
    batch = jnp.maximum(1.0, jnp.trunc(rate / (instances * service_rate) * concurrency))
    mean_output = jnp.maximum(1.0, jnp.trunc(demand.output_share * middle))
    return _Pool(
        instances,
        instances * decode.instance_power(profile, batch, profile.calibration_length),
        rate * mean_output,
    )


def _fleet(pools: list[_Pool]) -> ExactFleet:
    total: Any = jax.tree.map(lambda *fields: sum(fields), *pools)
    return ExactFleet(
        total.instances,
        total.power,
        total.throughput,
        roofline.tokens_per_joule(total.throughput, total.power),
    )
