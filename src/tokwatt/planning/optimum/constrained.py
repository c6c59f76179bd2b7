"""The best partition where a power cap, an inventory or a number of pools couples pools, proved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

from tokwatt.accounts.deployments import pick, require
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.optimum.arcs import POOLS, POWER, Arcs, cost_left, undominated
from tokwatt.planning.optimum.choice import TIE, Partition
from tokwatt.planning.optimum.integer import solved
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.results import MOST
from tokwatt.units import Dimensionless, Seconds, Watts

GAP = 1e-4
"""Gap at which the search ends."""
MOST_TIME: Seconds = 20.0
"""Seconds that the integer programme may take."""
WIDTHS = (30, 300)
"""Most parts of plans that are kept at a candidate length, one search after another."""
MOST_CUTS = 100
DEAREST = 1e3
"""Largest price of a whole budget, in costs of the cheapest plan."""


@dataclass(frozen=True)
class Budget:
    """What all pools may use together.

    Attributes:
        power: watts on the basis of the account.
        inventory: GPUs by name.
        pools: most pools.
    """

    power: Watts | None = None
    inventory: Mapping[str, int] | None = None
    pools: int | None = None

    def check(self, catalogue: Catalogue) -> None:
        """Refuse GPUs that nobody knows, and numbers outside their domain."""
        for gpu, count in (self.inventory or {}).items():
            pick("inventory", gpu, catalogue.gpus)
            require("inventory", count, 1, MOST)
        for name, most in {"power_cap": self.power, "max_pools": self.pools}.items():
            if most is not None:
                require(name, most, 1, MOST)

    @property
    def couples(self) -> bool:
        """Whether pools depend on each other beyond their number."""
        return self.power is not None or bool(self.inventory)

    @property
    def limits(self) -> dict[str, Dimensionless]:
        """What is limited, by name."""
        limits = {POWER: self.power, **(self.inventory or {}), POOLS: self.pools}
        return {name: float(most) for name, most in limits.items() if most is not None}


class Proved(NamedTuple):
    """A partition and how far it may be from the best.

    Attributes:
        partition: the best one found.
        gap: share of its cost by which the best one may be cheaper.
        power_price: what another watt of the cap saves, where pools could be mixed.
    """

    partition: Partition
    gap: Dimensionless
    power_price: Dimensionless


def constrained(columns: Columns, cost: np.ndarray, budget: Budget) -> Proved:
    r"""The best partition within a budget.

    .. math:: \max_{\lambda \ge 0} \min_\text{paths} \sum_k (c_k + \lambda u_k) - \lambda

    Args:
        columns: what each configuration takes for each class.
        cost: of each, shape (configuration, class).
        budget: what all pools may use together.

    Returns:
        The partition with a proved gap; of infinite cost where none is within the budget.

    Source: constrained shortest paths: multipliers as in Handler and Zang (1980), Networks 10, 293,
        whose bound prunes the labels of a search; where it had to drop labels, HiGHS goes on.
    """
    arcs = undominated(columns, cost, budget.limits)
    if not np.isfinite(cost_left(arcs, arcs.cost)[0]):
        return Proved(Partition(np.inf, (), ()), 0.0, 0.0)
    prices, bound = _multipliers(arcs)
    best = Partition(np.inf, (), ())
    for width in WIDTHS:
        found, dropped = _searched(arcs, prices, best.cost, width)
        best = min(best, found, key=lambda partition: partition.cost)
        bound = max(bound, min(dropped, best.cost))
        if best.cost * (1 - GAP) <= bound:
            break
    else:
        found, proved = solved(arcs, prices, best.cost, GAP, MOST_TIME)
        best = min(best, found, key=lambda partition: partition.cost)
        bound = max(bound, min(proved, best.cost))
    watts = prices[0] / budget.power if budget.power is not None else 0.0
    return Proved(best, _gap(best.cost, bound), float(watts))


def _gap(cost: float, bound: float) -> float:
    """How much cheaper than a plan the best may be; 0 where it is proved that there is none."""
    return max(0.0, (cost - bound) / cost) if 0 < cost < np.inf else 0.0


def _path(arcs: Arcs, cost: np.ndarray) -> list[int]:
    """Arcs of the cheapest path."""
    least, at, path = cost_left(arcs, cost), 0, []
    while at < arcs.bins:
        own = np.flatnonzero(arcs.low == at)
        path.append(int(own[np.argmin(cost[own] + least[arcs.high[own]])]))
        at = int(arcs.high[path[-1]])
    return path


def _multipliers(arcs: Arcs) -> tuple[np.ndarray, float]:
    """Prices of whole budgets that bound the cost best, and the bound: cutting planes."""
    count = len(arcs.uses)
    prices, best, bound = np.zeros(count), np.zeros(count), -np.inf
    rows: list[np.ndarray] = []
    costs: list[float] = []
    for _ in range(MOST_CUTS):
        path = _path(arcs, arcs.cost + prices @ arcs.uses)
        over, cost = arcs.uses[:, path].sum(axis=1) - 1, float(arcs.cost[path].sum())
        if (value := cost + float(prices @ over)) > bound:
            best, bound = prices, value
        rows.append(np.append(1.0, -over))
        costs.append(cost)
        dearest = DEAREST * max(costs[0], 1.0)
        found = linprog(
            np.append(-1.0, np.zeros(count)),
            A_ub=np.array(rows),
            b_ub=np.array(costs),
            bounds=[(None, None), *[(0.0, dearest)] * count],
        )
        prices = found.x[1:]
        if -found.fun - bound <= TIE * abs(bound):
            break
    return best, bound


class _Labels(NamedTuple):
    """Parts of plans that end at one edge: cost, uses, a bound, and how they came there."""

    cost: np.ndarray
    uses: np.ndarray
    bound: np.ndarray
    before: np.ndarray
    arc: np.ndarray

    def at(self, kept: np.ndarray) -> "_Labels":
        """Some of them."""
        return _Labels(
            self.cost[kept], self.uses[:, kept], self.bound[kept], self.before[kept], self.arc[kept]
        )


def _searched(arcs: Arcs, prices: np.ndarray, most: float, width: int) -> tuple[Partition, float]:
    """The cheapest plan below a cost, and the least bound of what was dropped on the way."""
    priced = arcs.cost + prices @ arcs.uses
    to_go = cost_left(arcs, priced)
    needs = np.stack([cost_left(arcs, use) for use in arcs.uses])
    none = np.zeros(1, int)
    known = [_Labels(np.zeros(1), np.zeros((len(prices), 1)), np.full(1, -np.inf), none, none)]
    arriving: list[list[_Labels]] = [[] for _ in range(arcs.bins + 1)]
    dropped = np.inf
    for edge in range(arcs.bins):
        for part in _extended(arcs, known[edge], edge, prices, to_go, needs, most):
            arriving[int(arcs.high[part.arc[0]])].append(part)
        labels = _joined(arriving[edge + 1], len(prices))
        labels = labels.at(np.argsort(labels.bound, kind="stable"))
        labels = labels.at(_unbeaten(labels, width))
        if len(labels.cost) > width:
            dropped = min(dropped, float(labels.bound[width]))
            labels = labels.at(np.arange(width))
        known.append(labels)
        arriving[edge + 1] = []
    return _traced(arcs, known), dropped


def _extended(
    arcs: Arcs,
    labels: _Labels,
    edge: int,
    prices: np.ndarray,
    to_go: np.ndarray,
    needs: np.ndarray,
    most: float,
) -> Iterator[_Labels]:
    """Labels that leave an edge, by the edge that they reach; those that can still be best."""
    for high in np.unique(arcs.high[arcs.low == edge]):
        own = np.flatnonzero((arcs.low == edge) & (arcs.high == high))
        cost = labels.cost[:, None] + arcs.cost[own]
        uses = labels.uses[:, :, None] + arcs.uses[:, None, own]
        bound = cost + np.tensordot(prices, uses, 1) + to_go[high] - prices.sum()
        fits = (uses + needs[:, high, None, None] <= 1 + TIE).all(axis=0)
        kept = np.nonzero(fits & (bound < most * (1 - TIE)))
        if len(kept[0]):
            yield _Labels(cost[kept], uses[:, *kept], bound[kept], kept[0], own[kept[1]])


def _joined(parts: list[_Labels], limits: int) -> _Labels:
    if not parts:
        empty = np.zeros(0)
        return _Labels(empty, np.zeros((limits, 0)), empty, empty.astype(int), empty.astype(int))
    return _Labels(*(np.concatenate(it, axis=-1) for it in zip(*parts, strict=True)))


def _unbeaten(labels: _Labels, width: int) -> np.ndarray:
    """Places of labels that none before them beats, in their order, at most one beyond a width."""
    keys = np.vstack([labels.cost, labels.uses])
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
    if not len(last.cost):
        return Partition(np.inf, (), ())
    label, edge = int(last.cost.argmin()), arcs.bins
    edges, configurations = [edge], []
    while edge:
        arc = int(known[edge].arc[label])
        configurations.append(int(arcs.configuration[arc]))
        label, edge = int(known[edge].before[label]), int(arcs.low[arc])
        edges.append(edge)
    return Partition(float(last.cost.min()), tuple(edges[::-1]), tuple(configurations[::-1]))
