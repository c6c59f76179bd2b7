"""Prompts that wait before an instance, by the router that sent them there."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations.busy import share_of_busy
from tokwatt.equations.percentiles import mean_wait, wait_scv
from tokwatt.equations.routers import (
    LEAST_USED,
    wait_in_order,
    wait_shared,
    waiting_in_order,
    waiting_shared,
)
from tokwatt.serving.choices import Router
from tokwatt.serving.steps.chunked import MOST_QUEUED, filled_share
from tokwatt.serving.steps.passes import Passes, Prefill
from tokwatt.units import (
    Dimensionless,
    Instances,
    RequestsPerSecond,
    Seconds,
    SecondsPerToken,
    Tokens,
)

LEAST = 1e-12
"""Seconds that stand for none, by which nothing may be divided."""


class PromptQueue(NamedTuple):
    """Prompts before an instance, which takes in one after the other by full chunks.

    Attributes:
        linear: seconds of a prompt token in a full chunk, but for attention.
        quadratic: seconds of attention for each squared token of a prompt.
        used: share of the time that prompts fill the chunks.
        waiting: share of prompts that find others before them.
        wait: mean time to take in the prompts before one.
        wait_scv: squared variation of that time, of the prompts that find others before them.
        mean: mean time that a prompt takes in full chunks.
        blocking: mean time that a prompt in progress still takes, over the time in progress.
    """

    linear: SecondsPerToken
    quadratic: Seconds
    used: Dimensionless
    waiting: Dimensionless
    wait: Seconds
    wait_scv: Dimensionless
    mean: Seconds
    blocking: Seconds

    def work(self, prompt: Tokens) -> Seconds:
        """Time that a prompt takes in full chunks."""
        return self.linear * prompt + self.quadratic * prompt**2


def prompt_queue(
    prefill: Prefill, passes: Passes, rate: RequestsPerSecond, instances: Instances
) -> PromptQueue:
    r"""How prompts queue for the passes of an instance.

    .. math:: s = \alpha i + \beta i^2, \quad \bar w = \frac{\lambda \overline{s^2}}{2 (1 - \rho)}

    Args:
        prefill: the instance, and the router before it.
        passes: what its passes take.
        rate: prompts per second that it is given.
        instances: those of its pool, among which the router chooses.

    Returns:
        The queue, M/G/1 in the time s that a prompt of i tokens takes in full chunks where they
        come at random, and shorter behind other routers.

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
    cube = (
        linear**3 * traffic.prompts3
        + 3 * linear**2 * quadratic * traffic.prompts4
        + 3 * linear * quadratic**2 * traffic.prompts5
        + quadratic**3 * traffic.prompts6
    )
    used = jnp.minimum(MOST_QUEUED, rate * mean)
    wait = mean_wait(used, rate, square)
    scv = square / jnp.maximum(mean, LEAST) ** 2 - 1
    waiting, shorter = _routed(prefill.assumed.router, used, scv, instances)
    return PromptQueue(
        linear=linear,
        quadratic=quadratic,
        used=used,
        waiting=waiting,
        wait=shorter * wait,
        wait_scv=wait_scv(used, mean, square, cube),
        mean=mean,
        blocking=square / (2 * jnp.maximum(mean, LEAST)),
    )


def token_share(prefill: Prefill, passes: Passes, queue: PromptQueue) -> Dimensionless:
    """Share of output tokens that come of iterations with prompts.

    Args:
        prefill: the instance.
        passes: what its passes take.
        queue: of its prompts.

    Returns:
        At least the share of such iterations, and more where prompts follow upon one another.

    Source: `share_of_busy`; what is left to a token taken at random is the mean of as many
        exponential numbers.
    """
    traffic = prefill.traffic
    scv = 2 * queue.blocking / jnp.maximum(queue.mean, LEAST) - 1
    ending = 2 * traffic.steps / jnp.maximum(1.0, traffic.steps2)
    leaving = ending / passes.mean, ending / passes.decoding
    slowed = share_of_busy(queue.used, queue.mean, scv, *leaving)
    return jnp.maximum(filled_share(prefill.instance.costs, prefill.load), slowed)


def _routed(
    router: Router, used: Dimensionless, scv: Dimensionless, instances: Instances
) -> tuple[Dimensionless, Dimensionless]:
    """Share of prompts that find others before them, and their wait over that in M/G/1.

    Source: what `params/assumptions.yaml` has at each. Those who wait do so no shorter than
        where the router knows the work before each instance, which none does better, and no longer
        than at random. One that counts requests sees nearly only those that decode: simulated, it
        does to prompts what one in turn does.
    """
    if router == "random":
        return used, jnp.ones_like(used)
    delayed = waiting_shared(used, instances)
    shorter = wait_shared(used, instances)
    if router == "least_work":
        return delayed, shorter
    delayed = jnp.maximum(delayed, waiting_in_order(used, scv, instances))
    least = delayed / (instances * jnp.maximum(used, LEAST_USED))
    shorter = jnp.maximum(least, wait_in_order(used, scv, instances))
    return jnp.maximum(delayed, used * shorter), shorter
