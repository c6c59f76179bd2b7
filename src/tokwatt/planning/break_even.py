"""Break-even between GPUs: the rent at which one enters a plan, the rates at which they swap."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokwatt.planning.best import best
from tokwatt.planning.choice import TIE, cost_of
from tokwatt.planning.classes import Classes, at_rates
from tokwatt.planning.part_columns import LANES
from tokwatt.planning.plan import Plan
from tokwatt.serving.traffic import Part, Traffic
from tokwatt.units import (
    DollarsPerSecond,
    RequestsPerSecond,
    RequestsPerSecondAxis,
    Tokens,
)

MOST_TIMES, LEAST_RATE = 10.0, 1.0
"""Rates that are looked at: from this one, or the plan's own where it is less, to so many times the
plan's own."""


class Price(NamedTuple):
    """The rent of a GPU, dollars per second.

    Attributes:
        now: what it is.
        break_even: below which the plan of the least dollars uses it; infinite where no other GPU
            keeps the bounds.
    """

    now: DollarsPerSecond
    break_even: DollarsPerSecond


def break_even_prices(plan: Plan) -> Mapping[str, Price]:
    r"""The rent below which the plan of the least dollars uses each GPU, the others' as it is.

    .. math:: p^* = \max_\text{plans} (c_\text{without} - c_\text{others}) / n

    Args:
        plan: the plan, whatever it makes least; its budgets hold.

    Returns:
        By GPU. The maximum is found by Dinkelbach's iteration, exactly: each step is a plan.

    Source: Dinkelbach (1967), doi:10.1287/mnsc.13.7.492.
    """
    configurations = plan.columns.whole.configurations
    rents = dict(zip(configurations.gpu.tolist(), configurations.price.tolist(), strict=True))
    return {gpu: Price(now, _break_even_price(plan, gpu, now)) for gpu, now in rents.items()}


def _break_even_price(plan: Plan, gpu: str, now: DollarsPerSecond) -> DollarsPerSecond:
    columns, budget, bins = plan.columns, plan.question.budget, plan.columns.classes.bins
    rent = columns.cost("dollars")
    counts = np.where(np.isfinite(rent), columns.gpus_of(gpu), 0.0)
    without = best(columns, np.where(counts > 0, np.inf, rent), budget).partition.cost
    if not np.isfinite(without):
        return np.inf
    rest, price = rent - now * counts, 0.0
    while True:
        found = best(columns, rest + price * counts, budget).partition
        count, others = cost_of(found, counts, bins), cost_of(found, rest, bins)
        if not count or (without - others) / count <= price * (1 + TIE):
            return price
        price = (without - others) / count


class Stretch(NamedTuple):
    """Rates over which single pools of one GPU cost least.

    Attributes:
        gpu: the GPU; empty where none keeps the targets.
        low: the least rate.
        high: the largest rate.
    """

    gpu: str
    low: RequestsPerSecond
    high: RequestsPerSecond


def break_even_rates(plan: Plan) -> list[Stretch]:
    """Which GPU costs least over arrival rates, each fleet one pool of its best configuration.

    Args:
        plan: the plan; its budgets are left out.

    Returns:
        Stretches of rates, rising, on a grid of rates a few percent apart; where they swap is
        refined to a thousandth. Whole instances make small fleets swap several times.
    """
    rate = float(plan.question.demand.arrival_rate)
    rates = np.geomspace(min(LEAST_RATE, rate), MOST_TIMES * rate, LANES[0])
    gpus = _cheapest(plan, rates)
    found, low = [], rates[0]
    for place in np.flatnonzero(gpus[1:] != gpus[:-1]):
        swap = _refined(plan, gpus[place], rates[place], rates[place + 1])
        found.append(Stretch(str(gpus[place]), float(low), swap))
        low = swap
    return [*found, Stretch(str(gpus[-1]), float(low), float(rates[-1]))]


def _refined(
    plan: Plan, gpu: str, low: RequestsPerSecond, high: RequestsPerSecond
) -> RequestsPerSecond:
    """The first rate between two at which a GPU costs least no more."""
    rates = np.geomspace(low, high, LANES[0])
    return float(rates[np.argmax(_cheapest(plan, rates) != gpu)])


def _cheapest(plan: Plan, rates: RequestsPerSecondAxis) -> np.ndarray:
    """The GPU that costs least at each rate; empty where none keeps the targets."""
    columns = plan.columns
    factors = rates / float(plan.question.demand.arrival_rate)
    classes = AtRates(**vars(columns.classes), factors=factors)
    cost = columns.between_lengths(classes).cost(plan.question.objective)
    gpus = np.array([" and ".join(sorted(own)) for own in columns.gpu_names])
    return np.where(np.isfinite(cost.min(axis=0)), gpus[cost.argmin(axis=0)], "")


@dataclass(frozen=True)
class AtRates(Classes):
    """The class of all requests at shares of their arrival rate, as classes of their own.

    Attributes:
        factors: arrival rate of each over that of the demand.
    """

    factors: np.ndarray

    @property
    def windows(self) -> np.ndarray:
        """Context window of each."""
        return np.full(len(self.factors), self.edges[-1])

    def traffic(self, chunk: Tokens, part: Part = "both") -> Traffic:
        """What each asks of an instance: the same requests, more of them."""
        return at_rates(super().traffic(chunk, part), self.bins - 1, self.factors)
