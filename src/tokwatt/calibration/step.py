r"""One step of a serving engine on real hardware, and the power it draws: few physical parameters, to be calibrated.

A `Work` is what a run asks of one GPU, known from its configuration; `StepParameters` and
`BoardParameters` are what measurements tell. Tokens of prompts are admitted as sequences end, at a
mean rate of batch / output a step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations import roofline, weights
from tokwatt.params.specs import Gpu, Llm, spec
from tokwatt.serving.llm import (
    active_parameters,
    expert_blocks,
    expert_share,
    kv_bytes_per_token,
    routed_parameters,
    sliding_bytes_per_token,
    state_bytes,
    streamed_parameters,
)
from tokwatt.units import (
    Bytes,
    BytesPerParameter,
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


@spec
class StepParameters:
    """What a step takes beyond what data sheets say.

    Efficiencies are shares of the data sheet's rates, overheads times that the host or the network
    adds: to each layer, to each of experts, to each that several GPUs share, to each sequence, and
    at least to each layer of a step that takes in a prompt, without and with expert parallelism.
    `requantized_*` are factors on experts' bandwidth and on arithmetic where 8-bit blocks are
    rescaled. `median_share` is what the median step takes in of the mean one's prompts.
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
class BoardParameters:
    """Power of a board as shares of TDP.

    `expert_layers` is what a hundred layers of experts add, `shared` what is saved where several
    GPUs share a step, `requantized` what rescaled 8-bit blocks add.
    """

    idle: Dimensionless
    memory: Dimensionless
    compute: Dimensionless
    expert_layers: Dimensionless = 0.0
    shared: Dimensionless = 0.0
    requantized: Dimensionless = 0.0


@spec
class Work:
    """What a run asks of one of its GPUs, from its configuration alone; flags are 0 or 1."""

    bandwidth: BytesPerSecond
    link: BytesPerSecond
    peak_rate: FlopsPerSecond
    rate: FlopsPerSecond
    tdp: Watts
    gpus: Dimensionless
    expert_parallel: Dimensionless
    requantized: Dimensionless
    layers: Dimensionless
    expert_layers: Dimensionless
    hidden: Dimensionless
    experts: Dimensionless
    expert_share: Dimensionless
    dense: Bytes
    routed: Bytes
    active: Parameters
    cache: BytesPerToken
    sliding: BytesPerToken
    window: Tokens
    state: Bytes
    batch: Sequences
    output: Tokens
    output_scv: Dimensionless
    prompt: Tokens


class Pass(NamedTuple):
    """One pass over a batch: its time, and what one GPU moves and computes in it."""

    latency: Seconds
    moved: Bytes
    computed: Flops


class Steps(NamedTuple):
    """Steps of a run: the median time between two tokens, and what the mean step takes, moves and computes."""

    median_latency: Seconds
    mean_latency: Seconds
    moved: Bytes
    computed: Flops


class Prediction(NamedTuple):
    """What a run does: the median time between two tokens, tokens of the instance, watts of one GPU, tokens of all its joules."""

    latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


STATE_WIDTH = 8.0
"""Bytes that a recurrent state moves for each element: 32 bits read and 32 written."""


def work(
    llm: Llm,
    gpu: Gpu,
    link: BytesPerSecond,
    gpus: Dimensionless,
    expert_parallel: Dimensionless,
    requantized: Dimensionless,
    dense_width: BytesPerParameter,
    routed_width: BytesPerParameter,
    batch: Sequences,
    output: Tokens,
    output_scv: Dimensionless,
    prompt: Tokens,
) -> Work:
    """What a run asks of one GPU.

    Args:
        llm: the LLM as published.
        gpu: one of the GPUs.
        link: what one sends to the others in a second.
        gpus: how many share the LLM.
        expert_parallel: 1 where each holds whole experts, 0 where it holds a slice of all.
        requantized: 1 where 8-bit blocks are rescaled on the way.
        dense_width: bytes of a parameter that every token uses.
        routed_width: bytes of a parameter of a routed expert.
        batch: sequences in flight.
        output: mean tokens of an answer.
        output_scv: their squared coefficient of variation.
        prompt: mean tokens of a prompt.

    Returns:
        The work; the KV cache has 16 bits, a recurrent state 32.
    """
    routed = routed_parameters(llm)
    return Work(
        bandwidth=gpu.hbm_bandwidth,
        link=link,
        peak_rate=gpu.fp16_rate,
        rate=jnp.where(dense_width <= 1, gpu.fp8_rate, gpu.fp16_rate),
        tdp=gpu.tdp,
        gpus=gpus,
        expert_parallel=expert_parallel,
        requantized=requantized,
        layers=llm.layers,
        expert_layers=expert_blocks(llm),
        hidden=llm.hidden,
        experts=llm.experts,
        expert_share=expert_share(llm),
        dense=streamed_parameters(llm) * dense_width / gpus,
        routed=routed * routed_width / gpus,
        active=active_parameters(llm) / gpus,
        cache=kv_bytes_per_token(llm, 2.0, gpus),
        sliding=sliding_bytes_per_token(llm, 2.0, gpus),
        window=llm.sliding_window,
        state=state_bytes(llm, STATE_WIDTH, gpus),
        batch=batch,
        output=output,
        output_scv=output_scv,
        prompt=prompt,
    )


def resident_tokens(prompt: Tokens, output: Tokens, output_scv: Dimensionless) -> Tokens:
    r"""Tokens that a sequence in flight holds on the average, :math:`p + o (1 + c^2) / 2`.

    Args:
        prompt: mean tokens of a prompt.
        output: mean tokens of an answer.
        output_scv: its squared coefficient of variation; long answers are in flight for longer.

    Returns:
        The time average.

    Source: mean age in a renewal process.
    """
    return prompt + output * (1 + output_scv) / 2


def busiest_rank(ranks: Dimensionless, experts: Dimensionless, tokens: Tokens) -> Dimensionless:
    r"""Experts that the busiest of some ranks reads over what the mean one reads.

    .. math:: 1 + \sqrt{2 \ln G\, e^{-x} / \max(0.3, m)}, \quad m = \tfrac{E}{G} (1 - e^{-x})

    Args:
        ranks: GPUs that hold whole experts, G.
        experts: routed experts of a layer, E.
        tokens: tokens that each expert is chosen by on the average, x.

    Returns:
        The excess, at most 2; 1 for one rank, and where a batch touches every expert.

    Source: largest of G draws of a mean m with a share :math:`e^{-x}` missing, to first order of
        extreme values.
    """
    missed = jnp.exp(-tokens / 2)
    touched = experts / ranks * (1 - missed**2)
    return jnp.minimum(
        2.0, 1 + jnp.sqrt(2 * jnp.log(ranks)) * missed / jnp.sqrt(jnp.maximum(0.3, touched))
    )


def overlapped(first: Seconds, second: Seconds) -> Seconds:
    r"""Two floors of a step that overlap in part, :math:`\sqrt{a^2 + b^2}`: between the longer one and their sum."""
    return jnp.sqrt(first**2 + second**2)


def at_least(time: Seconds, floor: Seconds) -> Seconds:
    r"""A smooth maximum, :math:`(a^6 + b^6)^{1/6}`."""
    longer = jnp.maximum(time, floor)
    return longer * (1 + (jnp.minimum(time, floor) / longer) ** 6) ** (1 / 6)


def forward_pass(
    work: Work, parameters: StepParameters, admitted: Tokens, residents: Tokens
) -> Pass:
    r"""One pass over a batch that also takes in prompts.

    .. math:: \tau = \sqrt{\tau_w^2 + \tau_c^2} + \tau_{kv} + t_0 + t_l L + t_e L_e + \tau_{comm} +
    h n

    Args:
        work: what the run asks of a GPU.
        parameters: efficiencies and overheads.
        admitted: tokens of prompts that the pass takes in.
        residents: tokens that a sequence holds.

    Returns:
        The pass.

    Source: roofline with overheads; `params/calibration.yaml` says what its parameters start from.
    """
    tokens = work.batch + admitted
    routed = work.routed * weights.expert_coverage(work.expert_share, tokens)
    ranks = jnp.where(work.expert_parallel > 0, work.gpus, 1.0)
    uneven = busiest_rank(ranks, work.experts, tokens * work.expert_share)
    dense_time = work.dense / (parameters.bandwidth_efficiency * work.bandwidth)
    expert_efficiency = parameters.expert_efficiency * jnp.where(
        work.requantized > 0, parameters.requantized_bandwidth, 1.0
    )
    weight_time = dense_time + routed * uneven / (expert_efficiency * work.bandwidth)
    flops = 2 * work.active * tokens
    compute_efficiency = parameters.compute_efficiency * jnp.where(
        work.requantized > 0, parameters.requantized_compute, 1.0
    )
    compute_time = flops / (compute_efficiency * work.rate)
    kv = work.batch * (
        residents * work.cache + jnp.minimum(residents, work.window) * work.sliding + work.state
    )
    kv_time = kv / (parameters.kv_efficiency * work.bandwidth)
    host = (
        parameters.step_overhead
        + parameters.layer_overhead * work.layers
        + parameters.expert_layer_overhead * work.expert_layers
    )
    latency = (
        overlapped(weight_time, compute_time)
        + kv_time
        + host
        + collective_time(work, parameters, tokens)
    )
    latency = latency + parameters.sequence_overhead * work.batch
    return Pass(latency, work.dense + routed + kv, flops)


def unrecorded_time(work: Work, parameters: StepParameters) -> Seconds:
    """The least time of a pass whose kernels the host launches one by one, as it does when prompts are taken in."""
    overhead = jnp.where(
        work.expert_parallel > 0,
        parameters.prompt_expert_layer_overhead,
        parameters.prompt_layer_overhead,
    )
    return overhead * work.layers


def collective_time(work: Work, parameters: StepParameters, tokens: Tokens) -> Seconds:
    """Time of the collectives of a pass: 16-bit activations twice a layer, each sent around and back; 0 on one GPU."""
    sent = 4 * tokens * work.hidden * (work.gpus - 1) / work.gpus
    time = work.layers * (
        parameters.shared_layer_overhead + sent / (parameters.link_efficiency * work.link)
    )
    return jnp.where(work.gpus > 1, time, 0.0)


def serving_steps(work: Work, parameters: StepParameters) -> Steps:
    r"""Steps of a run in which sequences end and others are admitted, :math:`\lambda = n / o` a step.

    Args:
        work: what the run asks of a GPU.
        parameters: efficiencies and overheads.

    Returns:
        The mean over steps that only decode, a share :math:`e^{-\lambda}`, and those that take in
        prompts as well; the median goes from the former to `median_share` of the latter as most
        steps come to take in prompts.

    Source: arrivals of a Poisson process.
    """
    rate, residents = (
        work.batch / work.output,
        resident_tokens(work.prompt, work.output, work.output_scv),
    )
    pure = jnp.exp(-rate)
    admitted = jnp.minimum(rate * work.prompt / -jnp.expm1(-rate), parameters.prefill_chunk)
    decoding = forward_pass(work, parameters, 0.0 * admitted, residents)
    prompts = forward_pass(work, parameters, admitted, residents)
    prompts = prompts._replace(latency=at_least(prompts.latency, unrecorded_time(work, parameters)))
    mean = Pass(
        *(
            pure * without + (1 - pure) * filled
            for without, filled in zip(decoding, prompts, strict=True)
        )
    )
    typical = forward_pass(work, parameters, parameters.median_share * admitted, residents)
    mostly = jax.nn.sigmoid(4 * (rate - jnp.log(2.0)))
    return Steps((1 - mostly) * decoding.latency + mostly * typical.latency, *mean)


def decoding_steps(work: Work, parameters: StepParameters, residents: Tokens) -> Steps:
    """Steps of a batch that only decodes, each sequence holding `residents` tokens."""
    only = forward_pass(work, parameters, jnp.zeros_like(work.batch), residents)
    return Steps(only.latency, *only)


def board_power(
    work: Work,
    board: BoardParameters,
    moved: Bytes,
    computed: Flops,
    latency: Seconds,
    cap: Dimensionless,
) -> Watts:
    r"""Power of one GPU by what it uses of its bandwidth and of its 16-bit arithmetic.

    .. math:: P / \text{TDP} = \min(P_{cap}, a + b\,u_\text{HBM} + c \sqrt{u_\text{FLOP}} + \ldots)

    Args:
        work: the run.
        board: coefficients as shares of TDP.
        moved: bytes that one GPU reads in a step.
        computed: operations that it does in a step.
        latency: time of the step.
        cap: the share of TDP that no board exceeds.

    Returns:
        Board power.

    Source: `params/calibrated.yaml`; layers of experts and requantized blocks cost what their
        kernels do beside reading weights.
    """
    terms = power_terms(work, moved, computed, latency)
    coefficients = (
        board.idle,
        board.memory,
        board.compute,
        board.expert_layers,
        board.shared,
        board.requantized,
    )
    return work.tdp * jnp.minimum(
        cap, sum(one * term for one, term in zip(coefficients, terms, strict=True))
    )


def power_terms(
    work: Work, moved: Bytes, computed: Flops, latency: Seconds
) -> tuple[Dimensionless, ...]:
    """What the coefficients of `BoardParameters` multiply, in their order."""
    bandwidth, arithmetic = moved / latency / work.bandwidth, computed / latency / work.peak_rate
    shared = jnp.where(work.gpus > 1, -1.0, 0.0)
    return (
        jnp.ones_like(latency),
        bandwidth,
        jnp.sqrt(arithmetic),
        work.expert_layers / 100,
        shared,
        work.requantized,
    )


def prediction(work: Work, board: BoardParameters, steps: Steps, cap: Dimensionless) -> Prediction:
    """What a run does, from its steps."""
    watts = board_power(work, board, steps.moved, steps.computed, steps.mean_latency, cap)
    rate = roofline.throughput(work.batch, steps.mean_latency)
    return Prediction(
        steps.median_latency, rate, watts, roofline.tokens_per_joule(rate, watts * work.gpus)
    )
