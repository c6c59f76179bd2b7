"""Requests as pools share them out, each pool with a deployment of its own."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tokwatt.accounts.cases import Case
from tokwatt.accounts.deployments import DeploymentNames, require
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError, pick, require_changes, shown
from tokwatt.params.specs import Demand, Workload
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.routing import Routed
from tokwatt.serving.demand.traffic import Part
from tokwatt.units import MOST_TOKENS, Dimensionless, Tokens

LONGEST = 65536.0
"""Window of the last pool in the paper, tok."""


class LaidOut(NamedTuple):
    """Requests as they are shared out over pools of one deployment.

    Attributes:
        case: the deployment and what it is asked for.
        routed: the pools, their windows and their traffic.
    """

    case: Case
    routed: Routed

    @property
    def gpus(self) -> Dimensionless:
        layout = self.case.deployment.parallelism
        return layout.tensor_parallel * layout.data_parallel


def share_out(
    catalogue: Catalogue,
    requests: str | Trace,
    names: DeploymentNames,
    account: Account,
    splits: Sequence[Tokens],
    context_window: Tokens | None,
    demand: Demand,
    part: Part = "both",
) -> LaidOut:
    """Requests as pools of a deployment share them; the last has a window, or the account's own."""
    window = LONGEST if context_window is None else context_window
    case = case_of(catalogue, requests, names, account, splits, window)
    routed = case.traffic(account, demand, part)
    assert routed is not None
    require_splits(splits, routed.windows[-1])
    return LaidOut(case, routed)


def changes_of_window(
    changes: Mapping[str, str] | None, context_window: Tokens | None
) -> dict[str, str]:
    """Changes of a fleet's account: a window that is asked for is not chosen by the account."""
    require_changes(changes)
    given = {} if context_window is None else {"baseline": "given"}
    return {**given, **(changes or {})}


def case_of(
    catalogue: Catalogue,
    requests: str | Trace,
    names: DeploymentNames,
    account: Account,
    splits: Sequence[Tokens],
    context_window: Tokens,
) -> Case:
    """Requests of a workload or a trace in pools of a deployment."""
    require("context_window", context_window, 1, MOST_TOKENS)
    for split in splits:
        require("split_lengths", split, 0, MOST_TOKENS)
    trace = requests if isinstance(requests, Trace) else None
    headlines = Headlines(catalogue, trace)
    workload_name = next(iter(catalogue.workloads)) if isinstance(requests, Trace) else requests
    workload = _workload(catalogue, workload_name)
    return Case(
        gpu=names.gpu,
        deployment=names.deployment(catalogue),
        workload=workload,
        workload_name=workload_name,
        shares=None if trace else headlines.shares(workload_name, workload),
        window=float(context_window),
        topology="two_pools" if splits else "homogeneous",
        splits=tuple(map(float, splits)),
        overflow_factor=1.0,
        paper=account.assumed,
        pairs=headlines.pairs,
    )


def _workload(catalogue: Catalogue, name: str) -> Workload:
    """A workload by name; a path is told from one."""
    if isinstance(name, Path) or (isinstance(name, str) and Path(name).suffix):
        wanted = "a workload, or a trace as tokwatt.read_trace and --trace read it"
        raise ParameterError(f"workload: is {shown(str(name))}, wanted {wanted}.")
    return pick("workload", name, catalogue.workloads)


def require_splits(splits: Sequence[Tokens], window: Tokens) -> None:
    """Refuse lengths that do not rise to the longest window."""
    for below, split in pairwise([0.0, *splits]):
        require("split_lengths", split, 0, MOST_TOKENS)
        if not below < split < window:
            wanted = f"numbers that rise from above 0 to below {window:.0f}, the longest window"
            raise ParameterError(f"split_lengths: has {split:g}, wanted {wanted}.")
