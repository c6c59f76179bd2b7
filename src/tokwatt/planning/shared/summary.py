"""What is said of a fleet for several traces, as plain values."""

from typing import Any

from tokwatt.planning.binding import extrapolated, first_of_kind
from tokwatt.planning.changes.verified import Verified, latencies_of_targets
from tokwatt.planning.shared.shared_plan import SharedPlan
from tokwatt.planning.summary import described, described_pools


def shared_summary(plan: SharedPlan) -> dict[str, Any]:
    """Everything that is said of a fleet for several traces.

    Returns:
        What it stands on, its cost in the worst trace, its pools with the trace that needs most of
        each, every trace with its numbers and its own plan, and what is extrapolated.
    """
    worst, columns = plan.worst, plan.each[0].columns
    basis = worst.fleet.basis
    return {
        "account": basis.account,
        "basis": basis.basis,
        "objective": plan.question.objective,
        "split_by": columns.account.assumed.split_by,
        "cost_per_token": worst.cost_per_token,
        "worst": plan.names[plan.each.index(worst)],
        "gap": plan.proved.gap,
        "configurations": len(columns.names),
        "classes": len(columns.classes.windows),
        "pools": [_of_part(plan, place) for place in range(len(worst.parts))],
        "traces": {name: _of_trace(plan, place) for place, name in enumerate(plan.names)},
        "extrapolated": first_of_kind([it for own in plan.each for it in extrapolated(own)]),
        "simulate": list(dict.fromkeys(it for own in plan.each for it in own.fleet.basis.simulate)),
    }


def shared_verified(found: Verified[SharedPlan]) -> dict[str, Any]:
    """What the simulation says of all traces, and the latencies of each by their targets."""
    names = latencies_of_targets(found.plan.question.demand)
    pairs = zip(found.plan.names, found.answers, strict=True)
    traces = {
        trace: {name: answer.quantities[names[name]].value for name in found.targets}
        for trace, answer in pairs
    }
    return found.numbers | {"traces": traces}


def _of_part(plan: SharedPlan, place: int) -> dict[str, Any]:
    part, numbers = plan.worst.parts[place], plan.worst.fleet.pools[place]
    batch, instances = plan.binds[place]
    return {
        "part": part.own.part,
        "longest": part.longest,
        "configuration": described(part.own.names),
        "instances": numbers["instances"].value,
        "gpus": numbers["gpus"].value,
        "needed": {
            name: counts[place] for name, counts in zip(plan.names, plan.instances, strict=True)
        },
        "busiest": plan.names[plan.busiest[place]],
        "binds": {"batch": batch, "instances": instances},
    }


def _of_trace(plan: SharedPlan, place: int) -> dict[str, Any]:
    seen, alone = plan.each[place], plan.plans_alone[place]
    return {
        "arrival_rate": float(seen.question.demand.arrival_rate),
        "cost_per_token": seen.cost_per_token,
        "alone": {
            "cost_per_token": alone.cost_per_token,
            "cost_ratio": seen.cost_per_token / alone.cost_per_token,
            "pools": described_pools(alone.longest, alone.names),
        },
        "numbers": seen.fleet.quantities,
    }
