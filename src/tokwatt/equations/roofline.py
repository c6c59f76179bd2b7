"""Time of a step by its bytes and its arithmetic, and what follows per second, joule and dollar."""

import jax.numpy as jnp

from tokwatt.units import (
    Bytes,
    BytesPerParameter,
    BytesPerSecond,
    BytesPerToken,
    Dimensionless,
    DollarsPerSecond,
    Flops,
    FlopsPerSecond,
    Parameters,
    Seconds,
    Sequences,
    Tokens,
    TokensPerDollar,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


def weight_time(weights: Bytes, bandwidth: BytesPerSecond) -> Seconds:
    r"""Time to stream the weights of one GPU once, :math:`w / \beta`.

    Args:
        weights: bytes of weights that a step reads.
        bandwidth: achieved memory bandwidth, above 0.

    Returns:
        The bandwidth floor of a step.

    Source: arXiv:2603.17280, Section 2.1 (W).
    """
    return weights / bandwidth


def active_weight_time(
    active_parameters: Parameters,
    weight_width: BytesPerParameter,
    tensor_parallel: Dimensionless,
    bandwidth: BytesPerSecond,
) -> Seconds:
    r"""Time to stream only the parameters one token uses, :math:`A e / (\text{TP}\, \beta)`.

    A lower bound on the step of a mixture of experts: it holds for one sequence. A batch touches
    more experts than one token does, and dispatching tokens to them takes time of its own.

    Args:
        active_parameters: parameters that one token is multiplied with.
        weight_width: bytes of one.
        tensor_parallel: GPUs that share them.
        bandwidth: memory bandwidth of one GPU, above 0.

    Returns:
        The bound.

    Source: arXiv:2603.17280, Section 3.2.
    """
    return active_parameters * weight_width / tensor_parallel / bandwidth


def expert_layer_time(
    kernel_latency: Seconds,
    reference_bandwidth: BytesPerSecond,
    bandwidth: BytesPerSecond,
    exponent: Dimensionless,
) -> Seconds:
    r"""A measured expert layer carried to another GPU, :math:`T (\beta_0 / \beta)^{p}`.

    Args:
        kernel_latency: measured time of one layer.
        reference_bandwidth: bandwidth of the GPU it was measured on.
        bandwidth: bandwidth of the GPU asked for, above 0.
        exponent: how strongly the kernel follows bandwidth.

    Returns:
        Time of one expert layer.

    Source: the program of arXiv:2603.17280.
    """
    return kernel_latency * (reference_bandwidth / bandwidth) ** exponent


def scan_time(
    length: Tokens,
    kv_bytes: BytesPerToken,
    bandwidth: BytesPerSecond,
    tensor_parallel: Dimensionless,
) -> Seconds:
    r"""Time one sequence adds to a step, :math:`\ell \kappa / (\beta\,\text{TP})`.

    Args:
        length: tokens of context.
        kv_bytes: bytes per token over all heads.
        bandwidth: achieved memory bandwidth of one GPU, above 0.
        tensor_parallel: GPUs that share the heads.

    Returns:
        The scan time, proportional to `length`.

    Source: arXiv:2603.17280, Eq. (2) (H).
    """
    return length * kv_bytes / bandwidth / tensor_parallel


def scaled_scan_time(scan_time: Seconds, length: Tokens, calibration_length: Tokens) -> Seconds:
    r"""Scan time at another mean length, :math:`H \ell / \ell_0`.

    Args:
        scan_time: scan time at `calibration_length`.
        length: mean length asked for.
        calibration_length: length of the calibration, above 0.

    Returns:
        Scan time of one sequence.

    Source: arXiv:2603.17280, Eq. (2).
    """
    return scan_time * (length / calibration_length)


def iteration_latency(weight_time: Seconds, scan_time: Seconds, batch: Sequences) -> Seconds:
    r"""Duration of one decode step, :math:`\tau(n) = W + H n`.

    Args:
        weight_time: time of a step that does not depend on the batch.
        scan_time: time each sequence adds.
        batch: sequences in flight.

    Returns:
        The step time; memory-bound, so arithmetic is taken to hide behind it.

    Source: arXiv:2603.17280, Eq. (2).
    """
    return weight_time + scan_time * batch


def throughput(batch: Sequences, iteration_latency: Seconds) -> TokensPerSecond:
    r"""Tokens per second of an instance, :math:`n / \tau`: every sequence gains one token a step.

    Args:
        batch: sequences in flight.
        iteration_latency: duration of a step, above 0.

    Returns:
        Output tokens per second.

    Source: arXiv:2603.17280, Section 2.2.
    """
    return batch / iteration_latency


def tokens_per_joule(throughput: TokensPerSecond, power: Watts) -> TokensPerJoule:
    """Tokens bought by a joule, equally tokens per second and watt; the paper's tok/W.

    Args:
        throughput: tokens per second.
        power: watts on whatever basis the caller names; the paper takes one GPU's for an instance
            of eight.

    Returns:
        Their ratio.

    Source: arXiv:2603.17280, Section 2.2.
    """
    return throughput / power


def tokens_per_dollar(throughput: TokensPerSecond, price: DollarsPerSecond) -> TokensPerDollar:
    """Tokens bought by a dollar of rent.

    Args:
        throughput: tokens per second.
        price: rent of what makes them.

    Returns:
        Their ratio.

    Source: arXiv:2603.17280, Table 5.
    """
    return throughput / price


def prefill_flops(
    chunk: Tokens,
    history: Tokens,
    projection_parameters: Parameters,
    query_width: Dimensionless,
    feed_forward_parameters: Parameters,
    layers: Dimensionless,
) -> Flops:
    r"""Arithmetic to prefill one chunk of a prompt.

    .. math:: 2 c\,N_\text{attn} L + 4 h_q d\, c (c/2 + q) L + 2 c\,N_\text{ffn} L

    Args:
        chunk: tokens of the chunk.
        history: tokens before it that it attends to.
        projection_parameters: parameters of one attention layer.
        query_width: query heads times head width.
        feed_forward_parameters: feed-forward parameters of one layer that a token uses.
        layers: number of layers.

    Returns:
        Operations over all GPUs.

    Source: two operations per parameter and token, four per query-key pair and head element.
    """
    projections = 2.0 * chunk * projection_parameters
    attention = 4.0 * query_width * chunk * (chunk / 2.0 + history)
    return (projections + attention + 2.0 * chunk * feed_forward_parameters) * layers


def prefill_latency(decode_latency: Seconds, flops: Flops, rate: FlopsPerSecond) -> Seconds:
    r"""Duration of a step that also prefills a chunk: memory or arithmetic, whichever takes longer.

    .. math:: \max(\tau, \text{FLOP} / F)

    Args:
        decode_latency: duration of the step by memory.
        flops: arithmetic of the chunk on one GPU.
        rate: arithmetic rate of one GPU, above 0.

    Returns:
        Duration of the step.

    Source: roofline model, doi:10.1145/1498765.1498785.
    """
    return jnp.maximum(decode_latency, flops / rate)


def dispatch_bytes(
    hidden: Dimensionless,
    active_experts: Dimensionless,
    width: BytesPerParameter,
    expert_parallel: Dimensionless,
) -> Bytes:
    r"""Bytes that each GPU sends in one layer so that a token reaches its experts and comes back.

    .. math:: \frac{2 k d_m e}{\text{EP}} \left(1 - \frac{1}{\text{EP}}\right)

    Args:
        hidden: width of the residual stream.
        active_experts: experts of a token, k.
        width: bytes of one activation.
        expert_parallel: GPUs that share experts and batch evenly, at least 1.

    Returns:
        Bytes for each token of the batch; 0 on one GPU.

    Source: all-to-all of expert parallelism, arXiv:2006.16668, under even routing.
    """
    return 2 * active_experts * hidden * width / expert_parallel * (1 - 1 / expert_parallel)
