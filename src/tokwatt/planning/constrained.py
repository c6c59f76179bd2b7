"""The best partition where a power cap, an inventory or a number of pools couples pools, proved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, vstack

from tokwatt.planning.choice import Partition
from tokwatt.planning.columns import Columns
from tokwatt.units import Dimensionless, Watts

GAP = 1e-4
"""Gap at which the search may end."""
FIRST = 3000
"""Columns of the least reduced cost that the first search is among."""
MOST_TIME = 20.0
"""Seconds of each of the two searches."""


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

    @property
    def couples(self) -> bool:
        """Whether pools depend on each other beyond their number."""
        return self.power is not None or bool(self.inventory)


class Proved(NamedTuple):
    """A partition and how far it may be from the best.

    Attributes:
        partition: the best one found.
        gap: share of its cost by which the best one may be cheaper.
        power_price: what the last watt of the cap saves, by the linear relaxation.
    """

    partition: Partition
    gap: Dimensionless
    power_price: Dimensionless


class _Programme(NamedTuple):
    """Columns as a programme: which edges they span, what they cost and use."""

    cost: np.ndarray
    configuration: np.ndarray
    low: np.ndarray
    high: np.ndarray
    uses: csr_array
    limits: np.ndarray
    bins: int

    def among(self, kept: np.ndarray) -> "_Programme":
        arrays = (it[kept] for it in self[:4])
        return _Programme(*arrays, self.uses[:, kept], self.limits, self.bins)

    @property
    def flow(self) -> csr_array:
        """Each column leaves its first edge and enters its last."""
        count = np.arange(len(self.cost))
        ones = np.ones(len(count))
        where = np.append(self.low, self.high), np.append(count, count)
        shape = self.bins + 1, len(count)
        return csr_array(coo_array((np.append(ones, -ones), where), shape=shape))

    @property
    def balance(self) -> np.ndarray:
        """A path from the first edge to the last."""
        balance = np.zeros(self.bins + 1)
        balance[0], balance[-1] = 1.0, -1.0
        return balance


def constrained(columns: Columns, cost: np.ndarray, budget: Budget) -> Proved:
    """The best partition within a budget.

    Args:
        columns: what each configuration takes for each class.
        cost: of each, shape (configuration, class).
        budget: what all pools may use together.

    Returns:
        The partition with a proved gap; of infinite cost where none is within the budget.

    Source: HiGHS, through `scipy.optimize`; columns whose reduced cost exceeds what a known plan
        leaves over the linear relaxation are in no better plan.
    """
    programme = _undominated(columns, cost, budget)
    relaxed = linprog(
        programme.cost,
        A_ub=programme.uses,
        b_ub=programme.limits,
        A_eq=programme.flow,
        b_eq=programme.balance,
        method="highs",
    )
    if relaxed.status != 0:
        return Proved(Partition(np.inf, (), ()), 0.0, 0.0)
    reduced = programme.cost - relaxed.ineqlin.marginals @ programme.uses
    reduced = reduced - relaxed.eqlin.marginals @ programme.flow
    power_price = -float(relaxed.ineqlin.marginals[0]) if budget.power is not None else 0.0
    order = np.argsort(reduced, kind="stable")
    first, _ = _searched(programme.among(np.sort(order[:FIRST])))
    worthwhile = reduced <= first.cost - relaxed.fun + TOLERANCE * abs(relaxed.fun)
    if len(order) <= FIRST:
        worthwhile[:] = True
    best, bound = _searched(programme.among(np.flatnonzero(worthwhile)))
    best = min(best, first, key=lambda partition: partition.cost)
    bound = min(max(bound, relaxed.fun), best.cost)
    gap = (best.cost - bound) / best.cost if np.isfinite(best.cost) else 0.0
    return Proved(best, gap, power_price)


TOLERANCE = 1e-9


def _undominated(columns: Columns, cost: np.ndarray, budget: Budget) -> _Programme:
    """Columns that no other of their class and GPU beats in everything that counts."""
    low, high = columns.classes.ends
    rows, place = [], []
    for gpu in np.unique(columns.configurations.gpu):
        own = np.flatnonzero(columns.configurations.gpu == gpu)
        keys = np.stack([cost[own], columns.power[own], columns.gpus[own]])
        for at in range(len(low)):
            kept = own[_front(keys[:, :, at])]
            rows.append(kept)
            place.append(np.full(len(kept), at))
    configuration, at = np.concatenate(rows), np.concatenate(place)
    counts = []
    limits = []
    if budget.power is not None:
        counts.append(columns.power[configuration, at])
        limits.append(budget.power)
    for gpu, most in (budget.inventory or {}).items():
        counts.append(
            np.where(columns.configurations.gpu[configuration] == gpu,
                     columns.gpus[configuration, at], 0.0)
        )
        limits.append(float(most))
    if budget.pools is not None:
        counts.append(np.ones(len(at)))
        limits.append(float(budget.pools))
    uses = csr_array(np.stack(counts))
    return _Programme(
        cost[configuration, at], configuration, low[at], high[at], uses, np.array(limits),
        columns.classes.bins,
    )


def _front(keys: np.ndarray) -> np.ndarray:
    """Places of the finite points, shape (key, point), that no other point is below everywhere."""
    finite = np.flatnonzero(np.isfinite(keys).all(axis=0))
    points = keys[:, finite]
    order = np.lexsort(points[::-1])
    points, finite = points[:, order], finite[order]
    kept: list[int] = []
    for place in range(len(finite)):
        others = points[:, kept]
        if not (others <= points[:, place : place + 1]).all(axis=0).any():
            kept.append(place)
    return finite[kept]


def _searched(programme: _Programme) -> tuple[Partition, float]:
    """The best whole choice, and a bound that no choice is below."""
    constraints = [
        LinearConstraint(
            vstack([programme.flow, programme.uses]),
            np.append(programme.balance, np.full(len(programme.limits), -np.inf)),
            np.append(programme.balance, programme.limits),
        )
    ]
    found = milp(
        programme.cost,
        constraints=constraints,
        integrality=np.ones(len(programme.cost)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": GAP, "time_limit": MOST_TIME},
    )
    bound = found.mip_dual_bound if found.mip_dual_bound is not None else -np.inf
    if found.x is None:
        return Partition(np.inf, (), ()), float(bound if found.status == 1 else np.inf)
    chosen = np.flatnonzero(found.x > 0.5)
    chosen = chosen[np.argsort(programme.low[chosen])]
    edges = (0, *map(int, programme.high[chosen]))
    cost = float(programme.cost[chosen].sum())
    return Partition(cost, edges, tuple(map(int, programme.configuration[chosen]))), float(bound)
