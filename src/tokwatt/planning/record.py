"""A plan as a record that `fleet` reads back."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.parts import PoolNames, PoolPart, pools_of
from tokwatt.output import write_files
from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.records.reading import read_yaml
from tokwatt.params.records.section import Section
from tokwatt.params.specs import Demand
from tokwatt.planning.plan import Plan
from tokwatt.planning.planned_pools import PlannedPool, require_number, require_pools
from tokwatt.planning.shared.shared_plan import SharedPlan
from tokwatt.units import Dimensionless, Instances, RequestsPerSecond, Tokens, hints_of, units_of

HEADER = "# A plan of tokwatt: `tokwatt fleet --plan` reads it.\n"


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
        trace: a file of requests, where it is for one, from the folder of the plan.
        demand: arrival rate and bounds in SI units; each is written with its unit.
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

    def rate_of(self, workload: str | None, trace: Path | None) -> RequestsPerSecond | None:
        """Arrival rate of one of several traces, None of another."""
        if trace:
            files = {Path(it.trace).resolve(): it for it in self.traces if it.trace}
            found = files.get(trace.resolve())
        else:
            found = {it.workload: it for it in self.traces}.get(workload)
        return found and found.arrival_rate

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


Traced = TypeVar("Traced", PlanRecord, PlannedTrace)


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
    folder = path.resolve().parent
    record = _with_traces(record, lambda trace: os.path.relpath(Path(trace).resolve(), folder))
    written = msgspec.to_builtins(record) | {"demand": _with_units(record.demand)}
    text = yaml.safe_dump(written, sort_keys=False, default_flow_style=None)
    write_files({path: HEADER + text})


def read_plan(path: Path) -> PlanRecord:
    """Read a plan.

    Raises:
        ParameterError: with one sentence, where the file is no plan.
    """
    section = Section(path, read_yaml(path))
    demand = _in_si(section.child("demand"))
    found = section.at("", section.raw | {"demand": demand}).convert(PlanRecord)
    for place, pool in enumerate(section.raw["pools"]):
        names = (field.name for field in fields(DeploymentNames))
        section.at(f"pools[{place}].deployment", pool["deployment"]).only(*names)
    require_pools(path, found.pools)
    for place, trace in enumerate(found.traces):
        require_number(path, f"traces[{place}].arrival_rate", trace.arrival_rate)
    return _with_traces(found, lambda trace: str(path.parent / trace))


def _with_units(demand: Mapping[str, Dimensionless]) -> dict[str, dict[str, object]]:
    """What is asked of a fleet as records; what has no bound is left out."""
    units = units_of(Demand)
    finite = {name: number for name, number in demand.items() if math.isfinite(number)}
    return {name: {"value": number, "unit": units[name]} for name, number in finite.items()}


def _in_si(section: Section) -> dict[str, Dimensionless]:
    """Records of what is asked of a fleet as numbers; one that may be left out has its default."""
    hints = hints_of(Demand)
    section.only(*hints)
    given = {name: section.quantity(name, hints[name], positive=False) for name in section.raw}
    return {it.name: it.default for it in fields(Demand) if it.default is not MISSING} | given


def _with_traces(record: PlanRecord, named: Callable[[str], str]) -> PlanRecord:
    """A plan with other names of its files of requests."""

    def renamed(own: Traced) -> Traced:
        return msgspec.structs.replace(own, trace=named(own.trace)) if own.trace else own

    return msgspec.structs.replace(renamed(record), traces=[renamed(it) for it in record.traces])


@contextmanager
def named_as_keys(record: PlanRecord, path: Path) -> Iterator[None]:
    """What is wrong with an argument that a plan gives is said of its key in the file."""
    try:
        yield
    except ParameterError as error:
        name, _, said = str(error).partition(": ")
        raise ParameterError(f"{path}: {_key_of(record, name, said)} {said}") from None


def _key_of(record: PlanRecord, name: str, said: str) -> str:
    """Where a plan has an argument: in the first pool that has what is said of it."""
    if name in record.demand:
        return f"demand.{name}"
    for place, pool in enumerate(record.pools):
        if said.startswith(f"is {shown(getattr(pool.deployment, name, None))}"):
            return f"pools[{place}].deployment.{name}"
    return name
