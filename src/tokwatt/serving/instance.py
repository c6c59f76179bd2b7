"""What one GPU of an instance holds, reads and computes under an assumption set.

Assumptions are known when JAX compiles; everything else is a number that can be swept, sampled and
differentiated.
"""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import memory, roofline, weights
from tokwatt.params.specs import (
    ActivityPower,
    Engine,
    Gpu,
    Llm,
    LlmRecord,
    LogisticPower,
    Parallelism,
    Precision,
    Profile,
    UtilizationPower,
    spec,
)
from tokwatt.serving import profile as program
from tokwatt.serving.account import Account, Constants
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.kernels import StepTable
from tokwatt.serving.llm import (
    active_parameters,
    expert_blocks,
    expert_share,
    kv_bytes_per_token,
    lookup_parameters,
    routed_parameters,
    sliding_bytes_per_token,
    state_bytes,
    streamed_parameters,
)
from tokwatt.units import (
    Bytes,
    BytesPerParameter,
    BytesPerSecond,
    BytesPerToken,
    Dimensionless,
    FlopsPerSecond,
    FlopsPerToken,
    Parameters,
    Seconds,
    Sequences,
    Tokens,
)


@spec
class Deployment:
    """An LLM on GPUs of one kind, with all that any assumption may need to know.

    Attributes:
        gpu: the data sheet of the GPUs.
        logistic: board power by batch size.
        activity: board power by the busy share of a step.
        utilization: board power by the use of bandwidth and arithmetic.
        llm: the LLM.
        parallelism: how the GPUs share it.
        precision: widths of weights and KV cache.
        engine: how the paper's program runs it.
        active_parameters: parameters of one token as the paper prints them; 0 where it prints none.
        profile: a hand-calibrated instance of it, or None.
        kernels: times of its kernels, or None.
    """

    gpu: Gpu
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    llm: LlmRecord
    parallelism: Parallelism
    precision: Precision
    engine: Engine
    active_parameters: Parameters = 0.0
    profile: Profile | None = None
    kernels: StepTable | None = None

    @property
    def prefill_chunk(self) -> Tokens:
        """Prompt tokens that a step takes in."""
        return (self.profile or self.engine).prefill_chunk

    def equipped(
        self,
        logistic: LogisticPower,
        active_parameters: Parameters,
        profile: Profile | None,
        kernels: StepTable | None,
    ) -> "Deployment":
        """The same with what only some deployments have."""
        return replace(
            self,
            logistic=logistic,
            active_parameters=active_parameters,
            profile=profile,
            kernels=kernels,
        )


@spec
class KvCache:
    """KV cache on one GPU.

    Attributes:
        held: bytes per token of the layers that keep every token.
        read: the part of them that a step reads.
        sliding: bytes per token of the layers with a sliding window.
        window: tokens that those look back.
        state: bytes of the recurrent state of a sequence.
    """

    held: BytesPerToken
    read: BytesPerToken
    sliding: BytesPerToken
    window: Tokens
    state: Bytes


@spec
class Instance:
    """One GPU of an instance; bytes and operations are its share of what the instance moves and does.

    Attributes:
        gpus: GPUs of the instance.
        kv_budget: memory for the KV cache; negative where the weights do not fit.
        cache: the KV cache of a sequence.
        block_size: tokens of a block of the KV cache.
        max_sequences: most running requests.
        max_tokens: most tokens of windows that are reserved at once.
        streamed: bytes of weights that every step reads.
        routed: bytes of all routed experts.
        expert_share: share of them that one token uses.
        weight_bandwidth: bandwidth at which weights are read.
        kv_bandwidth: bandwidth at which the KV cache is read.
        overhead: time of a step beyond its bytes.
        sequence_overhead: time that each running request adds.
        dispatch_overhead: time that dispatch to experts adds to a step.
        dispatch_time: time on the links that dispatch of one token takes.
        idle_time: if positive, replaces the weight time in the activity law of power: the paper's
            Table 2 uses two different ones.
        token_flops: operations of one token.
        decode_rate: arithmetic that decoding reaches.
        prefill_rate: arithmetic that prefill reaches.
        gpu: the data sheet of the GPU.
        logistic: board power by batch size.
        activity: board power by the busy share of a step.
        utilization: board power by the use of bandwidth and arithmetic.
        kernels: times of its kernels, or None.
    """

    gpus: Dimensionless
    kv_budget: Bytes
    cache: KvCache
    block_size: Tokens
    max_sequences: Sequences
    max_tokens: Tokens
    streamed: Bytes
    routed: Bytes
    expert_share: Dimensionless
    weight_bandwidth: BytesPerSecond
    kv_bandwidth: BytesPerSecond
    overhead: Seconds
    sequence_overhead: Seconds
    dispatch_overhead: Seconds
    dispatch_time: Seconds
    idle_time: Seconds
    token_flops: FlopsPerToken
    decode_rate: FlopsPerSecond
    prefill_rate: FlopsPerSecond
    gpu: Gpu
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    kernels: StepTable | None = None


def instance_of(account: Account, deployment: Deployment) -> Instance:
    """What one GPU of a deployment holds, reads and computes.

    Args:
        account: which bytes count, and how fast they move.
        deployment: the LLM and its GPUs.

    Returns:
        The instance; its KV budget is negative where the weights do not fit.

    Source: `params/assumptions.yaml`, which names one for each alternative.
    """
    assumed, constants = account.assumed, account.constants
    gpu, engine, parallelism = deployment.gpu, deployment.engine, deployment.parallelism
    measured = assumed.step in ("measured", "kernels")
    described, counted = _described(assumed, deployment), _weights(assumed, deployment)
    efficiency = constants.bandwidth_efficiency if measured else engine.bandwidth_efficiency
    overhead = constants.layer_overhead if measured else engine.layer_overhead
    rate = arithmetic_rate(gpu, deployment.precision.dense)
    workspace = program.workspace(engine, parallelism)
    capacity = memory.kv_budget(gpu.hbm_capacity, engine.memory_fraction, counted.held, workspace)
    dispatched = assumed.dispatch == "counted"
    instance = Instance(
        gpus=parallelism.tensor_parallel,
        kv_budget=capacity,
        cache=_cache(assumed, deployment),
        block_size=engine.block_size,
        max_sequences=jnp.where(engine.max_sequences > 0, engine.max_sequences, jnp.inf),
        max_tokens=jnp.inf,
        streamed=counted.streamed,
        routed=counted.routed,
        expert_share=expert_share(described),
        weight_bandwidth=efficiency * gpu.hbm_bandwidth,
        kv_bandwidth=efficiency * gpu.hbm_bandwidth,
        overhead=overhead * described.layers,
        sequence_overhead=constants.sequence_overhead if measured else 0.0,
        dispatch_overhead=_dispatch_overhead(deployment, constants) if dispatched else 0.0,
        dispatch_time=_dispatch_time(deployment, constants) if dispatched else 0.0,
        idle_time=0.0,
        token_flops=2 * counted.active / parallelism.tensor_parallel,
        decode_rate=constants.compute_efficiency * rate if measured else jnp.inf,
        prefill_rate=constants.prefill_efficiency * rate,
        gpu=gpu,
        logistic=deployment.logistic,
        activity=deployment.activity,
        utilization=deployment.utilization,
        kernels=deployment.kernels,
    )
    if assumed.step == "calibrated":
        return _calibrated(instance, deployment)
    return _printed(assumed, instance, deployment) if assumed.experts == "printed" else instance


def arithmetic_rate(gpu: Gpu, width: BytesPerParameter) -> FlopsPerSecond:
    """Peak arithmetic of a GPU on weights of a width: 8-bit where both have it, else 16-bit."""
    return jnp.where((width <= 1) & (gpu.fp8_rate > 0), gpu.fp8_rate, gpu.fp16_rate)


class _Weights(NamedTuple):
    """Weights on one GPU, and parameters of one token over all of them."""

    held: Bytes
    streamed: Bytes
    routed: Bytes
    active: Parameters


def _described(assumed: Assumptions, deployment: Deployment) -> Llm:
    llm = deployment.llm
    return llm.paper if assumed.architecture == "catalogue" else llm.published


def _weights(assumed: Assumptions, deployment: Deployment) -> _Weights:
    llm, width = _described(assumed, deployment), deployment.precision
    ranks = deployment.parallelism.tensor_parallel
    both = assumed.architecture == "published" and assumed.input_table == "held"
    table = lookup_parameters(llm) if both else 0.0
    streamed = streamed_parameters(llm) * width.dense / ranks
    routed = routed_parameters(llm) * width.routed / ranks
    held = streamed + routed + table * width.dense / ranks
    return _Weights(held, streamed, routed, active_parameters(llm))


def _cache(assumed: Assumptions, deployment: Deployment) -> KvCache:
    llm, width = _described(assumed, deployment), deployment.precision.kv
    ranks = deployment.parallelism.tensor_parallel
    whole = kv_bytes_per_token(llm, width, 1.0)
    sharded = kv_bytes_per_token(llm, width, ranks)
    held, read = (whole, whole / ranks) if assumed.kv_sharding == "whole" else (sharded, sharded)
    return KvCache(
        held=held,
        read=read,
        sliding=sliding_bytes_per_token(llm, width, ranks),
        window=llm.sliding_window,
        state=state_bytes(llm, width, ranks),
    )


def _dispatch_overhead(deployment: Deployment, constants: Constants) -> Seconds:
    return constants.dispatch_overhead * expert_blocks(deployment.llm.published)


def _dispatch_time(deployment: Deployment, constants: Constants) -> Seconds:
    """Time to send one token to its experts and back, over all layers that have any."""
    llm, ranks = deployment.llm.published, deployment.parallelism.expert_parallel
    width = deployment.precision.kv
    sent = roofline.dispatch_bytes(llm.hidden, llm.active_experts, width, ranks)
    rate = constants.link_efficiency * deployment.gpu.link_bandwidth
    return expert_blocks(llm) * sent / rate


def _calibrated(instance: Instance, deployment: Deployment) -> Instance:
    """The times and the KV blocks of a hand-calibrated profile."""
    profile, cache = deployment.profile, instance.cache
    assert profile is not None
    return replace(
        instance,
        kv_budget=profile.kv_blocks * profile.block_size * cache.held,
        block_size=profile.block_size,
        max_tokens=profile.max_sequences * profile.calibration_length,
        streamed=0.0,
        routed=0.0,
        kv_bandwidth=cache.read * profile.calibration_length / profile.scan_time,
        overhead=profile.weight_time,
    )


def _printed(assumed: Assumptions, instance: Instance, deployment: Deployment) -> Instance:
    """A mixture of experts as Table 2 has it: printed active parameters at peak bandwidth.

    Where none are printed, the program's step takes the time of its expert kernels.
    """
    mixed, active = deployment.llm.paper.experts > 0, deployment.active_parameters
    printed, program_step = active > 0, assumed.step == "program"
    tabulated = mixed & (active <= 0) & program_step
    shared = deployment.precision.dense / deployment.parallelism.tensor_parallel
    own_time = program.weight_time(
        deployment.gpu,
        deployment.llm,
        deployment.parallelism,
        deployment.precision,
        deployment.engine,
    )
    streamed = jnp.where(tabulated, 0.0, instance.streamed)
    overhead = jnp.where(tabulated, own_time, instance.overhead)
    bandwidth = deployment.gpu.hbm_bandwidth
    return replace(
        instance,
        streamed=jnp.where(printed, active * shared, streamed),
        routed=jnp.where(printed | tabulated, 0.0, instance.routed),
        weight_bandwidth=jnp.where(printed, bandwidth, instance.weight_bandwidth),
        overhead=jnp.where(printed, 0.0, overhead),
        idle_time=jnp.where(printed, own_time, 0.0),
    )


def sequence_bytes(instance: Instance, length: Tokens, per_token: BytesPerToken) -> Bytes:
    r"""KV cache of one sequence on one GPU, :math:`\kappa \ell + \kappa_s \min(\ell, w) + s`.

    Args:
        instance: the instance.
        length: tokens of the sequence.
        per_token: bytes per token of the layers that keep all of them, as held or as read.

    Returns:
        Bytes; linear in `length` but for sliding-window layers and recurrent state.

    Source: definition.
    """
    cache = instance.cache
    return per_token * length + cache.sliding * jnp.minimum(length, cache.window) + cache.state


def weight_bytes(assumed: Assumptions, instance: Instance, batch: Sequences) -> Bytes:
    """Weights that a step of so many tokens reads on one GPU."""
    if assumed.experts == "all":
        return instance.streamed + instance.routed
    share = instance.expert_share
    touched = weights.expert_coverage(share, batch) if assumed.experts == "expected" else share
    return instance.streamed + instance.routed * touched


def concurrency(
    assumed: Assumptions, instance: Instance, window: Tokens, mean_length: Tokens
) -> Sequences:
    """Running requests that the KV cache of an instance holds.

    Args:
        assumed: whether each reserves its window or is paged, and what happens if the LLM does not fit.
        instance: the instance.
        window: tokens that a sequence may take.
        mean_length: tokens that one takes on the average over its time in service.

    Returns:
        Whole sequences where windows are reserved, their mean number where not; NaN where the
        weights do not fit.

    Source: arXiv:2603.17280, Eq. (3), for reserved windows; paged attention, arXiv:2309.06180.
    """
    budget, held = instance.kv_budget, instance.cache.held
    if assumed.kv_allocation == "reserved":
        reserved = memory.whole_blocks(window, instance.block_size)
        sequence = sequence_bytes(instance, reserved, held)
        fitting = memory.held_sequences(jnp.maximum(0.0, budget), sequence)
        limit = memory.scaled_sequences(1.0, instance.max_tokens, window)
        fitting = jnp.minimum(fitting, limit)
    else:
        fitting = jnp.maximum(0.0, budget) / sequence_bytes(instance, mean_length, held)
    fitting = jnp.minimum(fitting, instance.max_sequences)
    if assumed.misfit == "one_sequence":
        return jnp.maximum(1.0, fitting)
    return jnp.where(budget < 0, jnp.nan, fitting)
