"""Why there is no plan, and the smallest relaxation that would do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, floor, log10

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.optimum.best import least_worst
from tokwatt.planning.optimum.choice import shortest
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.units import Dimensionless, Seconds


def infeasible_error(columns: Columns, budget: Budget) -> ParameterError:
    """The sentence that names what is missed and by how much."""
    if _keeps_targets(columns, budget.pools):
        return ParameterError(_over_budget([columns], budget))
    return ParameterError(_over_target(columns, budget.pools))


def shared_error(
    own: Mapping[str, Columns], together: Sequence[Columns], budget: Budget
) -> ParameterError:
    """The sentence for several traces: of the first that no fleet serves, or of all at once.

    Args:
        own: columns of each trace alone, by its name.
        together: the same with the instances that all need.
        budget: what all pools may use together.
    """
    for name, columns in own.items():
        if not _keeps_targets(columns, budget.pools):
            return ParameterError(f"{_over_target(columns, budget.pools)[:-1]} for {name}.")
    if _keeps_targets(together[0], budget.pools):
        return ParameterError(_over_budget(together, budget))
    found = f"are kept by no fleet for all of {', '.join(own)}, though by one for each"
    return ParameterError(f"targets: {found}, wanted longer ones, more pools or fewer traces.")


def _keeps_targets(columns: Columns, most_pools: int | None) -> bool:
    """Whether some fleet does."""
    return bool(np.isfinite(shortest(columns.cost("gpus"), columns.classes.bins, most_pools).cost))


def relaxations(columns: Columns, most_pools: int | None = None) -> dict[str, Seconds]:
    """The least value of each target that some plan meets, the other target as it is.

    Returns:
        By target: seconds, infinite where the other target alone is missed everywhere. One request
        alone waits least, and a partition is as late as its latest pool; of pools whose prefill and
        decode are on the same instances.
    """
    itl, ttft = columns.whole.alone
    demand, bins = columns.demand, columns.classes.bins
    asked = {
        "itl": np.where(ttft <= float(demand.latency_target), itl, np.inf),
        "ttft": np.where(itl <= float(demand.itl_target), ttft, np.inf),
    }
    return {name: shortest(it, bins, most_pools, np.maximum).cost for name, it in asked.items()}


def common_factor(columns: Columns, most_pools: int | None = None) -> Dimensionless:
    """The least factor on both targets at which some plan meets them."""
    itl, ttft = columns.whole.alone
    demand = columns.demand
    late = np.maximum(itl / float(demand.itl_target), ttft / float(demand.latency_target))
    return shortest(late, columns.classes.bins, most_pools, np.maximum).cost


def _over_target(columns: Columns, most_pools: int | None) -> str:
    factor = common_factor(columns, most_pools)
    if not np.isfinite(factor):
        wanted = "more GPUs an instance, more memory or a narrower precision"
        return f"llm: does not fit in any configuration at the windows asked for, wanted {wanted}."
    found = relaxations(columns, most_pools)
    demand = columns.demand
    now = {"itl": float(demand.itl_target), "ttft": float(demand.latency_target)}
    alone = {name: least for name, least in found.items() if np.isfinite(least)}
    enough = [f"{name} of {_enough(least)} s" for name, least in alone.items() if least > now[name]]
    enough.append(f"both {_enough(factor)} times as long")
    name = next(iter(alone), "itl")
    other = "ttft" if name == "itl" else "itl"
    return (
        f"{name}: is {now[name]:g} s with {other} {now[other]:g} s, which no configuration meets"
        f" for every class of requests, wanted {' or '.join(enough)}."
    )


def _over_budget(each: Sequence[Columns], budget: Budget) -> str:
    """What the least fleet takes of each budget while the others hold."""
    inventory, columns = dict(budget.inventory or {}), each[0]
    parts = []
    powers = np.stack([own.power for own in each])
    watts = least_worst(each, powers, replace(budget, power=None)).partition.cost
    if budget.power is not None and np.isfinite(watts):
        parts.append(f"power_cap of {_enough(watts / 1e3)} kW")
    for gpu, most in inventory.items():
        used = np.where(np.isfinite(columns.gpus), columns.gpus_of(gpu), np.inf)
        others = {name: count for name, count in inventory.items() if name != gpu}
        needed = least_worst(each, used[None], replace(budget, inventory=others)).partition.cost
        if most < needed < np.inf:
            parts.append(f"inventory of {needed:g} {gpu}")
    name = "power_cap" if budget.power is not None else "inventory"
    wanted = f"{' or '.join(parts)}, the others as they are" if parts else "more of several at once"
    return f"{name}: no fleet keeps all budgets, wanted {wanted}."


def _enough(least: float, digits: int = 5) -> str:
    """A number in so many digits, rounded up: what is asked for then is enough."""
    last = 10.0 ** (floor(log10(least)) + 1 - digits)
    return f"{ceil(least / last) * last:.{digits}g}"
