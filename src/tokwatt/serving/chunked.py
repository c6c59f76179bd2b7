"""Iterations of an instance whose engine takes prompts in by chunks beside what it decodes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.params.specs import StepParameters
from tokwatt.serving.forward import ForwardPass, Touched, expected_experts, forward_pass
from tokwatt.serving.instance import GpuShare
from tokwatt.units import Dimensionless, Seconds, Sequences, Tokens

MOSTLY_SHARPNESS = 4.0
"""How sharply the median iteration goes over from decoding alone to one with prefill."""
LATE = 0.01
"""Share of iterations that may last longer than the late one: its percentile is 99."""
LATE_DEVIATIONS = 2.326
"""Standard deviations above its mean at which a normal variable has that share left."""
MOST_FILLED = 1 - 1e-9
"""Share of iterations with prefill from which on all of them have it."""


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


def iterations(
    share: GpuShare,
    parameters: StepParameters,
    load: Load,
    touched: Touched = expected_experts,
    dispatched: bool = True,
) -> Iterations:
    r"""Iterations of a run in which requests end and are admitted, :math:`\lambda` in each.

    .. math:: f = \max(1 - e^{-\lambda}, \lambda p / C)

    Args:
        share: what one GPU reads and computes.
        parameters: efficiencies and overheads.
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
    chunk = share.prefill_chunk
    admitted = jnp.minimum(1.0, chunk / jnp.maximum(load.prompts, 1.0))
    running, starts = load.batch * admitted, load.prefills * admitted
    prompts = load.prompts * admitted
    filled = jnp.minimum(1.0, jnp.maximum(-jnp.expm1(-starts), prompts / chunk))
    each = prompts / jnp.where(filled > 0, filled, 1.0)

    def taking_in(tokens: Tokens) -> ForwardPass:
        return forward_pass(share, parameters, running, load.length, tokens, touched, dispatched)

    decoding, filling = taking_in(0.0 * each), taking_in(each)
    mean = ForwardPass(
        *((1 - filled) * a + filled * b for a, b in zip(decoding, filling, strict=True))
    )
    waiting = -jnp.log1p(-jnp.minimum(filled, MOST_FILLED))
    mostly = jax.nn.sigmoid(MOSTLY_SHARPNESS * (waiting - jnp.log(2.0)))
    typical = taking_in(parameters.median_share * each).latency
    median = (1 - mostly) * decoding.latency + mostly * typical
    most = taking_in(_late_tokens(each, prompts, starts, chunk)).latency
    late = jnp.where(filled > LATE, most, decoding.latency)
    return Iterations(
        decoding=decoding,
        mean=mean,
        median_latency=median,
        late_latency=jnp.maximum(median, late),
        running=running,
        prompts=prompts,
    )


def _late_tokens(each: Tokens, prompts: Tokens, starts: Dimensionless, chunk: Tokens) -> Tokens:
    """Prompt tokens of the 99th percentile of passes: those of so many mean prompts at once."""
    known = jnp.where(starts > 0, starts, 1.0)
    at_once = jnp.maximum(1.0, known + LATE_DEVIATIONS * jnp.sqrt(known))
    return jnp.clip(prompts / known * at_once, each, jnp.maximum(each, chunk))
