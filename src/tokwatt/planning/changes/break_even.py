"""Break-even between GPUs: the rent or the grid at which one pays, loads at which they swap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from tokwatt.planning.columns.classes import Classes, at_rates
from tokwatt.planning.columns.part_columns import LANES
from tokwatt.planning.optimum.best import best
from tokwatt.planning.optimum.choice import TIE, cost_of
from tokwatt.planning.plan import Plan
from tokwatt.serving.demand.requests import Requests
from tokwatt.serving.demand.traffic import Part, Traffic
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    DollarsPerSecond,
    KilogramsPerJoule,
    RequestsPerSecond,
    Share,
    Tokens,
)

MOST_TIMES, LEAST_RATE = 10.0, 1.0
"""Rates that are looked at: from this one, or the plan's own where it is less, to so many times the
plan's own."""
MOST_LONGER, SHARES = 8.0, 33
"""Ratios of prompt to output that are looked at: from that part of each request's own to so many
times it, and how many of them."""


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
    return {gpu: Price(now, _break_even_price(plan, gpu)) for gpu, now in rents.items()}


def _break_even_price(plan: Plan, gpu: str) -> DollarsPerSecond:
    columns, budget, bins = plan.columns, plan.question.budget, plan.columns.classes.bins
    rent = columns.cost("dollars")
    counts = np.where(np.isfinite(rent), columns.rented_of(gpu), 0.0)
    without = best(columns, np.where(counts > 0, np.inf, rent), budget).partition.cost
    if not np.isfinite(without):
        return np.inf
    rest, price = columns.rent(without=gpu), 0.0
    while True:
        found = best(columns, rest + price * counts, budget).partition
        count, others = cost_of(found, counts, bins), cost_of(found, rest, bins)
        if not count or (without - others) / count <= price * (1 + TIE):
            return price
        price = (without - others) / count


class Intensity(NamedTuple):
    """Carbon dioxide of a joule, for fleets of one GPU at another site.

    Attributes:
        now: what it is at the site of the plan.
        break_even: below which a fleet of this GPU alone emits less there than the plan does here;
            0 where no such fleet keeps the bounds.
    """

    now: KilogramsPerJoule
    break_even: KilogramsPerJoule


def break_even_intensities(plan: Plan) -> Mapping[str, Intensity]:
    r"""The intensity of another grid at which a fleet of one GPU emits as little as the plan.

    .. math:: g^* = g \, P_\text{plan} / P_\text{fleet}

    Args:
        plan: the plan, whatever it makes least; its budgets hold at the other site too.

    Returns:
        By GPU, of its fleet of the least watts. Making GPUs and cooling them emits nothing here.
    """
    columns, now = plan.columns, float(plan.columns.energy.grid_intensity)
    here = cost_of(plan.partition, columns.power, columns.classes.bins)
    found = {}
    for gpu in dict.fromkeys(columns.whole.configurations.gpu.tolist()):
        own = np.array([gpus == {gpu} for gpus in columns.gpu_names])
        watts = np.where(own[:, None], columns.power, np.inf)
        there = best(columns, watts, plan.question.budget).partition.cost
        found[gpu] = Intensity(now, now * here / there)
    return found


class Stretch(NamedTuple):
    """Arrival rates, or prompt shares, over which single pools of one GPU cost least.

    Attributes:
        gpu: the GPU; empty where none keeps the targets.
        low: the least rate or share.
        high: the largest rate or share.
    """

    gpu: str
    low: RequestsPerSecond | Share
    high: RequestsPerSecond | Share


def break_even_rates(plan: Plan) -> list[Stretch]:
    """Which GPU costs least over arrival rates, each fleet one pool of its best configuration.

    Args:
        plan: the plan; its budgets are left out.

    Returns:
        Stretches of rates, rising, on a grid of rates a few percent apart; where they swap is
        refined to a thousandth. Whole instances make small fleets swap several times.
    """
    rate = float(plan.question.demand.arrival_rate)

    def cheapest(rates: DimensionlessAxis) -> np.ndarray:
        return _cheapest(plan, AtRates.of(plan.columns.classes, rates / rate))

    rates = np.geomspace(min(LEAST_RATE, rate), MOST_TIMES * rate, LANES[0])
    return _stretches(rates, cheapest)


def break_even_shares(plan: Plan) -> list[Stretch]:
    """Which GPU costs least over the share of tokens that are prompts, as over arrival rates.

    Args:
        plan: the plan; its budgets are left out.

    Returns:
        Stretches of shares, rising. Requests keep their tokens, prompt and output together, and
        arrive as often; the ratio of prompt to output of each is its own times one factor for all,
        from an eighth to eight. Where they swap is refined to half a percent of that factor.
    """
    own = plan.columns.classes

    def cheapest(factors: DimensionlessAxis) -> np.ndarray:
        return _cheapest(plan, AtPrompts.of(own, factors))

    factors = np.geomspace(1 / MOST_LONGER, MOST_LONGER, SHARES)
    return [
        Stretch(gpu, *(prompt_share(with_prompts(own.requests, ratio)) for ratio in ends))
        for gpu, *ends in _stretches(factors, cheapest)
    ]


def prompt_share(requests: Requests) -> Share:
    """Prompt tokens over all tokens of requests."""
    return float(requests.weight @ requests.prompt) / float(requests.weight @ requests.length)


def with_prompts(requests: Requests, factor: Dimensionless) -> Requests:
    """Requests of as many tokens, the ratio of prompt to output of each so many times its own."""
    prompts = factor * requests.prompt
    share = prompts / (prompts + requests.output)
    prompt = np.clip(np.rint(share * requests.length), 1, requests.length - 1)
    return Requests(requests.weight, prompt, requests.length - prompt, share)


def _stretches(
    values: DimensionlessAxis, cheapest: Callable[[DimensionlessAxis], np.ndarray]
) -> list[Stretch]:
    """Runs of values at which the same GPU is cheapest, each swap refined by as many values."""
    gpus = cheapest(values)
    found, low = [], float(values[0])
    for place in np.flatnonzero(gpus[1:] != gpus[:-1]):
        between = np.geomspace(values[place], values[place + 1], len(values))
        swap = float(between[np.argmax(cheapest(between) != gpus[place])])
        found.append(Stretch(str(gpus[place]), low, swap))
        low = swap
    return [*found, Stretch(str(gpus[-1]), low, float(values[-1]))]


def _cheapest(plan: Plan, classes: Classes) -> np.ndarray:
    """The GPU that costs least for each class; empty where none keeps the targets."""
    columns = plan.columns.of_requests(classes)
    cost = columns.cost(plan.question.objective)
    gpus = np.array([" and ".join(sorted(own)) for own in columns.gpu_names])
    return np.where(np.isfinite(cost.min(axis=0)), gpus[cost.argmin(axis=0)], "")


@dataclass(frozen=True)
class AtFactors(Classes):
    """The class of all requests several times, as classes of their own.

    Attributes:
        factors: of each, what it has more of.
    """

    factors: DimensionlessAxis

    @classmethod
    def of(cls, classes: Classes, factors: DimensionlessAxis) -> Self:
        """The requests of classes at factors."""
        return cls(classes.assumed, classes.requests, classes.edges, factors)

    @property
    def windows(self) -> np.ndarray:
        """Context window of each."""
        return np.full(len(self.factors), self.edges[-1])


class AtRates(AtFactors):
    """At shares of their arrival rate."""

    def traffic(self, chunk: Tokens, part: Part = "both") -> Traffic:
        """What each asks of an instance: the same requests, more of them."""
        return at_rates(super().traffic(chunk, part), self.bins - 1, self.factors)


class AtPrompts(AtFactors):
    """With longer prompts and shorter outputs."""

    def traffic(self, chunk: Tokens, part: Part = "both") -> Traffic:
        """What each asks of an instance: requests of the same tokens, more of them prompts."""
        ends = self.edges[[0, -1]]
        each = [
            Classes(self.assumed, with_prompts(self.requests, factor), ends).traffic(chunk, part)
            for factor in self.factors
        ]
        return Traffic(*(np.concatenate(field) for field in zip(*each, strict=True)))
