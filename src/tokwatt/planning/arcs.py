"""Columns as arcs between candidate lengths, those that no other beats in cost and budgets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tokwatt.planning.columns import Columns
from tokwatt.units import Dimensionless, DimensionlessAxis

POWER, POOLS = "power cap", "most pools"
BITS = 2.0**36
"""Precision to which columns are told apart."""


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
    gpu = columns.configurations.gpu
    uses = np.stack([_used(columns, name) / most for name, most in limits.items()])
    groups = [np.flatnonzero(gpu == name) for name in np.unique(gpu) if name in limits]
    groups.append(np.flatnonzero(~np.isin(gpu, list(limits))))
    kept = np.zeros(cost.shape, bool)
    for own in filter(len, groups):
        kept[own] = _fronts(np.stack([cost[own], *uses[:, own]]))
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
    return np.where(columns.configurations.gpu[:, None] == name, columns.gpus, 0.0)


def _fronts(keys: np.ndarray) -> np.ndarray:
    """Which finite points, shape (key, point, class), no other point of their class is below.

    Equal ones, to rounding, are one; the first key is the cost.
    """
    finite = np.isfinite(keys).all(axis=0)
    places = np.arange(len(finite))[:, None]
    if all(np.ptp(key[finite]) == 0 for key in keys[1:] if finite.any()):
        return finite & (places == np.where(finite, keys[0], np.inf).argmin(axis=0))
    mantissa, exponent = np.frexp(np.where(finite, keys, np.inf))
    keys = np.ldexp(np.round(mantissa * BITS) / BITS, exponent)
    kept = finite.copy()
    for place in range(len(finite)):
        point = keys[:, place, None]
        no_worse, better = (point <= keys).all(axis=0), (point < keys).any(axis=0)
        kept &= ~(finite[place] & no_worse & (better | (places > place)))
    return kept


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
