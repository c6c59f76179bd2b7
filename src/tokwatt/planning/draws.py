"""Whether a choice survives the calibration: the same plans at joint draws of its parameters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.errors import ParameterError
from tokwatt.planning.choice import TIE, Partition, cost_of, shortest
from tokwatt.planning.classes import Classes
from tokwatt.planning.columns import Columns
from tokwatt.planning.configurations import Configurations
from tokwatt.planning.plan import Plan
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless, DimensionlessAxis

CONTENDERS = 12
"""Configurations that compete at each draw: the best single pools, and those of the plan."""
LENGTHS = 8
"""Candidate lengths that may split requests at each draw, beside those of the plan."""
LATE = 0.95
"""Share of draws that a high regret is not exceeded in."""


@dataclass(frozen=True)
class Contender:
    """A plan under every draw.

    Attributes:
        names: configuration of each pool.
        windows: context window of each pool.
        wins: share of draws at which it costs least.
        expected_cost: mean over draws at which it meets its targets.
        expected_regret: mean of its cost over the least cost of the draw, less 1.
        high_regret: 95th percentile of the same.
        missed: share of draws at which it misses a target.
    """

    names: tuple[DeploymentNames, ...]
    windows: tuple[float, ...]
    wins: Dimensionless
    expected_cost: Dimensionless
    expected_regret: Dimensionless
    high_regret: Dimensionless
    missed: Dimensionless


def contenders(plan: Plan, catalogue: Catalogue) -> list[Contender]:
    """Plans that win at some draw, and the plan itself, the least expected cost first.

    Args:
        plan: chosen at the calibration's own values.
        catalogue: the parameter folder, whose joint draws these are.

    Returns:
        Those of fewest misses first, then of the least expected cost. Numbers of instances follow
        each draw, as a fleet is resized when it turns out slower.

    Raises:
        ParameterError: where the calibration has no joint draws.
    """
    if not catalogue.draws:
        raise ParameterError("draws: the calibration has none, wanted joint draws to compare at.")
    columns = _contested(plan)
    costs = list(drawn_costs(columns, catalogue, plan.question.objective))
    bins, most = columns.classes.bins, plan.question.budget.pools
    winners = [shortest(cost, bins, most) for cost in costs]
    known = dict.fromkeys((it.edges, it.configurations) for it in winners if it.edges)
    own = shortest(columns.cost(plan.question.objective), bins, most)
    known = {(own.edges, own.configurations): None} | known
    plans = [Partition(0.0, *it) for it in known]
    table = np.array([[cost_of(it, cost, bins) for cost in costs] for it in plans])
    found = [
        _contender(columns, it, row, table.min(axis=0))
        for it, row in zip(plans, table, strict=True)
    ]
    return sorted(found, key=lambda it: (it.missed, it.expected_cost))


def drawn_costs(columns: Columns, catalogue: Catalogue, objective: str) -> Iterator[np.ndarray]:
    """Costs of every column at each draw, shape (configuration, class)."""
    for place in range(catalogue.draws):
        configurations = Configurations.of(catalogue.drawn(place), columns.configurations.names)
        yield replace(columns, configurations=configurations).cost(objective)


def _contested(plan: Plan) -> Columns:
    """The few configurations and lengths that compete."""
    columns, own = plan.columns, plan.partition
    whole = plan.cost[:, columns.classes.bins - 1]
    finite = [int(place) for place in np.argsort(whole) if np.isfinite(whole[place])]
    places = list(dict.fromkeys([*own.configurations, *finite[:CONTENDERS]]))
    edges = columns.classes.edges
    some = np.linspace(0, len(edges) - 1, LENGTHS).round().astype(int)
    kept = edges[np.unique([*some, *own.edges])]
    return replace(
        columns,
        configurations=Configurations(
            tuple(columns.configurations.names[place] for place in places),
            tuple(columns.configurations.deployments[place] for place in places),
        ),
        classes=Classes(columns.classes.assumed, columns.classes.requests, kept),
    )


def _contender(
    columns: Columns, partition: Partition, costs: DimensionlessAxis, least: DimensionlessAxis
) -> Contender:
    met = np.isfinite(costs)
    regret = costs[met] / least[met] - 1
    names = columns.configurations.names
    windows = columns.classes.edges[list(partition.edges[1:])]
    return Contender(
        tuple(names[place] for place in partition.configurations),
        tuple(map(float, windows)),
        wins=float(np.mean(met & (costs <= least * (1 + TIE)))),
        expected_cost=float(costs[met].mean() / columns.generated) if met.any() else np.inf,
        expected_regret=float(regret.mean()) if met.any() else np.inf,
        high_regret=float(np.quantile(regret, LATE)) if met.any() else np.inf,
        missed=float(np.mean(~met)),
    )


def configuration_wins(found: Sequence[Contender]) -> dict[DeploymentNames, Dimensionless]:
    """How often each configuration is part of the best plan, most often first."""
    wins: dict[DeploymentNames, float] = {}
    for contender in found:
        for names in dict.fromkeys(contender.names):
            wins[names] = wins.get(names, 0.0) + contender.wins
    return dict(sorted(wins.items(), key=lambda item: -item[1]))
