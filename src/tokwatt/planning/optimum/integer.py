"""The best partition within budgets as an integer programme."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack

from tokwatt.planning.optimum.arcs import Arcs, least_beside
from tokwatt.planning.optimum.choice import TIE, Partition
from tokwatt.units import Dimensionless, DimensionlessAxis, Seconds

SCALE = 1e3
"""What a budget is multiplied by, as HiGHS keeps constraints to 1e-6."""
INFEASIBLE = 2
"""Status of an integer programme without a solution."""


def solved(
    arcs: Arcs,
    prices: DimensionlessAxis,
    most: Dimensionless,
    gap: Dimensionless,
    most_time: Seconds,
) -> tuple[Partition, Dimensionless]:
    r"""The best path within budgets by HiGHS, and what none costs less than.

    .. math:: \min_{x, z \ge 0} c_1 x + z, \quad (c_t - c_1) x \le z

    Args:
        arcs: columns that leave and reach candidate lengths.
        prices: of costs and of whole budgets, by whose bound arcs are left out that are in no
            cheaper path.
        most: cost of a path that is known.
        gap: share of the cost at which the search ends.
        most_time: seconds after which it ends in any case.

    Returns:
        The path, of infinite cost where none was found, and the bound.

    Source: Huangfu and Hall (2018), doi:10.1007/s12532-017-0130-5, by SciPy.
    """
    fits = np.all([use + least_beside(arcs, use) <= 1 + TIE for use in arcs.uses], axis=0)
    priced = arcs.weighted(prices)
    budgets = prices[len(arcs.costs) :].sum()
    cheap = priced + least_beside(arcs, priced) - budgets <= most * (1 + TIE)
    kept = np.flatnonzero(fits & cheap)
    edges, one = np.arange(arcs.bins + 1), np.arange(len(kept))
    shape = len(edges), len(kept)
    leaving = csr_array((np.ones(len(kept)), (arcs.low[kept], one)), shape)
    reaching = csr_array((np.ones(len(kept)), (arcs.high[kept], one)), shape)
    balance = (edges == 0) * 1.0 - (edges == arcs.bins)
    if not len(kept):
        return Partition(np.inf, (), ()), np.inf
    unit = float(arcs.costs.max())
    first, *others = arcs.costs[:, kept] / unit
    over = [np.append(cost - first, -1.0) for cost in others]
    within = np.column_stack([SCALE * arcs.uses[:, kept], np.zeros(len(arcs.uses))])
    flow = hstack([leaving - reaching, csr_array((len(edges), 1))])
    found = milp(
        np.append(first, 1.0),
        constraints=[
            LinearConstraint(flow, balance, balance),
            LinearConstraint(csr_array(within), -np.inf, SCALE),
            *([LinearConstraint(SCALE * np.array(over), -np.inf, 0.0)] if others else ()),
        ],
        integrality=np.append(np.ones(len(kept)), 0.0),
        bounds=Bounds(0, np.append(np.ones(len(kept)), np.inf)),
        options={"mip_rel_gap": gap, "time_limit": most_time},
    )
    bound = np.inf if found.status == INFEASIBLE else unit * (found.mip_dual_bound or -np.inf)
    if found.x is None:
        return Partition(np.inf, (), ()), bound
    path = kept[found.x[:-1] > 0.5]
    path = path[np.argsort(arcs.low[path])]
    edges_of_path = (0, *map(int, arcs.high[path]))
    chosen = tuple(map(int, arcs.configuration[path]))
    return Partition(arcs.worst(path), edges_of_path, chosen), bound
