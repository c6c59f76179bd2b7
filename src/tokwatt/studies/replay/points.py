"""Rows of the paper's Tables 2, 4 and 5: operating points with the clamps and overrides of its program."""

from typing import Annotated, NamedTuple

import jax.numpy as jnp

from tokwatt.equations import roofline
from tokwatt.params.specs import ActivityPower, Gpu, Llm, Serving, spec
from tokwatt.serving import decode
from tokwatt.studies.replay.instances import Instance
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
class Served:
    """An LLM as Table 2 serves it; `active_parameters` replaces its weight time where it is given."""

    llm: Annotated[Llm, In("llms")]
    serving: Annotated[Serving, In("servings")]
    active_parameters: Parameters = 0.0


class RooflinePoint(NamedTuple):
    """A row of Table 2 or 5."""

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
    """A row of Table 4; `shown` is the batch the paper prints, `batch` the one it computes with."""

    concurrency: Sequences
    shown: Sequences
    batch: Sequences
    iteration_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


def roofline_point(
    gpu: Gpu,
    served: Served,
    curve: ActivityPower,
    context_window: Tokens,
    dispatch_time: Seconds = 0.0,
) -> RooflinePoint:
    """An instance by the roofline, full to its window.

    One that does not fit counts as holding one sequence. Power is taken at the LLM's own weight
    time, also where the active parameters replace it in the step. `dispatch_time` is added to the
    step.
    """
    serving = served.serving
    step = decode.gpu_roofline(gpu, served.llm, serving)
    blocks = jnp.maximum(0.0, step.kv_blocks)
    batch = jnp.maximum(1.0, jnp.floor(blocks * serving.block_size / context_window))
    active = roofline.active_weight_time(
        served.active_parameters, serving.weight_width, serving.tensor_parallel, gpu.hbm_bandwidth
    )
    weight_time = jnp.where(served.active_parameters > 0, active, step.weight_time)
    latency = roofline.iteration_latency(weight_time, step.scan_time, batch) + dispatch_time
    rate = roofline.throughput(batch, latency)
    power = decode.instance_power(
        decode.roofline_profile(gpu, served.llm, serving, curve), batch, serving.mean_length
    )
    return RooflinePoint(
        tensor_parallel=serving.tensor_parallel,
        parameters=step.parameters,
        active_parameters=step.active_parameters,
        kv_bytes_per_token=step.kv_bytes_per_token,
        kv_budget=step.kv_budget,
        kv_blocks=blocks,
        concurrency=batch,
        weight_time=weight_time,
        own_weight_time=step.weight_time,
        scan_time=step.scan_time,
        iteration_latency=latency,
        throughput=rate,
        power=power,
        tokens_per_joule=roofline.tokens_per_joule(rate, power),
    )


def routed_point(
    instance: Instance, context_window: float, utilization: float, mean_fill: float
) -> RoutedPoint:
    """An instance at a share of its concurrency, cut to whole sequences and printed rounded."""
    concurrency = instance.concurrency(context_window)
    batch = max(1, int(utilization * concurrency))
    latency = float(instance.latency(batch, mean_fill * context_window))
    power = instance.power(batch)
    return RoutedPoint(
        concurrency=concurrency,
        shown=max(1, round(utilization * concurrency)),
        batch=batch,
        iteration_latency=latency,
        throughput=batch / latency,
        power=power,
        tokens_per_joule=batch / latency / power,
    )
