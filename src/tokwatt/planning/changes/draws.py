"""Whether a choice survives the calibration: the same plans at joint draws of its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tokwatt.accounts.parts import PoolNames
from tokwatt.params.errors import ParameterError
from tokwatt.planning.changes.levers import levers_of, partition_without
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.columns.configurations import Configurations
from tokwatt.planning.optimum.best import best, cost_within
from tokwatt.planning.optimum.choice import TIE, Partition
from tokwatt.planning.optimum.constrained import Proved
from tokwatt.planning.plan import Plan
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless, DimensionlessAxis

CONTENDERS = 12
"""Configurations that compete at each draw: the best single pools, beside the best of each GPU and
those of the plan and of the plans without each lever."""
LENGTHS = 8
"""Candidate lengths that may split requests at each draw, beside those of the plan."""
LATE = 0.95
"""Share of draws that a high regret is not exceeded in."""


@dataclass(frozen=True)
class Contender:
    """A plan under every draw.

    Attributes:
        names: configuration of each pool.
        longest: longest request, or prompt, of each pool.
        wins: share of draws at which it costs least.
        expected_cost: mean over draws at which it keeps its targets and budgets.
        expected_regret: mean of its cost over the least cost of the draw, less 1.
        high_regret: 95th percentile of the same.
        missed: share of draws at which it misses a target or a budget.
    """

    names: tuple[PoolNames, ...]
    longest: tuple[float, ...]
    wins: Dimensionless
    expected_cost: Dimensionless
    expected_regret: Dimensionless
    high_regret: Dimensionless
    missed: Dimensionless


@dataclass(frozen=True, eq=False)
class Contest:
    """A plan at every draw, among the few configurations and lengths that compete with it.

    Numbers of instances follow each draw, as a fleet is resized when it turns out slower.

    Attributes:
        plan: the best at the calibration's own values.
        configurations: places of the configurations that compete.
        edges: places of the lengths that may split requests.
        columns: theirs, at the same values.
        drawn: theirs at each draw.
        costs: what they cost at each draw, shape (configuration, class).
    """

    plan: Plan
    configurations: tuple[int, ...]
    edges: tuple[int, ...]
    columns: Columns
    drawn: Sequence[Columns]
    costs: Sequence[np.ndarray]

    @cached_property
    def partitions(self) -> list[Partition]:
        """Plans that compete: the plan itself, those that win at a draw, and the best on average.

        The mean cost of a plan is the sum of its columns' means, so that a shortest path over these
        has the least expected cost of all that never miss.
        """
        at_draws = [
            best(columns, cost, self.plan.question.budget).partition
            for columns, cost in zip(self.drawn, self.costs, strict=True)
        ]
        own = self.plan.partition
        edges = tuple(map(self.edges.index, own.edges))
        itself = Partition(1.0, edges, tuple(map(self.configurations.index, own.configurations)))
        plans = [it for it in (itself, *at_draws, self.best_without(())) if it.edges]
        known = dict.fromkeys((it.edges, it.configurations) for it in plans)
        return [Partition(1.0, *it) for it in known]

    def best_without(self, places: Sequence[int], most_pools: int | None = None) -> Partition:
        """The least expected cost without some configurations; of infinite cost for none.

        Where every plan misses a bound at some draw, it is the least at the calibration's values.
        """
        budget = self.plan.question.budget
        budget = replace(budget, pools=most_pools or budget.pools)
        own = self.columns.cost(self.plan.question.objective)
        for cost in (np.mean(self.costs, axis=0), own.copy()):
            cost[list(places)] = np.inf
            found = best(self.columns, cost, budget).partition
            if found.edges:
                break
        return found

    def costs_of(self, partition: Partition) -> DimensionlessAxis:
        """What a plan costs at each draw, infinite where it misses a target or a budget."""
        drawn = zip(self.drawn, self.costs, strict=True)
        budget = self.plan.question.budget
        return np.array([cost_within(it, partition, cost, budget) for it, cost in drawn])

    @cached_property
    def least(self) -> DimensionlessAxis:
        """The least cost of each draw."""
        return np.min([self.costs_of(own) for own in self.partitions], axis=0)

    def contender(self, partition: Partition) -> Contender:
        """A plan under every draw."""
        costs = self.costs_of(partition)
        met = np.isfinite(costs)
        regret = costs[met] / self.least[met] - 1
        names = self.columns.names
        return Contender(
            tuple(names[place] for place in partition.configurations),
            tuple(float(self.columns.classes.edges[place]) for place in partition.edges[1:]),
            wins=float(np.mean(met & (costs <= self.least * (1 + TIE)))),
            expected_cost=float(costs[met].mean() / self.columns.generated)
            if met.any()
            else np.inf,
            expected_regret=float(regret.mean()) if met.any() else np.inf,
            high_regret=float(np.quantile(regret, LATE)) if met.any() else np.inf,
            missed=float(np.mean(~met)),
        )

    @cached_property
    def ranked(self) -> list[tuple[Contender, Partition]]:
        """Plans that compete, those of fewest misses first, then of the least expected cost."""
        found = [(self.contender(own), own) for own in self.partitions]
        return sorted(found, key=lambda it: (it[0].missed, it[0].expected_cost))

    @property
    def contenders(self) -> list[Contender]:
        """The same without their places."""
        return [contender for contender, _ in self.ranked]

    @property
    def own(self) -> Contender:
        """The plan that is best at the calibration's own values."""
        return self.contender(self.partitions[0])

    @property
    def configuration_wins(self) -> dict[PoolNames, Dimensionless]:
        """Share of draws at which each configuration is part of the best plan, most often first.

        Of plans that cost the same at a draw it is the first that competes.
        """
        costs = np.array([self.costs_of(own) for own in self.partitions])
        first = (costs <= self.least * (1 + TIE)).argmax(axis=0)[np.isfinite(self.least)]
        names = self.columns.names
        best = [{names[place] for place in self.partitions[own].configurations} for own in first]
        wins = {
            own: sum(own in each for each in best) / len(self.drawn) for own in set().union(*best)
        }
        return dict(sorted(wins.items(), key=lambda item: -item[1]))

    @cached_property
    def named(self) -> Plan:
        """The plan of the least expected cost, which is the one to buy."""
        contender, chosen = self.ranked[0]
        if contender == self.own:
            return self.plan
        places = tuple(self.configurations[place] for place in chosen.configurations)
        own = Partition(0.0, tuple(self.edges[place] for place in chosen.edges), places)
        cost = cost_within(self.plan.columns, own, self.plan.cost, self.plan.question.budget)
        proved = self.plan.proved
        least = proved.partition.cost * (1 - proved.gap)
        gap = 1 - least / cost
        return replace(self.plan, proved=Proved(own._replace(cost=cost), gap, proved.power_price))


def contest(plan: Plan, catalogue: Catalogue) -> Contest:
    """A plan at joint draws of the calibration's parameters.

    Raises:
        ParameterError: where the calibration has no joint draws.
    """
    if not catalogue.draws:
        raise ParameterError("draws: the calibration has none, wanted joint draws to compare at.")
    places, edges = _competing(plan)
    classes = plan.columns.classes
    lengths = replace(classes, edges=classes.edges[list(edges)])
    columns = plan.columns.only(places).between_lengths(lengths)
    names = columns.whole.configurations.names
    drawn = [
        columns.configured(Configurations.of(catalogue.drawn(place), names))
        for place in range(catalogue.draws)
    ]
    costs = [own.cost(plan.question.objective) for own in drawn]
    return Contest(plan, places, edges, columns, drawn, costs)


def _competing(plan: Plan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places of the configurations and lengths that compete."""
    bins, own = plan.columns.classes.bins, plan.partition
    whole = plan.cost[:, bins - 1]
    ranked = [int(place) for place in np.argsort(whole) if np.isfinite(whole[place])]
    gpus = plan.columns.gpu_names
    first = {gpus[place]: place for place in reversed(ranked)}
    simpler = [partition_without(plan, [lever]) for lever in levers_of(plan)]
    rivals = [place for it in simpler for place in it.configurations]
    places = {*own.configurations, *ranked[:CONTENDERS], *first.values(), *rivals}
    some = np.linspace(0, bins, LENGTHS).round().astype(int)
    edges = {*map(int, some), *own.edges, *(edge for it in simpler for edge in it.edges)}
    return tuple(sorted(places)), tuple(sorted(edges))
