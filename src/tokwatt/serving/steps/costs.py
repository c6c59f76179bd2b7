"""What the parts of a forward pass cost on one GPU: its share of the work, at fitted rates."""

import jax.numpy as jnp

from tokwatt.params.specs import StepParameters, spec
from tokwatt.serving.gpu.arithmetic import WidthTimes
from tokwatt.serving.gpu.cache import KvCache
from tokwatt.serving.gpu.share import GpuShare
from tokwatt.units import Bytes, Dimensionless, Seconds, SecondsPerToken, Tokens

ACTIVATION_WIDTH = 2.0
"""Bytes of one element of activations."""
LATENT_DECODING = 0.5
"""Share of 16-bit peak arithmetic that latent attention reaches while it decodes, assumed."""
ALL_REDUCES = 2.0
"""Collectives of a layer: after its attention and after its feed-forward block."""


@spec
class PassCosts:
    """What the parts of a forward pass cost on one GPU.

    Attributes:
        data_parallel: ranks of attention that share the batch.
        tensor_parallel: GPUs of each.
        expert_parallel: ranks that hold whole experts.
        experts: routed experts of a layer.
        expert_share: share of them that one token uses.
        independence: share of tokens that choose their experts independently.
        streamed: bytes of weights that every pass reads.
        routed: bytes of all routed experts.
        dense_read: time to read the former.
        expert_read: time to read the latter.
        dense_math: arithmetic of a token of one rank.
        expert_math: arithmetic of a token of any rank in its experts.
        head_math: arithmetic of the output head for one token.
        cache: the KV cache of a sequence.
        scan: time to read a byte of it.
        latent_math: arithmetic of a token for each one that it attends to, in latent attention.
        prompt_math: arithmetic of attention for each squared token of a prompt.
        sliding_math: the same in sliding layers, for each token and each that they see.
        message: bytes of a collective for each token of a rank.
        reduce: time of the all-reduces of all layers for each byte of a message.
        exchange: time of dispatch and combine for each byte of a message.
        launch: time of launches, of every pass.
        expert_launch: time of launches of experts.
        prompt_launch: more of them in a pass that takes in prompts.
        sequence: time of each running request.
        chunk: most prompt tokens that a pass takes in, over all ranks.
        median_share: prompt tokens of the median pass over those of the mean one.
        first_token: time before a first token beside the passes.
        first_token_prompt: more of it for each token of the prompt.
    """

    data_parallel: Dimensionless
    tensor_parallel: Dimensionless
    expert_parallel: Dimensionless
    experts: Dimensionless
    expert_share: Dimensionless
    independence: Dimensionless
    streamed: Bytes
    routed: Bytes
    dense_read: Seconds
    expert_read: Seconds
    dense_math: SecondsPerToken
    expert_math: SecondsPerToken
    head_math: SecondsPerToken
    cache: KvCache
    scan: Seconds
    latent_math: SecondsPerToken
    prompt_math: SecondsPerToken
    sliding_math: SecondsPerToken
    message: Bytes
    reduce: Seconds
    exchange: Seconds
    launch: Seconds
    expert_launch: Seconds
    prompt_launch: Seconds
    sequence: Seconds
    chunk: Tokens
    median_share: Dimensionless
    first_token: Seconds
    first_token_prompt: SecondsPerToken


def pass_costs(share: GpuShare, fitted: StepParameters) -> PassCosts:
    """Costs of an instance.

    Args:
        share: what one GPU holds, reads and computes.
        fitted: efficiencies and overheads.

    Returns:
        The costs; sums over all layers.

    Source: roofline with overheads; `params/calibration.yaml` says what its parameters start from.
    """
    math, bandwidth = share.arithmetic, share.gpu.hbm_bandwidth
    narrow_weights = fitted.narrow_weight_factor
    dense_bandwidth = fitted.bandwidth_efficiency * narrow_weights**share.narrow_dense
    expert_bandwidth = fitted.expert_bandwidth_efficiency * narrow_weights**share.narrow_experts
    scan_bandwidth = fitted.kv_efficiency * fitted.narrow_kv_factor**share.narrow_cache
    links = jnp.maximum(share.gpu.link_bandwidth, 1.0) * fitted.link_efficiency
    ranks, gpus = share.tensor_parallel, share.gpus
    sent = share.layers * ALL_REDUCES * 2 * (ranks - 1) / ranks
    exchanged = 2 * jnp.minimum(share.active_experts, gpus) * (gpus - 1) / gpus
    across = (share.data_parallel > 1) & (share.experts > 0)
    quantized = fitted.quantized_layer_overhead * share.quantized
    latent = share.latent * share.layers
    collectives = jnp.where(gpus > 1, fitted.collective_overhead, 0.0)
    per_layer = fitted.layer_overhead + quantized + collectives
    rescaled = fitted.rescaled_layer_overhead * share.rescaled
    return PassCosts(
        data_parallel=share.data_parallel,
        tensor_parallel=ranks,
        expert_parallel=share.expert_parallel,
        experts=share.experts,
        expert_share=share.expert_share,
        independence=fitted.independence,
        streamed=share.streamed,
        routed=share.routed,
        dense_read=share.streamed / (dense_bandwidth * bandwidth),
        expert_read=share.routed / (expert_bandwidth * bandwidth),
        dense_math=_reached(
            math.dense,
            fitted.compute_efficiency,
            fitted.compute_efficiency_8bit,
            fitted.compute_efficiency_4bit,
        ),
        expert_math=_reached(
            math.experts,
            fitted.expert_compute_efficiency,
            fitted.expert_compute_efficiency_8bit * fitted.rescaled_factor**share.rescaled,
            fitted.expert_compute_efficiency_4bit,
        ),
        head_math=math.head / fitted.compute_efficiency,
        cache=share.cache,
        scan=1 / (scan_bandwidth * bandwidth),
        latent_math=math.decode_attention / LATENT_DECODING,
        prompt_math=math.prompt_attention / fitted.attention_efficiency,
        sliding_math=math.sliding_attention / fitted.attention_efficiency,
        message=ACTIVATION_WIDTH * share.hidden,
        reduce=sent / links,
        exchange=jnp.where(across, share.expert_layers * exchanged / links, 0.0),
        launch=fitted.step_overhead
        + per_layer * share.layers
        + fitted.latent_layer_overhead * latent,
        expert_launch=(fitted.expert_layer_overhead + rescaled) * share.expert_layers,
        prompt_launch=fitted.prompt_layer_overhead * share.layers
        + fitted.prompt_expert_layer_overhead * share.expert_layers,
        sequence=fitted.sequence_overhead,
        chunk=share.prefill_chunk * share.data_parallel,
        median_share=fitted.median_share,
        first_token=fitted.first_token_overhead
        + fitted.first_token_expert_layer_overhead * share.expert_layers
        + fitted.first_token_latent_layer_overhead * latent,
        first_token_prompt=fitted.first_token_prompt_overhead,
    )


def _reached(
    times: WidthTimes,
    sixteen: Dimensionless,
    eight: Dimensionless,
    four: Dimensionless,
) -> SecondsPerToken:
    """Time of operations at shares of the peak rates of their widths."""
    return times.bits_16 / sixteen + times.bits_8 / eight + times.bits_4 / four
