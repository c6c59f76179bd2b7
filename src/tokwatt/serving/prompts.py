"""The queue of prompts of an instance: percentiles of the time to first token and of iterations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tokwatt.equations.percentiles import gamma_quantile, late_wait, mean_wait, quantile_of_sum
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.chunked import LATE_DEVIATIONS, MOST_QUEUED, Load, admitted, filled_share
from tokwatt.serving.instance import Instance
from tokwatt.serving.power import board_power
from tokwatt.serving.step import Step, first_token, single_use
from tokwatt.serving.traffic import Traffic
from tokwatt.units import (
    Dimensionless,
    RequestsPerSecond,
    Seconds,
    SecondsPerToken,
    Sequences,
    Tokens,
)

LATE = 0.99
"""The percentile of those that come late."""


class PromptQueue(NamedTuple):
    """Prompts before an instance, which takes in one after the other by full chunks.

    Attributes:
        linear: seconds of a prompt token in a full chunk, but for attention.
        quadratic: seconds of attention for each squared token of a prompt.
        used: share of the time that prompts fill the chunks.
        wait: mean time to take in the prompts before one.
        blocking: mean time that a prompt in progress still takes, over the time in progress.
        filled: share of iterations that take in prompts.
    """

    linear: SecondsPerToken
    quadratic: Seconds
    used: Dimensionless
    wait: Seconds
    blocking: Seconds
    filled: Dimensionless


class Prefill(NamedTuple):
    """An instance that takes in prompts beside what it decodes.

    Attributes:
        assumed: what passes cost.
        instance: the instance.
        load: its batch, of which no more decode than chunks leave.
        traffic: the requests.
        iteration: its mean iteration.
    """

    assumed: Assumptions
    instance: Instance
    load: Load
    traffic: Traffic
    iteration: Step


class Passes(NamedTuple):
    """Durations of passes, at the clock that the board keeps.

    Attributes:
        full: of a full chunk of mean prompts.
        longer: of a full chunk of prompts twice as long.
        mean: of the mean prompt, or of as much of it as a chunk takes.
        median: of the median prompt.
        late: of the 99th percentile of prompts.
        decoding: that takes in no prompt.
        filled: with the 99th percentile of what iterations take in.
        crowded: that takes in no prompt, with the 99th percentile of requests.
    """

    full: Seconds
    longer: Seconds
    mean: Seconds
    median: Seconds
    late: Seconds
    decoding: Seconds
    filled: Seconds
    crowded: Seconds


def passes_of(prefill: Prefill) -> Passes:
    """Passes of an instance, evaluated together, so that one pass is compiled for all of them."""
    load, traffic, chunk = prefill.load, prefill.traffic, prefill.instance.costs.chunk
    mean = jnp.maximum(1.0, traffic.prompts)
    median, late = traffic.median_prompt, traffic.long_prompt
    nothing, taken = 0.0 * mean, late_tokens(prefill)
    batch = load.batch + 1 + LATE_DEVIATIONS * jnp.sqrt(load.batch)
    held = (
        load.batch * load.length + load.length + LATE_DEVIATIONS * resident_deviation(load, traffic)
    )
    crowded = load._replace(batch=batch, length=held / batch)
    each = Passes(
        full=(load, chunk, mean),
        longer=(load, chunk, 2 * mean),
        mean=(load, jnp.minimum(mean, chunk), mean),
        median=(load, jnp.minimum(median, chunk), median),
        late=(load, jnp.minimum(late, chunk), late),
        decoding=(load, nothing, mean),
        filled=(load, taken, mean),
        crowded=(crowded, nothing, mean),
    )
    loads = [own._replace(prompts=tokens, prefills=tokens / prompt) for own, tokens, prompt in each]

    def passing(load: Load) -> Seconds:
        use = single_use(prefill.assumed, prefill.instance, load)
        return board_power(prefill.assumed, prefill.instance, use)[0]

    return Passes(*jax.vmap(passing)(jax.tree.map(lambda *parts: jnp.stack(parts), *loads)))


def prompt_queue(prefill: Prefill, passes: Passes, rate: RequestsPerSecond) -> PromptQueue:
    r"""How prompts queue for the passes of an instance.

    .. math:: s = \alpha i + \beta i^2, \quad \bar w = \frac{\lambda \overline{s^2}}{2 (1 - \rho)}

    Args:
        prefill: the instance.
        passes: what its passes take.
        rate: prompts per second that it is given.

    Returns:
        The queue, M/G/1 in the time s that a prompt of i tokens takes in full chunks.

    Source: Pollaczek and Khinchine; chunked prefill, arXiv:2308.16369.
    """
    costs, traffic = prefill.instance.costs, prefill.traffic
    prompt, full = jnp.maximum(1.0, traffic.prompts), passes.full
    attention = costs.prompt_math / costs.data_parallel
    quadratic = jnp.where(attention > 0, (passes.longer - full) / (costs.chunk * prompt), 0.0)
    linear = full / costs.chunk - quadratic * prompt
    mean = linear * traffic.prompts + quadratic * traffic.prompts2
    square = (
        linear**2 * traffic.prompts2
        + 2 * linear * quadratic * traffic.prompts3
        + quadratic**2 * traffic.prompts4
    )
    used = jnp.minimum(MOST_QUEUED, rate * mean)
    return PromptQueue(
        linear=linear,
        quadratic=quadratic,
        used=used,
        wait=mean_wait(used, rate, square),
        blocking=square / (2 * jnp.maximum(mean, 1e-12)),
        filled=filled_share(costs, prefill.load),
    )


def late_first_token(
    prefill: Prefill,
    passes: Passes,
    queue: PromptQueue,
    prompt: Tokens,
    passing: Seconds,
    probability: Dimensionless,
) -> Seconds:
    """A percentile of the time from admission to the first token.

    Args:
        prefill: the instance.
        passes: what its passes take.
        queue: of its prompts.
        prompt: the same percentile of prompts.
        passing: its pass, of `passes`.
        probability: share of requests within the percentile.

    Returns:
        Overheads of client and server, the rest of the iteration that runs, the prompts before it,
        its own passes, which others share where there are any, and half of what is behind it in
        the last of them: each by its mean, and their deviations as if they were independent.

    Source: arrivals of a Poisson process see time averages; chunked prefill, arXiv:2308.16369.
    """
    costs, traffic = prefill.instance.costs, prefill.traffic

    def own(tokens: Tokens, passing: Seconds) -> Seconds:
        alone = passing * jnp.maximum(1.0, tokens / costs.chunk)
        shared = queue.linear * tokens + queue.quadratic * tokens**2
        return alone + queue.used * (shared - alone)

    mean = own(jnp.maximum(1.0, traffic.prompts), passes.mean)
    mean += queue.quadratic * (traffic.prompts2 - traffic.prompts**2)
    rest = prefill.iteration.latency / 2
    behind = jnp.minimum(rest + queue.wait / (1 + queue.used), passes.full / 2)
    deviations = (
        own(prompt, passing) - mean,
        late_wait(queue.used, queue.wait, probability) - queue.wait,
        (2 * probability - 1) * rest,
    )
    whole = rest + queue.wait + mean + queue.used * behind
    fixed = costs.first_token + costs.first_token_prompt * prompt
    return fixed + quantile_of_sum(whole, deviations)


def late_tokens(prefill: Prefill) -> Tokens:
    """The 99th percentile of the prompt tokens that an iteration takes in.

    Source: as many prompts come in an iteration as a Poisson variable says; the tokens of prompts
        that come together are taken for a gamma variable.
    """
    load, traffic = prefill.load, prefill.traffic
    some = jnp.maximum(filled_share(prefill.instance.costs, load), 1e-9)
    square = (load.prefills * traffic.prompts2 + load.prompts**2) / some
    share = jnp.maximum(1e-9, 1 - (1 - LATE) / some)
    tokens = jnp.minimum(
        prefill.instance.costs.chunk, gamma_quantile(load.prompts / some, square, share)
    )
    return jnp.where(some > 1 - LATE, jnp.maximum(tokens, 1.0), 0.0)


def late_iteration(prefill: Prefill, passes: Passes) -> Seconds:
    """The 99th percentile of iterations: by the prompts of those that take in any, by the batch.

    Args:
        prefill: the instance.
        passes: what its passes take.

    Returns:
        Seconds, at least the median.

    Source: as many requests run as a Poisson variable says; one sees one more than the mean batch,
        itself.
    """
    decoding = passes.decoding
    late = quantile_of_sum(decoding, (passes.filled - decoding, passes.crowded - decoding))
    return jnp.maximum(prefill.iteration.median_latency, late)


def resident_deviation(load: Load, traffic: Traffic) -> Tokens:
    """Standard deviation of the tokens that all running requests hold: of a Poisson number."""
    return jnp.sqrt(load.batch * traffic.steps_mean2 / traffic.steps)


class PoolLatencies(NamedTuple):
    """How long the requests of a pool wait for their tokens, once they are admitted.

    Attributes:
        median_first_token: median time to first token.
        late_first_token: its 99th percentile.
        late_latency: 99th percentile of the inter-token latency.
        prefill_utilization: share of the time that prompts fill the chunks.
        prefill_share: share of iterations that take in prompts.
        blocking: mean time that a prompt in progress still takes over all of the time of the 99th
            percentile of prompts.
        kv_peak: 99th percentile of the tokens that requests hold, over those of the KV cache pool.
    """

    median_first_token: Seconds
    late_first_token: Seconds
    late_latency: Seconds
    prefill_utilization: Dimensionless
    prefill_share: Dimensionless
    blocking: Dimensionless
    kv_peak: Dimensionless


def pool_latencies(
    assumed: Assumptions,
    instance: Instance,
    load: Load,
    traffic: Traffic,
    iteration: Step,
    rate: RequestsPerSecond,
    held: Sequences,
) -> PoolLatencies:
    """How long the requests of a pool wait for their tokens, once they are admitted.

    Args:
        assumed: whether prompts are taken in by chunks; the paper's rules know no queue of them.
        instance: an instance of the pool.
        load: its mean batch.
        traffic: the requests.
        iteration: the mean iteration.
        rate: requests per second of an instance.
        held: mean requests that its KV cache pool holds.

    Source: see `late_first_token` and `late_iteration`; requests that run are a Poisson variable,
        and so are their tokens a sum of as many.
    """
    if assumed.prefill != "chunked":
        typical = first_token(assumed, instance, load, traffic.median_prompt)
        late = first_token(assumed, instance, load, traffic.long_prompt)
        nothing = 0.0 * typical
        return PoolLatencies(typical, late, iteration.late_latency, *[nothing] * 4)
    running = admitted(instance.costs, load)
    prefill = Prefill(assumed, instance, running, traffic, iteration)
    passes = passes_of(prefill)
    queue = prompt_queue(prefill, passes, rate)
    median, late = (
        late_first_token(prefill, passes, queue, prompt, passing, probability)
        for prompt, passing, probability in (
            (traffic.median_prompt, passes.median, 0.5),
            (traffic.long_prompt, passes.late, LATE),
        )
    )
    longest = queue.linear * traffic.long_prompt + queue.quadratic * traffic.long_prompt**2
    most = load.batch * load.length + LATE_DEVIATIONS * resident_deviation(load, traffic)
    return PoolLatencies(
        median_first_token=median,
        late_first_token=late,
        late_latency=late_iteration(prefill, passes),
        prefill_utilization=queue.used,
        prefill_share=queue.filled,
        blocking=queue.blocking / longest,
        kv_peak=most / (held * load.length),
    )
