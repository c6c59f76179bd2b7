"""Columns as arcs between candidate lengths, those that no other beats in costs and budgets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.columns.fronts import fronts
from tokwatt.units import Dimensionless, DimensionlessAxis

POWER, POOLS = "power cap", "most pools"


@dataclass(frozen=True)
class Arcs:
    """Columns as arcs between candidate lengths.

    Attributes:
        costs: of each for each trace, shape (trace, arc).
        configuration: its place.
        low: edge that it leaves.
        high: edge that it reaches.
        uses: shares of the limits that it takes, shape (limit, arc).
        bins: bins between candidate lengths.
    """

    costs: np.ndarray
    configuration: np.ndarray
    low: np.ndarray
    high: np.ndarray
    uses: np.ndarray
    bins: int

    def weighted(self, prices: DimensionlessAxis) -> DimensionlessAxis:
        """What each costs where the costs of traces and whole limits have prices."""
        return prices @ np.concatenate([self.costs, self.uses])

    def worst(self, path: Sequence[int]) -> Dimensionless:
        """What a path costs the trace that it costs most."""
        return float(self.costs[:, path].sum(axis=1).max())

    @property
    def reversed(self) -> "Arcs":
        """The same from the last edge to the first."""
        return replace(self, low=self.bins - self.high, high=self.bins - self.low)


def undominated(
    each: Sequence[Columns], costs: DimensionlessAxis, limits: Mapping[str, Dimensionless]
) -> Arcs:
    """Columns that no other of their class beats in any cost and in everything that is limited.

    Args:
        each: the same columns for each trace: their GPUs are the same.
        costs: of each, shape (cost, configuration, class).
        limits: what is limited, by name; watts are those of each trace.
    """
    columns = each[0]
    low, high = columns.classes.ends
    used = [use / most for name, most in limits.items() for use in _used(each, name)]
    keys = np.stack([*costs, *used])
    kinds = [gpus.intersection(limits) for gpus in columns.gpu_names]
    kept = np.zeros(keys.shape[1:], bool)
    for kind in set(kinds):
        own = np.flatnonzero([it == kind for it in kinds])
        kept[own] = fronts(keys[:, own])
    configuration, at = np.nonzero(kept)
    picked = keys[:, configuration, at]
    return Arcs(
        picked[: len(costs)],
        configuration,
        low[at],
        high[at],
        picked[len(costs) :],
        columns.classes.bins,
    )


def _used(each: Sequence[Columns], name: str) -> Iterator[np.ndarray]:
    """What each column uses of a limit, for each trace where that makes a difference."""
    if name == POWER:
        yield from (columns.power for columns in each)
    elif name == POOLS:
        yield np.ones_like(each[0].power)
    else:
        yield each[0].gpus_of(name)


def cost_left(arcs: Arcs, cost: DimensionlessAxis) -> DimensionlessAxis:
    """Least cost from each edge to the last."""
    least = np.full(arcs.bins + 1, np.inf)
    least[arcs.bins] = 0.0
    matrix = np.full((arcs.bins + 1, arcs.bins + 1), np.inf)
    np.minimum.at(matrix, (arcs.low, arcs.high), cost)
    for low in range(arcs.bins - 1, -1, -1):
        least[low] = (matrix[low] + least).min()
    return least


def least_beside(arcs: Arcs, cost: DimensionlessAxis) -> DimensionlessAxis:
    """What a path through each arc costs at least beside that arc."""
    ahead, behind = cost_left(arcs, cost), cost_left(arcs.reversed, cost)[::-1]
    return behind[arcs.low] + ahead[arcs.high]
