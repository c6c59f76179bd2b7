"""A plan as a record that `fleet` reads back."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import msgspec
import yaml

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.parts import PoolNames, PoolPart, pools_of
from tokwatt.output import write_files
from tokwatt.params.errors import complaint
from tokwatt.params.records.reading import read_yaml
from tokwatt.params.records.section import Section
from tokwatt.params.specs import Demand
from tokwatt.planning.plan import Plan
from tokwatt.planning.shared.shared_plan import SharedPlan
from tokwatt.serving.demand.traffic import Part
from tokwatt.serving.results import MOST
from tokwatt.units import Dimensionless, Instances, RequestsPerSecond, Tokens

HEADER = "# A plan of tokwatt: `tokwatt fleet --plan` reads it.\n"


class PlannedPool(msgspec.Struct, forbid_unknown_fields=True):
    """A pool of a plan as it is written.

    Attributes:
        longest: longest request that it takes, or prompt where pools go by prompts.
        instances: whole instances.
        deployment: what each of them is.
        part: what they do for a request; prefill stands before the decode of its pool.
    """

    longest: Tokens
    instances: Instances
    deployment: DeploymentNames
    part: Part = "both"


class PlannedTrace(msgspec.Struct, forbid_unknown_fields=True):
    """One of several traces of a plan as it is written.

    Attributes:
        workload: a workload by name, where it is one.
        trace: a file of requests, where it is one.
        arrival_rate: requests per second.
    """

    workload: str | None
    trace: str | None
    arrival_rate: RequestsPerSecond

    @property
    def name(self) -> str:
        """The workload or the file."""
        return self.workload or str(self.trace)


class PlanRecord(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A plan as it is written.

    Attributes:
        account: an assumption set by name.
        changes: other alternatives for some of its choices.
        objective: what is least.
        workload: a workload by name, where it is for one.
        trace: a file of requests, where it is for one.
        demand: arrival rate and bounds, in SI units.
        pools: by rising length of their requests.
        traces: where it is for several, which keep the instances of its pools.
    """

    account: str
    changes: dict[str, str]
    objective: str
    workload: str | None
    trace: str | None
    demand: dict[str, Dimensionless]
    pools: list[PlannedPool]
    traces: list[PlannedTrace] = []

    @property
    def least_instances(self) -> list[Instances]:
        """Instances of each pool that there are in any case, where it is for several traces."""
        return [pool.instances for pool in self.pools] if self.traces else []

    @property
    def last_window(self) -> Tokens | None:
        """Window of the last pool, where it is for several traces."""
        return self.pools[-1].longest if self.traces else None

    @property
    def names(self) -> list[PoolNames]:
        """What each pool is."""
        return pools_of([PoolPart(0, pool.part, pool.deployment) for pool in self.pools])

    @property
    def split_lengths(self) -> list[Tokens]:
        """Longest request, or prompt, of each pool but the last."""
        return [pool.longest for pool in self.pools if pool.part != "prefill"][:-1]


def record_of(plan: Plan, trace: Path | None = None) -> PlanRecord:
    """A plan as a record; `trace` is where its requests were read from."""
    own = plan.question
    sizes = [pool["instances"].value for pool in plan.fleet.pools]
    pools = zip(plan.parts, sizes, strict=True)
    return PlanRecord(
        own.account,
        dict(own.changes),
        own.objective,
        own.requests if isinstance(own.requests, str) else None,
        str(trace) if trace else None,
        {field.name: float(getattr(own.demand, field.name)) for field in fields(Demand)},
        [PlannedPool(it.longest, size, it.own.names, it.own.part) for it, size in pools],
    )


def record_of_shared(plan: SharedPlan, traces: Sequence[Path | None]) -> PlanRecord:
    """A plan of several traces as a record; `traces` are where they were read from."""
    whole = record_of(plan.each[0])
    demand = {name: it for name, it in whole.demand.items() if name != "arrival_rate"}
    pairs = zip((own.question for own in plan.each), traces, strict=True)
    each = [
        PlannedTrace(
            own.requests if isinstance(own.requests, str) else None,
            str(trace) if trace else None,
            float(own.demand.arrival_rate),
        )
        for own, trace in pairs
    ]
    return msgspec.structs.replace(whole, workload=None, demand=demand, traces=each)


def write_plan(record: PlanRecord, path: Path) -> None:
    """Write a plan, or leave the file as it was."""
    text = yaml.safe_dump(msgspec.to_builtins(record), sort_keys=False, default_flow_style=None)
    write_files({path: HEADER + text})


def read_plan(path: Path) -> PlanRecord:
    """Read a plan.

    Raises:
        ParameterError: with one sentence, where the file is no plan.
    """
    section = Section(path, read_yaml(path))
    found = section.convert(PlanRecord)
    if not found.pools:
        raise complaint(path, "pools", "is empty", "a pool or more")
    for place, pool in enumerate(found.pools):
        for name in ("longest", "instances"):
            if not 0 < (number := getattr(pool, name)) <= MOST:
                wanted = f"a number above 0 and up to {MOST:g}"
                raise complaint(path, f"pools[{place}].{name}", f"is {number:g}", wanted)
    for place, trace in enumerate(found.traces):
        if not 0 < trace.arrival_rate <= MOST:
            key, wanted = f"traces[{place}].arrival_rate", f"a number above 0 and up to {MOST:g}"
            raise complaint(path, key, f"is {trace.arrival_rate:g}", wanted)
    _require_pairs(path, found.pools)
    known = {field.name for field in fields(Demand)}
    for name in found.demand:
        if name not in known:
            raise complaint(path, f"demand.{name}", "is unknown", f"one of {', '.join(known)}")
    return found


def _require_pairs(path: Path, pools: list[PlannedPool]) -> None:
    """Refuse pools that prefill for none, decode without prefill, or for another window."""
    parts = [pool.part for pool in pools]
    for place, (part, following) in enumerate(zip(["both", *parts], [*parts, "both"], strict=True)):
        if (part == "prefill") != (following == "decode"):
            wanted = "decode after prefill, and nowhere else"
            raise complaint(path, f"pools[{place}].part", f"is {following} after {part}", wanted)
    for place, (pool, decode) in enumerate(pairwise(pools)):
        if pool.part == "prefill" and pool.longest != decode.longest:
            key, found = f"pools[{place}].longest", f"is {pool.longest:g}"
            raise complaint(path, key, found, f"{decode.longest:g}, as where they decode")
