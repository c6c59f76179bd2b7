"""Time of a step by its bytes and its arithmetic, and what follows per second, joule and dollar."""

from tokwatt.units import (
    Bytes,
    BytesPerParameter,
    BytesPerSecond,
    Dimensionless,
    DollarsPerSecond,
    Seconds,
    Sequences,
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


def throughput(batch: Sequences, iteration_latency: Seconds) -> TokensPerSecond:
    r"""Tokens per second of an instance, :math:`n / \tau`: every sequence gains one token a step.

    Args:
        batch: running requests.
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
