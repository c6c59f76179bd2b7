"""The queue of prompts of an instance: percentiles of the time to first token."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations.percentiles import late_wait, quantile_of_sum
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.queue import PromptQueue, prompt_queue, token_share
from tokwatt.serving.steps.chunked import (
    LATE_DEVIATIONS,
    Load,
    admitted,
    all_passes,
    beside_passes,
    filled_share,
)
from tokwatt.serving.steps.passes import (
    Passes,
    Prefill,
    chunked_share,
    late_iteration,
    pass_over,
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
    probability: Dimensionless,
) -> Seconds:
    """A percentile of the time from admission to the first token.

    Args:
        prefill: the instance.
        passes: what its passes take.
        queue: of its prompts.
        prompt: the same percentile of prompts.
        probability: share of requests within the percentile.

    Returns:
        Overheads of client and server, the rest of the iteration that runs, the prompts before it,
        its own passes, which others share where there are any as far as prompts fill chunks, and
        half of what is behind it in the last of them: each by its mean, and their deviations as if
        they were independent.

    Source: arrivals of a Poisson process see time averages; chunked prefill, arXiv:2308.16369.
    """
    costs, traffic = prefill.instance.costs, prefill.traffic
    prompts = jnp.maximum(1.0, traffic.prompts)
    shared = queue.waiting * chunked_share(prefill)

    def own(tokens: Tokens, passing: Seconds) -> Seconds:
        alone = all_passes(costs, tokens, passing)
        return alone + shared * (queue.work(tokens) - alone)

    mean = own(prompts, passes.mean)
    mean += queue.quadratic * (traffic.prompts2 - traffic.prompts**2)
    longest = own(prompt, pass_over(prefill, prompt))
    before, deviations = _before(prefill, passes, queue, probability)
    taken = quantile_of_sum(before + mean, (longest - mean, *deviations))
    return beside_passes(costs, prompt) + taken


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
    costs, typical = prefill.instance.costs, prefill.traffic.median_prompt
    own = beside_passes(costs, jnp.ones_like(typical)) + pass_over(prefill, typical)
    return own + quantile_of_sum(*_before(prefill, passes, queue, probability))


def _before(
    prefill: Prefill, passes: Passes, queue: PromptQueue, probability: Dimensionless
) -> tuple[Seconds, tuple[Seconds, Seconds]]:
    """Mean time of what a prompt shares its passes with or waits for, and its deviations."""
    rest = prefill.iteration.latency / 2
    behind = jnp.minimum(rest + queue.wait / (1 + queue.waiting), passes.full / 2)
    late = late_wait(queue.waiting, queue.wait, queue.wait_scv, probability)
    deviations = late - queue.wait, (2 * probability - 1) * rest
    return rest + queue.wait + queue.waiting * behind, deviations


class PrefillUse(NamedTuple):
    """How much the prompts of a pool take of its instances.

    Attributes:
        prefill_utilization: share of the time that prompts fill the chunks.
        prefill_share: share of iterations that take in prompts.
        token_share: share of output tokens that come of such iterations.
        blocking: mean time that a prompt in progress still takes over all of the time of the 99th
            percentile of prompts.
        median_blocking: the same over the time to first token of the median prompt alone.
        kv_peak: 99th percentile of the tokens that requests hold, over those of the KV cache pool.
        latency_ratio: mean inter-token latency over the mean iteration, which is less where
            requests pile up while prompts follow upon one another.
    """

    prefill_utilization: Dimensionless
    prefill_share: Dimensionless
    token_share: Dimensionless
    blocking: Dimensionless
    median_blocking: Dimensionless
    kv_peak: Dimensionless
    latency_ratio: Dimensionless


class PoolLatencies(NamedTuple):
    """How long the requests of a pool wait for their tokens, once they are admitted.

    Attributes:
        prefill: an instance of the pool.
        queued: its passes and the queue of its prompts; None where the rules know none.
    """

    prefill: Prefill
    queued: tuple[Passes, PromptQueue] | None = None

    def first_token(self, prompt: Tokens, probability: Dimensionless) -> Seconds:
        """A percentile of the time to first token, from the same percentile of prompts."""
        if self.queued is None:
            own = self.prefill
            return first_token(own.assumed, own.instance, own.load, prompt)
        return late_first_token(self.prefill, *self.queued, prompt, probability)

    def shortest(self, probability: Dimensionless) -> Seconds:
        """A percentile of the time to first token of a prompt of one token."""
        if self.queued is None:
            return self.first_token(jnp.ones_like(self.prefill.load.batch), probability)
        return shortest_first_token(self.prefill, *self.queued, probability)

    @property
    def token_share(self) -> Dimensionless:
        """Share of output tokens that come of iterations with prompts."""
        if self.queued is None:
            return 0.0 * self.prefill.load.batch
        return token_share(self.prefill, *self.queued)

    def late(self, share: Dimensionless) -> Seconds:
        """99th percentile of the inter-token latency, from the `token_share`."""
        if self.queued is None:
            return self.prefill.iteration.late_latency
        passes, queue = self.queued
        return late_iteration(self.prefill, passes, queue.used, share)

    def use(self, load: Load, held: Sequences, share: Dimensionless) -> PrefillUse:
        """What a load takes of an instance whose KV cache pool holds so many mean requests."""
        if self.queued is None:
            return PrefillUse(*[0.0 * load.batch] * 7)
        traffic, costs, (passes, queue) = (
            self.prefill.traffic,
            self.prefill.instance.costs,
            self.queued,
        )
        median = traffic.median_prompt
        alone = all_passes(costs, median, pass_over(self.prefill, median))
        alone += beside_passes(costs, median)
        tokens = (1 - share) * passes.decoding + share * passes.mean
        most = load.batch * load.length + LATE_DEVIATIONS * resident_deviation(load, traffic)
        return PrefillUse(
            prefill_utilization=queue.used,
            prefill_share=filled_share(costs, self.prefill.load),
            token_share=share,
            blocking=queue.blocking / queue.work(traffic.long_prompt),
            median_blocking=queue.blocking / alone,
            kv_peak=most / (held * load.length),
            latency_ratio=tokens / self.prefill.iteration.latency,
        )


def pool_latencies(
    assumed: Assumptions,
    instance: Instance,
    load: Load,
    traffic: Traffic,
    iteration: Step,
    rate: RequestsPerSecond,
    instances: Instances,
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

    Source: see `late_first_token` and `late_iteration`; requests that run are a Poisson variable,
        and so are their tokens a sum of as many.
    """
    if assumed.prefill != "chunked":
        return PoolLatencies(Prefill(assumed, instance, load, traffic, iteration))
    running = admitted(instance.costs, load)
    prefill = Prefill(assumed, instance, running, traffic, iteration)
    passes = passes_of(prefill)
    return PoolLatencies(prefill, (passes, prompt_queue(prefill, passes, rate, instances)))
