"""What one GPU of a layout holds, reads and computes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations import memory
from tokwatt.params.specs import Gpu, Llm, spec
from tokwatt.serving.deployment import Layout
from tokwatt.serving.gpu import llm as llms
from tokwatt.serving.gpu import memory as engines
from tokwatt.serving.gpu import profile as program
from tokwatt.serving.gpu.arithmetic import (
    EIGHT_BITS,
    SIXTEEN_BITS,
    Arithmetic,
    arithmetic_of,
    narrower,
)
from tokwatt.serving.gpu.cache import KvCache, cache_of
from tokwatt.serving.gpu.limits import step_limits
from tokwatt.serving.gpu.memory import weights_by_class, weights_by_two_widths
from tokwatt.units import Bytes, BytesPerParameter, Dimensionless, FlopsPerToken, Sequences, Tokens


class Memory(NamedTuple):
    """What the memory of one GPU holds.

    Attributes:
        weights: bytes of weights.
        not_cache: bytes of activations, context and communication buffers.
        cache: bytes of the KV cache pool; 0 where the LLM does not fit.
        missing: bytes that are missing where it does not.
        tokens: tokens that the pool holds in whole KV blocks, of sequences of a given length.
    """

    weights: Bytes
    not_cache: Bytes
    cache: Bytes
    missing: Bytes
    tokens: Tokens


@spec
class GpuShare:
    """The share of one GPU in what an instance holds, moves and computes.

    Attributes:
        gpu: the data sheet of the GPU.
        gpus: GPUs of the instance.
        tensor_parallel: GPUs that share every layer.
        data_parallel: ranks of attention that each have requests of their own.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
        layers: layers of the LLM.
        expert_layers: layers with routed experts.
        hidden: width of the residual stream.
        experts: routed experts of a layer.
        active_experts: how many one token uses.
        expert_share: share of them that one token uses.
        latent: 1 for latent attention.
        streamed: bytes of weights that every step reads.
        routed: bytes of all routed experts.
        token_flops: operations of one token.
        arithmetic: operations as times at peak rates.
        kv_budget: memory for the KV cache; negative where the weights do not fit.
        cache: the KV cache of a sequence.
        block_size: tokens of a block of the KV cache.
        prefill_chunk: most prompt tokens of a step.
        max_sequences: most running requests.
        max_tokens: most tokens of windows that are reserved at once.
        narrow_cache: 1 for a KV cache of less than 16 bits.
        narrow_dense: 1 where dense weights have less than 8 bits.
        narrow_experts: 1 where routed experts have.
        quantized: 1 where activations are quantised on the way.
        rescaled: 1 where the engine rescales blocks of experts on the way.
    """

    gpu: Gpu
    gpus: Dimensionless
    tensor_parallel: Dimensionless
    data_parallel: Dimensionless
    expert_parallel: Dimensionless
    layers: Dimensionless
    expert_layers: Dimensionless
    hidden: Dimensionless
    experts: Dimensionless
    active_experts: Dimensionless
    expert_share: Dimensionless
    latent: Dimensionless
    streamed: Bytes
    routed: Bytes
    token_flops: FlopsPerToken
    arithmetic: Arithmetic
    kv_budget: Bytes
    cache: KvCache
    block_size: Tokens
    prefill_chunk: Tokens
    max_sequences: Sequences
    max_tokens: Tokens
    narrow_cache: Dimensionless
    narrow_dense: Dimensionless
    narrow_experts: Dimensionless
    quantized: Dimensionless
    rescaled: Dimensionless = 0.0


def share_of(
    layout: Layout,
    llm: Llm,
    *,
    measured: bool = False,
    lookup_held: bool = True,
    whole_cache: bool = False,
) -> GpuShare:
    """The share of one GPU in what a layout holds, reads and computes.

    Args:
        layout: the LLM and its GPUs.
        llm: the description of the LLM that counts.
        measured: whether memory is that of serving engines and their checkpoints instead of the
            paper's program.
        lookup_held: whether an input table is held beside the output head.
        whole_cache: whether every GPU holds the KV cache of all heads, though it reads its share.

    Returns:
        The share; its KV budget is negative where the weights do not fit.

    Source: definition; tensor parallelism, arXiv:1909.08053.
    """
    gpu, engine, precision = layout.gpu, layout.engine, layout.precision
    parallelism = layout.parallelism
    ranks, replicas = parallelism.tensor_parallel, parallelism.data_parallel
    weights_held = weights_by_class if measured else weights_by_two_widths
    streamed, routed, table = weights_held(llm, precision, parallelism)
    held = streamed + routed + (table if lookup_held else 0.0)
    budget = (
        engines.pool_of(layout, llm, held)
        if measured
        else program.program_budget(engine, gpu, parallelism, held)
    )
    limits = step_limits(layout.serving_engine, gpu)
    most = jnp.where(engine.max_sequences > 0, engine.max_sequences, jnp.inf)
    return GpuShare(
        gpu=gpu,
        gpus=ranks * replicas,
        tensor_parallel=ranks,
        data_parallel=replicas,
        expert_parallel=parallelism.expert_parallel,
        layers=llm.layers,
        expert_layers=llms.expert_blocks(llm),
        hidden=llm.hidden,
        experts=llm.experts,
        active_experts=llm.active_experts,
        latent=jnp.where(llms.is_latent(llm), 1.0, 0.0),
        expert_share=llms.expert_share(llm),
        streamed=streamed,
        routed=routed,
        token_flops=2 * llms.active_parameters(llm) / ranks,
        arithmetic=arithmetic_of(layout, llm),
        kv_budget=budget,
        cache=cache_of(llm, precision, parallelism, measured, whole_cache),
        block_size=layout.serving_engine.block_size if measured else engine.block_size,
        prefill_chunk=limits.tokens if measured else engine.prefill_chunk,
        max_sequences=limits.sequences if measured else most,
        max_tokens=jnp.inf,
        narrow_cache=_is_below(precision.kv, SIXTEEN_BITS),
        narrow_dense=_is_below(
            narrower(llm.experts > 0, precision.mixture_feed_forward, precision.feed_forward),
            EIGHT_BITS,
        ),
        narrow_experts=_is_below(precision.experts, EIGHT_BITS),
        quantized=precision.block_scaled,
    )


def _is_below(width: BytesPerParameter, bound: BytesPerParameter) -> Dimensionless:
    return jnp.where(width < bound, 1.0, 0.0)


@jax.jit
def memory_of(layout: Layout, llm: Llm, length: Tokens) -> Memory:
    """What the memory of one GPU holds, as serving engines use it.

    Args:
        layout: the LLM, its GPUs and its engine.
        llm: the description of the LLM that counts.
        length: tokens of a sequence, which matter where layers keep a window or a state.

    Returns:
        Bytes of one GPU, and tokens that all its KV blocks hold.

    Source: the logs in `params/measured/memory_logs.yaml`.
    """
    share = share_of(layout, llm, measured=True)
    held = sum(weights_by_class(llm, layout.precision, layout.parallelism))
    pool = jnp.maximum(0.0, share.kv_budget)
    per_token = held_bytes(share, length) / length
    return Memory(
        weights=held,
        not_cache=engines.not_cache(layout, llm),
        cache=pool,
        missing=jnp.maximum(0.0, -share.kv_budget),
        tokens=memory.kv_blocks(pool, per_token, share.block_size) * share.block_size,
    )


def held_bytes(instance: GpuShare, length: Tokens) -> Bytes:
    """KV cache and recurrent state of a sequence of so many tokens, as one GPU holds them."""
    cache = instance.cache
    windowed = cache.sliding * jnp.minimum(length, cache.window)
    return cache.held * length + windowed + cache.state
