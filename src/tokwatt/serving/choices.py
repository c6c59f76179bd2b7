"""What an account of tokens per joule takes for granted: named choices, one alternative each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Literal, get_args, get_type_hints

SplitBy = Literal["length", "prompt"]
"""Which tokens of a request several pools share requests by."""

Router = Literal["random", "round_robin", "least_loaded", "least_work"]
"""Which instance of its pool serves a request."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """One alternative for each choice; `params/assumptions.yaml` says what they mean."""

    basis: Literal["gpu", "instance", "server", "facility"]
    architecture: Literal["catalogue", "published"]
    input_table: Literal["uncounted", "held"]
    kv_sharding: Literal["whole", "sharded"]
    memory: Literal["planned", "measured"]
    misfit: Literal["one_sequence", "infeasible"]
    kv_allocation: Literal["reserved", "on_demand"]
    context_length: Literal["end", "mean"]
    experts: Literal["printed", "active", "expected", "all"]
    dispatch: Literal["free", "counted"]
    step: Literal["calibrated", "program", "measured", "kernels"]
    prefill: Literal["free", "additive", "overlapped", "chunked"]
    power: Literal["logistic", "activity", "utilization"]
    lengths: Literal["sampled", "exact", "pairs"]
    output_share: Literal["fifth", "trace"]
    split_by: SplitBy
    router: Router
    long_pool: Literal["from_one", "from_split"]
    oversized: Literal["clip_credit_all", "clip", "compress", "fitting_window", "reject"]
    baseline: Literal["given", "smallest"]
    search_start: Literal["one_too_many", "fewest"]
    target: Literal["wait", "first_token", "both"]
    output_rounding: Literal["whole", "none"]
    batch_rounding: Literal["whole", "none"]


def switched(base: Assumptions, changes: Mapping[str, Any]) -> Assumptions:
    """Other alternatives for some of the choices."""
    return replace(base, **changes)


def choice_names() -> list[str]:
    """The choices, in the order in which they are explained."""
    return [field.name for field in fields(Assumptions)]


@cache
def alternatives(name: str) -> tuple[str, ...]:
    """What a choice may be."""
    return get_args(get_type_hints(Assumptions)[name])


OF_INSTANCES = (
    "architecture",
    "dispatch",
    "experts",
    "input_table",
    "kv_sharding",
    "memory",
    "step",
)
"""All choices that an instance depends on."""
OF_POOLS = (
    "basis",
    "batch_rounding",
    "context_length",
    "dispatch",
    "experts",
    "kv_allocation",
    "misfit",
    "power",
    "prefill",
    "router",
    "search_start",
    "step",
    "target",
)
"""All choices that sizing a pool depends on, once its instance and its traffic are made."""


def alike(assumed: Assumptions, names: Iterable[str]) -> Assumptions:
    """One set for all that agree on the choices that are named: JAX compiles once for them."""
    rest = set(choice_names()) - set(names)
    return switched(assumed, {name: alternatives(name)[0] for name in rest})
