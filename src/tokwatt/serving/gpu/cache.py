"""What one GPU holds and reads of the KV cache and the recurrent state of a sequence."""

import jax.numpy as jnp

from tokwatt.params.specs import (
    Llm,
    Parallelism,
    Precision,
    spec,
)
from tokwatt.serving.gpu import llm as llms
from tokwatt.units import (
    Bytes,
    BytesPerParameter,
    BytesPerToken,
    Tokens,
)

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
    llm: Llm,
    precision: Precision,
    parallelism: Parallelism,
    measured: bool,
    whole: bool,
    state_width: BytesPerParameter | None,
) -> KvCache:
    """The KV cache of one GPU; see `share.share_of` for what may be chosen."""
    width, ranks = precision.kv, parallelism.tensor_parallel
    held = width if state_width is None else state_width
    if measured:
        held = jnp.where(llm.state_width > 0, llm.state_width, STATE_WIDTH)
    read = llms.read_bytes_per_token
    return KvCache(
        held=llms.cache_bytes_per_token(llm, width, 1.0 if whole else ranks),
        read=read(llm, width, 1.0) / ranks if whole else read(llm, width, ranks),
        sliding=llms.sliding_bytes_per_token(llm, width, ranks),
        sliding_read=llms.sliding_read_bytes_per_token(llm, width, ranks),
        window=llm.sliding_window,
        state=llms.state_bytes(llm, held, ranks),
        state_moved=llms.state_bytes(llm, 2 * held if measured else held, ranks),
    )


def moved_bytes(cache: KvCache, length: Tokens) -> Bytes:
    """KV cache and recurrent state of a sequence of so many tokens, as a step moves them."""
    windowed = cache.sliding_read * jnp.minimum(length, cache.window)
    return cache.read * length + windowed + cache.state_moved
