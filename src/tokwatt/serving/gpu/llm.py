"""What an LLM weighs, what a step of it reads, and what a sequence keeps."""

import jax.numpy as jnp

from tokwatt.equations import memory, weights
from tokwatt.params.specs import Llm
from tokwatt.units import Bytes, BytesPerParameter, BytesPerToken, Dimensionless, Parameters


def total_parameters(llm: Llm) -> Parameters:
    """Parameters of the whole LLM.

    Args:
        llm: the LLM.

    Returns:
        The count without norms and biases; tied embeddings count once.

    Source: the configurations named in `params/llms.yaml`.
    """
    return lookup_parameters(llm) + streamed_parameters(llm) + routed_parameters(llm)


def lookup_parameters(llm: Llm) -> Parameters:
    """Parameters that are read by the row: tables, and the input table unless it is tied."""
    return (1 - llm.tied_embeddings) * embedding_parameters(llm) + llm.table_parameters


def active_parameters(llm: Llm) -> Parameters:
    """Parameters that one token multiplies: what is always streamed, and its experts.

    Args:
        llm: the LLM.

    Returns:
        The count, at most `total_parameters`; the input embedding is a lookup and counts only where
        it is tied.

    Source: sparsely gated experts, arXiv:1701.06538.
    """
    return streamed_parameters(llm) + expert_parameters(llm, llm.active_experts)


def embedding_parameters(llm: Llm) -> Parameters:
    """Parameters of the input table, read by the row, and as many in the output head."""
    return llm.vocabulary * llm.hidden


def streamed_parameters(llm: Llm) -> Parameters:
    """Parameters that every step reads: all but the routed experts and the input table.

    Args:
        llm: the LLM.

    Returns:
        Mixers, dense and shared feed-forward blocks, routers, and the output head, which may be the
        tied table.

    Source: the configurations named in `params/llms.yaml`.
    """
    mixers = mixer_parameters(llm) + always_active_parameters(llm)
    return embedding_parameters(llm) + mixers


def routed_parameters(llm: Llm) -> Parameters:
    """Parameters of all routed experts over all layers."""
    return expert_parameters(llm, llm.experts)


def expert_parameters(llm: Llm, experts: Dimensionless) -> Parameters:
    """Parameters of `experts` routed experts in each layer that has any."""
    stream = jnp.where(llm.expert_latent > 0, llm.expert_latent, llm.hidden)
    expert = weights.feed_forward_parameters(
        stream, llm.expert_feed_forward, llm.feed_forward_matrices
    )
    return expert_blocks(llm) * experts * expert


def always_active_parameters(llm: Llm) -> Parameters:
    """Feed-forward parameters that no router chooses: dense blocks, shared experts, routers."""
    mixed = expert_blocks(llm)
    dense = (feed_forward_blocks(llm) - mixed) * block_parameters(llm, llm.feed_forward)
    router = llm.routers * llm.hidden * llm.experts
    latent = 2 * llm.hidden * llm.expert_latent
    return dense + mixed * (router + latent + block_parameters(llm, llm.shared_feed_forward))


def router_parameters(llm: Llm) -> Parameters:
    """Parameters of all routers."""
    return expert_blocks(llm) * llm.routers * llm.hidden * llm.experts


def replicated_parameters(llm: Llm) -> Parameters:
    """Parameters of latent attention that every GPU holds: they make latents that all heads need.

    Source: replicated linear layers of DeepSeek-V3 in vLLM and SGLang.
    """
    latents = llm.query_latent + llm.kv_latent + llm.rope_dim
    return jnp.where(is_latent(llm), attention_layers(llm) * llm.hidden * latents, 0.0)


def block_parameters(llm: Llm, width: Dimensionless) -> Parameters:
    """Parameters of one feed-forward block of this width."""
    return weights.feed_forward_parameters(llm.hidden, width, llm.feed_forward_matrices)


def mixer_parameters(llm: Llm) -> Parameters:
    """Parameters of all attention layers and linear recurrences."""
    attention = attention_layers(llm) * attention_layer_parameters(llm) + llm.index_parameters
    return attention + llm.linear_layers * llm.linear_parameters


def attention_layer_parameters(llm: Llm) -> Parameters:
    """Parameters of one attention layer, latent or grouped, with the gate on its output.

    Their mean is given where layers differ.
    """
    hidden, query_heads, head_dim = (
        llm.hidden,
        llm.query_heads,
        llm.head_dim,
    )
    grouped = weights.attention_parameters(hidden, query_heads, llm.kv_heads, head_dim)
    latent = weights.latent_attention_parameters(
        hidden,
        query_heads,
        llm.kv_latent,
        llm.rope_dim,
        llm.query_latent,
        llm.nope_dim,
        llm.value_dim,
    )
    width = jnp.where(is_latent(llm), llm.value_dim, head_dim)
    gate = llm.attention_gate * hidden * query_heads * width
    shaped = jnp.where(is_latent(llm), latent, grouped) + gate
    return jnp.where(llm.attention_parameters > 0, llm.attention_parameters, shaped)


def cache_bytes_per_token(
    llm: Llm, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """KV cache of the layers that keep every token, on each GPU.

    Args:
        llm: the LLM.
        kv_width: bytes of one element.
        tensor_parallel: GPUs of the instance.

    Returns:
        Bytes per token and GPU. Whole heads are shared out; every GPU holds a latent and what an
        indexer keeps.

    Source: arXiv:2305.13245 for grouped queries, arXiv:2405.04434 for latent attention.
    """
    kept = full_layers(llm) - llm.kv_shared_layers
    return _full_bytes(llm, kept, kv_width, tensor_parallel)


def read_bytes_per_token(
    llm: Llm, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """The same as a step reads it: layers that share a cache each read it."""
    return _full_bytes(llm, full_layers(llm), kv_width, tensor_parallel)


def _full_bytes(
    llm: Llm, layers: Dimensionless, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    latent = memory.latent_bytes_per_token(layers, llm.kv_latent, llm.rope_dim, kv_width)
    grouped = grouped_bytes(llm, layers, kv_width, tensor_parallel)
    return jnp.where(is_latent(llm), latent, grouped) + llm.index_cache


def sliding_bytes_per_token(
    llm: Llm, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """KV cache of the sliding-window layers on each GPU, for each token that they still see.

    Args:
        llm: the LLM.
        kv_width: bytes of one element.
        tensor_parallel: GPUs of the instance.

    Returns:
        Bytes per token and GPU; a sequence holds at most `sliding_window` of them.

    Source: sliding-window attention, arXiv:2004.05150.
    """
    kept = llm.sliding_layers - llm.sliding_kv_shared_layers
    return _sliding_bytes(llm, kept, kv_width, tensor_parallel)


def sliding_read_bytes_per_token(
    llm: Llm, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """The same as a step reads it: layers that share a cache each read it."""
    return _sliding_bytes(llm, llm.sliding_layers, kv_width, tensor_parallel)


def _sliding_bytes(
    llm: Llm, layers: Dimensionless, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    latent = memory.latent_bytes_per_token(layers, llm.kv_latent, llm.rope_dim, kv_width)
    heads = jnp.where(llm.sliding_kv_heads > 0, llm.sliding_kv_heads, llm.kv_heads)
    head_dim = jnp.where(llm.sliding_head_dim > 0, llm.sliding_head_dim, llm.head_dim)
    held = memory.rank_heads(heads, tensor_parallel)
    grouped = memory.kv_bytes_per_token(layers, held, head_dim, kv_width)
    return jnp.where(is_latent(llm), latent, grouped)


def state_bytes(llm: Llm, state_width: BytesPerParameter, tensor_parallel: Dimensionless) -> Bytes:
    """Recurrent state of the linear layers for one sequence on each GPU, of any length.

    Args:
        llm: the LLM.
        state_width: bytes of one element.
        tensor_parallel: GPUs that share its heads evenly.

    Returns:
        Bytes per sequence and GPU.

    Source: gated delta networks, arXiv:2412.06464; Mamba-2, arXiv:2405.21060.
    """
    return llm.linear_layers * llm.linear_state * state_width / tensor_parallel


def grouped_bytes(
    llm: Llm,
    layers: Dimensionless,
    kv_width: BytesPerParameter,
    tensor_parallel: Dimensionless,
) -> BytesPerToken:
    """Keys and values of one token in so many layers of grouped-query attention, on each GPU."""
    heads = memory.rank_heads(llm.kv_heads, tensor_parallel)
    return memory.kv_bytes_per_token(layers, heads, llm.head_dim, kv_width)


def expert_share(llm: Llm) -> Dimensionless:
    """Share of the routed experts of a layer that one token uses; 0 for a dense LLM."""
    return llm.active_experts / jnp.maximum(1.0, llm.experts)


def is_latent(llm: Llm) -> Dimensionless:
    """Whether attention is latent."""
    return llm.kv_latent > 0


def attention_layers(llm: Llm) -> Dimensionless:
    """Layers that attend, to everything or in a sliding window."""
    return llm.layers - llm.linear_layers + llm.parallel_layers - llm.feed_forward_layers


def full_layers(llm: Llm) -> Dimensionless:
    """Layers' worth of attention to every token: fewer than layers where entries stand for several.

    Source: compressed sparse attention of DeepSeek-V4.
    """
    every = attention_layers(llm) - llm.sliding_layers
    return jnp.where(llm.kept_layers > 0, llm.kept_layers, every)


def feed_forward_blocks(llm: Llm) -> Dimensionless:
    """Feed-forward blocks: one in each layer, or the layers that are one alone."""
    return jnp.where(llm.feed_forward_layers > 0, llm.feed_forward_layers, llm.layers)


def expert_blocks(llm: Llm) -> Dimensionless:
    """Feed-forward blocks with routed experts."""
    return jnp.where(llm.experts > 0, feed_forward_blocks(llm) - llm.dense_layers, 0.0)
