"""What plans of datasets have in common: each is chosen once for all that ask for it."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Annotated, NamedTuple

from tokwatt.accounts.answers import demanded
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import LlmRecord, Workload
from tokwatt.planning.configurations import Options
from tokwatt.planning.plan import Plan, plan
from tokwatt.planning.summary import described
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless, In, RequestsPerSecond, Seconds

Llms = Annotated[dict[str, LlmRecord], In("llms")]
Workloads = Annotated[dict[str, Workload], In("workloads")]
CANDIDATES = 16
"""Candidate lengths of these plans."""


class Asked(NamedTuple):
    """What plans of a dataset have in common."""

    catalogue: Catalogue
    gpus: tuple[str, ...]
    arrival_rate: RequestsPerSecond
    latency_target: Seconds
    itl_target: Seconds

    def plans(self, workloads: Workloads, llms: Llms) -> dict[tuple[str, str], Plan | None]:
        """The plan of each workload and LLM, None where there is none."""
        return {(w, llm): best_plan(self, w, llm) for w in workloads for llm in llms}


@cache
def best_plan(asked: Asked, workload: str, llm: str) -> Plan | None:
    """The plan, made once for all datasets that ask for it."""
    options = Options(gpu=asked.gpus, kv_precision=(None,), max_num_seqs=(None, 64))
    numbers = asked._asdict()
    demand = demanded(asked.catalogue, **{name: numbers[name] for name in asked._fields[2:]})
    changes = workload_changes(asked.catalogue, workload)
    asking = partial(plan, asked.catalogue, workload, demand, llm, changes=changes)
    try:
        return asking(options=options, candidates=CANDIDATES)
    except ParameterError:
        return None


def workload_changes(catalogue: Catalogue, workload: str) -> dict[str, str]:
    """What an account takes otherwise for a workload: a fifth of output where none was measured."""
    shares = Headlines(catalogue).shares(workload, catalogue.workloads[workload])
    return {"output_share": "fifth"} if shares is None else {}


def plan_at(own: Plan | None, **numbers: Dimensionless) -> Plan | None:
    """A plan under another demand, None where there is none."""
    try:
        return own and own.at(**numbers)
    except ParameterError:
        return None


def pools_in_words(own: Plan | None) -> str:
    """Pools of a plan in words."""
    if own is None:
        return ""
    sizes: Sequence[float] = [pool["instances"].value for pool in own.fleet.pools]
    pools = zip(sizes, own.names, own.windows, strict=True)
    return "; ".join(
        f"{size:g} x {described(names)} up to {window:.0f}" for size, names, window in pools
    )
