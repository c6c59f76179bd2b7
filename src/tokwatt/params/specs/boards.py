"""GPUs by their data sheets, laws of their power, and what steps take on them."""

from typing import Annotated

from tokwatt.params.specs.record import spec
from tokwatt.units import (
    BytesPerSecond,
    Dimensionless,
    DollarsPerSecond,
    Domain,
    FlopsPerSecond,
    Scalar,
    Seconds,
    SecondsPerToken,
    Signed,
    Watts,
)


@spec
class StepParameters:
    """What a step takes beyond what data sheets say, as the calibration found it.

    Attributes:
        bandwidth_efficiency: share of memory bandwidth that reading dense weights reaches.
        expert_bandwidth_efficiency: the same of routed experts.
        compute_efficiency: share of peak arithmetic with 16 bits.
        compute_efficiency_8bit: the same with 8 bits.
        compute_efficiency_4bit: the same with 4 bits.
        expert_compute_efficiency: the same of routed experts with 16 bits.
        expert_compute_efficiency_8bit: the same with 8 bits.
        expert_compute_efficiency_4bit: the same with 4 bits.
        attention_efficiency: share of 16-bit peak arithmetic that attention of prompts reaches.
        kv_efficiency: share of memory bandwidth that reading the KV cache reaches.
        narrow_kv_factor: a factor on it for caches of 8 bits.
        narrow_weight_factor: a factor on the bandwidth of weights of 4 bits.
        link_efficiency: share of the bandwidth of links.
        layer_overhead: launch time per layer.
        expert_layer_overhead: extra per layer with experts.
        collective_overhead: extra per layer that several GPUs share.
        step_overhead: time per step.
        sequence_overhead: time per running request.
        prompt_layer_overhead: extra per layer of a step with prefill.
        prompt_expert_layer_overhead: extra per layer with experts of a step with prefill.
        quantized_layer_overhead: extra per layer whose activations are quantised on the way.
        latent_layer_overhead: extra per layer of latent attention.
        rescaled_layer_overhead: extra per layer of experts whose blocks are rescaled on the way.
        rescaled_factor: a factor on 8-bit arithmetic of such experts.
        independence: share of tokens that choose their experts independently.
        median_share: prompt tokens of the median step with prefill over those of the mean one.
        first_token_overhead: time of client and server before a first token.
        first_token_expert_layer_overhead: extra of it per layer with experts.
        first_token_latent_layer_overhead: extra of it per layer of latent attention.
        first_token_prompt_overhead: extra of it per prompt token.
    """

    bandwidth_efficiency: Dimensionless
    expert_bandwidth_efficiency: Dimensionless
    compute_efficiency: Dimensionless
    compute_efficiency_8bit: Dimensionless
    compute_efficiency_4bit: Dimensionless
    expert_compute_efficiency: Dimensionless
    expert_compute_efficiency_8bit: Dimensionless
    expert_compute_efficiency_4bit: Dimensionless
    attention_efficiency: Dimensionless
    kv_efficiency: Dimensionless
    narrow_kv_factor: Dimensionless
    narrow_weight_factor: Dimensionless
    link_efficiency: Dimensionless
    layer_overhead: Seconds
    expert_layer_overhead: Seconds
    collective_overhead: Seconds
    step_overhead: Seconds
    sequence_overhead: Seconds
    prompt_layer_overhead: Seconds
    prompt_expert_layer_overhead: Seconds
    quantized_layer_overhead: Seconds
    latent_layer_overhead: Seconds
    rescaled_layer_overhead: Seconds
    rescaled_factor: Dimensionless
    independence: Dimensionless
    median_share: Dimensionless
    first_token_overhead: Seconds
    first_token_expert_layer_overhead: Seconds
    first_token_latent_layer_overhead: Seconds
    first_token_prompt_overhead: SecondsPerToken


@spec
class LogisticPower:
    """Board power by batch size: a logistic in its binary logarithm.

    Attributes:
        idle: power at the smallest batch sizes [W].
        nominal: power at the largest [W].
        steepness: of the rise, for each doubling.
        log2_midpoint: where half of the rise is done.
    """

    idle: Watts
    nominal: Watts
    steepness: Dimensionless
    log2_midpoint: Signed = 0.0


@spec
class ActivityPower:
    """Board power by the busy share of a step, between two shares of TDP.

    Attributes:
        idle_fraction: share of TDP of a board that waits.
        nominal_fraction: share of TDP of a board that is busy all the time.
    """

    idle_fraction: Dimensionless
    nominal_fraction: Dimensionless


@spec
class UtilizationPower:
    """Board power by the use of bandwidth, of the time for arithmetic and of launches.

    Attributes:
        idle: power of a board that runs and moves nothing.
        memory: what full bandwidth adds.
        compute: what arithmetic all the time adds.
        launch: what launching kernels of experts all the time adds.
        limit: what the board keeps to, as its clocks fall.
        clock_exponent: by whose power of the clock all that is above idle falls.
    """

    idle: Watts
    memory: Watts
    compute: Watts
    launch: Watts = 0.0
    limit: Watts
    clock_exponent: Dimensionless


@spec
class ProjectedPower:
    """The logistic law of boards without a curve of their own.

    Attributes:
        steepness: of the rise, for each doubling.
        log2_midpoint: where half of the rise is done.
    """

    steepness: Dimensionless
    log2_midpoint: Signed


BoardBandwidth = Annotated[Scalar, "B/s", Domain(least=1e9, most=1e15)]
BoardMemory = Annotated[Scalar, "B", Domain(least=1e9, most=1e13)]
BoardRate = Annotated[Scalar, "FLOP/s", Domain(least=1e11, most=1e18)]
BoardPower = Annotated[Scalar, "W", Domain(least=10, most=1e4)]
"""What is believed of a board: a unit that is a thousand times another is none of it."""


@spec
class Gpu:
    """One accelerator, by its data sheet.

    Attributes:
        hbm_bandwidth: bandwidth of memory [B/s].
        hbm_capacity: nominal size of memory [B].
        usable_memory: size of memory that the driver reports to a program [B].
        fp16_rate: dense 16-bit arithmetic [FLOP/s].
        fp8_rate: dense 8-bit arithmetic [FLOP/s]; 0 where it has none.
        fp4_rate: dense 4-bit arithmetic [FLOP/s]; 0 where it has none.
        link_bandwidth: of one direction to its neighbours [B/s].
        tdp: thermal design power [W].
        host_power: what its server draws beside it, for each GPU: host, network and fans [W]; 0
            where it is unknown.
        price: rent of one GPU [USD/s].
    """

    hbm_bandwidth: BoardBandwidth
    hbm_capacity: BoardMemory
    usable_memory: BoardMemory
    fp16_rate: BoardRate
    fp8_rate: FlopsPerSecond = 0.0
    fp4_rate: FlopsPerSecond = 0.0
    link_bandwidth: BytesPerSecond = 0.0
    tdp: BoardPower
    host_power: Watts = 0.0
    price: DollarsPerSecond


@spec
class Board:
    """A GPU, the laws of its power, and what steps take on it.

    Attributes:
        gpu: its data sheet.
        logistic: power by batch size.
        activity: power by the busy share of a step.
        utilization: power by the use of bandwidth and arithmetic, as calibrated.
        fitted: by engine what a step takes beyond what the data sheet says, as calibrated.
    """

    gpu: Gpu
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    fitted: dict[str, StepParameters]
