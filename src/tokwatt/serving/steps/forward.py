"""One forward pass of a serving engine over a batch, with parameters fitted to measured runs."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from tokwatt.equations.batching import busiest_rank, overlapped
from tokwatt.equations.weights import expert_coverage
from tokwatt.serving.gpu.cache import moved_bytes
from tokwatt.serving.steps.costs import PassCosts
from tokwatt.units import Bytes, Dimensionless, Seconds, Sequences, Tokens

SMALL_MESSAGE = 2e6
"""Bytes of a collective that every GPU sends to every other; what exceeds them goes around a ring.

Source: one-shot all-reduce of vLLM, SGLang and TensorRT-LLM.
"""
Touched = Callable[[Dimensionless, Tokens], Dimensionless]
"""Share of the routed experts of a layer that a pass over so many tokens reads, from the share that
one token uses."""


class ForwardPass(NamedTuple):
    """One pass over a batch.

    Attributes:
        latency: its duration.
        weight_time: the part that reads weights.
        compute_time: arithmetic, at the rates that are reached, attention to the cache too; a part
            of it hides behind reading.
        scan_time: the part that reads the KV cache.
        launch_time: the part that launches kernels of experts.
        moved: bytes that one GPU reads.
    """

    latency: Seconds
    weight_time: Seconds
    compute_time: Seconds
    scan_time: Seconds
    launch_time: Seconds
    moved: Bytes


def forward_pass(
    costs: PassCosts,
    batch: Sequences,
    length: Tokens,
    prompts: Tokens,
    prompt: Tokens,
    touched: Touched = expert_coverage,
    dispatched: bool = True,
) -> ForwardPass:
    r"""One pass over a batch that also takes in prompts.

    .. math:: \tau = \sqrt{\tau_w^2 + \tau_c^2} + \sqrt{\tau_{we}^2 + \tau_{ce}^2} +
        \sqrt{\tau_{kv}^2 + \tau_{mla}^2} + \tau_{att} + \tau_{comm} + t_0 + h n

    Args:
        costs: of its parts.
        batch: running requests of the instance.
        length: tokens that one of them holds on the average.
        prompts: prompt tokens that the pass takes in, over all ranks.
        prompt: tokens of the prompts that they are of, at least 1.
        touched: which share of the routed experts it reads.
        dispatched: whether tokens take time to reach their experts.

    Returns:
        The pass.

    Source: roofline with overheads; `params/calibration.yaml` says what its parameters start from.
    """
    own = prompts / costs.data_parallel
    return _pass(costs, batch, length, prompts, own, prompt, touched, dispatched)


def lone_pass(costs: PassCosts, batch: Sequences, length: Tokens, prompt: Tokens) -> ForwardPass:
    """A pass that takes in one prompt, which stays on one rank of attention."""
    return _pass(costs, batch, length, prompt, prompt, prompt, expert_coverage, True)


def attention_time(costs: PassCosts, length: Tokens) -> Seconds:
    """Arithmetic of a decoded token's attention: to all before it, where a prompt's is to half."""
    cache = costs.cache
    grouped = jnp.where(costs.latent_math > 0, 0.0, 2 * costs.prompt_math)
    windowed = 2 * costs.sliding_math * jnp.minimum(length, cache.window)
    return (costs.latent_math + grouped) * length + windowed


@partial(jax.jit, static_argnames=("touched", "dispatched"))  # traced once for many passes
def _pass(
    costs: PassCosts,
    batch: Sequences,
    length: Tokens,
    prompts: Tokens,
    own_prompts: Tokens,
    prompt: Tokens,
    touched: Touched,
    dispatched: bool,
) -> ForwardPass:
    """A pass of which one rank of attention takes in `own_prompts`."""
    tokens, own_batch = batch + prompts, batch / costs.data_parallel
    own_tokens = own_batch + own_prompts
    routed = partial(_routed_reading, touched=touched, dispatched=dispatched)
    read, expert_read, expert_time = lax.cond(costs.experts > 0, routed, _no_reading, costs, tokens)
    answered = own_batch + own_prompts / prompt
    dense_math = costs.dense_math * own_tokens + costs.head_math * answered
    cache = costs.cache
    scanned = own_batch * moved_bytes(cache, length)
    scan_time = overlapped(scanned * costs.scan, own_batch * length * costs.latent_math)
    seen = jnp.minimum(prompt, 2 * cache.window)
    attention = own_prompts * (costs.prompt_math * prompt + costs.sliding_math * seen)
    launch_time = costs.expert_launch if dispatched else 0.0 * costs.expert_launch
    latency = (
        overlapped(costs.dense_read, dense_math)
        + expert_time
        + scan_time
        + attention
        + _link_time(costs, own_tokens, dispatched)
        + costs.launch
        + launch_time
        + jnp.where(prompts > 0, costs.prompt_launch, 0.0)
        + costs.sequence * batch
    )
    return ForwardPass(
        latency=latency,
        weight_time=costs.dense_read + expert_read,
        compute_time=dense_math
        + costs.expert_math * tokens
        + attention
        + own_batch * attention_time(costs, length),
        scan_time=scan_time,
        launch_time=launch_time,
        moved=costs.streamed + costs.routed * read + scanned,
    )


def _routed_reading(
    costs: PassCosts, tokens: Tokens, touched: Touched, dispatched: bool
) -> tuple[Dimensionless, Seconds, Seconds]:
    """Share of the routed experts that a pass reads, and times to read and to pass through them."""
    independent = costs.independence * tokens + 1 - costs.independence
    read = touched(costs.expert_share, independent)
    uneven = busiest_rank(costs.expert_parallel, costs.experts, tokens * costs.expert_share)
    reading = costs.expert_read * read * (uneven if dispatched else 1.0)
    return read, reading, overlapped(reading, costs.expert_math * tokens)


def _no_reading(costs: PassCosts, tokens: Tokens) -> tuple[Dimensionless, Seconds, Seconds]:
    """The same of a dense LLM, of which what a pass touches need not be worked out."""
    none = 0.0 * tokens
    return none, none, none


def _link_time(costs: PassCosts, tokens: Tokens, dispatched: bool) -> Seconds:
    """Time of all collectives for so many tokens of a rank."""
    message = costs.message * tokens
    repeated = (costs.tensor_parallel / 2 - 1) * jnp.minimum(message, SMALL_MESSAGE)
    exchanged = costs.exchange * message if dispatched else 0.0
    return costs.reduce * (message + repeated) + exchanged
