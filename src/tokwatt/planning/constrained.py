"""The best partition where a power cap, an inventory or a number of pools couples pools, proved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, vstack

from tokwatt.planning.choice import Partition
from tokwatt.planning.columns import Columns
from tokwatt.units import Dimensionless, Watts

POWER, POOLS = "power cap", "most pools"
GAP = 1e-4
"""Gap at which the search may end."""
FIRST = 3000
"""Columns of the least reduced cost that the first search is among."""
TOLERANCE = 1e-9
"""Share of the relaxation's cost by which reduced costs may be off."""
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


@dataclass(frozen=True)
class _Programme:
    """Columns as a programme: which edges they span, what they cost and use."""

    cost: np.ndarray
    configuration: np.ndarray
    low: np.ndarray
    high: np.ndarray
    uses: csr_array
    limits: np.ndarray
    bins: int

    def among(self, kept: np.ndarray) -> "_Programme":
        """The same with some of the columns."""
        return replace(
            self,
            cost=self.cost[kept],
            configuration=self.configuration[kept],
            low=self.low[kept],
            high=self.high[kept],
            uses=self.uses[:, kept],
        )

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


def _undominated(columns: Columns, cost: np.ndarray, budget: Budget) -> _Programme:
    """Columns that no other of their class and GPU beats in everything that counts."""
    low, high = columns.classes.ends
    gpu = columns.configurations.gpu
    kept = [
        (own[place], at)
        for name in np.unique(gpu)
        for own in [np.flatnonzero(gpu == name)]
        for at in range(len(low))
        for place in _front(np.stack([it[own, at] for it in (cost, columns.power, columns.gpus)]))
    ]
    configuration, at = np.array(kept, int).reshape(-1, 2).T
    limits = _limits(budget)
    watts, gpus = columns.power[configuration, at], columns.gpus[configuration, at]
    uses = [_used(name, watts, gpus, gpu[configuration]) for name in limits]
    return _Programme(
        cost[configuration, at],
        configuration,
        low[at],
        high[at],
        csr_array(np.stack(uses)),
        np.array(list(limits.values())),
        columns.classes.bins,
    )


def _limits(budget: Budget) -> dict[str, float]:
    """What limits all pools together, the power cap first."""
    limits = {POWER: budget.power, **(budget.inventory or {}), POOLS: budget.pools}
    return {name: float(most) for name, most in limits.items() if most is not None}


def _used(name: str, watts: np.ndarray, gpus: np.ndarray, gpu: np.ndarray) -> np.ndarray:
    """What each column uses of a limit."""
    if name == POWER:
        return watts
    return np.ones(len(gpus)) if name == POOLS else np.where(gpu == name, gpus, 0.0)


def _front(keys: np.ndarray) -> np.ndarray:
    """Places of the finite points, shape (key, point), that no other point is below everywhere."""
    finite = np.flatnonzero(np.isfinite(keys).all(axis=0))
    points = keys[:, finite]
    order = np.lexsort(points[::-1])
    points, finite = points[:, order], finite[order]
    no_worse = (points[:, :, None] <= points[:, None, :]).all(axis=0)
    beaten = np.triu(no_worse, 1).any(axis=0)
    return finite[~beaten]


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
