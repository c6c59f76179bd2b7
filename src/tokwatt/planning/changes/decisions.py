"""Whether a lever gains more than there is to regret, at draws of the calibration."""

from dataclasses import dataclass

import numpy as np

from tokwatt.planning.changes.draws import LATE, Contender, Contest
from tokwatt.planning.changes.levers import is_plain, levers_of, plain_names
from tokwatt.planning.optimum.choice import Partition
from tokwatt.planning.optimum.constrained import GAP
from tokwatt.units import Dimensionless

OTHER_GPU, OTHER = "these GPUs", "these configurations"
"""Choices whose rival is the best plan of other GPUs, and of other configurations."""


@dataclass(frozen=True)
class Decision:
    """A choice of the plan that is named against the best plan that does without it.

    Attributes:
        rival: the plan of the least expected cost without the lever.
        gain: median over draws of what the rival costs more, as a share.
        high_regret: 95th percentile of what the plan that is named costs more than the rival.
        undecided: whether there is as much to regret as to gain.
    """

    rival: Contender
    gain: Dimensionless
    high_regret: Dimensionless
    undecided: bool


def decisions(contest: Contest) -> dict[str, Decision]:
    """Each lever that the plan of the least expected cost uses.

    Returns:
        By lever, then for its GPUs and for its configurations as a whole; those only that make a
        difference of a ten-thousandth. The rival is fixed before the draw, as what is bought is.
    """
    named = contest.ranked[0][1]
    names, gpus = contest.columns.names, contest.columns.gpu_names
    used = frozenset().union(*(gpus[place] for place in named.configurations))
    plain = plain_names(contest.plan)
    without = {lever: is_plain(names, plain, [lever]) for lever in levers_of(contest.plan)}
    without[OTHER_GPU] = np.array([used.isdisjoint(own) for own in gpus])
    without[OTHER] = ~np.isin(np.arange(len(names)), named.configurations)
    found = {}
    for lever, allowed in without.items():
        most = 1 if lever == "length split" else None
        if _does_without(named, allowed, most):
            continue
        rival = contest.best_without(np.flatnonzero(~allowed).tolist(), most)
        decision = _against(contest, named, rival) if rival.edges else None
        if decision and max(decision.gain, decision.high_regret) > GAP:
            found[lever] = decision
    return found


def _does_without(named: Partition, allowed: np.ndarray, most_pools: int | None) -> bool:
    return bool(allowed[list(named.configurations)].all()) and (
        most_pools is None or len(named.configurations) <= most_pools
    )


def _against(contest: Contest, named: Partition, rival: Partition) -> Decision:
    ours, others = contest.costs_of(named), contest.costs_of(rival)
    gain = float(np.quantile(_over(others, ours), 0.5, method="lower"))
    regret = float(np.quantile(np.maximum(_over(ours, others), 0.0), LATE, method="higher"))
    return Decision(contest.contender(rival), gain, regret, gain <= regret)


def _over(costs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What costs exceed others by, as a share; nothing where there is neither fleet."""
    neither = np.isinf(costs) & np.isinf(others)
    return np.where(neither, 1.0, costs) / np.where(neither, 1.0, others) - 1
