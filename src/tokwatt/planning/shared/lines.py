"""A fleet for several traces as lines of one screen."""

from collections.abc import Iterator, Mapping
from typing import Any

from tokwatt.planning.changes.verified import Verified
from tokwatt.planning.lines import (
    SCALES,
    UNITS,
    best_of,
    bounds_of,
    doubt_lines,
    shown_latencies,
    verified_line,
)
from tokwatt.planning.shared.shared_plan import SharedPlan
from tokwatt.planning.shared.summary import shared_summary, shared_verified
from tokwatt.planning.summary import kind, shared_by
from tokwatt.text import aligned

POOLS = ("configuration", "instances", "GPUs", "needed", "most in", "binds there")
TRACES = ("trace", "req/s", "kW", "J/tok", "USD/Mtok", "TTFT 50/99", "ITL 50/99", "own plan")


def shared_lines(plan: SharedPlan) -> Iterator[str]:
    """A fleet for several traces in one screen."""
    said = shared_summary(plan)
    objective = plan.question.objective
    unit, scale = UNITS[objective], SCALES[objective]
    yield plan.worst.fleet.basis.sentence
    yield (
        f"{objective}: {said['cost_per_token'] * scale:.4g} {unit} in {said['worst']}, the worst of"
        f" {len(plan.each)} traces, {best_of(said)}"
    )
    yield f"targets: {plan.worst.fleet.basis.targets}"
    yield ""
    totals = (f"{sum(pool[name] for pool in said['pools']):g}" for name in ("instances", "gpus"))
    head = (shared_by(said), *POOLS)
    yield from aligned([head, *map(_pool, said["pools"]), ("all", "", *totals, "", "", "")])
    yield ""
    rows = (_trace(name, own, scale, unit) for name, own in said["traces"].items())
    yield from aligned([TRACES, *rows])
    yield ""
    yield from doubt_lines(said["extrapolated"], said["simulate"])


def _pool(pool: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{pool['longest']:.0f}",
        kind(pool),
        f"{pool['instances']:g}",
        f"{pool['gpus']:g}",
        ", ".join(f"{count:g}" for count in pool["needed"].values()),
        pool["busiest"],
        bounds_of(pool),
    )


def _trace(name: str, own: Mapping[str, Any], scale: float, unit: str) -> tuple[str, ...]:
    numbers, alone = own["numbers"], own["alone"]
    return (
        name,
        f"{own['arrival_rate']:.4g}",
        f"{numbers['power'].value / 1e3:.4g}",
        f"{numbers['joules_per_token'].value:.4g}",
        f"{1e6 * numbers['dollars_per_token'].value:.4g}",
        *shown_latencies(numbers),
        f"{alone['cost_per_token'] * scale:.4g} {unit}, here x{alone['cost_ratio']:.3f}",
    )


def shared_verified_lines(found: Verified[SharedPlan]) -> Iterator[str]:
    """Whether a fleet keeps its targets request by request, and the latencies of each trace."""
    yield verified_line(found)
    for trace, latencies in shared_verified(found)["traces"].items():
        yield f"  in {trace}: {', '.join(f'{it:.3g} s' for it in latencies.values())}"
