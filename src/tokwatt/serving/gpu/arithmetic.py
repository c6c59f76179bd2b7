"""Operations of one GPU, as times at the peak rates of its data sheet."""

import jax.numpy as jnp

from tokwatt.params.specs import Gpu, Llm, Precision, spec
from tokwatt.serving.deployment import Layout
from tokwatt.serving.gpu import llm as llms
from tokwatt.units import BytesPerParameter, Dimensionless, Parameters, Seconds

EIGHT_BITS, SIXTEEN_BITS = 0.9, 1.5
"""Bytes of an operand from which on it has so many bits."""


@spec
class WidthTimes:
    """Time of a token's operations at the peak rate of each width; those it does not use are 0.

    Attributes:
        bits_16: of operands of 16 bits.
        bits_8: of operands of 8 bits.
        bits_4: of operands of 4 bits.
    """

    bits_16: Seconds
    bits_8: Seconds
    bits_4: Seconds


@spec
class Arithmetic:
    """Operations of one GPU, as times at the peak rates of its data sheet.

    Attributes:
        dense: of a token, in what every token multiplies but for the output head.
        experts: of a token of any rank, in its routed experts.
        head: of the output head for one token.
        prompt_attention: of a prompt, for each squared token of it, in layers that keep all.
        sliding_attention: of a prompt, for each of its tokens and each that sliding layers see.
        decode_attention: of a token, for each token that it attends to, in latent attention.
    """

    dense: WidthTimes
    experts: WidthTimes
    head: Seconds
    prompt_attention: Seconds
    sliding_attention: Seconds
    decode_attention: Seconds


def arithmetic_of(layout: Layout, llm: Llm) -> Arithmetic:
    """What one GPU of a layout computes.

    Args:
        layout: the LLM and its GPUs.
        llm: the description of the LLM that counts.

    Returns:
        Times at peak rates.

    Source: two operations per parameter and token; attention, arXiv:2205.14135, Section 2, of which
        a causal one does half; latent attention in its absorbed form, arXiv:2405.04434.
    """
    gpu, precision, ranks = layout.gpu, layout.precision, layout.parallelism.tensor_parallel
    gpus = ranks * layout.parallelism.data_parallel
    mixture = llm.experts > 0
    attention = narrower(mixture, precision.mixture_attention, precision.attention)
    feed_forward = narrower(mixture, precision.mixture_feed_forward, precision.feed_forward)
    always = llms.always_active_parameters(llm)
    classes = [
        (llms.mixer_parameters(llm), attention),
        (always - llms.router_parameters(llm), feed_forward),
        (llms.router_parameters(llm), precision.router),
    ]
    routed = llms.expert_parameters(llm, llm.active_experts)
    full, sliding = attended_dimensions(llm), sliding_dimensions(llm)
    attended = 2 / ranks / gpu.fp16_rate
    return Arithmetic(
        dense=_sum([_times(gpu, precision, count / ranks, width) for count, width in classes]),
        experts=_times(gpu, precision, routed / gpus, precision.experts),
        head=2 * llms.embedding_parameters(llm) / ranks / gpu.fp16_rate,
        prompt_attention=attended * full / 2,
        sliding_attention=attended * sliding / 2,
        decode_attention=attended * latent_dimensions(llm),
    )


def narrower(
    mixture: Dimensionless, own: BytesPerParameter, common: BytesPerParameter
) -> BytesPerParameter:
    """Width of a class that mixtures of experts may keep wider."""
    return jnp.where(mixture & (own > 0), own, common)


def _times(
    gpu: Gpu, precision: Precision, parameters: Parameters, width: BytesPerParameter
) -> WidthTimes:
    """Time to multiply so many parameters of a width, at the rate of the operands they become."""
    narrow = jnp.where(gpu.fp4_rate > 0, precision.operand, precision.operand_without_fp4)
    operand = jnp.where(width >= SIXTEEN_BITS, width, narrow)
    sixteen = (operand >= SIXTEEN_BITS) | (gpu.fp8_rate <= 0)
    four = (operand < EIGHT_BITS) & (gpu.fp4_rate > 0)
    operations = 2 * parameters
    fp8_rate = jnp.where(gpu.fp8_rate > 0, gpu.fp8_rate, gpu.fp16_rate)
    fp4_rate = jnp.where(gpu.fp4_rate > 0, gpu.fp4_rate, gpu.fp16_rate)
    return WidthTimes(
        bits_16=jnp.where(sixteen, operations / gpu.fp16_rate, 0.0),
        bits_8=jnp.where(~sixteen & ~four, operations / fp8_rate, 0.0),
        bits_4=jnp.where(~sixteen & four, operations / fp4_rate, 0.0),
    )


def _sum(times: list[WidthTimes]) -> WidthTimes:
    return WidthTimes(
        bits_16=sum(time.bits_16 for time in times),
        bits_8=sum(time.bits_8 for time in times),
        bits_4=sum(time.bits_4 for time in times),
    )


def attended_dimensions(llm: Llm) -> Dimensionless:
    """Widths of queries and values over all heads of the layers that keep every token.

    A token multiplies as many numbers for each one that it attends to.
    """
    full = llms.full_layers(llm)
    latent = llm.query_heads * (llm.nope_dim + llm.rope_dim + llm.value_dim)
    return jnp.where(llms.is_latent(llm), latent, 2 * llm.query_heads * llm.head_dim) * full


def sliding_dimensions(llm: Llm) -> Dimensionless:
    """The same of the layers that keep a window."""
    head_dim = jnp.where(llm.sliding_head_dim > 0, llm.sliding_head_dim, llm.head_dim)
    return 2 * llm.query_heads * head_dim * llm.sliding_layers


def latent_dimensions(llm: Llm) -> Dimensionless:
    """The same of latent attention that decodes in its latents; 0 for grouped queries."""
    widths = llm.query_heads * (2 * llm.kv_latent + llm.rope_dim)
    return jnp.where(llms.is_latent(llm), widths * llms.full_layers(llm), 0.0)
