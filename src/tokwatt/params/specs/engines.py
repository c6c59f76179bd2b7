"""How GPUs share an LLM, and how engines run it."""

from tokwatt.params.specs.record import spec
from tokwatt.units import (
    Bytes,
    BytesAxis,
    BytesPerSecond,
    Dimensionless,
    DimensionlessAxis,
    Seconds,
    Sequences,
    Tokens,
)


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
