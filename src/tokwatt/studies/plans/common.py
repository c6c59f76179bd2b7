"""What plans of datasets have in common: each is chosen once for all that ask for it."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from typing import Annotated

import numpy as np
import xarray as xr

from tokwatt.accounts.answers import demanded
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import LlmRecord, Workload, spec
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.plan import Plan, plan
from tokwatt.planning.summary import described
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.steps.passes import LATE
from tokwatt.studies.instances import Boards
from tokwatt.units import Dimensionless, In, RequestsPerSecond, Seconds

Llms = Annotated[dict[str, LlmRecord], In("llms")]
Workloads = Annotated[dict[str, Workload], In("workloads")]
CANDIDATES = 16
"""Candidate lengths of these plans."""


@spec
class PlanInputs:
    """What plans of a dataset have in common.

    Attributes:
        gpus: what may be chosen from.
        llms: the LLMs.
        arrival_rate: requests per second.
        latency_target: longest 99th percentile of the time to first token.
        itl_target: longest median inter-token latency.
    """

    gpus: Boards
    llms: Llms
    arrival_rate: RequestsPerSecond
    latency_target: Seconds
    itl_target: Seconds

    def axes(self, workloads: Iterable[str]) -> dict[str, list[str]]:
        """Names of the workloads and of the LLMs."""
        return {"workload": list(workloads), "llm": list(self.llms)}

    def plans(
        self, catalogue: Catalogue, workloads: Iterable[str]
    ) -> dict[tuple[str, str], Plan | None]:
        """The plan of each workload and LLM, None where there is none."""
        targets = self.arrival_rate, self.latency_target, self.itl_target
        return {
            (workload, llm): best_plan(catalogue, tuple(self.gpus), *targets, workload, llm)
            for workload, llm in product(workloads, self.llms)
        }


@cache
def best_plan(
    catalogue: Catalogue,
    gpus: tuple[str, ...],
    arrival_rate: RequestsPerSecond,
    latency_target: Seconds,
    itl_target: Seconds,
    workload: str,
    llm: str,
) -> Plan | None:
    """The plan, made once for all datasets that ask for it."""
    options = Options(gpu=gpus, kv_precision=(None,), max_num_seqs=(None, 64))
    demand = demanded(
        catalogue,
        arrival_rate=arrival_rate,
        latency_target=latency_target,
        ttft_quantile=LATE,
        itl_target=itl_target,
    )
    changes, asked = workload_changes(catalogue, workload), (catalogue, workload, demand, llm)
    try:
        return plan(*asked, options=options, candidates=CANDIDATES, changes=changes)
    except ParameterError:
        return None


def workload_changes(catalogue: Catalogue, workload: str) -> dict[str, str]:
    """What an account takes otherwise for a workload: a fifth of output where none was measured."""
    shares = Headlines(catalogue).shares(workload, catalogue.workloads[workload])
    return {"output_share": "fifth"} if shares is None else {}


def with_pools(table: xr.Dataset, plans: Iterable[Plan | None]) -> xr.Dataset:
    """A table of plans with their pools in words, in the order of its cells."""
    texts = np.reshape([_pools_in_words(own) for own in plans], table.pools.shape)
    return table.assign_coords(configuration=(table.pools.dims, texts))


def plan_at(own: Plan | None, **numbers: Dimensionless) -> Plan | None:
    """A plan under another demand, None where there is none."""
    try:
        return own and own.at(**numbers)
    except ParameterError:
        return None


def _pools_in_words(own: Plan | None) -> str:
    """Pools of a plan in words."""
    if own is None:
        return ""
    sizes: Sequence[float] = [pool["instances"].value for pool in own.fleet.pools]
    pools = zip(sizes, own.names, own.longest, strict=True)
    return "; ".join(
        f"{size:g} x {described(names)} up to {longest:.0f}" for size, names, longest in pools
    )
