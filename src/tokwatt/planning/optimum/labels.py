"""The cheapest partition within budgets, by labels along candidate lengths."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tokwatt.planning.optimum.arcs import Arcs, cost_left
from tokwatt.planning.optimum.choice import TIE, Partition
from tokwatt.units import Dimensionless, DimensionlessAxis


class _Labels(NamedTuple):
    """Parts of plans that end at one edge: costs, uses, a bound, and how they came there."""

    costs: np.ndarray
    uses: np.ndarray
    bound: np.ndarray
    before: np.ndarray
    arc: np.ndarray

    def at(self, kept: np.ndarray) -> "_Labels":
        """Some of them."""
        return _Labels(
            self.costs[:, kept],
            self.uses[:, kept],
            self.bound[kept],
            self.before[kept],
            self.arc[kept],
        )

    @property
    def worst(self) -> np.ndarray:
        """Cost of each under the trace that it costs most."""
        return self.costs.max(axis=0)


def searched(
    arcs: Arcs, prices: DimensionlessAxis, most: Dimensionless, width: Dimensionless
) -> tuple[Partition, Dimensionless]:
    """The cheapest plan below a cost, and the least bound of what was dropped on the way.

    Args:
        arcs: columns that leave and reach candidate lengths.
        prices: of each trace's cost and of whole budgets, whose bound prunes labels.
        most: what the plan has to be below.
        width: most labels that are kept at a length.
    """
    left, width = _left(arcs, prices), int(width)
    traces, limits, none = len(arcs.costs), len(arcs.uses), np.zeros(1, int)
    start = np.zeros((traces, 1)), np.zeros((limits, 1)), np.full(1, -np.inf)
    known = [_Labels(*start, none, none)]
    arriving: list[list[_Labels]] = [[] for _ in range(arcs.bins + 1)]
    dropped = np.inf
    for edge in range(arcs.bins):
        for part in _extended(arcs, known[edge], edge, prices, left, most):
            arriving[int(arcs.high[part.arc[0]])].append(part)
        labels = _joined(arriving[edge + 1], traces, limits)
        labels = labels.at(np.argsort(labels.bound, kind="stable"))
        labels = labels.at(_unbeaten(labels, width))
        if len(labels.bound) > width:
            dropped = min(dropped, float(labels.bound[width]))
            labels = labels.at(np.arange(width))
        known.append(labels)
        arriving[edge + 1] = []
    return _traced(arcs, known), dropped


class _Left(NamedTuple):
    """What is left from each edge to the last at least: weighted, of each cost, of each use."""

    weighted: np.ndarray
    costs: np.ndarray
    uses: np.ndarray


def _left(arcs: Arcs, prices: np.ndarray) -> _Left:
    shape = -1, arcs.bins + 1
    costs, uses = (
        np.array([cost_left(arcs, it) for it in every]).reshape(shape)
        for every in (arcs.costs, arcs.uses)
    )
    return _Left(cost_left(arcs, arcs.weighted(prices)), costs, uses)


def _extended(
    arcs: Arcs, labels: _Labels, edge: int, prices: np.ndarray, left: _Left, most: float
) -> Iterator[_Labels]:
    """Labels that leave an edge, by the edge that they reach; those that can still be best."""
    for high in np.unique(arcs.high[arcs.low == edge]):
        own = np.flatnonzero((arcs.low == edge) & (arcs.high == high))
        costs = labels.costs[:, :, None] + arcs.costs[:, None, own]
        uses = labels.uses[:, :, None] + arcs.uses[:, None, own]
        priced = np.tensordot(prices, np.concatenate([costs, uses]), 1) + left.weighted[high]
        each = (costs + left.costs[:, high, None, None]).max(axis=0)
        bound = np.maximum(priced - prices[len(costs) :].sum(), each)
        fits = (uses + left.uses[:, high, None, None] <= 1 + TIE).all(axis=0)
        kept = np.nonzero(fits & (bound < most * (1 - TIE)))
        if len(kept[0]):
            own_costs, own_uses = costs[:, *kept], uses[:, *kept]
            yield _Labels(own_costs, own_uses, bound[kept], kept[0], own[kept[1]])


def _joined(parts: list[_Labels], traces: int, limits: int) -> _Labels:
    if not parts:
        none = np.zeros(0, int)
        return _Labels(np.zeros((traces, 0)), np.zeros((limits, 0)), np.zeros(0), none, none)
    return _Labels(*(np.concatenate(it, axis=-1) for it in zip(*parts, strict=True)))


def _unbeaten(labels: _Labels, width: int) -> np.ndarray:
    """Places of labels that none before them beats, in their order, at most one beyond a width."""
    keys = np.concatenate([labels.costs, labels.uses])
    kept = np.empty((len(keys), width + 1))
    places: list[int] = []
    for place in range(keys.shape[1]):
        key = keys[:, place]
        if not (kept[:, : len(places)] <= key[:, None] * (1 + TIE)).all(axis=0).any():
            kept[:, len(places)] = key
            places.append(place)
            if len(places) > width:
                break
    return np.array(places, int)


def _traced(arcs: Arcs, known: list[_Labels]) -> Partition:
    """The cheapest plan that reaches the last edge."""
    last = known[-1]
    if not len(last.bound):
        return Partition(np.inf, (), ())
    label, edge = int(last.worst.argmin()), arcs.bins
    edges, configurations = [edge], []
    while edge:
        arc = int(known[edge].arc[label])
        configurations.append(int(arcs.configuration[arc]))
        label, edge = int(known[edge].before[label]), int(arcs.low[arc])
        edges.append(edge)
    return Partition(float(last.worst.min()), tuple(edges[::-1]), tuple(configurations[::-1]))
