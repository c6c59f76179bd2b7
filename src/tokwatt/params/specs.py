"""What can be swept: frozen records of SI numbers that JAX can stack, map over and differentiate.

A field without a default must be given and be positive; one with a default may be left out or be
zero. Names live outside, in the catalogue that holds the spec, so a catalogue stacks into one spec
of arrays.
"""

import math
from dataclasses import dataclass
from typing import Annotated, dataclass_transform

import jax

from tokwatt import x64 as x64
from tokwatt.units import (
    Bytes,
    BytesAxis,
    BytesPerParameter,
    BytesPerSecond,
    BytesPerToken,
    Dimensionless,
    DimensionlessAxis,
    DollarsPerSecond,
    FlopsPerSecond,
    In,
    Instances,
    Parameters,
    RequestsPerSecond,
    Seconds,
    SecondsPerToken,
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

    hbm_bandwidth: BytesPerSecond
    hbm_capacity: Bytes
    usable_memory: Bytes
    fp16_rate: FlopsPerSecond
    fp8_rate: FlopsPerSecond = 0.0
    fp4_rate: FlopsPerSecond = 0.0
    link_bandwidth: BytesPerSecond = 0.0
    tdp: Watts
    host_power: Watts = 0.0
    price: DollarsPerSecond


@spec
class Llm:
    """A decoder-only LLM as its published configuration has it; norms and biases are left out.

    A layer has a mixer (attention, or a linear recurrence) and a feed-forward block, unless
    `feed_forward_layers` counts layers that are a feed-forward block alone; then the others are a
    mixer alone. Mixers are full attention but for the sliding and the linear layers.

    Attributes:
        layers: how many there are.
        hidden: width of the residual stream.
        query_heads: heads of queries.
        kv_heads: heads of keys and values.
        head_dim: width of a head; the mean of its key and its value where they differ.
        vocabulary: tokens of the vocabulary.
        feed_forward: width of a dense feed-forward block.
        feed_forward_layers: layers that are a feed-forward block alone.
        feed_forward_matrices: matrices of a feed-forward block, 3 with a gate.
        expert_feed_forward: width of a routed expert.
        expert_latent: width of what routed experts work on; 0 for the residual stream.
        experts: routed experts of a layer; 0 for a dense LLM.
        active_experts: routed experts that a token uses.
        shared_feed_forward: width of what every token uses beside routed experts.
        dense_layers: feed-forward blocks without experts in a mixture of experts.
        tied_embeddings: 1 where input and output share their embeddings.
        attention_gate: 1 where attention has an output gate.
        kv_latent: width of the latent of keys and values; positive for latent attention (MLA).
        rope_dim: width of a head's part with positions, in latent attention.
        query_latent: width of the latent of queries; 0 where they are projected at once.
        nope_dim: width of a head's part without positions, in latent attention.
        value_dim: width of a head's values, in latent attention.
        sliding_layers: layers with sliding-window attention.
        sliding_window: tokens that they look back [tok].
        sliding_kv_heads: their heads of keys and values; 0 for as many as elsewhere.
        sliding_head_dim: width of their heads; 0 for as wide as elsewhere.
        kept_layers: layers' worth of cache that each token adds for good, where an entry stands for
            several tokens; 0 where each of the layers keeps one.
        attention_parameters: mean parameters of an attention layer, where they do not follow from
            the shapes above [param].
        index_parameters: parameters of what chooses the tokens of sparse attention [param].
        index_cache: what it keeps of each token over all layers [B/tok].
        linear_layers: layers with a linear recurrence.
        linear_state: elements that such a layer keeps of a sequence.
        linear_parameters: parameters of the mixer of such a layer [param].
        state_width: bytes of such an element; 0 for 32 bits.
        routers: 1 where the parameters of routers are counted.
        trained_context: longest sequence that it is made for [tok]; 0 where nothing says so.
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
    expert_latent: Dimensionless = 0.0
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
    sliding_kv_heads: Dimensionless = 0.0
    sliding_head_dim: Dimensionless = 0.0
    kept_layers: Dimensionless = 0.0
    attention_parameters: Parameters = 0.0
    index_parameters: Parameters = 0.0
    index_cache: BytesPerToken = 0.0
    linear_layers: Dimensionless = 0.0
    linear_state: Dimensionless = 0.0
    linear_parameters: Parameters = 0.0
    state_width: BytesPerParameter = 0.0
    routers: Dimensionless = 1.0
    trained_context: Tokens = 0.0


@spec
class ExpertKernels:
    """Measured time of one expert layer at eight tokens; 0 where unknown.

    Attributes:
        latency_16bit: with 16-bit weights.
        latency_8bit: with 8-bit weights.
        latency_4bit: with 4-bit weights.
    """

    latency_16bit: Seconds = 0.0
    latency_8bit: Seconds = 0.0
    latency_4bit: Seconds = 0.0


@spec
class LlmRecord:
    """An LLM of the catalogue.

    Attributes:
        published: the architecture of its configuration.
        paper: the architecture that the paper's program computes with.
        expert_kernels: the program's times of expert layers.
    """

    published: Llm
    paper: Llm
    expert_kernels: ExpertKernels = ExpertKernels()


@spec
class Precision:
    """How wide numbers are: in two classes for the paper, in five as checkpoints are made.

    Attributes:
        dense: bytes of a parameter that every token uses.
        routed: bytes of a parameter of a routed expert.
        kv: bytes of an element of the KV cache.
        embedding: bytes of a parameter of the input table and the output head.
        attention: bytes of a parameter of attention or of a linear recurrence.
        feed_forward: bytes of a parameter of a feed-forward block that every token uses.
        experts: bytes of a parameter of a routed expert, with its scales.
        router: bytes of a parameter of a router.
        mixture_attention: the same as `attention` in a mixture of experts; 0 where it does not
            differ.
        mixture_feed_forward: the same as `feed_forward` in a mixture of experts.
        activation: bytes of an element of an activation.
        operand: bytes of an operand that a narrow parameter becomes where it is multiplied.
        operand_without_fp4: the same on GPUs without 4-bit arithmetic.
        block_scaled: 1 where activations are quantised on the way, for a scale of each block.
    """

    dense: BytesPerParameter
    routed: BytesPerParameter
    kv: BytesPerParameter
    embedding: BytesPerParameter
    attention: BytesPerParameter
    feed_forward: BytesPerParameter
    experts: BytesPerParameter
    router: BytesPerParameter
    mixture_attention: BytesPerParameter = 0.0
    mixture_feed_forward: BytesPerParameter = 0.0
    activation: BytesPerParameter
    operand: BytesPerParameter
    operand_without_fp4: BytesPerParameter
    block_scaled: Dimensionless = 0.0


@spec
class Parallelism:
    """How the GPUs of an instance share an LLM.

    Attributes:
        tensor_parallel: GPUs that share every layer.
        data_parallel: ranks of attention that each have requests of their own; experts are shared.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
    """

    tensor_parallel: Dimensionless
    data_parallel: Dimensionless = 1.0
    expert_parallel: Dimensionless = 1.0


@spec
class Engine:
    """How the paper's program runs an instance.

    Attributes:
        block_size: tokens of a block of the KV cache.
        prefill_chunk: prompt tokens that a step takes in.
        bandwidth_efficiency: share of the bandwidth of memory that a step reaches.
        memory_fraction: share of the memory that it may use.
        layer_overhead: time that each layer adds to a step.
        kernel_bandwidth: bandwidth of the GPU that expert kernels were measured on.
        kernel_exponent: how strongly their time follows bandwidth.
        max_sequences: most running requests; 0 for no limit.
        workspace_gpus: numbers of GPUs, shape (layout,).
        workspace: memory for communication on each of so many GPUs, shape (layout,).
    """

    block_size: Tokens
    prefill_chunk: Tokens
    bandwidth_efficiency: Dimensionless
    memory_fraction: Dimensionless
    layer_overhead: Seconds
    kernel_bandwidth: BytesPerSecond
    kernel_exponent: Dimensionless
    max_sequences: Sequences = 0.0
    workspace_gpus: DimensionlessAxis
    workspace: BytesAxis


@spec
class ServingEngine:
    """How a serving engine uses the memory of a GPU, by its own defaults and its logs.

    Attributes:
        memory_fraction: share of the memory that it may use.
        free_fraction: share of what is then free that becomes the KV cache pool.
        block_size: tokens of a KV block.
        max_num_batched_tokens: most tokens of a step.
        max_num_seqs: most running requests.
        small_memory: GPUs with less memory, or without 8-bit arithmetic, have other limits [B].
        small_max_num_batched_tokens: most tokens of a step on those.
        small_max_num_seqs: most running requests on those.
        context: memory of the context and of libraries.
        logit_width: bytes for each logit of the largest batch, copies for sampling included.
        token_width: bytes for each element of the residual stream of the largest step.
        expert_width: bytes for each element between the experts of the largest step.
        workspace_gpus: numbers of GPUs, shape (layout,).
        workspace: memory for communication on each of so many GPUs, shape (layout,).
    """

    memory_fraction: Dimensionless
    free_fraction: Dimensionless
    block_size: Tokens
    max_num_batched_tokens: Tokens
    max_num_seqs: Sequences
    small_memory: Bytes = 0.0
    small_max_num_batched_tokens: Tokens = 0.0
    small_max_num_seqs: Sequences = 0.0
    context: Bytes
    logit_width: Bytes = 0.0
    token_width: Bytes = 0.0
    expert_width: Bytes = 0.0
    workspace_gpus: DimensionlessAxis
    workspace: BytesAxis


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
class ProjectedPower:
    """The logistic law of boards without a curve of their own.

    Attributes:
        steepness: of the rise, for each doubling.
        log2_midpoint: where half of the rise is done.
    """

    steepness: Dimensionless
    log2_midpoint: Signed


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


@spec
class Profile:
    """A hand-calibrated instance.

    Attributes:
        board: its GPUs.
        llm: its LLM.
        precision: widths of weights and KV cache.
        gpus: GPUs that share the LLM.
        weight_time: time of a step beside the scan of the KV cache.
        scan_time: time that one more sequence of `calibration_length` tokens adds to a step.
        calibration_length: tokens that `scan_time` and `max_sequences` hold at.
        prefill_chunk: prompt tokens that a step takes in.
        block_size: tokens of a block of the KV cache.
        kv_blocks: blocks of the KV cache.
        max_sequences: most running requests.
        price: rent of the instance.
        power: board power of one GPU by batch size.
    """

    board: Annotated[Board, In("boards")]
    llm: Annotated[LlmRecord, In("llms")]
    precision: Annotated[Precision, In("precisions")]
    gpus: Dimensionless
    weight_time: Seconds
    scan_time: Seconds
    calibration_length: Tokens
    prefill_chunk: Tokens
    block_size: Tokens
    kv_blocks: Dimensionless
    max_sequences: Sequences
    price: DollarsPerSecond
    power: Annotated[LogisticPower, In("power_curves")]


@spec
class Scaling:
    """How a hand-calibrated profile is carried to another GPU.

    Attributes:
        base: the profile.
        board: the other GPU.
        prefill_chunk: prompt tokens that a step takes in there.
        price: rent of an instance there.
    """

    base: Annotated[Profile, In("calibrated_profiles")]
    board: Annotated[Board, In("boards")]
    prefill_chunk: Tokens
    price: DollarsPerSecond


@spec
class Workload:
    """A request length distribution by knots.

    Attributes:
        lengths: tokens of prompt and output together, shape (knot,), rising.
        fractions: share of requests of at most so many, shape (knot,), the last 1.
    """

    lengths: TokensAxis
    fractions: DimensionlessAxis


@spec
class Demand:
    """What a fleet must carry, and how well.

    Attributes:
        arrival_rate: requests that arrive in a second [req/s].
        latency_target: 99th percentile of the wait, or of the time to first token [s].
        itl_target: a percentile of the inter-token latency [s], where that is a target.
        itl_quantile: which: 0.5 for the median, 0.99 for the 99th percentile.
        max_utilization: highest share of its capacity that an instance may be used at.
        output_share: output as a share of a request's tokens.
        spare_instances: instances of each pool beyond those that it needs [instance].
        least_instances: fewest of each pool [instance].
    """

    arrival_rate: RequestsPerSecond
    latency_target: Seconds
    itl_target: Seconds = math.inf
    itl_quantile: Dimensionless = 0.5
    max_utilization: Dimensionless
    output_share: Dimensionless
    spare_instances: Instances = 0.0
    least_instances: Instances = 0.0
