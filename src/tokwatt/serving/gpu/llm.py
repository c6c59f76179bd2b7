"""What an LLM weighs, and what of it a step reads."""

import jax.numpy as jnp

from tokwatt.equations import weights
from tokwatt.params.specs import Llm
from tokwatt.units import Dimensionless, Parameters


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
