"""What one GPU holds and reads of the KV cache and the recurrent state of a sequence."""

import jax.numpy as jnp

from tokwatt.equations import memory
from tokwatt.params.specs import Llm, Parallelism, Precision, spec
from tokwatt.serving.gpu import llm as llms
from tokwatt.units import Bytes, BytesPerParameter, BytesPerToken, Dimensionless, Tokens

STATE_WIDTH = 4.0
"""Bytes of an element of a recurrent state, if the LLM does not say otherwise: 32 bits.

Source: `mamba_ssm_dtype` of published configurations."""


@spec
class KvCache:
    """KV cache on one GPU.

    Attributes:
        held: bytes per token of the layers that keep every token.
        read: the part of them that a step reads.
        sliding: bytes per token of the layers with a sliding window.
        sliding_read: what a step reads of them.
        window: tokens that those look back.
        state: bytes of the recurrent state of a sequence.
        state_moved: bytes of it that a step reads and writes.
    """

    held: BytesPerToken
    read: BytesPerToken
    sliding: BytesPerToken
    sliding_read: BytesPerToken
    window: Tokens
    state: Bytes
    state_moved: Bytes


def cache_of(
    llm: Llm, precision: Precision, parallelism: Parallelism, measured: bool, whole: bool
) -> KvCache:
    """The KV cache of one GPU; see `share.share_of` for what may be chosen.

    An element of a recurrent state is as wide as the KV cache's, or as the LLM has it, read and
    written, where memory is measured.
    """
    width, ranks = precision.kv, parallelism.tensor_parallel
    own = jnp.where(llm.state_width > 0, llm.state_width, STATE_WIDTH)
    held = own if measured else width
    read = read_bytes_per_token
    return KvCache(
        held=cache_bytes_per_token(llm, width, 1.0 if whole else ranks),
        read=read(llm, width, 1.0) / ranks if whole else read(llm, width, ranks),
        sliding=sliding_bytes_per_token(llm, width, ranks),
        sliding_read=sliding_read_bytes_per_token(llm, width, ranks),
        window=llm.sliding_window,
        state=state_bytes(llm, held, ranks),
        state_moved=state_bytes(llm, 2 * held if measured else held, ranks),
    )


def moved_bytes(cache: KvCache, length: Tokens) -> Bytes:
    """KV cache and recurrent state of a sequence of so many tokens, as a step moves them."""
    windowed = cache.sliding_read * jnp.minimum(length, cache.window)
    return cache.read * length + windowed + cache.state_moved


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
    kept = llms.full_layers(llm) - llm.kv_shared_layers
    return _full_bytes(llm, kept, kv_width, tensor_parallel)


def read_bytes_per_token(
    llm: Llm, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    """The same as a step reads it: layers that share a cache each read it."""
    return _full_bytes(llm, llms.full_layers(llm), kv_width, tensor_parallel)


def _full_bytes(
    llm: Llm, layers: Dimensionless, kv_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> BytesPerToken:
    latent = memory.latent_bytes_per_token(layers, llm.kv_latent, llm.rope_dim, kv_width)
    grouped = grouped_bytes(llm, layers, kv_width, tensor_parallel)
    return jnp.where(llms.is_latent(llm), latent, grouped) + llm.index_cache


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
    return jnp.where(llms.is_latent(llm), latent, grouped)


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
