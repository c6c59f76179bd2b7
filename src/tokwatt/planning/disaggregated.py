"""What prefill and decode on instances of their own would be worth: a bound, not a plan."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.folder import Folder
from tokwatt.params.specs import spec
from tokwatt.planning.choice import class_place, shortest
from tokwatt.planning.columns import Columns
from tokwatt.planning.plan import Plan
from tokwatt.units import BytesPerSecond, Dimensionless, Share, Tokens


@spec
class Disaggregation:
    """What lies between prefill and decode that are apart.

    Attributes:
        transfer: bytes per second at which the KV cache of a prompt leaves each GPU.
        decode_share: share of the target on the first token that decode may take.
    """

    transfer: BytesPerSecond
    decode_share: Share

    @classmethod
    def of(cls, folder: Folder) -> "Disaggregation":
        """The record of `params/views.yaml`."""
        return folder.section("views").child("disaggregated").spec(cls)


class Apart(NamedTuple):
    """A pool, its prefill and decode apart where that costs less.

    Attributes:
        window: longest request that it serves.
        prefill: what takes in prompts, or serves all of a request.
        decode: what decodes; None where one instance does both.
    """

    window: Tokens
    prefill: DeploymentNames
    decode: DeploymentNames | None


class Disaggregated(NamedTuple):
    """The best plan whose pools may have prefill and decode apart.

    Attributes:
        cost_ratio: its cost over that of the plan without, both free of budgets.
        pools: by rising window.
    """

    cost_ratio: Dimensionless
    pools: tuple[Apart, ...]


def disaggregated(plan: Plan, between: Disaggregation) -> Disaggregated:
    """The best plan whose pools may have prefill and decode apart.

    Args:
        plan: its columns serve both parts on the same instances.
        between: what lies between the two parts.

    Returns:
        Its cost over that of the plan. Both parts are pools of the account: one of requests that
        end with their first token, one of requests whose prompts are in the cache already, in equal
        widths of the cache. The best of each make the best pair. Joules of the transfer and
        failures are left out.

    Source: arXiv:2401.09670 for the parts; the account's own pools for their sizes.
    """
    both, bins = plan.columns, plan.columns.classes.bins
    objective, most = plan.question.objective, plan.question.budget.pools
    whole = both.cost(objective)
    pairs = list(_pairs(both, between, objective))
    costs = np.stack([whole.min(axis=0), *(cost for cost, _, _ in pairs)])
    found = shortest(costs, bins, most)
    pools = []
    for low, high, kind in zip(found.edges, found.edges[1:], found.configurations, strict=False):
        at = class_place(low, high, bins)
        prefill, decode = int(whole[:, at].argmin()), None
        if kind:
            _, first, second = pairs[kind - 1]
            prefill, decode = int(first[at]), int(second[at])
        names = both.configurations.names
        window = float(both.classes.edges[high])
        pools.append(Apart(window, names[prefill], None if decode is None else names[decode]))
    return Disaggregated(found.cost / shortest(whole, bins, most).cost, tuple(pools))


def _pairs(
    both: Columns, between: Disaggregation, objective: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each width of the cache what the best pair costs each class, and its two halves."""
    target = float(both.demand.latency_target)
    share = float(between.decode_share)
    prefill = replace(
        both.at(latency_target=(1 - share) * target, itl_target=math.inf),
        part="prefill",
        transfer=float(between.transfer),
    ).cost(objective)
    decode = replace(both.at(latency_target=share * target), part="decode").cost(objective)
    widths = np.array([float(own.precision.kv) for own in both.configurations.deployments])
    for width in np.unique(widths):
        own = np.flatnonzero(widths == width)
        first, second = prefill[own], decode[own]
        cost = first.min(axis=0) + second.min(axis=0)
        yield cost, own[first.argmin(axis=0)], own[second.argmin(axis=0)]
