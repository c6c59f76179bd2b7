"""The best partition, whether or not a budget couples its pools."""

from collections.abc import Sequence

import numpy as np

from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.optimum.choice import Partition, cost_of, shortest
from tokwatt.planning.optimum.constrained import Budget, Proved, constrained
from tokwatt.units import Dimensionless, DimensionlessAxis

ROUNDING = 1e-9
"""Share of a budget that sums may be over it by."""


def best(columns: Columns, cost: DimensionlessAxis, budget: Budget) -> Proved:
    """The best partition within a budget.

    Args:
        columns: what each configuration takes for each class.
        cost: of each, shape (configuration, class).
        budget: what all pools may use together.

    Returns:
        The shortest path where pools do not depend on each other, else one with a proved gap; of
        infinite cost where there is none.
    """
    return least_worst([columns], cost[None], budget)


def least_worst(each: Sequence[Columns], costs: DimensionlessAxis, budget: Budget) -> Proved:
    """The partition that costs least in the trace that it costs most, within a budget.

    Args:
        each: what each configuration takes for each class, by trace; GPUs are the same.
        costs: of each, shape (trace, configuration, class).
        budget: what all pools may use together, under each trace.

    Returns:
        The shortest path where one trace costs more than the others whatever is chosen and pools
        do not depend on each other, else one with a proved gap.
    """
    costs = costs[_unbeaten(costs)]
    if budget.couples or len(costs) > 1:
        return constrained(each, costs, budget)
    return Proved(shortest(costs[0], each[0].classes.bins, budget.pools), 0.0, 0.0)


def _unbeaten(costs: DimensionlessAxis) -> list[int]:
    """Traces that no other costs at least as much as, whatever is chosen; one of equals."""
    kept = [*range(len(costs))]
    for place in range(len(costs)):
        if any((costs[it] >= costs[place]).all() for it in kept if it != place):
            kept.remove(place)
    return kept


def cost_within(
    columns: Columns, partition: Partition, cost: DimensionlessAxis, budget: Budget
) -> Dimensionless:
    """What a partition costs by other columns, infinite where it breaks a budget there."""
    bins = columns.classes.bins
    used = {gpu: gpus_used(columns, partition, gpu) for gpu in budget.inventory or {}}
    over = [used[gpu] > most for gpu, most in (budget.inventory or {}).items()]
    if budget.power is not None:
        over.append(cost_of(partition, columns.power, bins) > budget.power * (1 + ROUNDING))
    return np.inf if any(over) else cost_of(partition, cost, bins)


def gpus_used(columns: Columns, partition: Partition, gpu: str) -> Dimensionless:
    """GPUs of a kind that a partition takes."""
    return cost_of(partition, columns.gpus_of(gpu), columns.classes.bins)
