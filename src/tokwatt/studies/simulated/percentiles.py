"""Percentiles of one instance by the formula of fleets, and the same instance simulated."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import inf
from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.answers.demand import demanded
from tokwatt.accounts.answers.pools import share_out
from tokwatt.accounts.answers.quantities import LATENCIES
from tokwatt.accounts.answers.simulated import half_width
from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, fleet_account
from tokwatt.accounts.doubts import doubts
from tokwatt.accounts.simulated import SETTLED
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.requests import Requests
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.fleet import sized_pool
from tokwatt.serving.pools.pool import Pool
from tokwatt.serving.results import plain_numbers
from tokwatt.serving.steps.times import instance_of
from tokwatt.simulation.arrivals import BURSTINESS, arrivals
from tokwatt.simulation.latencies import latency_quantile
from tokwatt.simulation.limits import limits_of
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import SimulatedRun, run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.studies.instances import Boards
from tokwatt.studies.plans.common import Workloads, workload_changes
from tokwatt.units import Dimensionless, DimensionlessAxis, RequestsPerSecond, Seconds, Tokens

UNBOUND = {"latency_target": 1e9, "itl_target": inf, "max_utilization": 1 - 1e-9}
"""What leaves a single instance whatever load it is given."""
SEEDS = (0, 1, 2)


class Compared(NamedTuple):
    """A percentile by formula and simulated.

    Attributes:
        formula: what `fleet` says.
        simulated: what a simulation says, all seeds together.
        low: lower end of the 90 % interval of that.
        high: upper end.
        over_simulated: formula over simulation.
        doubtful: 1 where `fleet` says that it must be simulated.
        arrival_rate: requests per second of the instance.
    """

    formula: Seconds
    simulated: Seconds
    low: Seconds
    high: Seconds
    over_simulated: Dimensionless
    doubtful: Dimensionless
    arrival_rate: RequestsPerSecond


def _percentiles(runs: Sequence[SimulatedRun]) -> dict[str, Seconds]:
    """What requests of runs waited for, once an engine is no longer empty, by LATENCIES."""
    waits = [done.finished.first_token[done.finished.settled(SETTLED)] for done in runs]
    first = np.quantile(np.concatenate(waits), (0.5, 0.99)).tolist()
    histogram = np.sum([done.inter_token_counts for done in runs], axis=0)
    between = [latency_quantile(histogram, share) for share in (0.5, 0.99)]
    return dict(zip(LATENCIES, first + between, strict=True))


class LoadedInstance(NamedTuple):
    """An instance and the requests of a workload.

    Attributes:
        account: how steps are counted.
        instance: the instance.
        requests: kinds of request.
        traffic: what they ask.
        window: longest request.
        limits: what the engine holds.
        table: its steps.
    """

    account: Account
    instance: Instance
    requests: Requests
    traffic: Traffic
    window: Tokens
    limits: Limits
    table: StepTable

    def pool(self, demand: Demand) -> Pool:
        """One instance by the formula of fleets."""
        own = self.account, self.instance, self.traffic, self.window
        return plain_numbers(sized_pool(*own, demand))

    def runs(self, process: str, rate: RequestsPerSecond, count: int) -> list[SimulatedRun]:
        """The same, simulated: a run for each seed."""
        streams = (arrivals(self.requests, process, rate, count, seed) for seed in SEEDS)
        return [
            run_pools([self.table], [self.limits], stream, Router("random", [1]))
            for stream in streams
        ]


def percentiles(
    catalogue: Catalogue,
    gpus: Boards,
    llm: str,
    gpus_per_instance: Dimensionless,
    workloads: Workloads,
    loads: DimensionlessAxis,
    process: str,
    requests: Dimensionless,
) -> xr.Dataset:
    """Latencies of single instances, over percentile x GPU x workload x load.

    A load is the arrival rate over that at which all requests run that the KV cache pool holds.
    `requests` are simulated at no load, and more the longer a queue takes to settle.
    """

    @cache
    def compared(gpu: str, workload: str, load: Dimensionless) -> dict[str, Compared]:
        names = DeploymentNames(llm=llm, gpu=gpu, gpus=int(gpus_per_instance))
        return _compared(loaded_instance(catalogue, names, workload), load, process, requests)

    def at(percentile: str, gpu: str, workload: str, load: Dimensionless) -> Compared:
        return compared(gpu, workload, float(load))[percentile]

    axes = {"gpu": list(gpus), "workload": list(workloads)}
    return grid.tabulate(at, percentile=list(LATENCIES), **axes, load=loads)


@cache
def loaded_instance(catalogue: Catalogue, names: DeploymentNames, workload: str) -> LoadedInstance:
    """An instance by name with the requests of a workload, on the consistent account."""
    changes = workload_changes(catalogue, workload)
    account = fleet_account(catalogue, CONSISTENT, names, workload, changes)
    demand = demanded(catalogue)
    laid = share_out(catalogue, workload, names, account, (), None, demand)
    requests = laid.case.requests(account.assumed, float(demand.output_share))
    instance, window = instance_of(account, names.deployment(catalogue)), laid.routed.windows[0]
    limits = limits_of(account, instance, window, requests)
    table = StepTable(account, instance, limits, window)
    return LoadedInstance(account, instance, requests, laid.routed.pools[0], window, limits, table)


def _compared(
    asked: LoadedInstance, load: Dimensionless, process: str, count: float
) -> dict[str, Compared]:
    demand = Demand(arrival_rate=1.0, output_share=0.0, **UNBOUND)
    rate = load * float(asked.pool(demand).service_rate)
    pool = asked.pool(replace(demand, arrival_rate=rate))
    runs = asked.runs(process, rate, int(count / (1 - load)))
    together, alone = _percentiles(runs), [_percentiles([done]) for done in runs]
    burstiness = 1 / BURSTINESS if process == "gamma" else 1.0
    doubtful = dict(doubts(pool, burstiness))
    found = {}
    for name, field in LATENCIES.items():
        formula, simulated = getattr(pool, field), together[name]
        half = half_width(np.array([of_seed[name] for of_seed in alone]))
        found[name] = Compared(
            formula=formula,
            simulated=simulated,
            low=simulated - half,
            high=simulated + half,
            over_simulated=formula / simulated,
            doubtful=float(name in doubtful),
            arrival_rate=rate,
        )
    return found
