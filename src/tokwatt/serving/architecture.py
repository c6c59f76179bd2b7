"""What a published LLM architecture weighs, streams and keeps: specs and equations put together."""

import jax.numpy as jnp

from tokwatt.equations import memory, weights
from tokwatt.params.specs import Architecture
from tokwatt.units import Bytes, BytesPerParameter, BytesPerToken, Dimensionless, Parameters


def total_parameters(architecture: Architecture) -> Parameters:
    """Parameters of the whole LLM.

    Args:
        architecture: the LLM as published.

    Returns:
        The count without norms and biases; tied embeddings count once.

    Source: the configurations named in `params/architectures.yaml`.
    """
    lookup = (1 - architecture.tied_embeddings) * embedding_parameters(architecture)
    return lookup + streamed_parameters(architecture) + routed_parameters(architecture)


def active_parameters(architecture: Architecture) -> Parameters:
    """Parameters that one token multiplies: what is always streamed, and the experts it is routed to.

    Args:
        architecture: the LLM as published.

    Returns:
        The count, at most `total_parameters`; the input embedding is a lookup and counts only where
        it is tied.

    Source: sparsely gated experts, arXiv:1701.06538.
    """
    return streamed_parameters(architecture) + expert_parameters(
        architecture, architecture.active_experts
    )


def embedding_parameters(architecture: Architecture) -> Parameters:
    """Parameters of the input table, and as many in the output head; the table is read by the row."""
    return architecture.vocabulary * architecture.hidden


def streamed_parameters(architecture: Architecture) -> Parameters:
    """Parameters that every step reads at any batch: all but the routed experts and the input table.

    Args:
        architecture: the LLM as published.

    Returns:
        Mixers, dense and shared feed-forward blocks, routers, and the output head, which may be the
        tied table.

    Source: the configurations named in `params/architectures.yaml`.
    """
    mixers = mixer_parameters(architecture) + always_active_parameters(architecture)
    return embedding_parameters(architecture) + mixers


def routed_parameters(architecture: Architecture) -> Parameters:
    """Parameters of all routed experts over all layers."""
    return expert_parameters(architecture, architecture.experts)


def expert_parameters(architecture: Architecture, experts: Dimensionless) -> Parameters:
    """Parameters of `experts` routed experts in each layer that has any."""
    expert = block_parameters(architecture, architecture.expert_feed_forward)
    return expert_blocks(architecture) * experts * expert


def always_active_parameters(architecture: Architecture) -> Parameters:
    """Feed-forward parameters that no router chooses: dense blocks, shared experts, and the routers themselves."""
    mixed = expert_blocks(architecture)
    dense = (feed_forward_blocks(architecture) - mixed) * block_parameters(
        architecture, architecture.feed_forward
    )
    router = architecture.hidden * architecture.experts
    return dense + mixed * (
        router + block_parameters(architecture, architecture.shared_feed_forward)
    )


def block_parameters(architecture: Architecture, width: Dimensionless) -> Parameters:
    """Parameters of one feed-forward block of this width."""
    return weights.feed_forward_parameters(
        architecture.hidden, width, architecture.feed_forward_matrices
    )


def mixer_parameters(architecture: Architecture) -> Parameters:
    """Parameters of all attention layers and linear recurrences."""
    attention = attention_layers(architecture) * attention_parameters(architecture)
    return attention + architecture.linear_layers * architecture.linear_parameters


def attention_parameters(architecture: Architecture) -> Parameters:
    """Parameters of one attention layer, latent or grouped, with the gate on its output where it has one."""
    hidden, query_heads, head_dim = (
        architecture.hidden,
        architecture.query_heads,
        architecture.head_dim,
    )
    grouped = weights.attention_parameters(hidden, query_heads, architecture.kv_heads, head_dim)
    latent = weights.latent_attention_parameters(
        hidden,
        query_heads,
        architecture.kv_latent,
        architecture.rope_dim,
        architecture.query_latent,
        architecture.nope_dim,
        architecture.value_dim,
    )
    return jnp.where(
        is_latent(architecture),
        latent,
        grouped + architecture.attention_gate * hidden * query_heads * head_dim,
    )


def kv_bytes_per_token(
    architecture: Architecture, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """KV cache of the layers that keep every token, on each GPU.

    Args:
        architecture: the LLM as published.
        kv_width: bytes of one element.
        tensor_parallel: GPUs of the instance.

    Returns:
        Bytes per token and GPU. Whole heads are shared out; a latent is held by every GPU.

    Source: arXiv:2305.13245 for grouped queries, arXiv:2405.04434 for latent attention.
    """
    layers = attention_layers(architecture) - architecture.sliding_layers
    latent = memory.latent_bytes_per_token(
        layers, architecture.kv_latent, architecture.rope_dim, kv_width
    )
    return jnp.where(
        is_latent(architecture),
        latent,
        grouped_bytes(architecture, layers, kv_width, tensor_parallel),
    )


def sliding_bytes_per_token(
    architecture: Architecture, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """KV cache of the sliding-window layers on each GPU, for each token that they still see.

    Args:
        architecture: the LLM as published.
        kv_width: bytes of one element.
        tensor_parallel: GPUs of the instance.

    Returns:
        Bytes per token and GPU; a sequence holds at most `sliding_window` of them.

    Source: sliding-window attention, arXiv:2004.05150.
    """
    return grouped_bytes(architecture, architecture.sliding_layers, kv_width, tensor_parallel)


def state_bytes(
    architecture: Architecture, state_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> Bytes:
    """Recurrent state of the linear layers for one sequence on each GPU, however long the sequence is.

    Args:
        architecture: the LLM as published.
        state_width: bytes of one element.
        tensor_parallel: GPUs that share its heads evenly.

    Returns:
        Bytes per sequence and GPU.

    Source: gated delta networks, arXiv:2412.06464; Mamba-2, arXiv:2405.21060.
    """
    return architecture.linear_layers * architecture.linear_state * state_width / tensor_parallel


def grouped_bytes(
    architecture: Architecture,
    layers: Dimensionless,
    kv_width: BytesPerParameter,
    tensor_parallel: Dimensionless,
) -> BytesPerToken:
    """Keys and values of one token in so many layers of grouped-query attention, on each GPU."""
    heads = memory.rank_heads(architecture.kv_heads, tensor_parallel)
    return memory.kv_bytes_per_token(layers, heads, architecture.head_dim, kv_width)


def is_latent(architecture: Architecture) -> Dimensionless:
    """Whether attention is latent."""
    return architecture.kv_latent > 0


def attention_layers(architecture: Architecture) -> Dimensionless:
    """Layers that attend, to everything or in a sliding window."""
    return architecture.layers - architecture.linear_layers - architecture.feed_forward_layers


def feed_forward_blocks(architecture: Architecture) -> Dimensionless:
    """Feed-forward blocks: one in each layer, or the layers that are one alone."""
    return jnp.where(
        architecture.feed_forward_layers > 0, architecture.feed_forward_layers, architecture.layers
    )


def expert_blocks(architecture: Architecture) -> Dimensionless:
    """Feed-forward blocks with routed experts."""
    return jnp.where(
        architecture.experts > 0, feed_forward_blocks(architecture) - architecture.dense_layers, 0.0
    )
