"""What one GPU of an instance holds, reads and computes under named assumptions.

Assumptions are known when JAX compiles; everything else is a number that can be swept, sampled and
differentiated.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from tokwatt.equations import memory, roofline, weights
from tokwatt.params.specs import (
    ActivityPower,
    Architecture,
    Gpu,
    LogisticPower,
    Serving,
    UtilizationPower,
    spec,
)
from tokwatt.serving import architecture, decode
from tokwatt.serving.choices import Assumptions
from tokwatt.units import (
    Bytes,
    BytesPerSecond,
    BytesPerToken,
    Dimensionless,
    FlopsPerSecond,
    FlopsPerToken,
    Parameters,
    Seconds,
    Sequences,
    Tokens,
    Watts,
)


@spec
class Constants:
    """Numbers that alternatives other than the paper's stand on."""

    bandwidth_efficiency: Dimensionless
    compute_efficiency: Dimensionless
    prefill_efficiency: Dimensionless
    layer_overhead: Seconds
    sequence_overhead: Seconds = 0.0
    dispatch_overhead: Seconds = 0.0
    link_efficiency: Dimensionless
    host_power: Watts = 0.0
    facility_factor: Dimensionless
    compressible: Dimensionless


@spec
class Subject:
    """What is accounted for: an LLM on GPUs of one kind, with all that any assumption may want to know of it.

    `llm` is the paper's description, `architecture` the published one; `active_parameters` are
    those that the paper prints.
    """

    gpu: Gpu
    llm: Any  # Llm, or None where the paper's catalogue lacks it
    architecture: Architecture
    serving: Serving
    logistic: LogisticPower
    fractions: ActivityPower
    utilization: UtilizationPower
    active_parameters: Parameters = 0.0
    profile: Any = None  # Profile, where somebody calibrated one
    kernels: Any = None  # kernel_step.Table, where its kernels were tabulated


@spec
class Cache:
    """KV cache on one GPU: bytes per token that a sequence keeps and a step reads, of all its tokens and of a sliding window."""

    held: BytesPerToken
    read: BytesPerToken
    sliding: BytesPerToken
    window: Tokens
    state: Bytes


@spec
class Machine:
    """One GPU of an instance; bytes and operations are its own share of what the instance moves and does.

    `streamed` are the weights that every step reads, `routed` those of all routed experts, of which
    a token uses `expert_share`. `idle_time` is above 0 where the paper's law of activity takes
    another weight time than its step.
    """

    gpus: Dimensionless
    kv_budget: Bytes
    cache: Cache
    streamed: Bytes
    routed: Bytes
    expert_share: Dimensionless
    weight_bandwidth: BytesPerSecond
    kv_bandwidth: BytesPerSecond
    peak_bandwidth: BytesPerSecond
    overhead: Seconds
    sequence_overhead: Seconds
    dispatch_overhead: Seconds
    dispatch_time: Seconds
    idle_time: Seconds
    token_flops: FlopsPerToken
    decode_rate: FlopsPerSecond
    prefill_rate: FlopsPerSecond


def assemble(assumed: Assumptions, subject: Subject, constants: Constants) -> Machine:
    """What one GPU of an instance holds, reads and computes.

    Args:
        assumed: which bytes count, and how fast they move.
        subject: the LLM and its GPUs.
        constants: efficiencies and overheads.

    Returns:
        The machine; its KV budget is negative where the weights do not fit.

    Source: `params/assumptions.yaml`, which names one for each alternative.
    """
    gpu, serving, measured = subject.gpu, subject.serving, assumed.step in ("measured", "kernels")
    counted, cache = _weights(assumed, subject), _cache(assumed, subject)
    width = serving.weight_width / serving.tensor_parallel
    bandwidth = (
        constants.bandwidth_efficiency if measured else serving.bandwidth_efficiency
    ) * gpu.hbm_bandwidth
    layer_overhead = constants.layer_overhead if measured else serving.layer_overhead
    rate = decode.prefill_rate(gpu, serving)
    dispatched = float(assumed.dispatch == "counted")
    found = Machine(
        gpus=serving.tensor_parallel,
        kv_budget=memory.kv_budget(
            gpu.hbm_capacity, serving.memory_fraction, counted.held * width, serving.workspace
        ),
        cache=cache,
        streamed=counted.streamed * width,
        routed=counted.routed * width,
        expert_share=counted.expert_share,
        weight_bandwidth=bandwidth,
        kv_bandwidth=bandwidth,
        peak_bandwidth=gpu.hbm_bandwidth,
        overhead=layer_overhead
        * (subject.llm if assumed.architecture == "catalogue" else subject.architecture).layers,
        dispatch_overhead=dispatched
        * constants.dispatch_overhead
        * architecture.expert_blocks(subject.architecture),
        dispatch_time=dispatched * _dispatch_time(subject, constants),
        sequence_overhead=constants.sequence_overhead if measured else 0.0,
        idle_time=0.0,
        token_flops=2 * counted.active / serving.tensor_parallel,
        decode_rate=constants.compute_efficiency * rate if measured else jnp.inf,
        prefill_rate=constants.prefill_efficiency * rate,
    )
    if assumed.step == "calibrated":
        return _calibrated(found, subject)
    return _printed(found, subject) if assumed.experts == "printed" else found


class _Weights(NamedTuple):
    """Parameters of the whole LLM."""

    held: Parameters
    streamed: Parameters
    routed: Parameters
    active: Parameters
    expert_share: Dimensionless


def _weights(assumed: Assumptions, subject: Subject) -> _Weights:
    llm, published = subject.llm, subject.architecture
    if assumed.architecture == "catalogue":
        streamed, held = decode.parameter_count(llm, 0.0), decode.parameter_count(llm, llm.experts)
        active = decode.parameter_count(llm, llm.active_experts)
        return _Weights(
            held,
            streamed,
            held - streamed,
            active,
            llm.active_experts / jnp.maximum(1.0, llm.experts),
        )
    streamed, routed = (
        architecture.streamed_parameters(published),
        architecture.routed_parameters(published),
    )
    held = (
        architecture.total_parameters(published)
        if assumed.input_table == "held"
        else streamed + routed
    )
    share = published.active_experts / jnp.maximum(1.0, published.experts)
    return _Weights(held, streamed, routed, architecture.active_parameters(published), share)


def _cache(assumed: Assumptions, subject: Subject) -> Cache:
    llm, published, serving = subject.llm, subject.architecture, subject.serving
    shards = serving.tensor_parallel
    if assumed.architecture == "catalogue":
        whole = memory.kv_bytes_per_token(llm.layers, llm.kv_heads, llm.head_dim, serving.kv_width)
        own = memory.kv_bytes_per_token(
            llm.layers, memory.rank_heads(llm.kv_heads, shards), llm.head_dim, serving.kv_width
        )
        sliding, window, state = 0.0, 0.0, 0.0
    else:
        whole = architecture.kv_bytes_per_token(published, serving.kv_width, 1.0)
        own = architecture.kv_bytes_per_token(published, serving.kv_width, shards)
        sliding = architecture.sliding_bytes_per_token(published, serving.kv_width, shards)
        window, state = (
            published.sliding_window,
            architecture.state_bytes(published, serving.kv_width, shards),
        )
    held, read = (whole, whole / shards) if assumed.kv_sharding == "whole" else (own, own)
    return Cache(held=held, read=read, sliding=sliding, window=window, state=state)


def _dispatch_time(subject: Subject, constants: Constants) -> Seconds:
    """Time to send one token to its experts and back, over all layers that have any."""
    published, shards = subject.architecture, subject.serving.tensor_parallel
    layers, width = architecture.expert_blocks(published), subject.serving.kv_width
    sent = roofline.dispatch_bytes(published.hidden, published.active_experts, width, shards)
    return layers * sent / (constants.link_efficiency * subject.gpu.link_bandwidth)


def _calibrated(found: Machine, subject: Subject) -> Machine:
    """The times and the KV blocks of a calibrated profile, as the bandwidths and the budget that they amount to."""
    profile, cache = subject.profile, found.cache
    return replace(
        found,
        kv_budget=profile.kv_blocks * profile.block_size * cache.held,
        weight_bandwidth=found.streamed / profile.weight_time,
        kv_bandwidth=cache.read * profile.calibration_length / profile.scan_time,
        overhead=0.0,
    )


def _printed(found: Machine, subject: Subject) -> Machine:
    """A mixture of experts as Table 2 has it: printed active parameters at peak bandwidth, power at another weight time."""
    mixed, serving = subject.active_parameters > 0, subject.serving
    printed = subject.active_parameters * serving.weight_width / serving.tensor_parallel
    return replace(
        found,
        streamed=jnp.where(mixed, printed, found.streamed),
        routed=jnp.where(mixed, 0.0, found.routed),
        weight_bandwidth=jnp.where(mixed, found.peak_bandwidth, found.weight_bandwidth),
        overhead=jnp.where(mixed, 0.0, found.overhead),
        idle_time=jnp.where(
            mixed, decode.gpu_roofline(subject.gpu, subject.llm, serving).weight_time, 0.0
        ),
    )


def sequence_bytes(machine: Machine, length: Tokens, per_token: BytesPerToken) -> Bytes:
    r"""KV cache of one sequence on one GPU, :math:`\kappa \ell + \kappa_s \min(\ell, w) + s`.

    Args:
        machine: the instance.
        length: tokens of the sequence.
        per_token: bytes per token of the layers that keep all of them, as held or as read.

    Returns:
        Bytes; linear in `length` but for sliding-window layers and recurrent state.

    Source: definition.
    """
    cache = machine.cache
    return per_token * length + cache.sliding * jnp.minimum(length, cache.window) + cache.state


def weight_bytes(assumed: Assumptions, machine: Machine, batch: Sequences) -> Bytes:
    """Weights that a step reads on one GPU."""
    if assumed.experts == "all":
        return machine.streamed + machine.routed
    share = machine.expert_share
    touched = weights.expert_coverage(share, batch) if assumed.experts == "expected" else share
    return machine.streamed + machine.routed * touched


def concurrency(
    assumed: Assumptions, machine: Machine, window: Tokens, mean_length: Tokens
) -> Sequences:
    """Sequences that an instance holds at once.

    Args:
        assumed: whether each reserves its window or takes blocks as it grows, and what becomes of a
            misfit.
        machine: the instance.
        window: tokens that a sequence may take.
        mean_length: tokens that one takes on the average over its time in service.

    Returns:
        Whole sequences where windows are reserved, their mean number where not; NaN where the
        weights do not fit.

    Source: arXiv:2603.17280, Eq. (3), for reserved windows; paged attention, arXiv:2309.06180, for
        the other.
    """
    budget, cache = machine.kv_budget, machine.cache
    if assumed.kv_allocation == "reserved":
        fitting = memory.held_sequences(
            jnp.maximum(0.0, budget), sequence_bytes(machine, window, cache.held)
        )
    else:
        fitting = jnp.maximum(0.0, budget) / sequence_bytes(machine, mean_length, cache.held)
    if assumed.misfit == "one_sequence":
        return jnp.maximum(1.0, fitting)
    return jnp.where(budget < 0, jnp.nan, fitting)
