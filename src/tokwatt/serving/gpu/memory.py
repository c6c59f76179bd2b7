"""How a serving engine divides the memory of one GPU: weights, what is not cache, the KV cache."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import memory
from tokwatt.params.specs import Llm, Parallelism, Precision
from tokwatt.serving.deployment import Layout
from tokwatt.serving.gpu import llm as llms
from tokwatt.serving.gpu.arithmetic import narrower
from tokwatt.serving.gpu.limits import step_limits
from tokwatt.units import Bytes, Dimensionless


class HeldWeights(NamedTuple):
    """Weights on one GPU.

    Attributes:
        streamed: bytes that every step reads.
        routed: bytes of all routed experts.
        lookup: bytes of an input table beside the output head.
    """

    streamed: Bytes
    routed: Bytes
    lookup: Bytes


def weights_by_class(llm: Llm, precision: Precision, parallelism: Parallelism) -> HeldWeights:
    """Weights on one GPU, each class of parameters as wide as checkpoints have it.

    Args:
        llm: the LLM.
        precision: widths by class.
        parallelism: how GPUs share it.

    Returns:
        The weights; routers and the latents of latent attention are whole on every GPU.

    Source: the checkpoints named in `params/serving.yaml`; tensor parallelism, arXiv:1909.08053.
    """
    mixture, ranks = llm.experts > 0, parallelism.tensor_parallel
    gpus = ranks * parallelism.data_parallel
    attention = narrower(mixture, precision.mixture_attention, precision.attention)
    feed_forward = narrower(mixture, precision.mixture_feed_forward, precision.feed_forward)
    router, replicated = llms.router_parameters(llm), llms.replicated_parameters(llm)
    blocks = llms.always_active_parameters(llm) - router
    shared = (llms.mixer_parameters(llm) - replicated) * attention + blocks * feed_forward
    head = llms.embedding_parameters(llm) * precision.embedding
    return HeldWeights(
        streamed=(head + shared) / ranks + replicated * attention + router * precision.router,
        routed=llms.routed_parameters(llm) * precision.experts / gpus,
        lookup=llms.lookup_parameters(llm) * precision.embedding / ranks,
    )


def weights_by_two_widths(llm: Llm, precision: Precision, parallelism: Parallelism) -> HeldWeights:
    """Weights on one GPU, routed experts of one width and all else of another."""
    ranks = parallelism.tensor_parallel
    return HeldWeights(
        streamed=llms.streamed_parameters(llm) * precision.dense / ranks,
        routed=llms.routed_parameters(llm) * precision.routed / (ranks * parallelism.data_parallel),
        lookup=llms.lookup_parameters(llm) * precision.dense / ranks,
    )


def not_cache(layout: Layout, llm: Llm) -> Bytes:
    r"""Memory of one GPU that is neither weights nor KV cache.

    .. math:: a = a_0 + a_{\text{TP}} + e_l n V + e_t b d + e_x b k (\max(2 f, d) + f)

    Args:
        layout: the engine, the GPU, and how many share the LLM.
        llm: the LLM: vocabulary V, hidden size d, experts of width f, k of them for a token.

    Returns:
        Context, communication buffers, and activations of the largest step of b tokens and n
        sequences.

    Source: the logs in `params/measured/memory_logs.yaml`.
    """
    engine, ranks = layout.serving_engine, layout.parallelism.tensor_parallel
    limits = step_limits(engine, layout.gpu)
    logits = memory.activation_bytes(limits.sequences, llm.vocabulary, engine.logit_width)
    stream = memory.activation_bytes(limits.tokens, llm.hidden, engine.token_width)
    columns = expert_columns(llm, ranks)
    between = memory.activation_bytes(limits.tokens, columns, engine.expert_width)
    buffers = jnp.interp(ranks, engine.workspace_gpus, engine.workspace)
    return engine.context + buffers + logits + stream + between


def expert_columns(llm: Llm, ranks: Dimensionless) -> Dimensionless:
    """Elements that one token needs between the matrices of its experts, on one GPU."""
    width = llm.expert_feed_forward / ranks
    return llm.active_experts * (jnp.maximum(2 * width, llm.hidden) + width)


def pool_of(layout: Layout, llm: Llm, held: Bytes) -> Bytes:
    """KV cache pool of one GPU beside so many bytes of weights; negative by what is missing."""
    engine = layout.serving_engine
    return memory.kv_pool(
        layout.gpu.usable_memory,
        engine.memory_fraction,
        held,
        not_cache(layout, llm),
        engine.free_fraction,
    )
