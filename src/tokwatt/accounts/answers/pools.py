"""Requests as pools share them out, each pool with a deployment of its own."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from tokwatt.accounts.cases import Case
from tokwatt.accounts.deployments import DeploymentNames, pick, require
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.params.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.fleet import sized_pools
from tokwatt.serving.pool import Pool
from tokwatt.serving.requests import pairs_of
from tokwatt.serving.results import plain_numbers
from tokwatt.serving.routing import Routed
from tokwatt.serving.targets import least_latencies
from tokwatt.serving.times import instance_of
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


def each_pool(
    names: DeploymentNames | Sequence[DeploymentNames], pools: Dimensionless
) -> Sequence[DeploymentNames]:
    """A deployment for each pool."""
    if isinstance(names, DeploymentNames):
        return [names] * pools
    if len(names) != pools:
        wanted = f"one for each of {pools} pools"
        raise ParameterError(f"names: has {len(names)} deployments, wanted {wanted}.")
    return names


def share_out(
    catalogue: Catalogue,
    requests: str | Trace,
    names: DeploymentNames,
    account: Account,
    splits: Sequence[Tokens],
    context_window: Tokens | None,
    demand: Demand,
) -> LaidOut:
    """Requests as pools of a deployment share them; the last has a window, or the account's own."""
    window = LONGEST if context_window is None else context_window
    case = case_of(catalogue, requests, names, account, splits, window)
    routed = case.traffic(account, demand)
    assert routed is not None
    require_splits(splits, routed.windows[-1])
    return LaidOut(case, routed)


def changes_of_window(
    changes: Mapping[str, str] | None, context_window: Tokens | None
) -> dict[str, str]:
    """Changes of a fleet's account: a window that is asked for is not chosen by the account."""
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
    headlines, trace = Headlines(catalogue), requests if isinstance(requests, Trace) else None
    workload_name = next(iter(catalogue.workloads)) if isinstance(requests, Trace) else requests
    workload = pick("workload", workload_name, catalogue.workloads)
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
        pairs=pairs_of(trace.prompt, trace.output, trace.weights) if trace else None,
    )


def require_splits(splits: Sequence[Tokens], window: Tokens) -> None:
    """Refuse lengths that do not rise to the longest window."""
    for below, split in pairwise([0.0, *splits]):
        require("split_lengths", split, 0, MOST_TOKENS)
        if not below < split < window:
            wanted = f"numbers that rise from above 0 to below {window:g}, the longest window"
            raise ParameterError(f"split_lengths: has {split:g}, wanted {wanted}.")


def sized(account: Account, laid: LaidOut, demand: Demand, place: Dimensionless) -> list[Pool]:
    """One pool of a deployment, where it exists."""
    own = laid.routed.apart[place]
    sizes = sized_pools(account, laid.case.deployment, own, demand)
    pools = [plain_numbers(pool) for pool in sizes]
    _require_served(account, laid.case, own, pools, demand)
    return pools


def _require_served(
    account: Account, case: Case, routed: Routed, pools: Sequence[Pool], demand: Demand
) -> None:
    """Refuse a fleet that does not exist, with the target that it misses and by how much."""
    for pool, traffic, window in zip(pools, routed.pools, routed.windows, strict=True):
        if math.isfinite(pool.power) and not math.isnan(pool.batch):
            continue
        if math.isnan(pool.concurrency):
            wanted = "more GPUs an instance, more memory or a narrower precision"
            raise ParameterError(f"llm: does not fit on an instance, wanted {wanted}.")
        instance = instance_of(account, case.deployment)
        itl, ttft = least_latencies(account, instance, traffic, demand)
        targets = {"itl": (itl, demand.itl_target), "ttft": (ttft, demand.latency_target)}
        missed = [name for name, (least, target) in targets.items() if least > target]
        name = missed[0] if missed else "ttft"
        least, target = targets[name]
        raise ParameterError(
            f"{name}: is {target:g} s, but one request alone in the pool of {window:g} tokens takes"
            f" {least:.4g} s, wanted a longer target, more GPUs an instance or a faster GPU."
        )
