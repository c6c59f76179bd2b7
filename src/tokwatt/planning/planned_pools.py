"""Pools of a plan as they are written, and what they must be."""

from itertools import pairwise
from pathlib import Path

import msgspec

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.errors import complaint, shown
from tokwatt.serving.demand.traffic import Part
from tokwatt.serving.results import MOST
from tokwatt.units import Instances, Tokens


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


def require_pools(path: Path, pools: list[PlannedPool]) -> None:
    """Refuse pools that no fleet can have.

    Raises:
        ParameterError: with the key in the file, what stands there and what is wanted.
    """
    if not pools:
        raise complaint(path, "pools", "is empty", "a pool or more")
    for place, pool in enumerate(pools):
        for name in ("longest", "instances"):
            require_number(path, f"pools[{place}].{name}", getattr(pool, name))
        if pool.instances % 1:
            key, found = f"pools[{place}].instances", f"is {pool.instances:g}"
            raise complaint(path, key, found, "a whole number")
    _require_pairs(path, pools)
    _require_rising(path, pools)


def require_number(path: Path, key: str, number: object) -> None:
    """Refuse what is no number above 0."""
    if not (isinstance(number, int | float) and 0 < number <= MOST):
        found = f"is {number:g}" if isinstance(number, float) else f"is {shown(number)}"
        raise complaint(path, key, found, f"a number above 0 and up to {MOST:g}")


def _require_rising(path: Path, pools: list[PlannedPool]) -> None:
    """Refuse pools that are not sorted by the length of their requests."""
    serving = [(place, pool) for place, pool in enumerate(pools) if pool.part != "prefill"]
    for (_, before), (place, pool) in pairwise(serving):
        if not before.longest < pool.longest:
            key, wanted = f"pools[{place}].longest", f"more than the {before.longest:g} before it"
            raise complaint(path, key, f"is {pool.longest:g}", wanted)


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
