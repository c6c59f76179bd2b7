"""An instance under an account: its share of the work, how fast it is, what it holds.

Assumptions are known when JAX compiles; everything else is a number that can be swept, sampled and
differentiated.
"""

from collections.abc import Mapping

import jax.numpy as jnp

from tokwatt.equations import memory, weights
from tokwatt.params.specs import ActivityPower, LogisticPower, UtilizationPower, spec
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.gpu.share import GpuShare, held_bytes
from tokwatt.serving.steps.costs import PassCosts
from tokwatt.serving.steps.forward import Touched
from tokwatt.serving.steps.kernels import KernelSteps
from tokwatt.units import (
    Bytes,
    BytesPerSecond,
    Dimensionless,
    FlopsPerSecond,
    Seconds,
    Sequences,
    Tokens,
)


@spec
class StepTimes:
    """How fast an instance moves its bytes and does its arithmetic, and what a step takes beside.

    Attributes:
        weight_bandwidth: bandwidth at which weights are read.
        kv_bandwidth: bandwidth at which the KV cache is read.
        overhead: time of a step beyond its bytes.
        dispatch_overhead: time that dispatch to experts adds to a step.
        dispatch_time: time on the links that dispatch of one token takes.
        idle_time: if positive, replaces the weight time in the activity law of power: the paper's
            Table 2 uses two different ones.
        prefill_rate: arithmetic that prefill reaches.
    """

    weight_bandwidth: BytesPerSecond
    kv_bandwidth: BytesPerSecond
    overhead: Seconds
    dispatch_overhead: Seconds
    dispatch_time: Seconds
    idle_time: Seconds
    prefill_rate: FlopsPerSecond


@spec
class Instance(GpuShare):
    """One GPU of an instance, and how fast it is under an account.

    Attributes:
        times: how fast by the steps of the paper's program and by kernels.
        costs: of its forward passes, as calibrated.
        logistic: board power by batch size.
        activity: board power by the busy share of a step.
        utilization: board power by the use of bandwidth and arithmetic, as calibrated.
        kernels: times of its kernels, or None.
    """

    times: StepTimes
    costs: PassCosts
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    kernels: KernelSteps | None = None


def _every_expert(expert_share: Dimensionless, tokens: Tokens) -> Dimensionless:
    return jnp.ones_like(expert_share)


def _active_experts(expert_share: Dimensionless, tokens: Tokens) -> Dimensionless:
    return expert_share


TOUCHED: Mapping[str, Touched] = {
    "all": _every_expert,
    "expected": weights.expert_coverage,
    "active": _active_experts,
    "printed": _active_experts,
}
"""Share of the routed experts of a layer that a step reads, by the alternative of `experts`."""


def step_weight_bytes(assumed: Assumptions, instance: GpuShare, tokens: Tokens) -> Bytes:
    """Weights that a step of so many tokens reads on one GPU."""
    touched = TOUCHED[assumed.experts](instance.expert_share, tokens)
    return instance.streamed + instance.routed * touched


def concurrency(
    assumed: Assumptions, instance: GpuShare, window: Tokens, mean_length: Tokens
) -> Sequences:
    """Running requests that the KV cache of an instance holds.

    Args:
        assumed: whether windows are reserved or the cache is paged, and what happens if the LLM
            does not fit.
        instance: the instance.
        window: tokens that a sequence may take.
        mean_length: tokens that one takes on the average over its time in service.

    Returns:
        Whole sequences where windows are reserved, their mean number where not; NaN where the
        weights do not fit.

    Source: arXiv:2603.17280, Eq. (3), for reserved windows; paged attention, arXiv:2309.06180.
    """
    budget = instance.kv_budget
    if assumed.kv_allocation == "reserved":
        reserved = memory.whole_blocks(window, instance.block_size)
        sequence = held_bytes(instance, reserved)
        fitting = memory.held_sequences(jnp.maximum(0.0, budget), sequence)
        limit = memory.scaled_sequences(1.0, instance.max_tokens, window)
        fitting = jnp.minimum(fitting, limit)
    else:
        fitting = jnp.maximum(0.0, budget) / held_bytes(instance, mean_length)
    fitting = instance.data_parallel * jnp.minimum(fitting, instance.max_sequences)
    if assumed.misfit == "one_sequence":
        return jnp.maximum(1.0, fitting)
    return jnp.where(budget < 0, jnp.nan, fitting)
