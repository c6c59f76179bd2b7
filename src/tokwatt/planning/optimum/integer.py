"""The best partition within budgets as an integer programme."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

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
    """The best path within budgets by HiGHS, and what none costs less than.

    Args:
        arcs: columns that leave and reach candidate lengths.
        prices: of whole budgets, by whose bound arcs are left out that are in no cheaper path.
        most: cost of a path that is known.
        gap: share of the cost at which the search ends.
        most_time: seconds after which it ends in any case.

    Returns:
        The path, of infinite cost where none was found, and the bound.

    Source: Huangfu and Hall (2018), doi:10.1007/s12532-017-0130-5, by SciPy.
    """
    fits = np.all([use + least_beside(arcs, use) <= 1 + TIE for use in arcs.uses], axis=0)
    priced = arcs.cost + prices @ arcs.uses
    cheap = priced + least_beside(arcs, priced) - prices.sum() <= most * (1 + TIE)
    kept = np.flatnonzero(fits & cheap)
    edges, one = np.arange(arcs.bins + 1), np.arange(len(kept))
    shape = len(edges), len(kept)
    leaving = csr_array((np.ones(len(kept)), (arcs.low[kept], one)), shape)
    reaching = csr_array((np.ones(len(kept)), (arcs.high[kept], one)), shape)
    balance = (edges == 0) * 1.0 - (edges == arcs.bins)
    if not len(kept):
        return Partition(np.inf, (), ()), np.inf
    unit = float(arcs.cost.max())
    found = milp(
        arcs.cost[kept] / unit,
        constraints=[
            LinearConstraint(leaving - reaching, balance, balance),
            LinearConstraint(csr_array(SCALE * arcs.uses[:, kept]), -np.inf, SCALE),
        ],
        integrality=np.ones(len(kept)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": gap, "time_limit": most_time},
    )
    bound = np.inf if found.status == INFEASIBLE else unit * (found.mip_dual_bound or -np.inf)
    if found.x is None:
        return Partition(np.inf, (), ()), bound
    path = kept[found.x > 0.5]
    path = path[np.argsort(arcs.low[path])]
    edges_of_path = (0, *map(int, arcs.high[path]))
    chosen = tuple(map(int, arcs.configuration[path]))
    return Partition(float(arcs.cost[path].sum()), edges_of_path, chosen), bound
