"""A step of a serving engine with parameters that are fitted to measured runs.

Tokens of prompts are admitted as sequences end, at a mean rate of batch / output a step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations import roofline, weights
from tokwatt.equations.batching import busiest_rank, overlapped, resident_tokens, smooth_maximum
from tokwatt.params.specs import UtilizationPower, spec
from tokwatt.serving.instance import GpuShare, sequence_bytes
from tokwatt.serving.power import power_by_use
from tokwatt.serving.results import readable
from tokwatt.serving.step import Load
from tokwatt.units import (
    Bytes,
    Dimensionless,
    Flops,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)

STATE_WIDTH = 8.0
"""Bytes that a recurrent state moves for each element: 32 bits read and 32 written."""
ACTIVATION_BYTES = 4.0
"""Bytes of one element that collectives of a layer send: 16-bit activations twice."""
MOSTLY_SHARPNESS = 4.0
"""How sharply the median step goes over from decoding alone to steps with prefill."""


@spec
class StepParameters:
    """What a step takes beyond what data sheets say.

    Attributes:
        bandwidth_efficiency: share of memory bandwidth that reading dense weights reaches.
        expert_efficiency: the same of routed experts.
        compute_efficiency: share of peak arithmetic.
        kv_efficiency: share of memory bandwidth that reading the KV cache reaches.
        link_efficiency: share of the bandwidth of links.
        layer_overhead: launch time per layer.
        expert_layer_overhead: extra per layer with experts.
        shared_layer_overhead: extra per layer under tensor parallelism.
        sequence_overhead: time per running request.
        step_overhead: time per step.
        prompt_layer_overhead: least time per layer of a step with prefill.
        prompt_expert_layer_overhead: the same under expert parallelism.
        requantized_bandwidth: factor on `expert_efficiency` where 8-bit blocks are rescaled.
        requantized_compute: factor on `compute_efficiency` there.
        median_share: prompt tokens of the median step over those of the mean one.
        prefill_chunk: most prompt tokens of a step.
    """

    bandwidth_efficiency: Dimensionless
    expert_efficiency: Dimensionless
    compute_efficiency: Dimensionless
    kv_efficiency: Dimensionless
    link_efficiency: Dimensionless
    layer_overhead: Seconds
    expert_layer_overhead: Seconds
    shared_layer_overhead: Seconds
    sequence_overhead: Seconds
    step_overhead: Seconds
    prompt_layer_overhead: Seconds
    prompt_expert_layer_overhead: Seconds
    requantized_bandwidth: Dimensionless
    requantized_compute: Dimensionless
    median_share: Dimensionless
    prefill_chunk: Tokens


@spec
class RequestMix:
    """The requests that an instance runs, on the average.

    Attributes:
        batch: running requests.
        prompt: prompt tokens of a request.
        output: output tokens of a request.
        output_scv: squared coefficient of variation of them.
    """

    batch: Sequences
    prompt: Tokens
    output: Tokens
    output_scv: Dimensionless

    @property
    def residents(self) -> Tokens:
        """Tokens that a running request holds on the average."""
        return resident_tokens(self.prompt, self.output, self.output_scv)


class ForwardPass(NamedTuple):
    """One pass over a batch.

    Attributes:
        latency: its duration.
        moved: bytes that one GPU reads.
        computed: operations that one GPU does.
    """

    latency: Seconds
    moved: Bytes
    computed: Flops


class MixedSteps(NamedTuple):
    """Steps of which some take in prompts.

    Attributes:
        median_latency: median inter-token latency.
        mean_latency: duration of the mean step.
        moved: bytes that one GPU reads in the mean step.
        computed: operations that one GPU does in it.
    """

    median_latency: Seconds
    mean_latency: Seconds
    moved: Bytes
    computed: Flops


@readable
class Prediction(NamedTuple):
    """What a run does.

    Attributes:
        latency: median inter-token latency.
        throughput: output tokens per second of the instance.
        power: watts of one GPU.
        tokens_per_joule: output tokens per joule of all its GPUs.
    """

    latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


def forward_pass(share: GpuShare, parameters: StepParameters, load: Load) -> ForwardPass:
    r"""One pass over a batch that also takes in prompts.

    .. math:: \tau = \sqrt{\tau_w^2 + \tau_c^2} + \tau_{kv} + t_0 + t_l L + t_e L_e + \tau_{comm} +
        h n

    Args:
        share: what one GPU reads and computes.
        parameters: efficiencies and overheads.
        load: the batch.

    Returns:
        The pass.

    Source: roofline with overheads; `params/calibration.yaml` says what its parameters start from.
    """
    tokens, bandwidth = load.batch + load.prompts, share.gpu.hbm_bandwidth
    rescaled = share.requantized > 0
    routed = share.routed * weights.expert_coverage(share.expert_share, tokens)
    uneven = busiest_rank(share.expert_parallel, share.experts, tokens * share.expert_share)
    slower = jnp.where(rescaled, parameters.requantized_bandwidth, 1.0)
    expert_efficiency = parameters.expert_efficiency * slower
    dense_time = share.streamed / (parameters.bandwidth_efficiency * bandwidth)
    weight_time = dense_time + routed * uneven / (expert_efficiency * bandwidth)
    flops = share.token_flops * tokens
    slowed = jnp.where(rescaled, parameters.requantized_compute, 1.0)
    compute_time = flops / (parameters.compute_efficiency * slowed * share.arithmetic_rate)
    scanned = load.batch * sequence_bytes(share, load.length, share.cache.read)
    latency = (
        overlapped(weight_time, compute_time)
        + scanned / (parameters.kv_efficiency * bandwidth)
        + _host_time(share, parameters)
        + collective_time(share, parameters, tokens)
        + parameters.sequence_overhead * load.batch
    )
    return ForwardPass(latency, share.streamed + routed + scanned, flops)


def _host_time(share: GpuShare, parameters: StepParameters) -> Seconds:
    per_layer = parameters.layer_overhead * share.layers
    per_expert_layer = parameters.expert_layer_overhead * share.expert_layers
    return parameters.step_overhead + per_layer + per_expert_layer


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
    sent = ACTIVATION_BYTES * tokens * share.hidden * others
    links = parameters.link_efficiency * share.gpu.link_bandwidth
    time = share.layers * (parameters.shared_layer_overhead + sent / links)
    return jnp.where(share.gpus > 1, time, 0.0)


def mixed_steps(share: GpuShare, parameters: StepParameters, mix: RequestMix) -> MixedSteps:
    r"""Steps of a run in which requests end and are admitted, :math:`\lambda = n / o` a step.

    Args:
        share: what one GPU reads and computes.
        parameters: efficiencies and overheads.
        mix: the requests.

    Returns:
        The mean over steps that only decode, a share :math:`e^{-\lambda}`, and those with prefill;
        the median goes from the former to `median_share` of the latter as most steps come to have
        prefill.

    Source: arrivals of a Poisson process.
    """
    rate = mix.batch / mix.output
    pure = jnp.exp(-rate)
    admitted = jnp.minimum(rate * mix.prompt / -jnp.expm1(-rate), parameters.prefill_chunk)

    def admitting(prompts: Tokens) -> ForwardPass:
        return forward_pass(share, parameters, Load(mix.batch, mix.residents, prompts))

    decoding, filled = admitting(0.0 * admitted), admitting(admitted)
    least = unrecorded_time(share, parameters)
    filled = filled._replace(latency=smooth_maximum(filled.latency, least))
    pairs = zip(decoding, filled, strict=True)
    mean = [pure * without + (1 - pure) * with_prompts for without, with_prompts in pairs]
    typical = admitting(parameters.median_share * admitted)
    mostly = jax.nn.sigmoid(MOSTLY_SHARPNESS * (rate - jnp.log(2.0)))
    return MixedSteps((1 - mostly) * decoding.latency + mostly * typical.latency, *mean)


def decoding_steps(
    share: GpuShare, parameters: StepParameters, mix: RequestMix, residents: Tokens
) -> MixedSteps:
    """Steps of a batch that only decodes, each sequence holding `residents` tokens."""
    load = Load(mix.batch, residents, jnp.zeros_like(mix.batch))
    only = forward_pass(share, parameters, load)
    return MixedSteps(only.latency, *only)


def predicted(
    share: GpuShare, law: UtilizationPower, mix: RequestMix, steps: MixedSteps, limit: Watts
) -> Prediction:
    """What a run does, from its steps and its law of power."""
    latency = steps.mean_latency
    watts = power_by_use(share, law, steps.moved, steps.computed, latency, limit)
    rate = roofline.throughput(mix.batch, latency)
    efficiency = roofline.tokens_per_joule(rate, watts * share.gpus)
    return Prediction(steps.median_latency, rate, watts, efficiency)
