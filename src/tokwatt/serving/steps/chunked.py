"""Iterations of an instance whose engine takes prompts in by chunks beside what it decodes."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations.elementary import expm1, log1p
from tokwatt.equations.weights import expert_coverage
from tokwatt.serving.steps.costs import PassCosts
from tokwatt.serving.steps.forward import ForwardPass, Touched, forward_pass, lone_pass
from tokwatt.units import Dimensionless, Seconds, Sequences, Tokens

MOSTLY_SHARPNESS = 3
"""How sharply the median iteration goes over from decoding alone to one with prefill: the exponent
of the odds."""
LATE = 0.01
"""Share of iterations that may last longer than the late one: its percentile is 99."""
LATE_DEVIATIONS = 2.326
"""Standard deviations above its mean at which a normal variable has that share left."""
MOST_FILLED = 1 - 1e-9
"""Share of iterations with prefill from which on all of them have it."""
MOST_QUEUED = 0.95
"""Use of the chunks from which on the queue of prompts is not extrapolated."""


class Load(NamedTuple):
    """What an instance runs.

    Attributes:
        batch: running requests.
        length: tokens that one of them holds on the average.
        prompts: prompt tokens that an iteration takes in, for the whole instance.
        prefills: requests whose prefill begins in an iteration.
    """

    batch: Sequences
    length: Tokens
    prompts: Tokens
    prefills: Dimensionless

    @property
    def prompt(self) -> Tokens:
        """Tokens of a prompt, at least 1."""
        known = jnp.where(self.prefills > 0, self.prefills, 1.0)
        return jnp.maximum(1.0, self.prompts / known)


class Iterations(NamedTuple):
    """Iterations of which some take in prompts.

    Attributes:
        decoding: one that takes in none.
        mean: the mean over all.
        median_latency: median duration, and so the median inter-token latency.
        late_latency: 99th percentile of the duration, at least the median.
        running: requests that decode; the rest of the batch waits for its prompts to be taken in.
        prompts: prompt tokens that the mean iteration takes in, at most a chunk.
    """

    decoding: ForwardPass
    mean: ForwardPass
    median_latency: Seconds
    late_latency: Seconds
    running: Sequences
    prompts: Tokens


def admitted(costs: PassCosts, load: Load) -> Load:
    """The load with no more prompts than chunks hold: fewer requests decode, the rest waits."""
    share = jnp.minimum(1.0, costs.chunk / jnp.maximum(load.prompts, 1.0))
    return load._replace(
        batch=load.batch * share, prompts=load.prompts * share, prefills=load.prefills * share
    )


def filled_share(costs: PassCosts, running: Load) -> Dimensionless:
    """Share of the iterations that take in prompts, of a load that `admitted` lets run."""
    some = jnp.maximum(-expm1(-running.prefills), running.prompts / costs.chunk)
    return jnp.minimum(1.0, some)


@partial(jax.jit, static_argnames=("touched", "dispatched"))
def iterations(
    costs: PassCosts,
    load: Load,
    touched: Touched = expert_coverage,
    dispatched: bool = True,
) -> Iterations:
    r"""Iterations of a run in which requests end and are admitted, :math:`\lambda` in each.

    .. math:: f = \max(1 - e^{-\lambda}, \lambda p / C)

    Args:
        costs: of forward passes.
        load: the requests.
        touched: which share of the routed experts a pass reads.
        dispatched: whether tokens take time to reach their experts.

    Returns:
        The mean over passes that only decode and the share f of those that take in prompts, of
        which none takes in more than a chunk C. Where more arrive, fewer requests decode, so that
        tokens are conserved. The median goes from the former to `median_share` of the latter as
        most passes come to take in prompts.

    Source: arrivals of a Poisson process; chunked prefill, arXiv:2308.16369.
    """
    running = admitted(costs, load)
    prompts, prompt = running.prompts, load.prompt
    filled = filled_share(costs, running)
    each = prompts / jnp.where(filled > 0, filled, 1.0)

    def taking_in(tokens: Tokens) -> ForwardPass:
        return forward_pass(costs, running.batch, load.length, tokens, prompt, touched, dispatched)

    decoding, filling = taking_in(jnp.zeros_like(each)), taking_in(each)
    mean = ForwardPass(
        *((1 - filled) * a + filled * b for a, b in zip(decoding, filling, strict=True))
    )
    waiting = -log1p(-jnp.minimum(filled, MOST_FILLED))
    odds = (waiting / jnp.log(2.0)) ** MOSTLY_SHARPNESS
    mostly = odds / (1 + odds)
    typical = taking_in(costs.median_share * each).latency
    typical -= jnp.where(each > 0, 1 - costs.median_share, 0.0) * costs.prompt_launch
    median = (1 - mostly) * decoding.latency + mostly * typical
    most = jnp.minimum(costs.chunk, each + LATE_DEVIATIONS * jnp.sqrt(each * prompt))
    late = jnp.where(filled > LATE, taking_in(most).latency, decoding.latency)
    return Iterations(
        decoding=decoding,
        mean=mean,
        median_latency=median,
        late_latency=jnp.maximum(median, late),
        running=running.batch,
        prompts=prompts,
    )


@jax.jit
def first_token_time(
    costs: PassCosts, load: Load, prompt: Tokens, stretch: Dimensionless = 1.0
) -> Seconds:
    r"""Time from admission to the first token of a prompt, beside a batch that decodes.

    Args:
        costs: of forward passes.
        load: the batch.
        prompt: tokens of the prompt.
        stretch: how many times as long the limit of the board makes iterations; clocks follow the
            mean over many of them.

    Returns:
        Overheads of client and server, the rest of the iteration that runs, passes over each chunk
        of the prompt, and the wait for the prompts before it.

    Source: chunked prefill, arXiv:2308.16369; the queue of prompts by M/D/1.
    """
    running, mean = admitted(costs, load), iterations(costs, load).mean
    decoding = forward_pass(costs, running.batch, load.length, 0.0 * prompt, load.prompt).latency
    others = jnp.maximum(0.0, running.batch - 1)
    own = lone_pass(costs, others, load.length, jnp.minimum(prompt, costs.chunk)).latency
    own = all_passes(costs, prompt, own)
    beside = jnp.minimum(1.0, running.prefills * own / decoding) / 2
    used = jnp.minimum(MOST_QUEUED, load.prompts / costs.chunk)
    queued = used / (2 * (1 - used))
    taken = stretch * (mean.latency / 2 + own * (1 + beside + queued))
    return beside_passes(costs, prompt) + taken


def all_passes(costs: PassCosts, prompt: Tokens, passing: Seconds) -> Seconds:
    """Passes over a whole prompt, from one that takes in as much of it as a chunk takes."""
    return passing * jnp.maximum(1.0, prompt / costs.chunk)


def beside_passes(costs: PassCosts, prompt: Tokens) -> Seconds:
    """Overheads of client and server before the first token of a prompt."""
    return costs.first_token + costs.first_token_prompt * prompt
