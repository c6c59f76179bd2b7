"""The operating point of an instance."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import roofline
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import concurrency
from tokwatt.serving.results import checked, readable
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import step
from tokwatt.serving.steps.times import instance_of
from tokwatt.units import (
    Bytes,
    Dimensionless,
    Seconds,
    Sequences,
    Share,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


@readable
class OperatingPoint(NamedTuple):
    """An instance at its concurrency or at a batch size; power on the basis that is assumed.

    Attributes:
        concurrency: running requests that the KV cache holds.
        batch: running requests.
        iteration_latency: duration of the mean iteration: the mean inter-token latency.
        median_latency: median inter-token latency.
        late_latency: 99th percentile of the inter-token latency.
        throughput: output tokens per second of the instance.
        power: watts on the basis.
        tokens_per_joule: their ratio.
        missing: bytes of each GPU by which the weights do not fit.
    """

    concurrency: Sequences
    batch: Sequences
    iteration_latency: Seconds
    median_latency: Seconds
    late_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    missing: Bytes


@checked("prompt_ratio", "utilization")
def operating_point(
    account: Account,
    deployment: Deployment,
    context_window: Tokens,
    mean_fill: Dimensionless,
    prompt_ratio: Dimensionless,
    batch: Sequences | None = None,
    utilization: Share = 1.0,
) -> OperatingPoint:
    """An instance at a context window, full to its concurrency or at a batch size.

    Args:
        account: how tokens and joules are counted.
        deployment: the LLM and its GPUs.
        context_window: tokens that a sequence may take.
        mean_fill: mean length of a sequence as a share of the window.
        prompt_ratio: prompt tokens for each output token.
        batch: running requests; a share of what the memory holds if left out.
        utilization: that share.

    Returns:
        The point; NaN where the weights do not fit, and `missing` says how many bytes of each GPU.

    Raises:
        ParameterError: for a number outside its domain, where JAX does not trace it.

    Source: arXiv:2603.17280, Sections 2 and 3.1.
    """
    assumed, instance = account.assumed, instance_of(account, deployment)
    length = mean_fill * context_window
    held = concurrency(assumed, instance, context_window, length)
    running = utilization * held if batch is None else batch
    # A sequence is half done on the average: its length is that of its prompt and half its output.
    output = length / (prompt_ratio + 0.5)
    iteration = step(
        assumed, instance, Load(running, length, prompt_ratio * running, running / output)
    )
    watts = on_basis(account, instance.gpu, instance.gpus, iteration.power)
    rate = roofline.throughput(iteration.running, iteration.latency)
    return OperatingPoint(
        concurrency=held,
        batch=running,
        iteration_latency=iteration.latency,
        median_latency=iteration.median_latency,
        late_latency=iteration.late_latency,
        throughput=rate,
        power=watts,
        tokens_per_joule=roofline.tokens_per_joule(rate, watts),
        missing=jnp.maximum(0.0, -instance.kv_budget),
    )
