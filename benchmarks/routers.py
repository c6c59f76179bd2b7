"""First tokens by the formula of fleets and simulated, router by router."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, get_args

import numpy as np

from benchmarks.timing import OURS, Row
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.specs import Demand
from tokwatt.serving.catalogue import load
from tokwatt.serving.choices import Router
from tokwatt.serving.pools.pool import Pool
from tokwatt.simulation import routers
from tokwatt.simulation.arrivals import arrivals
from tokwatt.simulation.run import run_pools
from tokwatt.studies.simulated.percentiles import UNBOUND, LoadedInstance, loaded_instance

SEEDS = (0, 1)
SETTLED = 0.2
"""Share of the requests whose latencies do not count, as engines start empty."""
LEAST, EACH = 20_000, 25
"""Requests of a run: at least so many, and so many for each that runs at the mean batch."""
USED = (0.3, 0.6, 0.85)
"""Shares of the time that prompts fill the chunks."""


class Case(NamedTuple):
    """A workload on instances.

    Attributes:
        workload: its name.
        names: an instance.
        instances: how many.
    """

    workload: str
    names: DeploymentNames
    instances: tuple[int, ...]


SMALL, LARGE = DeploymentNames(llm="llama-3.1-8b", gpus=1), DeploymentNames(gpus=8)
CHOSEN = {"azure, 70B": Case("azure", LARGE, (1, 4, 16))}
"""Cases by which the forms of the waits were chosen."""
HELD_OUT = {
    "azure, 8B": Case("azure", SMALL, (2, 8, 64)),
    "lmsys, 8B": Case("lmsys", SMALL, (2, 8)),
    "agent-heavy, 70B on B200": Case("agent_heavy", replace(LARGE, gpu="B200"), (2, 8, 16)),
}
"""Cases that were looked at after that."""


def routed(threads: int, only: str = "") -> Iterator[Row]:
    """Times to first token in seconds, the median and the 99th percentile, by both."""
    for name, case in (CHOSEN | HELD_OUT).items():
        if only not in name:
            continue
        asked = loaded_instance(load("params"), case.names, case.workload)
        for instances in case.instances:
            for used in USED:
                rate = instances * _rate(asked, used)
                if not rate:
                    continue
                for router in get_args(Router):
                    what = f"{name}, {instances} instances {used:.0%} used, {router}"
                    yield from _compared(asked, instances, rate, router, what, threads)


def _compared(
    asked: LoadedInstance, instances: int, rate: float, router: str, what: str, threads: int
) -> Iterator[Row]:
    own = asked._replace(account=asked.account.switched(router=router))
    pool = _pool(own, instances, rate)
    count = int(max(LEAST, EACH * instances * pool.batch))
    runs = [_first_tokens(asked, instances, rate, router, count, seed) for seed in SEEDS]
    formula = pool.median_first_token, pool.late_first_token
    for share, found in zip((0.5, 0.99), formula, strict=True):
        simulated = [float(np.quantile(run, share)) for run in runs]
        state = f"p{100 * share:.0f}"
        yield Row(what, f"{OURS}, formula", threads, state, [float(found)], "s")
        yield Row(what, f"{OURS}, simulated", threads, state, simulated, "s")


def _first_tokens(
    asked: LoadedInstance, instances: int, rate: float, router: str, count: int, seed: int
) -> np.ndarray:
    stream = arrivals(asked.requests, "poisson", rate, count, seed)
    chosen = routers.Router(router, [instances], seed=seed)
    done = run_pools([asked.table], [asked.limits], stream, chosen)
    return done.finished.first_token[done.finished.settled(SETTLED)]


def _pool(asked: LoadedInstance, instances: int, rate: float) -> Pool:
    demand = Demand(arrival_rate=rate, output_share=0.0, **UNBOUND, least_instances=instances)
    return asked.pool(demand)


def _rate(asked: LoadedInstance, used: float) -> float:
    """Requests per second of an instance whose chunks are used so much; 0 where the KV cache ends
    first."""
    low, high = 0.0, 0.999 * float(_pool(asked, 1, 1.0).service_rate)
    if _pool(asked, 1, high).prefill_utilization < used:
        return 0.0
    for _ in range(25):
        middle = (low + high) / 2
        late = _pool(asked, 1, middle).prefill_utilization > used
        low, high = (low, middle) if late else (middle, high)
    return low


MEASURED = {"routers": routed}
