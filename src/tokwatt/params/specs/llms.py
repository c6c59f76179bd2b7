"""Architectures of LLMs, and how wide their numbers are."""

from tokwatt.params.specs.record import spec
from tokwatt.units import (
    BytesPerParameter,
    BytesPerToken,
    Count,
    Dimensionless,
    Parameters,
    Seconds,
    Tokens,
)


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
        kv_shared_layers: layers with full attention to the cache of another one, which keep none.
        sliding_kv_shared_layers: the same among those with a sliding window.
        table_parameters: parameters of tables beside the input table that are read by the row
            [param].
        kept_layers: layers' worth of cache that each token adds for good, where an entry stands for
            several tokens; 0 where each of the layers keeps one.
        attention_parameters: mean parameters of an attention layer, where they do not follow from
            the shapes above [param].
        index_parameters: parameters of what chooses the tokens of sparse attention [param].
        index_cache: what it keeps of each token over all layers [B/tok].
        linear_layers: layers with a linear recurrence.
        parallel_layers: those of them that attend beside it.
        linear_state: elements that such a layer keeps of a sequence.
        linear_parameters: parameters of the mixer of such a layer [param].
        state_width: bytes of such an element; 0 for 32 bits.
        routers: 1 where the parameters of routers are counted.
        trained_context: longest sequence that it is made for [tok]; 0 where nothing says so.
    """

    layers: Count
    hidden: Dimensionless
    query_heads: Count
    kv_heads: Dimensionless
    head_dim: Dimensionless
    vocabulary: Count
    feed_forward: Dimensionless = 0.0
    feed_forward_layers: Count = 0.0
    feed_forward_matrices: Dimensionless = 3.0
    expert_feed_forward: Dimensionless = 0.0
    expert_latent: Dimensionless = 0.0
    experts: Count = 0.0
    active_experts: Count = 0.0
    shared_feed_forward: Dimensionless = 0.0
    dense_layers: Count = 0.0
    tied_embeddings: Dimensionless = 0.0
    attention_gate: Dimensionless = 0.0
    kv_latent: Dimensionless = 0.0
    rope_dim: Dimensionless = 0.0
    query_latent: Dimensionless = 0.0
    nope_dim: Dimensionless = 0.0
    value_dim: Dimensionless = 0.0
    sliding_layers: Count = 0.0
    sliding_window: Tokens = 0.0
    sliding_kv_heads: Dimensionless = 0.0
    sliding_head_dim: Dimensionless = 0.0
    kv_shared_layers: Count = 0.0
    sliding_kv_shared_layers: Count = 0.0
    table_parameters: Parameters = 0.0
    kept_layers: Dimensionless = 0.0
    attention_parameters: Parameters = 0.0
    index_parameters: Parameters = 0.0
    index_cache: BytesPerToken = 0.0
    linear_layers: Count = 0.0
    parallel_layers: Count = 0.0
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
