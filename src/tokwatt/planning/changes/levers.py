"""What each lever is worth, by taking it away."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.parts import PoolNames, parts_of
from tokwatt.planning.optimum.choice import Partition, shortest
from tokwatt.planning.plan import Plan
from tokwatt.units import Dimensionless, DimensionlessAxis

LEVERS: dict[str, tuple[str, ...]] = {
    "gpu": ("gpu",),
    "width": ("gpus", "data_parallel", "expert_parallel"),
    "precision": ("precision", "kv_precision"),
    "batch cap": ("max_num_seqs", "max_num_batched_tokens"),
    "length split": (),
}
"""Levers by name, each with the parts of a configuration that it moves."""
LIMIT, APART = "power limit", "disaggregation"
"""Levers of plans that may limit boards, and whose pools may have prefill and decode apart."""
FIELDS = LEVERS | {LIMIT: ("power_limit",), APART: ()}


class LeverStep(NamedTuple):
    """A plan with levers taken away.

    Attributes:
        lever: the one that was taken away last; empty for the plan itself.
        cost: of an output token; infinite where there is no fleet.
        alone: the same with only this lever taken away, over the plan's own cost.
    """

    lever: str
    cost: Dimensionless
    alone: Dimensionless


def plain_names(plan: Plan) -> DeploymentNames:
    """What is run without levers: eight H100 and 16 bits, or the first of what may be chosen."""
    names = plan.columns.whole.configurations.names
    usual = DeploymentNames(llm=plan.llm, precision="bfloat16")

    def usually(field: str) -> object:
        values = [getattr(own, field) for own in names]
        return getattr(usual, field) if getattr(usual, field) in values else values[0]

    return DeploymentNames(**{field: usually(field) for field in vars(usual)})  # type: ignore[arg-type]


def levers_of(plan: Plan) -> tuple[str, ...]:
    """Levers that a plan may use."""
    limited = any(own.power_limit for own in plan.columns.whole.configurations.names)
    more = {LIMIT: limited, APART: plan.columns.between is not None}
    return (*LEVERS, *(lever for lever, used in more.items() if used))


def is_plain(
    names: Sequence[PoolNames], plain: DeploymentNames, levers: Sequence[str]
) -> DimensionlessAxis:
    """Which rows do without some levers, shape (row,)."""
    fields = [field for lever in levers for field in FIELDS[lever]]
    found = [
        all(getattr(it.names, field) == getattr(plain, field) for field in fields)
        and not (APART in levers and it.part != "both")
        for it in parts_of(names)
    ]
    whole = np.ones(len(names), bool)
    np.logical_and.at(whole, [it.pool for it in parts_of(names)], found)
    return whole


def partition_without(plan: Plan, levers: Sequence[str]) -> Partition:
    """The best plan without some levers, free of budgets; of infinite cost where there is none."""
    allowed = is_plain(plan.columns.names, plain_names(plan), levers)
    cost = np.where(allowed[:, None], plan.cost, np.inf)
    pools = 1 if "length split" in levers else plan.question.budget.pools
    return shortest(cost, plan.columns.classes.bins, pools)


def cost_without(plan: Plan, levers: Sequence[str]) -> Dimensionless:
    """The objective of an output token without some levers, free of budgets; infinite for none."""
    return partition_without(plan, levers).cost / plan.columns.generated


def lever_waterfall(plan: Plan) -> list[LeverStep]:
    """The plan, then without one lever after another, from the least valuable to the most."""
    whole = cost_without(plan, [])
    alone = {lever: cost_without(plan, [lever]) / whole for lever in levers_of(plan)}
    steps, gone = [LeverStep("", whole, 1.0)], []
    for lever in sorted(alone, key=lambda lever: alone[lever]):
        gone.append(lever)
        steps.append(LeverStep(lever, cost_without(plan, gone), alone[lever]))
    return steps
