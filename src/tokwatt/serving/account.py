"""One instance and one pool under named assumptions: the paper's account, the consistent one, and every mixture.

A `Machine` does a `Step`, which is one pass over the batch; a `Point` is an instance at its
concurrency, a `Pool` as many instances as its requests need. Assumptions are known when JAX
compiles; everything else is a number.
"""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import power, queueing, roofline
from tokwatt.params.specs import Demand
from tokwatt.serving import decode, kernel_step
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.machine import (
    Constants,
    Machine,
    Subject,
    assemble,
    concurrency,
    sequence_bytes,
    weight_bytes,
)
from tokwatt.serving.routing import Traffic
from tokwatt.units import (
    Bytes,
    Dimensionless,
    Instances,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


class Step(NamedTuple):
    """One pass over a batch: how long it takes, its floors, and the power of one GPU meanwhile."""

    latency: Seconds
    memory_time: Seconds
    compute_time: Seconds
    prefill_time: Seconds
    power: Watts


class Point(NamedTuple):
    """An instance full to its concurrency; power and tokens per joule on the basis that was assumed."""

    concurrency: Sequences
    iteration_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    missing: Bytes


class Pool(NamedTuple):
    """Instances of one window and what they serve; power on the basis that was assumed, of the whole pool."""

    instances: Instances
    utilization: Dimensionless
    concurrency: Sequences
    iteration_latency: Seconds
    prompt_time: Seconds
    power: Watts
    credited: TokensPerSecond
    generated: TokensPerSecond


def step(
    assumed: Assumptions,
    subject: Subject,
    machine: Machine,
    batch: Sequences,
    mean_length: Tokens,
    prompts: Tokens,
) -> Step:
    """One pass over a batch.

    Args:
        assumed: which bytes and operations it costs, and by which law it draws power.
        machine: the instance.
        subject: its curves of power.
        batch: sequences in flight.
        mean_length: tokens that one of them holds on the average.
        prompts: prompt tokens that are taken in meanwhile, for the whole instance.

    Returns:
        The step; never shorter than its memory time and its compute time where the step is
        measured.

    Source: `params/assumptions.yaml`.
    """
    read = weight_bytes(assumed, machine, batch)
    kv = batch * sequence_bytes(machine, mean_length, machine.cache.read)
    memory_time = read / machine.weight_bandwidth + kv / machine.kv_bandwidth
    compute_time = machine.token_flops * batch / machine.decode_rate
    if assumed.step == "kernels":
        decoding = (
            kernel_step.step_latency(subject.kernels, batch, mean_length)
            + machine.sequence_overhead * batch
        )
    else:
        overhead = (
            machine.overhead
            + machine.dispatch_overhead
            + (machine.sequence_overhead + machine.dispatch_time) * batch
        )
        decoding = jnp.maximum(memory_time, compute_time) + overhead
    prefill_time = (
        0.0 if assumed.prefill == "free" else machine.token_flops * prompts / machine.prefill_rate
    )
    latency = (
        jnp.maximum(decoding, prefill_time)
        if assumed.prefill == "overlapped"
        else decoding + prefill_time
    )
    computed = batch if assumed.prefill == "free" else batch + prompts
    used = Use(
        batch=batch,
        idle_time=jnp.where(
            machine.idle_time > 0,
            machine.idle_time,
            read / machine.weight_bandwidth + machine.overhead,
        ),
        scan_time=kv / machine.kv_bandwidth,
        bandwidth=(read + kv) / latency / machine.peak_bandwidth,
        arithmetic=machine.token_flops * computed / latency / subject.gpu.fp16_rate,
        prefill=prefill_time / latency,
    )
    return Step(
        latency,
        memory_time,
        compute_time,
        prefill_time,
        board_power(assumed, subject, machine, used),
    )


class Use(NamedTuple):
    """What a step uses of a GPU, as far as laws of power look at it."""

    batch: Sequences
    idle_time: Seconds
    scan_time: Seconds
    bandwidth: Dimensionless
    arithmetic: Dimensionless
    prefill: Dimensionless


def board_power(assumed: Assumptions, subject: Subject, machine: Machine, used: Use) -> Watts:
    """Power of one GPU by the law that is assumed: by utilization it ends at TDP, else nominal power stands while prompts are taken in."""
    if assumed.power == "utilization":
        curve = subject.utilization
        wanted = power.utilization_power(
            used.bandwidth, used.arithmetic, curve.idle, curve.memory, curve.compute
        )
        return jnp.minimum(subject.gpu.tdp, wanted)  # a board slows down before it draws more
    if assumed.power == "logistic":
        decoding, nominal = (
            decode.batch_power(subject.logistic, used.batch),
            subject.logistic.nominal,
        )
    else:
        compute, fractions = (
            machine.token_flops * used.batch / subject.gpu.fp16_rate,
            subject.fractions,
        )
        busy, nominal = (
            (used.scan_time + compute) / (used.idle_time + used.scan_time),
            fractions.nominal_fraction * subject.gpu.tdp,
        )
        decoding = power.activity_power(
            busy, subject.gpu.tdp, fractions.idle_fraction, fractions.nominal_fraction
        )
    return decoding + (nominal - decoding) * used.prefill


def on_basis(
    assumed: Assumptions, constants: Constants, gpus: Dimensionless, watts: Watts
) -> Watts:
    """Power of an instance by the power of one of its GPUs, on the basis that is assumed."""
    if assumed.basis == "gpu":
        return watts
    if assumed.basis == "instance":
        return gpus * watts
    server = gpus * (watts + constants.host_power)
    return server * constants.facility_factor if assumed.basis == "facility" else server


def point(
    assumed: Assumptions,
    subject: Subject,
    constants: Constants,
    context_window: Tokens,
    mean_fill: Dimensionless = 0.5,
    prompt_ratio: Dimensionless = 4.0,
    batch: Sequences | None = None,
) -> Point:
    """An instance at a context window, full to its concurrency or at a batch of its own.

    Args:
        assumed: the account.
        subject: the LLM and its GPUs.
        constants: numbers of the account.
        context_window: tokens that a sequence may take.
        mean_fill: mean length of a sequence as a share of the window.
        prompt_ratio: prompt tokens for each output token.
        batch: sequences in flight; what the memory holds where not given.

    Returns:
        The point; NaN where the weights do not fit and `missing` says how many bytes of each GPU.
    """
    own = assemble(assumed, subject, constants)
    length = mean_fill * context_window
    held = concurrency(assumed, own, context_window, length)
    running = held if batch is None else batch
    pass_ = step(assumed, subject, own, running, length, prompt_ratio * running)
    watts = on_basis(assumed, constants, own.gpus, pass_.power)
    rate = roofline.throughput(running, pass_.latency)
    missing = jnp.maximum(0.0, -own.kv_budget)
    return Point(held, pass_.latency, rate, watts, roofline.tokens_per_joule(rate, watts), missing)


def size_pool(
    assumed: Assumptions,
    subject: Subject,
    machine: Machine,
    constants: Constants,
    traffic: Traffic,
    window: Tokens,
    demand: Demand,
) -> Pool:
    """The smallest pool that carries its requests within the bounds.

    Args:
        assumed: the account.
        subject: the LLM and its GPUs.
        machine: what an instance of theirs is.
        constants: numbers of the account.
        traffic: the requests of the pool.
        window: context window of the pool.
        demand: arrival rate of all requests, and the bounds to keep.

    Returns:
        The pool. One that nobody arrives at is empty; one whose prompts alone take longer than the
        target allows has infinitely many instances.

    Source: arXiv:2603.17280, Section 4; its rules are the alternatives of the preset `paper`.
    """
    resident = traffic.steps_ends if assumed.context_length == "end" else traffic.steps_means
    length, prompts = resident / traffic.steps, traffic.prompts / traffic.steps
    slots = concurrency(assumed, machine, window, length)
    full = step(assumed, subject, machine, slots, length, slots * prompts)
    service_rate = slots / (traffic.steps * full.latency)
    scv = _scv(machine, traffic, full, slots, length)
    arriving, used = demand.arrival_rate * traffic.share, traffic.share > 0
    carried = jnp.where(used, arriving, service_rate)
    prompt_time = (
        traffic.longest_prompt * machine.token_flops / machine.prefill_rate
        + full.latency
        - full.prefill_time
    )
    left = demand.latency_target - (prompt_time if assumed.target == "first_token" else 0.0)
    at_least = (
        jnp.ceil(carried / service_rate) + 1 if assumed.search_start == "one_too_many" else 1.0
    )
    found = queueing.instances_required(
        carried, service_rate, scv, slots, left, demand.max_utilization, at_least
    )
    instances = jnp.where(used, found, 0.0)
    utilization = carried / (found * service_rate)
    batch = utilization * slots
    if assumed.batch_rounding == "whole":
        batch = jnp.maximum(1.0, jnp.trunc(batch))
    watts = step(assumed, subject, machine, batch, length, batch * prompts).power
    return Pool(
        instances=instances,
        utilization=jnp.where(used, utilization, 0.0),
        concurrency=slots,
        iteration_latency=full.latency,
        prompt_time=prompt_time,
        power=jnp.where(used, instances * on_basis(assumed, constants, machine.gpus, watts), 0.0),
        credited=demand.arrival_rate * traffic.credited,
        generated=demand.arrival_rate * traffic.generated,
    )


def _scv(
    machine: Machine, traffic: Traffic, full: Step, slots: Sequences, length: Tokens
) -> Dimensionless:
    """Squared coefficient of variation of service, a request of l tokens and k steps taking k (fixed + slope l)."""
    scan = slots * machine.cache.read * length / machine.kv_bandwidth
    fixed, slope = full.latency - scan, scan / traffic.steps_ends * traffic.steps
    square = (
        fixed**2 * traffic.steps2
        + 2 * fixed * slope * traffic.steps2_ends
        + slope**2 * traffic.steps2_ends2
    )
    return jnp.maximum(0.01, square / (traffic.steps * full.latency) ** 2 - 1)
