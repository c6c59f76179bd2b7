"""The queue of prompts of an instance: percentiles of the time to first token."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations.percentiles import late_wait, quantile_of_sum
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.queue import PromptQueue, prompt_queue
from tokwatt.serving.steps.chunked import LATE_DEVIATIONS, Load, admitted
from tokwatt.serving.steps.passes import (
    LATE,
    Passes,
    Prefill,
    late_iteration,
    passes_of,
    resident_deviation,
)
from tokwatt.serving.steps.step import Step, first_token
from tokwatt.units import (
    Dimensionless,
    Instances,
    RequestsPerSecond,
    Seconds,
    Sequences,
    Tokens,
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
        return alone + queue.waiting * (shared - alone)

    mean = own(jnp.maximum(1.0, traffic.prompts), passes.mean)
    mean += queue.quadratic * (traffic.prompts2 - traffic.prompts**2)
    before, deviations = _before(prefill, passes, queue, probability)
    fixed = costs.first_token + costs.first_token_prompt * prompt
    return fixed + quantile_of_sum(before + mean, (own(prompt, passing) - mean, *deviations))


def shortest_first_token(
    prefill: Prefill, passes: Passes, queue: PromptQueue, probability: Dimensionless
) -> Seconds:
    """A percentile of the time to first token of a prompt of one token.

    Args:
        prefill: the instance.
        passes: what its passes take; its own is at most that of the median prompt.
        queue: of its prompts.
        probability: share of requests within the percentile.

    Source: as `late_first_token`, where only the wait and the rest of an iteration vary.
    """
    costs = prefill.instance.costs
    own = costs.first_token + costs.first_token_prompt + passes.median
    return own + quantile_of_sum(*_before(prefill, passes, queue, probability))


def _before(
    prefill: Prefill, passes: Passes, queue: PromptQueue, probability: Dimensionless
) -> tuple[Seconds, tuple[Seconds, Seconds]]:
    """Mean time of what a prompt shares its passes with or waits for, and its deviations."""
    rest = prefill.iteration.latency / 2
    behind = jnp.minimum(rest + queue.wait / (1 + queue.waiting), passes.full / 2)
    late = late_wait(queue.waiting, queue.wait, probability)
    deviations = late - queue.wait, (2 * probability - 1) * rest
    return rest + queue.wait + queue.waiting * behind, deviations


class PoolLatencies(NamedTuple):
    """How long the requests of a pool wait for their tokens, once they are admitted.

    Attributes:
        median_first_token: median time to first token.
        late_first_token: its 99th percentile.
        median_shortest: median time to first token of a prompt of one token.
        late_shortest: its 99th percentile.
        late_latency: 99th percentile of the inter-token latency.
        prefill_utilization: share of the time that prompts fill the chunks.
        prefill_share: share of iterations that take in prompts.
        blocking: mean time that a prompt in progress still takes over all of the time of the 99th
            percentile of prompts.
        kv_peak: 99th percentile of the tokens that requests hold, over those of the KV cache pool.
    """

    median_first_token: Seconds
    late_first_token: Seconds
    median_shortest: Seconds
    late_shortest: Seconds
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
    instances: Instances,
    held: Sequences,
) -> PoolLatencies:
    """How long the requests of a pool wait for their tokens, once they are admitted.

    Args:
        assumed: whether prompts are taken in by chunks, and the router before them; the paper's
            rules know no queue of them.
        instance: an instance of the pool.
        load: its mean batch.
        traffic: the requests.
        iteration: the mean iteration.
        rate: requests per second of an instance.
        instances: those of the pool.
        held: mean requests that its KV cache pool holds.

    Source: see `late_first_token` and `late_iteration`; requests that run are a Poisson variable,
        and so are their tokens a sum of as many.
    """
    if assumed.prefill != "chunked":
        typical = first_token(assumed, instance, load, traffic.median_prompt)
        late = first_token(assumed, instance, load, traffic.long_prompt)
        shortest, nothing = first_token(assumed, instance, load, 1.0 + 0.0 * typical), 0.0 * typical
        return PoolLatencies(
            typical, late, shortest, shortest, iteration.late_latency, *[nothing] * 4
        )
    running = admitted(instance.costs, load)
    prefill = Prefill(assumed, instance, running, traffic, iteration)
    passes = passes_of(prefill)
    queue = prompt_queue(prefill, passes, rate, instances)
    median, late = (
        late_first_token(prefill, passes, queue, prompt, passing, probability)
        for prompt, passing, probability in (
            (traffic.median_prompt, passes.median, 0.5),
            (traffic.long_prompt, passes.late, LATE),
        )
    )
    shortest = [
        shortest_first_token(prefill, passes, queue, probability) for probability in (0.5, LATE)
    ]
    longest = queue.linear * traffic.long_prompt + queue.quadratic * traffic.long_prompt**2
    most = load.batch * load.length + LATE_DEVIATIONS * resident_deviation(load, traffic)
    return PoolLatencies(
        median_first_token=median,
        late_first_token=late,
        median_shortest=shortest[0],
        late_shortest=shortest[1],
        late_latency=late_iteration(prefill, passes),
        prefill_utilization=queue.used,
        prefill_share=queue.filled,
        blocking=queue.blocking / longest,
        kv_peak=most / (held * load.length),
    )
