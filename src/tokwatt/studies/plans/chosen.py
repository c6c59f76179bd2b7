"""Datasets of plans: the best fleets, what each lever is worth, other targets, rates and a day."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.planning.changes.day import POLICIES, Day, day_of
from tokwatt.planning.changes.levers import LEVERS, cost_without
from tokwatt.planning.plan import Plan
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.plans.common import PlanInputs, Workloads, plan_at, with_pools
from tokwatt.units import (
    Dimensionless,
    DollarsPerToken,
    JoulesPerToken,
    RequestsPerSecond,
    RequestsPerSecondAxis,
    Seconds,
    SecondsAxis,
    Watts,
)


class Planned(NamedTuple):
    """A plan.

    Attributes:
        joules_per_token: of an output token.
        dollars_per_token: of an output token.
        power: watts of all pools.
        gpus: of all pools.
        pools: how many.
        one_pool: joules of the best single pool over those of the plan.
        late_first_token: 99th percentile of the slowest pool.
        inter_token_latency: median of the slowest pool.
    """

    joules_per_token: JoulesPerToken
    dollars_per_token: DollarsPerToken
    power: Watts
    gpus: Dimensionless
    pools: Dimensionless
    one_pool: Dimensionless
    late_first_token: Seconds
    inter_token_latency: Seconds


NONE = Planned(*[np.nan] * 8)
"""Where no fleet meets the targets."""


def plans(catalogue: Catalogue, common: PlanInputs, workloads: Workloads) -> xr.Dataset:
    """The fleet of the least joules for each workload and LLM, its pools in words."""
    found = common.plans(catalogue, workloads)

    def planned(workload: str, llm: str) -> Planned:
        return _numbers(found[workload, llm])

    return with_pools(grid.tabulate(planned, **common.axes(workloads)), found.values())


class LeverWorth(NamedTuple):
    """What a lever is worth.

    Attributes:
        alone: joules of the plan without only this lever, over those of the plan.
        added: joules of eight H100 in 16 bits and one pool over those with only this lever.
        left: joules of an output token without this lever and those that stand before it.
    """

    alone: Dimensionless
    added: Dimensionless
    left: JoulesPerToken


def plan_levers(catalogue: Catalogue, common: PlanInputs, workloads: Workloads) -> xr.Dataset:
    """What each lever is worth: taken from the plan, and given to a plain fleet."""
    found = common.plans(catalogue, workloads)
    order = list(reversed(LEVERS))

    def worth(workload: str, llm: str, lever: str) -> LeverWorth:
        own = found[workload, llm]
        if own is None:
            return LeverWorth(*[np.nan] * 3)
        others = [name for name in LEVERS if name != lever]
        left = cost_without(own, order[: order.index(lever) + 1])
        return LeverWorth(
            cost_without(own, [lever]) / own.cost_per_token,
            cost_without(own, list(LEVERS)) / cost_without(own, others),
            left,
        )

    return grid.tabulate(worth, **common.axes(workloads), lever=order)


def plan_front(
    catalogue: Catalogue, common: PlanInputs, workloads: Workloads, itl_targets: SecondsAxis
) -> xr.Dataset:
    """Plans over targets on the inter-token latency, in place of the one in common."""
    longest = replace(common, itl_target=float(max(itl_targets)))
    found = longest.plans(catalogue, workloads)

    def planned(workload: str, llm: str, itl_target: Seconds) -> Planned:
        return _numbers(plan_at(found[workload, llm], itl_target=float(itl_target)))

    return grid.tabulate(planned, **common.axes(workloads), itl_target=itl_targets)


def plan_rates(
    catalogue: Catalogue,
    common: PlanInputs,
    workloads: Workloads,
    arrival_rates: RequestsPerSecondAxis,
) -> xr.Dataset:
    """Plans over arrival rates in place of the one in common, their pools in words."""
    highest = replace(common, arrival_rate=float(max(arrival_rates)))
    found = {
        (*key, float(rate)): plan_at(own, arrival_rate=float(rate))
        for key, own in highest.plans(catalogue, workloads).items()
        for rate in arrival_rates
    }

    def planned(workload: str, llm: str, arrival_rate: RequestsPerSecond) -> Planned:
        return _numbers(found[workload, llm, float(arrival_rate)])

    table = grid.tabulate(planned, **common.axes(workloads), arrival_rate=arrival_rates)
    return with_pools(table, found.values())


class DayWorth(NamedTuple):
    """A day of a plan.

    Attributes:
        joules_per_token: of an output token of the day.
        dollars_per_token: of an output token of the day.
        over_peak: joules of a token over those at the peak.
    """

    joules_per_token: JoulesPerToken
    dollars_per_token: DollarsPerToken
    over_peak: Dimensionless


def plan_days(catalogue: Catalogue, common: PlanInputs, workloads: Workloads) -> xr.Dataset:
    """A day whose peak is the arrival rate, by what becomes of instances that an hour spares."""
    day = Day.of(catalogue)
    found = common.plans(catalogue, workloads)
    days = {key: day_of(own, day) for key, own in found.items() if own is not None}

    def rested(workload: str, llm: str, policy: str) -> DayWorth:
        if (workload, llm) not in days:
            return DayWorth(*[np.nan] * 3)
        own = days[workload, llm][policy]
        return DayWorth(own.joules_per_token, own.dollars_per_token, own.over_peak)

    return grid.tabulate(rested, **common.axes(workloads), policy=list(POLICIES))


def _numbers(own: Plan | None) -> Planned:
    if own is None:
        return NONE
    fleet = own.fleet
    return Planned(
        fleet.joules_per_token,
        fleet.dollars_per_token,
        fleet.power,
        fleet.gpus,
        float(len(own.names)),
        own.one_pool.cost / own.partition.cost,
        fleet.first_token_p99,
        fleet.inter_token_latency,
    )
