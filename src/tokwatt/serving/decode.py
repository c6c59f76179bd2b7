"""Operating points: specs and equations put together for one instance that decodes."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import memory, power, roofline, weights
from tokwatt.params.specs import (
    ActivityPower,
    BusyPower,
    Gpu,
    Llm,
    LogisticPower,
    Profile,
    Scaling,
    Serving,
)
from tokwatt.units import (
    Bytes,
    BytesPerSecond,
    BytesPerToken,
    Dimensionless,
    Flops,
    FlopsPerSecond,
    Parameters,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


class OperatingPoint(NamedTuple):
    """What an instance does at one batch; tokens of the instance, watts of one of its GPUs (the paper's basis)."""

    concurrency: Sequences
    batch: Sequences
    iteration_latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


class Roofline(NamedTuple):
    """A step of one GPU x LLM by its bytes, and what is left of the memory."""

    parameters: Parameters
    active_parameters: Parameters
    weight_time: Seconds
    scan_time: Seconds
    kv_bytes_per_token: BytesPerToken
    kv_budget: Bytes
    kv_blocks: Dimensionless


def operating_point(
    profile: Profile,
    context_window: Tokens,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = 0.5,
) -> OperatingPoint:
    """One instance of a calibrated profile at a context window.

    Args:
        profile: the instance.
        context_window: tokens reserved for each sequence.
        utilization: share of the concurrency that is in flight.
        mean_fill: mean length of a sequence as a share of the window.

    Returns:
        Its operating point. A window too long for the memory has no concurrency and no throughput;
        where not even the weights fit, everything is NaN.

    Source: arXiv:2603.17280, Sections 2 and 3.1.
    """
    concurrency = reserved_concurrency(profile, context_window)
    batch, mean_length = utilization * concurrency, mean_fill * context_window
    latency = profile_latency(profile, batch, mean_length)
    rate = roofline.throughput(batch, latency)
    watts = instance_power(profile, batch, mean_length)
    return OperatingPoint(
        concurrency, batch, latency, rate, watts, roofline.tokens_per_joule(rate, watts)
    )


def reserved_concurrency(profile: Profile, context_window: Tokens) -> Sequences:
    """Sequences of a full window that an instance holds: the lower of its two limits; NaN where the weights do not fit."""
    scaled = memory.scaled_sequences(
        profile.max_sequences, profile.calibration_length, context_window
    )
    fitting = memory.reserved_sequences(profile.kv_blocks, profile.block_size, context_window)
    return jnp.where(profile.kv_blocks < 0, jnp.nan, jnp.minimum(scaled, fitting))


def profile_latency(profile: Profile, batch: Sequences, mean_length: Tokens) -> Seconds:
    """Step time of an instance with `batch` sequences of `mean_length` tokens."""
    scan = roofline.scaled_scan_time(profile.scan_time, mean_length, profile.calibration_length)
    return roofline.iteration_latency(profile.weight_time, scan, batch)


def batch_power(curve: LogisticPower, batch: Sequences) -> Watts:
    """Power of one GPU at a batch by a logistic curve."""
    return power.logistic_power(
        batch, curve.idle, curve.nominal, curve.steepness, curve.log2_midpoint
    )


def instance_power(profile: Profile, batch: Sequences, mean_length: Tokens) -> Watts:
    """Power of one GPU of an instance, by whichever curve its profile has."""
    curve = profile.power
    if isinstance(curve, LogisticPower):
        return batch_power(curve, batch)
    scan = roofline.scaled_scan_time(profile.scan_time, mean_length, profile.calibration_length)
    latency = roofline.iteration_latency(profile.weight_time, scan, batch)
    busy = power.scan_activity(batch, scan + curve.compute_time, latency)
    return power.activity_power(busy, 1.0, curve.idle, curve.nominal)


def gpu_roofline(gpu: Gpu, llm: Llm, serving: Serving) -> Roofline:
    """Step time and KV memory of an LLM on a GPU from first principles.

    Args:
        gpu: the accelerator.
        llm: the model.
        serving: how one replica is laid out.

    Returns:
        Its roofline; the KV budget is negative where the weights do not fit.

    Source: arXiv:2603.17280, Sections 2.1 and 3.2, and its program for the efficiencies and the
        expert kernels.
    """
    parameters = parameter_count(llm, llm.experts)
    bandwidth = serving.bandwidth_efficiency * gpu.hbm_bandwidth
    held = memory.weight_bytes(parameters, serving.weight_width, serving.tensor_parallel)
    kv_bytes = memory.kv_bytes_per_token(llm.layers, llm.kv_heads, llm.head_dim, serving.kv_width)
    budget = memory.kv_budget(gpu.hbm_capacity, serving.memory_fraction, held, serving.workspace)
    streamed = jnp.where(
        is_mixture(llm),
        expert_step_time(gpu, llm, serving, bandwidth),
        roofline.weight_time(held, bandwidth),
    )
    return Roofline(
        parameters=parameters,
        active_parameters=parameter_count(llm, llm.active_experts),
        weight_time=streamed + serving.layer_overhead * llm.layers,
        scan_time=roofline.scan_time(
            serving.mean_length, kv_bytes, bandwidth, serving.tensor_parallel
        ),
        kv_bytes_per_token=kv_bytes,
        kv_budget=budget,
        kv_blocks=memory.kv_blocks(budget, kv_bytes / serving.kv_shards, serving.block_size),
    )


def is_mixture(llm: Llm) -> Dimensionless:
    """Whether the LLM is a mixture of experts."""
    return (llm.experts + llm.expert_feed_forward) > 0


def projection_parameters(llm: Llm) -> Parameters:
    """Parameters of one attention layer."""
    return weights.attention_parameters(llm.hidden, llm.query_heads, llm.kv_heads, llm.head_dim)


def feed_forward_parameters(llm: Llm, experts: Dimensionless) -> Parameters:
    """Feed-forward parameters of one layer, with `experts` of the routed experts counted."""
    routed = experts * weights.gated_parameters(llm.hidden, llm.expert_feed_forward)
    dense = weights.gated_parameters(llm.hidden, llm.feed_forward)
    return jnp.where(is_mixture(llm), routed + llm.shared_experts * dense, dense)


def parameter_count(llm: Llm, experts: Dimensionless) -> Parameters:
    """Parameters of the LLM with `experts` of the routed experts counted."""
    layer = projection_parameters(llm) + feed_forward_parameters(llm, experts)
    return weights.parameter_count(llm.vocabulary, llm.hidden, llm.layers, layer)


def expert_step_time(gpu: Gpu, llm: Llm, serving: Serving, bandwidth: BytesPerSecond) -> Seconds:
    """Weight time of a mixture of experts: measured expert kernels where there are any, plus attention by bytes."""
    measured = jnp.stack(
        [llm.kernel_latency_16bit, llm.kernel_latency_8bit, llm.kernel_latency_4bit]
    )
    kernel = measured[jnp.argmin(jnp.abs(jnp.array([2.0, 1.0, 0.5]) - serving.weight_width))]
    tabulated = roofline.expert_layer_time(
        kernel, serving.kernel_bandwidth, gpu.hbm_bandwidth, serving.kernel_exponent
    )
    # The paper's program reads two of the three expert matrices here, on one GPU.
    streamed = (
        llm.active_experts
        * 2
        * llm.expert_feed_forward
        * llm.hidden
        * serving.weight_width
        / bandwidth
    )
    attention = memory.weight_bytes(
        projection_parameters(llm), serving.weight_width, serving.tensor_parallel
    )
    experts = jnp.where(kernel > 0, tabulated, streamed)
    return (experts + roofline.weight_time(attention, bandwidth)) * llm.layers


def roofline_profile(gpu: Gpu, llm: Llm, serving: Serving, fractions: ActivityPower) -> Profile:
    """An instance by the roofline: no limit on sequences but memory, power by the busy share of a step.

    The weight stream counts as idle, the scan of the KV cache and the arithmetic as busy.

    Args:
        gpu: the accelerator.
        llm: the model.
        serving: how one replica is laid out.
        fractions: idle and nominal power as shares of TDP.

    Returns:
        Its profile; the KV blocks are negative where the weights do not fit.

    Source: the program of arXiv:2603.17280, behind its Tables 2 and 5.
    """
    step = gpu_roofline(gpu, llm, serving)
    active = step.active_parameters / serving.tensor_parallel
    return Profile(
        gpus=serving.tensor_parallel,
        weight_time=step.weight_time,
        scan_time=step.scan_time,
        calibration_length=serving.mean_length,
        prefill_chunk=serving.prefill_chunk,
        block_size=serving.block_size,
        kv_blocks=step.kv_blocks,
        max_sequences=jnp.inf,
        price=serving.tensor_parallel * gpu.price,
        power=BusyPower(
            idle=fractions.idle_fraction * gpu.tdp,
            nominal=fractions.nominal_fraction * gpu.tdp,
            compute_time=power.compute_activity(1.0, active, gpu.fp16_rate, 1.0),
        ),
    )


def chunk_flops(llm: Llm, serving: Serving, history: Tokens) -> Flops:
    """Arithmetic of one prefill chunk on one GPU."""
    return (
        roofline.prefill_flops(
            serving.prefill_chunk,
            history,
            projection_parameters(llm),
            llm.query_heads * llm.head_dim,
            feed_forward_parameters(llm, llm.active_experts),
            llm.layers,
        )
        / serving.tensor_parallel
    )


def prefill_rate(gpu: Gpu, serving: Serving) -> FlopsPerSecond:
    """Peak arithmetic of one GPU at the width of the weights: 8-bit where weights and GPU have it, else 16-bit."""
    return jnp.where((serving.weight_width <= 1) & (gpu.fp8_rate > 0), gpu.fp8_rate, gpu.fp16_rate)


def scaled_profile(scaling: Scaling, fractions: ActivityPower) -> Profile:
    r"""A calibrated profile carried to another GPU, as the paper carries H100 to B200.

    KV blocks and sequences scale with the roofline's block counts, the scan time with inverse
    bandwidth; the weight time is the roofline's own, and :math:`x_0 = \log_2 (W / H)`.

    Args:
        scaling: the profile to carry, from which GPU to which.
        fractions: idle and nominal power as shares of TDP.

    Returns:
        The projected profile.

    Source: the program of arXiv:2603.17280; the anchors are mixed, as only the weight time is the
        roofline's.
    """
    base, gpu = scaling.base, scaling.gpu
    step = gpu_roofline(gpu, scaling.llm, scaling.serving)
    ratio = step.kv_blocks / gpu_roofline(scaling.base_gpu, scaling.llm, scaling.serving).kv_blocks
    scan_time = base.scan_time * (scaling.base_gpu.hbm_bandwidth / gpu.hbm_bandwidth)
    return Profile(
        gpus=base.gpus,
        weight_time=step.weight_time,
        scan_time=scan_time,
        calibration_length=base.calibration_length,
        prefill_chunk=scaling.prefill_chunk,
        block_size=base.block_size,
        kv_blocks=jnp.floor(base.kv_blocks * ratio),
        max_sequences=jnp.floor(base.max_sequences * ratio),
        price=scaling.price,
        power=LogisticPower(
            idle=fractions.idle_fraction * gpu.tdp,
            nominal=fractions.nominal_fraction * gpu.tdp,
            steepness=base.power.steepness,
            log2_midpoint=jnp.log2(step.weight_time / scan_time),
        ),
    )
