"""What keeps a pool of a plan from being smaller, and what in it no measured run supports."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax

from tokwatt.accounts.answers.support import support_of
from tokwatt.planning.part import PlannedPart
from tokwatt.planning.plan import Plan
from tokwatt.serving.account import Account
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.limits import step_limits
from tokwatt.serving.instance import Instance, concurrency
from tokwatt.units import Sequences, Tokens

NEAR = 1e-6
"""Share of a bound within which a number is at it."""


class Held(NamedTuple):
    """What would hold the batch of a pool if no target did.

    Attributes:
        held: running requests that the KV cache of an instance holds.
        most: running requests that the engine allows.
    """

    held: Sequences
    most: Sequences


@jax.jit
def _held(
    account: Account, instances: Instance, deployment: Deployment, traffic: Traffic, window: Tokens
) -> Held:
    instance = jax.tree.map(lambda leaf: leaf[0, 0], instances)
    limits = step_limits(deployment.serving_engine, deployment.gpu)
    return Held(
        concurrency(account.assumed, instance, window, traffic.steps_mean / traffic.steps),
        limits.sequences * instance.data_parallel,
    )


def binding(part: PlannedPart) -> list[str]:
    """What binds instances of a plan: their batch first, then their number.

    Returns:
        One of `itl`, `ttft`, `KV cache` and `max_num_seqs`; one of `utilization` and `ttft`.
    """
    columns, demand = part.columns, part.columns.demand
    instances, pool = columns.repeated(part.configuration), part.pool
    found = _held(columns.account, instances, part.deployment, part.traffic, part.window)
    if float(pool.concurrency) >= float(found.held) * (1 - NEAR):
        batch = "max_num_seqs" if found.held >= found.most * (1 - NEAR) else "KV cache"
    else:
        late = float(pool.prompt_time) >= float(demand.latency_target) * (1 - NEAR)
        batch = "ttft" if late else "itl"
    needed = float(pool.instances) - float(demand.spare_instances)
    load = float(pool.arrival_rate / pool.service_rate)
    fewest = -(-load // float(demand.max_utilization)) if load else 0.0
    return [batch, "utilization" if needed <= max(fewest, 1.0) else "ttft"]


def extrapolated(plan: Plan) -> list[str]:
    """What no measured run supports, a phrase for each kind of it: the first pool's that has it."""
    phrases: list[str] = []
    for place, part in enumerate(plan.parts):
        whole = replace(part, own=part.own._replace(part="both"))
        names, traffic = part.own.names, whole.traffic
        if not traffic.share:
            continue
        support = support_of(
            plan.question.catalogue,
            names,
            part.columns.account,
            plan.fleet.pools[place]["batch"].value,
            traffic.prompts,
            traffic.generated / traffic.share,
            part.window,
            part.own.part,
        )
        if support is None:
            continue
        limits = ("max_num_seqs", "max_num_batched_tokens")
        told = [f"{it} {value}" for it in limits if (value := getattr(names, it)) is not None]
        phrases += [f"{names.gpu}: {phrase}" for phrase in (*support.extrapolated, *told)]
    return first_of_kind(phrases)


def first_of_kind(phrases: Sequence[str]) -> list[str]:
    """Phrases of which none says the same as one before it of another number."""
    first = {phrase.partition(" (")[0].rpartition(" ")[0]: phrase for phrase in phrases[::-1]}
    return list(first.values())[::-1]
