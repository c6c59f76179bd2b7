"""One iteration of an instance over its batch, and its operating point."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import roofline
from tokwatt.serving import kernels
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import Instance, concurrency, sequence_bytes, step_weight_bytes
from tokwatt.serving.power import Use, board_power
from tokwatt.serving.results import checked, readable
from tokwatt.serving.times import instance_of
from tokwatt.units import (
    Bytes,
    Dimensionless,
    Seconds,
    Sequences,
    Share,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


class Load(NamedTuple):
    """What an instance runs.

    Attributes:
        batch: running requests.
        length: tokens that one of them holds on the average.
        prompts: prompt tokens that an iteration takes in, for the whole instance.
    """

    batch: Sequences
    length: Tokens
    prompts: Tokens


@readable
class Step(NamedTuple):
    """One iteration over a batch.

    Attributes:
        latency: its duration.
        memory_time: time to read weights and KV cache.
        compute_time: time of the arithmetic of decoding.
        prefill_time: time of the arithmetic of prefill.
        power: watts of one GPU.
    """

    latency: Seconds
    memory_time: Seconds
    compute_time: Seconds
    prefill_time: Seconds
    power: Watts


@readable
class OperatingPoint(NamedTuple):
    """An instance at its concurrency or at a batch size; power on the basis that is assumed.

    Attributes:
        concurrency: running requests that the KV cache holds.
        batch: running requests.
        iteration_latency: duration of an iteration.
        throughput: output tokens per second of the instance.
        power: watts on the basis.
        tokens_per_joule: their ratio.
        missing: bytes of each GPU by which the weights do not fit.
    """

    concurrency: Sequences
    batch: Sequences
    iteration_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    missing: Bytes


def step(assumed: Assumptions, instance: Instance, load: Load) -> Step:
    """One iteration over a batch.

    Args:
        assumed: which bytes and operations it costs, and which law of power holds.
        instance: the instance.
        load: its batch.

    Returns:
        The step; never shorter than its memory time and its compute time where the step is
        measured.

    Source: `params/assumptions.yaml`.
    """
    streamed = step_weight_bytes(assumed, instance, load.batch)
    scanned = load.batch * sequence_bytes(instance, load.length, instance.cache.read)
    weight_time = streamed / instance.times.weight_bandwidth
    scan_time = scanned / instance.times.kv_bandwidth
    compute_time = instance.token_flops * load.batch / instance.times.decode_rate
    decoding = _decoding_time(assumed, instance, load, weight_time + scan_time, compute_time)
    free = assumed.prefill == "free"
    prefill_time = (
        0.0 if free else instance.token_flops * load.prompts / instance.times.prefill_rate
    )
    hidden = assumed.prefill == "overlapped"
    latency = jnp.maximum(decoding, prefill_time) if hidden else decoding + prefill_time
    computed = load.batch if free else load.batch + load.prompts
    idle_time = jnp.where(
        instance.times.idle_time > 0,
        instance.times.idle_time,
        weight_time + instance.times.overhead,
    )
    use = Use(
        latency=latency,
        moved=streamed + scanned,
        computed=instance.token_flops * computed,
        batch=load.batch,
        idle_time=idle_time,
        scan_time=scan_time,
        prefill=prefill_time / latency,
    )
    watts = board_power(assumed, instance, use)
    return Step(latency, weight_time + scan_time, compute_time, prefill_time, watts)


def _decoding_time(
    assumed: Assumptions,
    instance: Instance,
    load: Load,
    memory_time: Seconds,
    compute_time: Seconds,
) -> Seconds:
    if assumed.step == "kernels" and instance.kernels is not None:
        tabulated = kernels.step_latency(instance.kernels, load.batch, load.length)
        return tabulated + instance.times.sequence_overhead * load.batch
    sequence_time = instance.times.sequence_overhead + instance.times.dispatch_time
    overhead = (
        instance.times.overhead + instance.times.dispatch_overhead + sequence_time * load.batch
    )
    return jnp.maximum(memory_time, compute_time) + overhead


@checked("prompt_ratio", "utilization")
def operating_point(
    account: Account,
    deployment: Deployment,
    context_window: Tokens,
    mean_fill: Dimensionless,
    prompt_ratio: Dimensionless,
    batch: Sequences | None = None,
    utilization: Share = 1.0,
) -> OperatingPoint:
    """An instance at a context window, full to its concurrency or at a batch size.

    Args:
        account: how tokens and joules are counted.
        deployment: the LLM and its GPUs.
        context_window: tokens that a sequence may take.
        mean_fill: mean length of a sequence as a share of the window.
        prompt_ratio: prompt tokens for each output token.
        batch: running requests; a share of what the memory holds if left out.
        utilization: that share.

    Returns:
        The point; NaN where the weights do not fit, and `missing` says how many bytes of each GPU.

    Raises:
        ParameterError: for a number outside its domain, where JAX does not trace it.

    Source: arXiv:2603.17280, Sections 2 and 3.1.
    """
    assumed, instance = account.assumed, instance_of(account, deployment)
    length = mean_fill * context_window
    held = concurrency(assumed, instance, context_window, length)
    running = utilization * held if batch is None else batch
    iteration = step(assumed, instance, Load(running, length, prompt_ratio * running))
    watts = on_basis(account, instance.gpu, instance.gpus, iteration.power)
    rate = roofline.throughput(running, iteration.latency)
    return OperatingPoint(
        concurrency=held,
        batch=running,
        iteration_latency=iteration.latency,
        throughput=rate,
        power=watts,
        tokens_per_joule=roofline.tokens_per_joule(rate, watts),
        missing=jnp.maximum(0.0, -instance.kv_budget),
    )
