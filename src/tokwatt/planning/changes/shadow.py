"""Shadow prices: the smallest relaxation of a bound that changes the plan, and what it saves."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.optimum.arcs import Arcs, least_beside
from tokwatt.planning.optimum.best import best, gpus_used
from tokwatt.planning.optimum.choice import cost_of
from tokwatt.planning.optimum.constrained import GAP
from tokwatt.planning.plan import Plan
from tokwatt.units import Dimensionless

MILLISECOND, WATT, GPU = 1e-3, 1.0, 1.0
"""Units by which targets, a power cap and an inventory are relaxed."""
STEPS = 1000
"""A power cap is relaxed by a watt, or by so many parts of it where that is more."""
Cost = Callable[[Dimensionless], Dimensionless]
"""What the best plan costs where a bound is so much more."""


class ShadowPrice(NamedTuple):
    """What relaxing one bound saves, all others as they are; numbers are in SI units.

    Numbers of instances are whole, so that one unit more mostly saves nothing.

    Attributes:
        bound: what is asked for now.
        unit: a millisecond, a watt or a GPU.
        one_more: share of the cost that one unit more saves.
        relaxation: the smallest addition that saves anything; infinite where none does, targets up
            to twice as long.
        saved: share of the cost that it saves.
    """

    bound: Dimensionless
    unit: Dimensionless
    one_more: Dimensionless
    relaxation: Dimensionless
    saved: Dimensionless


def shadow_prices(plan: Plan) -> Mapping[str, ShadowPrice]:
    """What more of each bound saves, found by choosing the plan again.

    Returns:
        By bound: `itl`, `ttft`, `power_cap`, and each GPU of the inventory by name. A saving of
        less than a ten-thousandth, to which plans within budgets are proved, is none.
    """
    demand, budget = plan.question.demand, plan.question.budget
    targets = {"itl": "itl_target", "ttft": "latency_target"}
    found = {
        name: _of_target(plan, field)
        for name, field in targets.items()
        if math.isfinite(float(getattr(demand, field)))
    }
    if budget.power is not None:
        found["power_cap"] = _of_power(plan, budget.power)
    return found | {gpu: _of_inventory(plan, gpu) for gpu in budget.inventory or {}}


def _of_target(plan: Plan, field: str) -> ShadowPrice:
    """A target; only configurations that a cheaper plan may have are evaluated again."""
    now = float(getattr(plan.question.demand, field))
    longest = plan.columns.at(**{field: 2 * now})
    useful = _cheaper(longest, longest.cost(plan.question.objective), _least(plan))
    places = np.flatnonzero(np.isfinite(useful).any(axis=1)).tolist()
    few = longest.only(places)

    def cost(more: Dimensionless) -> Dimensionless:
        own = few.at(**{field: now + more})
        return best(own, own.cost(plan.question.objective), plan.question.budget).partition.cost

    return _priced(plan, now, MILLISECOND, MILLISECOND, now if places else 0.0, cost)


def _of_power(plan: Plan, now: Dimensionless) -> ShadowPrice:
    columns, budget = plan.columns, plan.question.budget
    costs = _cheaper(columns, plan.cost, _least(plan))
    free = best(columns, costs, replace(budget, power=None)).partition
    most = cost_of(free, columns.power, columns.classes.bins) - now

    def cost(more: Dimensionless) -> Dimensionless:
        return best(columns, costs, replace(budget, power=now + more)).partition.cost

    return _priced(plan, now, WATT, max(WATT, now / STEPS), most, cost)


def _of_inventory(plan: Plan, gpu: str) -> ShadowPrice:
    columns, budget = plan.columns, plan.question.budget
    counts = dict(budget.inventory or {})
    now = counts.pop(gpu)
    costs = _cheaper(columns, plan.cost, _least(plan))
    free = best(columns, costs, replace(budget, inventory=counts)).partition
    most = gpus_used(columns, free, gpu) - now

    def cost(more: Dimensionless) -> Dimensionless:
        own = replace(budget, inventory=counts | {gpu: now + int(more)})
        return best(columns, costs, own).partition.cost

    return _priced(plan, float(now), GPU, GPU, most, cost)


def _least(plan: Plan) -> Dimensionless:
    """What the best plan costs at least."""
    return plan.partition.cost * (1 - plan.proved.gap)


def _cheaper(columns: Columns, cost: np.ndarray, most: Dimensionless) -> np.ndarray:
    """Costs of columns that a plan of less than `most` may have, infinite for the others."""
    low, high = columns.classes.ends
    least, unlimited = cost.min(axis=0), np.zeros((0, len(low)))
    arcs = Arcs(least[None], cost.argmin(axis=0), low, high, unlimited, columns.classes.bins)
    return np.where(cost + least_beside(arcs, least) < most * (1 - GAP), cost, np.inf)


def _priced(
    plan: Plan,
    now: Dimensionless,
    unit: Dimensionless,
    step: Dimensionless,
    most: Dimensionless,
    cost: Cost,
) -> ShadowPrice:
    """The smallest of so many steps up to `most` that saves anything: costs never rise with it."""
    least, high, low = _least(plan), math.ceil(max(most, 0.0) / step), 0

    def saved(steps: int) -> Dimensionless:
        return 1 - cost(steps * step) / least

    if not high or (best_saved := saved(high)) <= GAP:
        return ShadowPrice(now, unit, 0.0, math.inf, 0.0)
    while high - low > 1:
        middle = (low + high) // 2
        if (share := saved(middle)) > GAP:
            high, best_saved = middle, share
        else:
            low = middle
    one_more = best_saved if step == unit else max(1 - cost(unit) / least, 0.0)
    return ShadowPrice(now, unit, one_more if high == 1 else 0.0, high * step, best_saved)
