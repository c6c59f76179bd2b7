"""What can be swept: frozen records of SI numbers that JAX can stack, map over and differentiate.

A field without a default must be given and be positive; one with a default may be left out or be
zero. Names live outside, in the catalogue that holds the spec, so a catalogue stacks into one spec
of arrays.
"""

from dataclasses import dataclass
from typing import Annotated, Any, dataclass_transform

import jax

from tokwatt import x64 as x64
from tokwatt.units import (
    Bytes,
    BytesAxis,
    BytesPerParameter,
    BytesPerSecond,
    Dimensionless,
    DimensionlessAxis,
    DollarsPerSecond,
    FlopsPerSecond,
    In,
    Parameters,
    RequestsPerSecond,
    Seconds,
    Sequences,
    Signed,
    Tokens,
    TokensAxis,
    Watts,
)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type) -> type:
    """Make `cls` a frozen, keyword-only dataclass and a JAX pytree."""
    return jax.tree_util.register_dataclass(dataclass(frozen=True, kw_only=True)(cls))


@spec
class Gpu:
    """One accelerator, by its data sheet; `link_bandwidth` is that of one direction to its neighbours, `price` the rent of one GPU."""

    hbm_bandwidth: BytesPerSecond
    hbm_capacity: Bytes
    fp16_rate: FlopsPerSecond
    fp8_rate: FlopsPerSecond = 0.0
    link_bandwidth: BytesPerSecond = 0.0
    tdp: Watts
    price: DollarsPerSecond


@spec
class Llm:
    """A decoder-only transformer; the expert fields are zero where it is dense.

    `kernel_latency_*` is the measured time of one expert layer at eight tokens on the reference
    bandwidth, for weights of 16, 8 and 4 bits; zero where nobody measured it.
    """

    layers: Dimensionless
    query_heads: Dimensionless
    kv_heads: Dimensionless
    head_dim: Dimensionless
    hidden: Dimensionless
    feed_forward: Dimensionless = 0.0
    vocabulary: Dimensionless
    expert_feed_forward: Dimensionless = 0.0
    experts: Dimensionless = 0.0
    active_experts: Dimensionless = 0.0
    shared_experts: Dimensionless = 0.0
    kernel_latency_16bit: Seconds = 0.0
    kernel_latency_8bit: Seconds = 0.0
    kernel_latency_4bit: Seconds = 0.0


@spec
class Architecture:
    """A decoder-only LLM as its published configuration has it; norms and biases are left out.

    A layer has a mixer (attention, or a linear recurrence) and a feed-forward block, unless
    `feed_forward_layers` says how many layers are a feed-forward block alone; then the others are a
    mixer alone. Mixers are full attention but for the `sliding_layers`, which look back
    `sliding_window` tokens, and the `linear_layers`, which keep `linear_state` elements of one
    sequence each. `dense_layers` counts the feed-forward blocks without experts of a mixture of
    experts, `shared_feed_forward` is the width of what each token takes in the others. Attention is
    latent (MLA) where `kv_latent` is positive; its queries are projected at once where
    `query_latent` is 0.
    """

    layers: Dimensionless
    hidden: Dimensionless
    query_heads: Dimensionless
    kv_heads: Dimensionless
    head_dim: Dimensionless
    vocabulary: Dimensionless
    feed_forward: Dimensionless = 0.0
    feed_forward_layers: Dimensionless = 0.0
    feed_forward_matrices: Dimensionless = 3.0
    expert_feed_forward: Dimensionless = 0.0
    experts: Dimensionless = 0.0
    active_experts: Dimensionless = 0.0
    shared_feed_forward: Dimensionless = 0.0
    dense_layers: Dimensionless = 0.0
    tied_embeddings: Dimensionless = 0.0
    attention_gate: Dimensionless = 0.0
    kv_latent: Dimensionless = 0.0
    rope_dim: Dimensionless = 0.0
    query_latent: Dimensionless = 0.0
    nope_dim: Dimensionless = 0.0
    value_dim: Dimensionless = 0.0
    sliding_layers: Dimensionless = 0.0
    sliding_window: Tokens = 0.0
    linear_layers: Dimensionless = 0.0
    linear_state: Dimensionless = 0.0
    linear_parameters: Parameters = 0.0


@spec
class Precision:
    """How wide weights and KV cache are."""

    weight_width: BytesPerParameter
    kv_width: BytesPerParameter


@spec
class Workspaces:
    """Memory that communication takes on each GPU, by how many GPUs an instance has."""

    gpus: DimensionlessAxis
    workspace: BytesAxis


@spec
class Serving:
    """How one replica of an LLM is laid out and run."""

    tensor_parallel: Dimensionless
    weight_width: BytesPerParameter
    kv_width: BytesPerParameter
    kv_shards: Dimensionless
    mean_length: Tokens
    block_size: Tokens
    prefill_chunk: Tokens
    bandwidth_efficiency: Dimensionless
    memory_fraction: Dimensionless
    layer_overhead: Seconds
    kernel_bandwidth: BytesPerSecond
    kernel_exponent: Dimensionless
    workspace: Bytes = 0.0
    max_sequences: Sequences = 0.0


@spec
class LogisticPower:
    """Board power against the batch: a logistic in log2(batch)."""

    idle: Watts
    nominal: Watts
    steepness: Dimensionless
    log2_midpoint: Signed = 0.0


@spec
class ActivityPower:
    """Board power against the busy share of a step, between two fractions of TDP."""

    idle_fraction: Dimensionless
    nominal_fraction: Dimensionless


@spec
class BusyPower:
    """Board power against the busy share of a step; `compute_time` is what the arithmetic of one sequence takes."""

    idle: Watts
    nominal: Watts
    compute_time: Seconds = 0.0


@spec
class UtilizationPower:
    """Board power against shares of peak bandwidth and of peak 16-bit arithmetic."""

    idle: Watts
    memory: Watts
    compute: Watts


@spec
class Board:
    """A GPU and the laws of its power."""

    gpu: Gpu
    logistic: LogisticPower
    utilization: UtilizationPower


@spec
class Profile:
    """One instance: step time, KV blocks, and the power of one of its GPUs.

    `scan_time` is the time one more sequence of `calibration_length` tokens adds to a step;
    `max_sequences` is the most that run at once at that length; `price` is that of the instance.
    """

    gpus: Dimensionless
    weight_time: Seconds
    scan_time: Seconds
    calibration_length: Tokens
    prefill_chunk: Tokens
    block_size: Tokens
    kv_blocks: Dimensionless
    max_sequences: Sequences
    price: DollarsPerSecond
    power: Annotated[
        Any, In("power_curves")
    ]  # LogisticPower, or BusyPower where it follows from a roofline


@spec
class Scaling:
    """How a calibrated profile is carried to another GPU."""

    base: Annotated[Profile, In("calibrated_profiles")]
    base_gpu: Annotated[Gpu, In("gpus")]
    gpu: Annotated[Gpu, In("gpus")]
    llm: Annotated[Llm, In("llms")]
    serving: Annotated[Serving, In("servings")]
    prefill_chunk: Tokens
    price: DollarsPerSecond


@spec
class Workload:
    """A length law as knots of its distribution: `fractions[i]` of requests have at most `lengths[i]` tokens."""

    lengths: TokensAxis
    fractions: DimensionlessAxis


@spec
class Demand:
    """What a fleet must carry, and how well."""

    arrival_rate: RequestsPerSecond
    latency_target: Seconds
    max_utilization: Dimensionless
    output_share: Dimensionless
