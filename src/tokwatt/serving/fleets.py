"""Fleets: a length law, a profile and a demand put together into sized pools, by exact sums over whole lengths."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from tokwatt.equations import lengths, queueing, roofline
from tokwatt.params.specs import Demand, Profile, Workload
from tokwatt.params.traces import Trace
from tokwatt.serving import decode
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


class Moments(NamedTuple):
    """Sums over requests that service and output need; k is the steps of a request, l its tokens.

    Each field has shape (length + 1,): entry i sums over requests of at most i tokens, so that the
    requests between two lengths are a difference of two entries.
    """

    requests: Dimensionless
    outputs: Tokens
    steps: Dimensionless
    steps_lengths: Dimensionless
    steps2: Dimensionless
    steps2_lengths: Dimensionless
    steps2_lengths2: Dimensionless


class Pool(NamedTuple):
    """Instances of one context window and what they serve; watts are those of one GPU for each instance."""

    arrival_rate: RequestsPerSecond
    concurrency: Sequences
    service_rate: RequestsPerSecond
    service_scv: Dimensionless
    instances: Instances
    utilization: Dimensionless
    wait: Seconds
    throughput: TokensPerSecond
    power: Watts


class Fleet(NamedTuple):
    """Pools side by side; `rejected` is the share of requests too long for every window."""

    instances: Instances
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    rejected: Dimensionless


def request_moments(
    workload: Workload, output_share: Dimensionless, prefill_chunk: Tokens, longest: int
) -> Moments:
    """Running sums over the whole lengths 1 to `longest`.

    Args:
        workload: the length law.
        output_share: share of a request's tokens that are output; prompts are rounded down, both
            are at least 1.
        prefill_chunk: prompt tokens taken in by one step.
        longest: last length, a Python int that sets the shape.

    Returns:
        Sums weighted by probability.
    """
    length = jnp.arange(1.0, longest + 1)
    prompt = jnp.maximum(1.0, jnp.trunc((1 - output_share) * length))
    output = jnp.maximum(1.0, length - prompt)
    total, steps = prompt + output, lengths.decode_steps(prompt, output, prefill_chunk)
    powers = jnp.stack(
        [
            jnp.ones_like(length),
            output,
            steps,
            steps * total,
            steps**2,
            steps**2 * total,
            (steps * total) ** 2,
        ],
        axis=1,
    )
    masses = lengths.length_masses(length, workload.lengths, workload.fractions)
    return Moments(*lengths.running_sums(masses[:, None] * powers).T)


def trace_moments(trace: Trace, prefill_chunk: Tokens, longest: int | None = None) -> Moments:
    """Running sums over the requests of a trace, as `fleets.request_moments` has them over a law.

    Args:
        trace: the requests, with their own prompts and outputs.
        prefill_chunk: prompt tokens taken in by one step.
        longest: last length; that of the longest request where None. Longer requests are in no
            entry.

    Returns:
        Sums divided by the number of requests.

    Source: definition; the steps of a request are those of `lengths.decode_steps`.
    """
    last = trace.longest if longest is None else longest
    prompt, output, total = (
        np.asarray(tokens, float) for tokens in (trace.prompt, trace.output, trace.total)
    )
    steps = (
        np.ceil(prompt / prefill_chunk) + output
    )  # in NumPy: JAX would compile anew for each trace
    powers = (
        np.ones_like(total),
        output,
        steps,
        steps * total,
        steps**2,
        steps**2 * total,
        (steps * total) ** 2,
    )
    return Moments(*(_running(trace.total, power, last) / trace.requests for power in powers))


def _running(total: np.ndarray, weights: np.ndarray, last: int) -> np.ndarray:
    return np.cumsum(np.bincount(total, weights, minlength=last + 1)[: last + 1])


def between(moments: Moments, lower: Tokens, upper: Tokens) -> Moments:
    """Sums over requests longer than `lower` and at most `upper` tokens, both whole."""
    return Moments(*(_at(sums, upper) - _at(sums, lower) for sums in moments))


def _at(sums: Array, length: Tokens) -> Array:
    return jnp.take(sums, jnp.asarray(length, int), mode="clip")


def size_pool(
    moments: Moments, lower: Tokens, upper: Tokens, profile: Profile, demand: Demand
) -> Pool:
    """The smallest pool of window `upper` that carries all requests longer than `lower` and at most `upper`.

    Args:
        moments: running sums of the requests.
        lower: requests of at most so many tokens go elsewhere.
        upper: context window of the pool.
        profile: instance of the pool.
        demand: arrival rate of all requests, and the bounds to keep.

    Returns:
        The pool; one that nobody arrives at has no instances.

    Source: arXiv:2603.17280, Section 4, with the length law summed exactly and no instance added in
        advance.
    """
    own = between(moments, lower, upper)
    arrival_rate, used = demand.arrival_rate * own.requests, own.requests > 0
    # Of an empty pool nothing is asked; any finite stand-in keeps its gradient finite too.
    mean = Moments(
        *(jnp.where(used, sums, 1.0) / jnp.where(used, own.requests, 1.0) for sums in own)
    )
    concurrency = decode.reserved_concurrency(
        profile, jnp.where(used, upper, profile.calibration_length)
    )
    fixed, scan = profile.weight_time, profile.scan_time * concurrency / profile.calibration_length
    time = fixed * mean.steps + scan * mean.steps_lengths
    square = (
        fixed**2 * mean.steps2
        + 2 * fixed * scan * mean.steps2_lengths
        + scan**2 * mean.steps2_lengths2
    )
    service_rate, scv = concurrency / time, square / time**2 - 1
    carried = jnp.where(used, arrival_rate, service_rate)
    needed = queueing.instances_required(
        carried, service_rate, scv, concurrency, demand.latency_target, demand.max_utilization
    )
    utilization = carried / (needed * service_rate)
    return Pool(
        arrival_rate=arrival_rate,
        concurrency=concurrency,
        service_rate=service_rate,
        service_scv=scv,
        instances=jnp.where(used, needed, 0.0),
        utilization=jnp.where(used, utilization, 0.0),
        wait=queueing.wait_quantile(needed * concurrency, carried, service_rate / concurrency, scv),
        throughput=demand.arrival_rate * own.outputs,
        power=jnp.where(
            used,
            needed
            * decode.instance_power(
                profile, utilization * concurrency, mean.steps_lengths / mean.steps
            ),
            0.0,
        ),
    )


@jax.jit
def fleet_of(
    moments: Moments, profile: Profile, demand: Demand, split_length: Tokens, context_window: Tokens
) -> Fleet:
    """One pool, or two pools that share requests at a length, for requests whose running sums are at hand.

    Args:
        moments: running sums of the requests, of a law or of a trace.
        profile: instance of both pools.
        demand: what the fleet must carry.
        split_length: requests of at most so many tokens go to a pool with this window; 0 for one
            pool only.
        context_window: window of the other pool; longer requests are rejected and counted.

    Returns:
        The fleet on the paper's basis: tokens of instances per watt of one GPU each.

    Source: arXiv:2603.17280, Section 4; tokens are credited where they are generated.
    """
    edges = jnp.stack(
        [jnp.zeros_like(split_length), split_length, jnp.maximum(split_length, context_window)]
    )
    pools = jax.vmap(size_pool, in_axes=(None, 0, 0, None, None))(
        moments, edges[:-1], edges[1:], profile, demand
    )
    total = Pool(*(jnp.sum(field) for field in pools))
    return Fleet(
        instances=total.instances,
        throughput=total.throughput,
        power=total.power,
        tokens_per_joule=roofline.tokens_per_joule(total.throughput, total.power),
        rejected=1 - total.arrival_rate / demand.arrival_rate,
    )


@partial(jax.jit, static_argnames="longest")
def fleet(
    workload: Workload,
    profile: Profile,
    demand: Demand,
    split_length: Tokens = 0.0,
    context_window: Tokens = 65536.0,
    longest: int = 65536,
) -> Fleet:
    """As `fleet_of`, for requests given by a length law.

    Args:
        workload: the length law.
        profile: instance of both pools.
        demand: what the fleet must carry.
        split_length: requests of at most so many tokens go to a pool with this window; 0 for one
            pool only.
        context_window: window of the other pool; longer requests are rejected and counted.
        longest: longest request of the law, a Python int that sets a shape.

    Returns:
        The fleet on the paper's basis.
    """
    moments = request_moments(workload, demand.output_share, profile.prefill_chunk, longest)
    return fleet_of(moments, profile, demand, split_length, context_window)
