"""The best partition where a power cap, an inventory or a number of pools couples pools, proved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

from tokwatt.accounts.deployments import require
from tokwatt.params.errors import ParameterError, pick, require_kind
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.optimum.arcs import POOLS, POWER, Arcs, cost_left, undominated
from tokwatt.planning.optimum.choice import TIE, Partition
from tokwatt.planning.optimum.integer import solved
from tokwatt.planning.optimum.labels import searched
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
        require_kind("inventory", self.inventory or {}, Mapping, "GPUs by name, {'H100': 512}")
        for gpu, count in (self.inventory or {}).items():
            pick("inventory", gpu, catalogue.gpus)
            require("inventory", count, 1, MOST)
        if self.power is not None:
            require("power_cap", self.power, 1, MOST, "W")
        if self.pools is not None:
            require("max_pools", self.pools, 1, MOST)

    def check_gpus(self, gpus: Sequence[str]) -> None:
        """Refuse an inventory of GPUs that no pool may have."""
        for gpu in self.inventory or {}:
            if gpu not in gpus:
                found = f"has {gpu}, which no pool of the plan may have"
                wanted = f"some of {', '.join(dict.fromkeys(gpus))}, or {gpu} among its GPUs"
                raise ParameterError(f"inventory: {found}, wanted {wanted}.")

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


def constrained(each: Sequence[Columns], costs: np.ndarray, budget: Budget) -> Proved:
    r"""The partition within a budget that costs least in the trace that it costs most.

    .. math:: \max_{\lambda, w \ge 0, \sum_t w_t = 1} \min_\text{paths}
        \sum_k \Big(\sum_t w_t c_{tk} + \lambda u_k\Big) - \lambda

    Args:
        each: what each configuration takes for each class, by trace; GPUs are the same.
        costs: of each, shape (trace, configuration, class), or fewer of the dearest.
        budget: what all pools may use together, under each trace.

    Returns:
        The partition with a proved gap; of infinite cost where none is within the budget.

    Source: constrained shortest paths: multipliers as in Handler and Zang (1980), Networks 10, 293,
        whose bound prunes the labels of a search; where it had to drop labels, HiGHS goes on.
    """
    arcs = undominated(each, costs, budget.limits)
    unit = float(cost_left(arcs, arcs.costs[0])[0]) or 1.0
    if not np.isfinite(unit):
        return Proved(Partition(np.inf, (), ()), 0.0, 0.0)
    arcs = replace(arcs, costs=arcs.costs / unit)
    prices, bound = _multipliers(arcs)
    best = Partition(np.inf, (), ())
    for width in WIDTHS:
        found, dropped = searched(arcs, prices, best.cost, width)
        best = min(best, found, key=lambda partition: partition.cost)
        bound = max(bound, min(dropped, best.cost))
        if best.cost * (1 - GAP) <= bound:
            break
    else:
        found, proved = solved(arcs, prices, best.cost, GAP, MOST_TIME)
        best = min(best, found, key=lambda partition: partition.cost)
        bound = max(bound, min(proved, best.cost))
    powers = prices[len(costs) : len(costs) + len(each)]
    watts = powers.sum() * unit / budget.power if budget.power is not None else 0.0
    own = best._replace(cost=float(best.cost * unit))
    return Proved(own, _gap(best.cost, bound), float(watts))


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
    """Prices of costs and of whole budgets that bound the cost best, and the bound: by cuts."""
    traces, limits = len(arcs.costs), len(arcs.uses)
    ones, zeros = np.ones(traces), np.zeros(limits)
    prices = best = np.concatenate([ones / traces, zeros])
    rows: list[np.ndarray] = []
    bound = -np.inf
    for _ in range(MOST_CUTS):
        path = _path(arcs, arcs.weighted(prices))
        taken = np.concatenate(
            [arcs.costs[:, path].sum(axis=1), arcs.uses[:, path].sum(axis=1) - 1]
        )
        if (value := float(prices @ taken)) > bound:
            best, bound = prices, value
        rows.append(np.append(1.0, -taken))
        found = linprog(
            np.concatenate([[-1.0], 0 * ones, zeros]),
            A_ub=np.array(rows),
            b_ub=np.zeros(len(rows)),
            A_eq=np.concatenate([[0.0], ones, zeros])[None],
            b_eq=[1.0],
            bounds=[(None, None), *[(0.0, 1.0)] * traces, *[(0.0, DEAREST)] * limits],
        )
        prices = found.x[1:]
        if -found.fun - bound <= TIE * abs(bound):
            break
    return best, bound
