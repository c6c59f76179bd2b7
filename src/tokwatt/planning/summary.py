"""What is said of a plan: its configurations in words, and everything as plain values."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokwatt.accounts.answers.answer import Estimate
from tokwatt.accounts.parts import Disaggregated, PoolNames
from tokwatt.planning.binding import binding, extrapolated
from tokwatt.planning.changes.levers import lever_waterfall
from tokwatt.planning.part import PlannedPart
from tokwatt.planning.plan import Plan
from tokwatt.units import Tokens


def described(names: PoolNames) -> str:
    """A configuration in words, or one that prefills for another."""
    if isinstance(names, Disaggregated):
        return f"{described(names.prefill)} prefills for {described(names.decode)}"
    width = f"TP{names.gpus}" + (f" DP{names.data_parallel}" if names.data_parallel > 1 else "")
    experts = f" EP{names.expert_parallel}" if names.expert_parallel else ""
    cache = f", {names.kv_precision} KV cache" if names.kv_precision else ""
    cap = f", max_num_seqs {names.max_num_seqs}" if names.max_num_seqs else ""
    chunk = names.max_num_batched_tokens
    chunked = f", max_num_batched_tokens {chunk}" if chunk else ""
    watts = f", {names.power_limit:g} W a board" if names.power_limit else ""
    return f"{names.gpu} {width}{experts} {names.precision}{cache}{cap}{chunked}{watts}"


def described_pools(longest: Sequence[Tokens], names: Sequence[PoolNames]) -> str:
    """Pools in words, by the longest request, or prompt, that each takes."""
    pools = zip(longest, names, strict=True)
    return "; ".join(f"up to {tokens:.0f} {described(own)}" for tokens, own in pools)


def shared_by(said: Mapping[str, Any]) -> str:
    """Which tokens of a request its pool is chosen by, above the longest of each pool."""
    return "prompts to" if said["split_by"] == "prompt" else "up to"


def kind(pool: Mapping[str, Any]) -> str:
    """What the instances are, and which part they do where they do not do everything."""
    return pool["configuration"] + ("" if pool["part"] == "both" else f", {pool['part']}")


def summary(plan: Plan) -> dict[str, Any]:
    """Everything that is said of a plan, as plain values.

    Returns:
        What it stands on, its cost, its pools with what binds them, one pool beside it, its levers
        and what in it is extrapolated.
    """
    columns, fleet = plan.columns, plan.fleet
    whole = plan.one_pool
    names = columns.names
    return {
        "account": fleet.basis.account,
        "basis": fleet.basis.basis,
        "objective": plan.question.objective,
        "split_by": columns.account.assumed.split_by,
        "cost_per_token": plan.cost_per_token,
        "gap": plan.proved.gap,
        "configurations": len(names),
        "classes": len(columns.classes.windows),
        "numbers": fleet.quantities,
        "pools": [
            _of_part(part, numbers) for part, numbers in zip(plan.parts, fleet.pools, strict=True)
        ],
        "one_pool": described(names[whole.configurations[0]]) if whole.edges else None,
        "one_pool_cost_ratio": whole.cost / plan.partition.cost,
        "levers": {step.lever: step.alone for step in lever_waterfall(plan)[1:]},
        "extrapolated": extrapolated(plan),
    }


def _of_part(part: PlannedPart, numbers: Mapping[str, Estimate]) -> dict[str, Any]:
    batch, instances = binding(part)
    return {
        "part": part.own.part,
        "longest": part.longest,
        "configuration": described(part.own.names),
        "binds": {"batch": batch, "instances": instances},
        "numbers": numbers,
    }
