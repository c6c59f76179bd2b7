"""What fits into the memory of one GPU, and how many sequences that makes."""

import jax.numpy as jnp

from tokwatt.units import (
    Bytes,
    BytesPerParameter,
    BytesPerToken,
    Dimensionless,
    Parameters,
    Sequences,
    Tokens,
)


def weight_bytes(
    parameters: Parameters, weight_width: BytesPerParameter, tensor_parallel: Dimensionless
) -> Bytes:
    r"""Weights held by one GPU, :math:`N e / \text{TP}`.

    Args:
        parameters: parameters of the whole LLM.
        weight_width: bytes of one.
        tensor_parallel: GPUs that share them evenly.

    Returns:
        Bytes on each GPU.

    Source: tensor parallelism, arXiv:1909.08053.
    """
    return parameters * weight_width / tensor_parallel


def kv_bytes_per_token(
    layers: Dimensionless,
    kv_heads: Dimensionless,
    head_dim: Dimensionless,
    kv_width: BytesPerParameter,
) -> BytesPerToken:
    r"""Keys and values of one token over all layers and heads, :math:`2 L h_{kv} d e`.

    Args:
        layers: number of layers.
        kv_heads: key-value heads; divide by the GPUs that share them for the bytes on one.
        head_dim: width of one head.
        kv_width: bytes of one element.

    Returns:
        Bytes per token of context.

    Source: arXiv:2603.17280, Eq. (3); grouped-query attention, arXiv:2305.13245.
    """
    return 2.0 * layers * kv_heads * head_dim * kv_width


def rank_heads(kv_heads: Dimensionless, tensor_parallel: Dimensionless) -> Dimensionless:
    r"""Key-value heads that one GPU holds, :math:`\lceil h_{kv} / \text{TP} \rceil`.

    Args:
        kv_heads: key-value heads of the LLM.
        tensor_parallel: GPUs that share them.

    Returns:
        Whole heads, at least 1: where there are more GPUs than heads, several hold the same one.

    Source: grouped-query attention, arXiv:2305.13245, under tensor parallelism, arXiv:1909.08053.
    """
    return -_times(tensor_parallel, -kv_heads)


def latent_bytes_per_token(
    layers: Dimensionless,
    kv_latent: Dimensionless,
    rope_dim: Dimensionless,
    kv_width: BytesPerParameter,
) -> BytesPerToken:
    r"""Latent of keys and values of one token over all layers, :math:`L (r_{kv} + d_r) e`.

    Args:
        layers: number of layers.
        kv_latent: width of the latent.
        rope_dim: width of the one key head that carries the position.
        kv_width: bytes of one element.

    Returns:
        Bytes per token of context on each GPU, as every head needs the whole latent.

    Source: DeepSeek-V2, arXiv:2405.04434, Section 2.1.
    """
    return layers * (kv_latent + rope_dim) * kv_width


def kv_budget(
    capacity: Bytes, memory_fraction: Dimensionless, weights: Bytes, workspace: Bytes
) -> Bytes:
    r"""Memory left for keys and values, :math:`\lfloor u C \rfloor - w - s`.

    Args:
        capacity: memory of one GPU.
        memory_fraction: usable share of it, 0 to 1.
        weights: bytes of weights on that GPU.
        workspace: bytes that communication needs.

    Returns:
        Bytes; negative where the LLM does not fit, by as much as is missing.

    Source: arXiv:2603.17280, Section 2.1, and its program for the fraction and the workspace.
    """
    return jnp.floor(capacity * memory_fraction) - weights - workspace


def activation_bytes(rows: Dimensionless, columns: Dimensionless, element_width: Bytes) -> Bytes:
    """Bytes of an activation, copies included.

    Args:
        rows: its tokens or sequences.
        columns: its width.
        element_width: bytes that an element takes, with the copies that are alive.

    Returns:
        Bytes of one GPU.

    Source: definition.
    """
    return rows * columns * element_width


def kv_pool(
    usable: Bytes,
    memory_fraction: Dimensionless,
    weights: Bytes,
    not_cache: Bytes,
    free_fraction: Dimensionless,
) -> Bytes:
    r"""Memory that an engine gives to the KV cache, :math:`f (u C - w - a)`.

    Args:
        usable: memory of one GPU as its driver reports it.
        memory_fraction: share of it that the engine may use, 0 to 1.
        weights: bytes of weights on that GPU.
        not_cache: bytes of activations, context and communication buffers.
        free_fraction: share of what is then free; 1 in vLLM and SGLang.

    Returns:
        Bytes; negative where the LLM does not fit, by as much as is missing.

    Source: memory profiling of vLLM; `free_gpu_memory_fraction` of TensorRT-LLM.
    """
    free = memory_fraction * usable - weights - not_cache
    return jnp.where(free < 0, free, free_fraction * free)


def kv_blocks(budget: Bytes, kv_bytes: BytesPerToken, block_size: Tokens) -> Dimensionless:
    r"""Whole KV blocks in a budget, :math:`\lfloor B / (\kappa b) \rfloor`.

    Args:
        budget: bytes for keys and values.
        kv_bytes: bytes per token.
        block_size: tokens of one block.

    Returns:
        Blocks; negative where the budget is.

    Source: paged attention, arXiv:2309.06180.
    """
    return _times(kv_bytes * block_size, budget)


def whole_blocks(length: Tokens, block_size: Tokens) -> Tokens:
    r"""Tokens of the blocks that a sequence takes, :math:`b \lceil \ell / b \rceil`.

    Args:
        length: tokens of the sequence.
        block_size: tokens of one block, above 0.

    Returns:
        Tokens, at least `length`.

    Source: paged attention, arXiv:2309.06180.
    """
    return -_times(block_size, -length) * block_size


def held_sequences(budget: Bytes, sequence: Bytes) -> Sequences:
    r"""Sequences of equal size that fit into a budget, :math:`\lfloor B / s \rfloor`.

    Args:
        budget: bytes for keys and values, at least 0.
        sequence: bytes that one takes, above 0.

    Returns:
        Whole sequences.

    Source: arXiv:2603.17280, Eq. (3).
    """
    return _times(sequence, budget)


def scaled_sequences(
    max_sequences: Sequences, calibration_length: Tokens, context_window: Tokens
) -> Sequences:
    r"""A limit on sequences scaled to another window, :math:`\lfloor n W_0 / W \rfloor`.

    Args:
        max_sequences: limit at `calibration_length`.
        calibration_length: window of the calibration.
        context_window: window asked for, above 0.

    Returns:
        Whole sequences.

    Source: the program of arXiv:2603.17280.
    """
    return _times(context_window, max_sequences * calibration_length)


def _times(size: Dimensionless, amount: Dimensionless) -> Dimensionless:
    """How many whole times `size` goes into `amount`, exact for whole numbers below 2**53.

    A compiler may divide by way of a reciprocal, and 49 * (1 / 49) is less than 1.
    """
    quotient = jnp.floor(amount / size)
    quotient = jnp.where((quotient + 1) * size <= amount, quotient + 1, quotient)
    return jnp.where(quotient * size > amount, quotient - 1, quotient)
