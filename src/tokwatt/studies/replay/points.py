"""Rows of the paper's Tables 2, 4 and 5, with the clamps and overrides of its program."""

from dataclasses import replace
from typing import Annotated, NamedTuple

import jax.numpy as jnp

from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.params.specs import Board, LlmRecord, Precision, spec
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu import profile as program
from tokwatt.serving.gpu.llm import active_parameters, routed_parameters, streamed_parameters
from tokwatt.serving.instance import concurrency
from tokwatt.serving.point import operating_point
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import step
from tokwatt.serving.steps.times import instance_of
from tokwatt.units import (
    Bytes,
    BytesPerToken,
    Dimensionless,
    In,
    Parameters,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


@spec
class LlmLayout:
    """An LLM as it is laid out on the GPUs of an instance.

    Attributes:
        llm: the LLM.
        tensor_parallel: GPUs that share it.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
        precision: widths of weights and KV cache.
        active_parameters: replaces the weight time of Table 2 where it is given.
    """

    llm: Annotated[LlmRecord, In("llms")]
    tensor_parallel: Dimensionless
    expert_parallel: Dimensionless = 1.0
    precision: Annotated[Precision, In("precisions")]
    active_parameters: Parameters = 0.0

    def on(self, board: Board, catalogue: Catalogue) -> Deployment:
        """The deployment on GPUs of one kind."""
        ranks = self.tensor_parallel, self.expert_parallel
        found = catalogue.deployment(board, self.llm, self.precision, *ranks)
        return replace(found, active_parameters=self.active_parameters)


class RooflinePoint(NamedTuple):
    """A row of Table 2 or 5.

    Attributes:
        tensor_parallel: GPUs of the instance.
        parameters: parameters of the LLM.
        active_parameters: parameters of one token.
        kv_bytes_per_token: KV cache of one token over all heads.
        kv_budget: memory of a GPU for the KV cache.
        kv_blocks: blocks of the KV cache, none where the LLM does not fit.
        concurrency: running requests; one where the LLM does not fit.
        weight_time: time of a step beside the scan of the KV cache.
        own_weight_time: the one that power is computed with.
        scan_time: time that one request adds.
        iteration_latency: duration of a step.
        throughput: output tokens per second of the instance.
        power: watts of one GPU.
        tokens_per_joule: their ratio.
    """

    tensor_parallel: Dimensionless
    parameters: Parameters
    active_parameters: Parameters
    kv_bytes_per_token: BytesPerToken
    kv_budget: Bytes
    kv_blocks: Dimensionless
    concurrency: Sequences
    weight_time: Seconds
    own_weight_time: Seconds
    scan_time: Seconds
    iteration_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


class RoutedPoint(NamedTuple):
    """A row of Table 4.

    Attributes:
        concurrency: running requests that an instance holds.
        shown: the batch size that the paper prints.
        batch: the one it computes with.
        iteration_latency: duration of a step.
        throughput: output tokens per second of the instance.
        power: watts of one GPU.
        tokens_per_joule: their ratio.
    """

    concurrency: Sequences
    shown: Sequences
    batch: Sequences
    iteration_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


def roofline_point(
    account: Account, deployment: Deployment, context_window: Tokens, dispatch_time: Seconds = 0.0
) -> RooflinePoint:
    """An instance of the paper's program, full to its window.

    Args:
        account: the paper's, with its program's step and the activity law of power.
        deployment: the LLM and its GPUs.
        context_window: tokens reserved for each sequence.
        dispatch_time: time added to the step.

    Returns:
        The row. Power is taken at the LLM's own weight time, also where the printed active
        parameters replace it in the step.

    Source: arXiv:2603.17280, Tables 2 and 5, and its program.
    """
    instance = instance_of(account, deployment)
    times = replace(instance.times, dispatch_overhead=dispatch_time)
    instance = replace(instance, times=times)
    length = MEAN_FILL * context_window
    batch = concurrency(account.assumed, instance, context_window, length)
    iteration = step(account.assumed, instance, Load(batch, length, 0.0, 0.0))
    point = operating_point(account, deployment, context_window, MEAN_FILL, 0.0)
    rate = batch / iteration.latency
    paper, scan_time = (
        deployment.llm.paper,
        instance.cache.read * length / instance.times.kv_bandwidth,
    )
    weight_time = iteration.weight_time + instance.times.overhead
    deployed = deployment.llm, deployment.parallelism, deployment.precision, deployment.engine
    return RooflinePoint(
        tensor_parallel=instance.gpus,
        parameters=streamed_parameters(paper) + routed_parameters(paper),
        active_parameters=active_parameters(paper),
        kv_bytes_per_token=instance.cache.held,
        kv_budget=instance.kv_budget,
        kv_blocks=jnp.maximum(0.0, program.program_kv_blocks(deployment.gpu, *deployed)),
        concurrency=batch,
        weight_time=weight_time,
        own_weight_time=program.program_weight_time(deployment.gpu, *deployed),
        scan_time=scan_time,
        iteration_latency=iteration.latency,
        throughput=rate,
        power=point.power,
        tokens_per_joule=rate / point.power,
    )


def routed_point(
    account: Account, deployment: Deployment, context_window: Tokens, utilization: Dimensionless
) -> RoutedPoint:
    """An instance at a share of its concurrency, cut to whole sequences and printed rounded.

    Args:
        account: the paper's.
        deployment: the LLM and its GPUs.
        context_window: tokens reserved for each sequence.
        utilization: share of the concurrency that runs.

    Returns:
        The row.

    Source: arXiv:2603.17280, Table 4, and its program.
    """
    full = operating_point(account, deployment, context_window, MEAN_FILL, 0.0)
    share = utilization * full.concurrency
    batch = jnp.maximum(1.0, jnp.trunc(share))
    point = operating_point(account, deployment, context_window, MEAN_FILL, 0.0, batch)
    return RoutedPoint(
        concurrency=full.concurrency,
        shown=jnp.maximum(1.0, jnp.round(share)),
        batch=batch,
        iteration_latency=point.iteration_latency,
        throughput=point.throughput,
        power=point.power,
        tokens_per_joule=point.tokens_per_joule,
    )
