"""The best partition of lengths into classes: a shortest path over candidate lengths, exactly."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tokwatt.units import Dimensionless

TIE = 1e-12
"""Share of a cost within which two plans are equals, of which the simpler is preferred."""


class Partition(NamedTuple):
    """Pools that share requests by length.

    Attributes:
        cost: of all of them; infinite where no partition is feasible.
        edges: places of their edges among the candidate lengths, from the first to the last.
        configurations: place of the configuration of each.
    """

    cost: Dimensionless
    edges: tuple[int, ...]
    configurations: tuple[int, ...]


def best_of_classes(cost: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest configuration of each class as two matrices over first and last edge.

    Args:
        cost: shape (configuration, class).
        bins: bins between candidate lengths.

    Returns:
        Its cost, infinite below the diagonal, and its place: the first among equals.
    """
    ends = np.triu_indices(bins + 1, 1)
    least = np.full((bins + 1, bins + 1), np.inf)
    place = np.zeros((bins + 1, bins + 1), int)
    place[ends] = (cost <= cost.min(axis=0) * (1 + TIE)).argmax(axis=0)
    least[ends] = cost.min(axis=0)
    return least, place


def shortest(
    cost: np.ndarray,
    bins: int,
    most_pools: int | None = None,
    together: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.add,
) -> Partition:
    r"""The best partition into at most so many pools.

    .. math:: C_k(j) = \min_i C_{k-1}(i) \oplus c(i, j)

    Args:
        cost: of each configuration for each class, shape (configuration, class).
        bins: bins between candidate lengths.
        most_pools: most pools; any number if left out.
        together: what two parts cost together: their sum, or the larger of the two.

    Returns:
        The partition, of the fewest pools among equals.

    Source: dynamic programme over intervals, whose incidence matrix is totally unimodular.
    """
    least, place = best_of_classes(cost, bins)
    reached, came_from = [least[0]], [np.zeros(bins + 1, int)]
    for _ in range(1, min(most_pools or bins, bins)):
        through = together(reached[-1][:, None], least)
        came_from.append(through.argmin(axis=0))
        reached.append(through.min(axis=0))
    totals = np.array([cost_of[bins] for cost_of in reached])
    pools = int(np.argmax(totals <= totals.min() * (1 + TIE)))
    if not np.isfinite(totals[pools]):
        return Partition(np.inf, (), ())
    edges = [bins]
    for step in range(pools, 0, -1):
        edges.append(int(came_from[step][edges[-1]]))
    edges = [0, *reversed(edges)]
    chosen = tuple(int(place[a, b]) for a, b in itertools.pairwise(edges))
    return Partition(float(totals[pools]), tuple(edges), chosen)


def class_place(low: int, high: int, bins: int) -> int:
    """Place of the class between two edges."""
    return low * bins - low * (low - 1) // 2 + high - low - 1


def cost_of(partition: Partition, cost: np.ndarray, bins: int) -> Dimensionless:
    """What a partition costs by other columns."""
    ends = zip(partition.edges, partition.edges[1:], strict=False)
    places = [class_place(low, high, bins) for low, high in ends]
    return float(
        sum(cost[own, at] for own, at in zip(partition.configurations, places, strict=True))
    )
