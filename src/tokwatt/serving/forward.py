"""One forward pass of a serving engine over a batch, with parameters fitted to measured runs."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import weights
from tokwatt.equations.batching import busiest_rank, overlapped, smooth_maximum
from tokwatt.params.specs import StepParameters
from tokwatt.serving.instance import GpuShare, sequence_bytes
from tokwatt.units import Bytes, Dimensionless, Flops, Seconds, Sequences, Tokens

ACTIVATION_WIDTH = 2.0
"""Bytes of one element of activations."""
ALL_REDUCES = 2.0
"""Collectives of a layer: after its attention and after its feed-forward block."""
Touched = Callable[[GpuShare, Tokens], Dimensionless]
"""Share of the routed experts of a layer that a pass over so many tokens reads."""


class ForwardPass(NamedTuple):
    """One pass over a batch.

    Attributes:
        latency: its duration.
        weight_time: the part that reads weights.
        compute_time: the part that is arithmetic; it overlaps with reading weights.
        scan_time: the part that reads the KV cache.
        moved: bytes that one GPU reads.
        computed: operations that one GPU does.
    """

    latency: Seconds
    weight_time: Seconds
    compute_time: Seconds
    scan_time: Seconds
    moved: Bytes
    computed: Flops


def expected_experts(share: GpuShare, tokens: Tokens) -> Dimensionless:
    """Share of the routed experts that independent tokens are expected to touch."""
    return weights.expert_coverage(share.expert_share, tokens)


def forward_pass(
    share: GpuShare,
    parameters: StepParameters,
    batch: Sequences,
    length: Tokens,
    prompts: Tokens,
    touched: Touched = expected_experts,
    dispatched: bool = True,
) -> ForwardPass:
    r"""One pass over a batch that also takes in prompts.

    .. math:: \tau = \sqrt{\tau_w^2 + \tau_c^2} + \tau_{kv} + t_0 + t_l L + t_e L_e + \tau_{comm} +
        h n

    Args:
        share: what one GPU reads and computes.
        parameters: efficiencies and overheads.
        batch: running requests.
        length: tokens that one of them holds on the average.
        prompts: prompt tokens that the pass takes in.
        touched: which share of the routed experts it reads.
        dispatched: whether tokens take time to reach their experts.

    Returns:
        The pass.

    Source: roofline with overheads; `params/calibration.yaml` says what its parameters start from.
    """
    tokens, bandwidth = batch + prompts, share.gpu.hbm_bandwidth
    routed = share.routed * touched(share, tokens)
    weight_time = share.streamed / (parameters.bandwidth_efficiency * bandwidth)
    weight_time += _expert_time(share, parameters, routed, tokens, dispatched)
    flops = share.token_flops * tokens
    compute_time = flops / compute_rate(share, parameters)
    scanned = batch * sequence_bytes(share, length, share.cache.read)
    scan_time = scanned / (parameters.kv_efficiency * bandwidth)
    latency = (
        overlapped(weight_time, compute_time)
        + scan_time
        + _host_time(share, parameters, dispatched)
        + collective_time(share, parameters, tokens)
        + parameters.sequence_overhead * batch
    )
    least = jnp.where(prompts > 0, unrecorded_time(share, parameters), 0.0)
    return ForwardPass(
        latency=smooth_maximum(latency, least),
        weight_time=weight_time,
        compute_time=compute_time,
        scan_time=scan_time,
        moved=share.streamed + routed + scanned,
        computed=flops,
    )


def compute_rate(share: GpuShare, parameters: StepParameters) -> Dimensionless:
    """Arithmetic that passes reach, in FLOP/s."""
    slowed = jnp.where(share.requantized > 0, parameters.requantized_compute, 1.0)
    return parameters.compute_efficiency * slowed * share.arithmetic_rate


def _expert_time(
    share: GpuShare, parameters: StepParameters, routed: Bytes, tokens: Tokens, dispatched: bool
) -> Seconds:
    """Time to read experts, as long as the busiest rank takes where they are dispatched."""
    uneven = busiest_rank(share.expert_parallel, share.experts, tokens * share.expert_share)
    slower = jnp.where(share.requantized > 0, parameters.requantized_bandwidth, 1.0)
    rate = parameters.expert_efficiency * slower * share.gpu.hbm_bandwidth
    return routed * (uneven if dispatched else 1.0) / rate


def _host_time(share: GpuShare, parameters: StepParameters, dispatched: bool) -> Seconds:
    per_layer = parameters.layer_overhead * share.layers
    per_expert_layer = parameters.expert_layer_overhead * share.expert_layers
    return parameters.step_overhead + per_layer + (per_expert_layer if dispatched else 0.0)


def unrecorded_time(share: GpuShare, parameters: StepParameters) -> Seconds:
    """Least time of a pass with prefill, whose kernels the host launches one by one."""
    overhead = jnp.where(
        share.expert_parallel > 1,
        parameters.prompt_expert_layer_overhead,
        parameters.prompt_layer_overhead,
    )
    return overhead * share.layers


def collective_time(share: GpuShare, parameters: StepParameters, tokens: Tokens) -> Seconds:
    """Time of the collectives of a pass, each sent around and back; 0 on one GPU."""
    others = (share.gpus - 1) / share.gpus
    sent = ALL_REDUCES * ACTIVATION_WIDTH * tokens * share.hidden * others
    links = parameters.link_efficiency * share.gpu.link_bandwidth
    time = share.layers * (parameters.shared_layer_overhead + sent / links)
    return jnp.where(share.gpus > 1, time, 0.0)
