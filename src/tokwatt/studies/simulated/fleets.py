"""The fleets of Table 3 at their printed sizes, request by request, under each account."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.deployments import CONSISTENT, PAPER, DeploymentNames, account_of
from tokwatt.accounts.headlines import Headlines
from tokwatt.accounts.simulated import SETTLED
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.requests import Requests, lengths_of, split_of
from tokwatt.serving.instance import Instance
from tokwatt.serving.steps.times import instance_of
from tokwatt.simulation.arrivals import Arrived, arrivals
from tokwatt.simulation.latencies import latency_quantile
from tokwatt.simulation.limits import limits_of
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import SimulatedRun, run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.simulation.summary import overloaded
from tokwatt.studies.fleets.topologies import (
    TOPOLOGIES,
    PaperFleetInputs,
    PaperFleets,
    TrafficEntry,
)
from tokwatt.units import Dimensionless, Instances, RequestsPerSecond, Seconds, Tokens

FEWEST = 3000
"""Requests of a pool that are simulated: of as few instances as are given so many. Each is given
its requests in turn, whatever the others do."""
FREE = 2**16
"""Prompt tokens of a step where the account says that they take no time."""


class PoolPlan(NamedTuple):
    """A pool of a fleet as it is simulated.

    Attributes:
        requests: what it is sent, as it serves them.
        window: longest request.
        instances: how many share them in turn.
        arrival_rate: requests per second.
    """

    requests: Requests
    window: Tokens
    instances: int
    arrival_rate: RequestsPerSecond


class Served(NamedTuple):
    """What a fleet of Table 3 does.

    Attributes:
        instances: of all pools, as printed.
        within_target: share of requests whose first token comes within the target.
        queued_p99: 99th percentile of the wait.
        first_token: median time to first token.
        first_token_p99: its 99th percentile.
        inter_token_latency: median inter-token latency.
        inter_token_latency_p99: its 99th percentile.
        growing: 1 where the queue of a pool grows without end.
    """

    instances: Instances
    within_target: Dimensionless
    queued_p99: Seconds
    first_token: Seconds
    first_token_p99: Seconds
    inter_token_latency: Seconds
    inter_token_latency_p99: Seconds
    growing: Dimensionless


def simulated_fleets(
    catalogue: Catalogue,
    common: PaperFleetInputs,
    traffic: dict[str, TrafficEntry],
    llm: str,
    gpus_per_instance: Dimensionless,
    duration: Seconds,
) -> xr.Dataset:
    """Latencies of the fleets of Table 3, over account x workload x topology x GPU."""
    printed, demand = PaperFleets(catalogue, common), common.demand
    target, long_window = float(demand.latency_target), common.long_window

    @cache
    def sizes_of(workload: str, topology: str, gpu: str) -> list[int]:
        sized = printed.fleet(traffic[workload], topology, gpu)
        return [int(pool.instances) for pool in sized.pools]

    def served(account: str, workload: str, topology: str, gpu: str) -> Served:
        entry = traffic[workload]
        sizes = sizes_of(workload, topology, gpu)
        if account == PAPER:
            chosen = printed.account
            deployment = catalogue.profiled(common.profiles[gpu])
            shares: np.ndarray | float = float(demand.output_share)
        else:
            names = DeploymentNames(llm=llm, gpu=gpu, gpus=int(gpus_per_instance))
            chosen, deployment = account_of(catalogue, account, names), names.deployment(catalogue)
            measured = Headlines(catalogue).shares(workload, entry.workload)
            shares = float(demand.output_share) if measured is None else measured
        split = float(entry.short_window)
        cut = split * (float(common.overflow_factor) if topology == "fleetopt" else 1.0)
        edges = [long_window] if topology == "homogeneous" else [cut, long_window]
        whole = lengths_of(entry.workload.lengths, entry.workload.fractions, shares)
        rate = float(demand.arrival_rate)
        plans = _plans(whole, edges, sizes, rate, split if account == PAPER else None)
        instance = instance_of(chosen, deployment)
        runs = [_run(chosen, instance, pool, duration) for pool in plans]
        return _served(runs, plans, target)

    axes = {"workload": list(traffic), "topology": list(TOPOLOGIES), "gpu": list(common.profiles)}
    return grid.tabulate(served, account=[PAPER, CONSISTENT], **axes)


def _plans(
    whole: Requests,
    edges: list[Tokens],
    sizes: list[int],
    rate: RequestsPerSecond,
    clipped: Tokens | None,
) -> list[PoolPlan]:
    """Pools by the length of requests; the paper serves those beyond the split as just so long."""
    plans, below = [], 0.0
    for edge, size in zip(edges, sizes, strict=True):
        inside = (whole.length > below) & (whole.length <= edge) & (whole.weight > 0)
        own = Requests(*(getattr(whole, name)[inside] for name in whole.__dataclass_fields__))
        window = edge
        if clipped is not None and len(edges) > 1 and below == 0:
            window = clipped
            own = split_of(own.weight, np.minimum(own.length, window), own.prompt_share)
        plans.append(PoolPlan(own, window, size, rate * float(own.weight.sum())))
        below = edge
    return plans


def _run(account: Account, instance: Instance, pool: PoolPlan, duration: Seconds) -> SimulatedRun:
    """Some instances of a pool."""
    limits = limits_of(account, instance, pool.window, pool.requests)
    if account.assumed.prefill == "free":
        limits = limits._replace(tokens=FREE)
    table = StepTable(account, instance, limits, pool.window)
    own = max(1.0, pool.arrival_rate * duration / pool.instances)
    some = min(int(np.ceil(FEWEST / own)), pool.instances)
    return run_pools(
        [table], [limits], _in_turn(pool, some, duration), Router("round_robin", [some])
    )


def _in_turn(pool: PoolPlan, some: int, duration: Seconds) -> Iterator[Arrived]:
    """What the first of its instances are given."""
    count, passed = int(pool.arrival_rate * duration) + some, 0
    for part in arrivals(pool.requests, "poisson", pool.arrival_rate, count, seed=0):
        turns = (passed + np.arange(len(part.arrival))) % pool.instances
        passed += len(turns)
        yield Arrived(*(column[turns < some] for column in part))


def _served(runs: list[SimulatedRun], plans: list[PoolPlan], target: Seconds) -> Served:
    """All pools together, each by its share of the requests."""
    first, queued, weights = [], [], []
    histogram = np.zeros_like(runs[0].inter_token_counts)
    for done, pool in zip(runs, plans, strict=True):
        settled = done.finished.settled(SETTLED)
        first.append(done.finished.first_token[settled])
        queued.append(done.finished.queued[settled])
        weights.append(np.full(settled.sum(), pool.arrival_rate / settled.sum()))
        histogram = histogram + done.inter_token_counts * pool.arrival_rate / len(settled)
    times, weight = np.concatenate(first), np.concatenate(weights)
    return Served(
        instances=float(sum(pool.instances for pool in plans)),
        within_target=float(weight @ (times <= target) / weight.sum()),
        queued_p99=_quantile(np.concatenate(queued), weight, 0.99),
        first_token=_quantile(times, weight, 0.5),
        first_token_p99=_quantile(times, weight, 0.99),
        inter_token_latency=latency_quantile(histogram, 0.5),
        inter_token_latency_p99=latency_quantile(histogram, 0.99),
        growing=float(any(overloaded(done) for done in runs)),
    )


def _quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float:
    """The smallest value that at least this share of the weight does not exceed."""
    return float(np.quantile(values, share, weights=weight, method="inverted_cdf"))
