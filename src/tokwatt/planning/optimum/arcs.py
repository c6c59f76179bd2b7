"""Columns as arcs between candidate lengths, those that no other beats in cost and budgets."""

from collections.abc import Mapping
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
        cost: of each.
        configuration: its place.
        low: edge that it leaves.
        high: edge that it reaches.
        uses: shares of the limits that it takes, shape (limit, arc).
        bins: bins between candidate lengths.
    """

    cost: np.ndarray
    configuration: np.ndarray
    low: np.ndarray
    high: np.ndarray
    uses: np.ndarray
    bins: int

    @property
    def reversed(self) -> "Arcs":
        """The same from the last edge to the first."""
        return replace(self, low=self.bins - self.high, high=self.bins - self.low)


def undominated(
    columns: Columns, cost: DimensionlessAxis, limits: Mapping[str, Dimensionless]
) -> Arcs:
    """Columns that no other of their class beats in cost and in everything that is limited."""
    low, high = columns.classes.ends
    uses = np.stack([_used(columns, name) / most for name, most in limits.items()])
    kinds = [gpus.intersection(limits) for gpus in columns.gpu_names]
    kept = np.zeros(cost.shape, bool)
    for kind in set(kinds):
        own = np.flatnonzero([it == kind for it in kinds])
        kept[own] = fronts(np.stack([cost[own], *uses[:, own]]))
    configuration, at = np.nonzero(kept)
    picked = configuration, at
    return Arcs(
        cost[picked],
        configuration,
        low[at],
        high[at],
        uses[:, configuration, at],
        columns.classes.bins,
    )


def _used(columns: Columns, name: str) -> np.ndarray:
    """What each column uses of a limit."""
    if name == POWER:
        return columns.power
    if name == POOLS:
        return np.ones_like(columns.power)
    return columns.gpus_of(name)


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
