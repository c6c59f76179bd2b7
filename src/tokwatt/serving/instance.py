"""What one GPU of an instance holds, reads and computes.

Assumptions are known when JAX compiles; everything else is a number that can be swept, sampled and
differentiated.
"""

import jax.numpy as jnp

from tokwatt.equations import memory, weights
from tokwatt.params.specs import (
    ActivityPower,
    Gpu,
    Llm,
    LogisticPower,
    StepParameters,
    UtilizationPower,
    spec,
)
from tokwatt.serving import llm as llms
from tokwatt.serving import profile as program
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.deployment import Layout
from tokwatt.serving.kernels import StepTable
from tokwatt.units import (
    Bytes,
    BytesPerParameter,
    BytesPerSecond,
    BytesPerToken,
    Dimensionless,
    FlopsPerSecond,
    FlopsPerToken,
    Seconds,
    Sequences,
    Tokens,
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
class GpuShare:
    """The share of one GPU in what an instance holds, moves and computes.

    Attributes:
        gpu: the data sheet of the GPU.
        gpus: GPUs of the instance.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
        layers: layers of the LLM.
        expert_layers: layers with routed experts.
        hidden: width of the residual stream.
        experts: routed experts of a layer.
        expert_share: share of them that one token uses.
        streamed: bytes of weights that every step reads.
        routed: bytes of all routed experts.
        token_flops: operations of one token.
        arithmetic_rate: peak arithmetic on weights of their width.
        kv_budget: memory for the KV cache; negative where the weights do not fit.
        cache: the KV cache of a sequence.
        block_size: tokens of a block of the KV cache.
        max_sequences: most running requests.
        max_tokens: most tokens of windows that are reserved at once.
        requantized: 1 where 8-bit blocks are rescaled on the way.
    """

    gpu: Gpu
    gpus: Dimensionless
    expert_parallel: Dimensionless
    layers: Dimensionless
    expert_layers: Dimensionless
    hidden: Dimensionless
    experts: Dimensionless
    expert_share: Dimensionless
    streamed: Bytes
    routed: Bytes
    token_flops: FlopsPerToken
    arithmetic_rate: FlopsPerSecond
    kv_budget: Bytes
    cache: KvCache
    block_size: Tokens
    max_sequences: Sequences
    max_tokens: Tokens
    requantized: Dimensionless = 0.0


@spec
class Instance(GpuShare):
    """One GPU of an instance, and how fast it is under an account.

    Attributes:
        times: how fast by the steps of the paper's program and by kernels.
        fitted: what a step takes beyond what the data sheet says, as calibrated.
        logistic: board power by batch size.
        activity: board power by the busy share of a step.
        utilization: board power by the use of bandwidth and arithmetic, as calibrated.
        kernels: times of its kernels, or None.
    """

    times: StepTimes
    fitted: StepParameters
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    kernels: StepTable | None = None


def share_of(
    layout: Layout,
    llm: Llm,
    *,
    lookup_held: bool = True,
    whole_cache: bool = False,
    state_width: BytesPerParameter | None = None,
) -> GpuShare:
    """The share of one GPU in what a layout holds, reads and computes.

    Args:
        layout: the LLM and its GPUs.
        llm: the description of the LLM that counts.
        lookup_held: whether an input table is held beside the output head.
        whole_cache: whether every GPU holds the KV cache of all heads, though it reads its share.
        state_width: bytes that an element of a recurrent state moves; those of the KV cache if left
            out.

    Returns:
        The share; its KV budget is negative where the weights do not fit.

    Source: definition; tensor parallelism, arXiv:1909.08053.
    """
    gpu, engine, precision = layout.gpu, layout.engine, layout.precision
    ranks = layout.parallelism.tensor_parallel
    streamed = llms.streamed_parameters(llm) * precision.dense / ranks
    routed = llms.routed_parameters(llm) * precision.routed / ranks
    table = llms.lookup_parameters(llm) * precision.dense / ranks if lookup_held else 0.0
    workspace = program.workspace(engine, layout.parallelism)
    held = streamed + routed + table
    return GpuShare(
        gpu=gpu,
        gpus=ranks,
        expert_parallel=layout.parallelism.expert_parallel,
        layers=llm.layers,
        expert_layers=llms.expert_blocks(llm),
        hidden=llm.hidden,
        experts=llm.experts,
        expert_share=llms.expert_share(llm),
        streamed=streamed,
        routed=routed,
        token_flops=2 * llms.active_parameters(llm) / ranks,
        arithmetic_rate=arithmetic_rate(gpu, precision.dense),
        kv_budget=memory.kv_budget(gpu.hbm_capacity, engine.memory_fraction, held, workspace),
        cache=_cache(layout, llm, whole_cache, state_width),
        block_size=engine.block_size,
        max_sequences=jnp.where(engine.max_sequences > 0, engine.max_sequences, jnp.inf),
        max_tokens=jnp.inf,
    )


def arithmetic_rate(gpu: Gpu, width: BytesPerParameter) -> FlopsPerSecond:
    """Peak arithmetic of a GPU on weights of a width: 8-bit where both have it, else 16-bit."""
    return jnp.where((width <= 1) & (gpu.fp8_rate > 0), gpu.fp8_rate, gpu.fp16_rate)


def _cache(layout: Layout, llm: Llm, whole: bool, state_width: BytesPerParameter | None) -> KvCache:
    width, ranks = layout.precision.kv, layout.parallelism.tensor_parallel
    every_head = llms.cache_bytes_per_token(llm, width, 1.0)
    sharded = llms.cache_bytes_per_token(llm, width, ranks)
    return KvCache(
        held=every_head if whole else sharded,
        read=every_head / ranks if whole else sharded,
        sliding=llms.sliding_bytes_per_token(llm, width, ranks),
        window=llm.sliding_window,
        state=llms.state_bytes(llm, width if state_width is None else state_width, ranks),
    )


def sequence_bytes(instance: GpuShare, length: Tokens, per_token: BytesPerToken) -> Bytes:
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


def touched_experts(assumed: Assumptions, share: GpuShare, tokens: Tokens) -> Dimensionless:
    """Share of the routed experts of a layer that a step of so many tokens reads."""
    if assumed.experts == "all":
        return jnp.ones_like(share.expert_share)
    if assumed.experts == "expected":
        return weights.expert_coverage(share.expert_share, tokens)
    return share.expert_share


def step_weight_bytes(assumed: Assumptions, instance: GpuShare, tokens: Tokens) -> Bytes:
    """Weights that a step of so many tokens reads on one GPU."""
    return instance.streamed + instance.routed * touched_experts(assumed, instance, tokens)


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
