"""A plan as a record that `fleet` reads back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import msgspec
import yaml

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.parts import PoolNames, PoolPart, pools_of
from tokwatt.output import write_files
from tokwatt.params.errors import ParameterError, complaint, shown
from tokwatt.params.records.reading import read_yaml
from tokwatt.params.records.section import Section
from tokwatt.params.specs import Demand
from tokwatt.planning.plan import Plan
from tokwatt.serving.demand.traffic import Part
from tokwatt.serving.results import MOST
from tokwatt.units import Dimensionless, Instances, Tokens

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


class PlanRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A plan as it is written.

    Attributes:
        account: an assumption set by name.
        changes: other alternatives for some of its choices.
        objective: what is least.
        workload: a workload by name, where it is for one.
        trace: a file of requests, where it is for one, from the folder of the plan.
        demand: arrival rate and bounds, in SI units.
        pools: by rising length of their requests.
    """

    account: str
    changes: dict[str, str]
    objective: str
    workload: str | None
    trace: str | None
    demand: dict[str, Dimensionless]
    pools: list[PlannedPool]

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


def write_plan(record: PlanRecord, path: Path) -> None:
    """Write a plan, or leave the file as it was."""
    if record.trace:
        near = os.path.relpath(Path(record.trace).resolve(), path.resolve().parent)
        record = msgspec.structs.replace(record, trace=near)
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
    _require_pairs(path, found.pools)
    if found.trace:
        found.trace = str(path.parent / found.trace)
    known = {field.name for field in fields(Demand)}
    for name in found.demand:
        if name not in known:
            raise complaint(path, f"demand.{name}", "is unknown", f"one of {', '.join(known)}")
    return found


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
