"""The smallest fleet for a question in names and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

from tokwatt.accounts.answers.answer import Answer
from tokwatt.accounts.answers.basis import basis_of
from tokwatt.accounts.answers.demand import require_demand
from tokwatt.accounts.answers.memory import memory_held
from tokwatt.accounts.answers.pools import (
    changes_of_window,
    each_pool,
    share_out,
    sized,
)
from tokwatt.accounts.answers.quantities import quantities, rented, views
from tokwatt.accounts.answers.support import support_of
from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, fleet_account
from tokwatt.accounts.doubts import simulate_first
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.params.traces import Trace
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.fleet import Fleet, fleet_of
from tokwatt.serving.pool import Pool
from tokwatt.serving.results import plain_numbers
from tokwatt.units import Dimensionless, Tokens


class FleetQuestion(TypedDict, total=False):
    """What a fleet may be asked beside its requests, demand and deployments; see `fleet`."""

    split_lengths: Sequence[Tokens]
    context_window: Tokens | None
    account: str
    changes: Mapping[str, str] | None


def fleet(
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    names: DeploymentNames | Sequence[DeploymentNames] | None = None,
    *,
    split_lengths: Sequence[Tokens] = (),
    context_window: Tokens | None = None,
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
) -> Answer:
    """The smallest fleet that carries requests within bounds, its pools by the length of requests.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace with prompts and outputs.
        demand: arrival rate and bounds; its output share stands for a workload without a measured
            one.
        names: an instance, or one for each pool; eight H100 with Llama-3.1-70B if left out.
        split_lengths: longest request of each pool but the last, rising; one pool if there is none.
        context_window: window of the last pool; the account's own if left out: the paper's 64K, or
            the smallest power of two that holds every request.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The fleet with 90 % intervals, where measured runs say how wide they are, and its pools.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, what
            does not fit, and where no fleet meets a target: which one, and by how much.
    """
    each = each_pool(names or DeploymentNames(), len(split_lengths) + 1)
    require_demand(demand)
    alternatives = changes_of_window(changes, context_window)
    chosen = fleet_account(catalogue, account, each[0], requests, alternatives)
    layouts = {
        own: share_out(catalogue, requests, own, chosen, split_lengths, context_window, demand)
        for own in dict.fromkeys(each)
    }
    windows = layouts[each[0]].routed.windows
    held = [
        memory_held(own, chosen, layout.case.deployment, window, window)
        for own, layout in layouts.items()
        for window in [max(w for w, other in zip(windows, each, strict=True) if other == own)]
    ]
    pools = [
        pool
        for place, own in enumerate(each)
        for pool in sized(chosen, layouts[own], demand, place)
    ]
    if not any(pool.instances for pool in pools):
        found = f"is {windows[-1]:g}, which holds none of the requests"
        raise ParameterError(f"context_window: {found}, wanted a longer one.")
    result = plain_numbers(fleet_of(pools, 1.0, layouts[each[0]].routed.rejected))
    gpus = [float(layouts[own].gpus) for own in each]
    result = result._replace(gpus=sum(p.instances * n for p, n in zip(pools, gpus, strict=True)))
    most = max(range(len(pools)), key=lambda place: pools[place].instances)
    busy, traffic = pools[most], layouts[each[most]].routed.pools[most]
    outputs = traffic.generated / traffic.share
    support = support_of(
        catalogue, each[most], chosen, busy.batch, traffic.prompts, outputs, windows[most]
    )
    rent = sum(
        pool.instances * float(rented(chosen, n)) * float(layouts[own].case.deployment.gpu.price)
        for pool, n, own in zip(pools, gpus, each, strict=True)
    )
    numbers = {
        "missing": max(found.get("missing", 0.0) for found in held),
        "instances": result.instances,
        "gpus": result.gpus,
        "power": result.power,
        "throughput": result.throughput,
        "tokens_per_joule": result.tokens_per_joule,
        **views(catalogue, result.tokens_per_joule, result.throughput, rent),
        **_latencies(result),
        "rejected": result.rejected,
    }
    precisions = dict.fromkeys(own.precision_in(catalogue) for own in each)
    basis = basis_of(account, alternatives, chosen, support, " and ".join(precisions))
    return Answer(
        quantities(numbers, support),
        replace(basis, simulate=simulate_first(pools, requests)),
        tuple(
            quantities(_of_pool(pool, window, n), support)
            for pool, window, n in zip(pools, windows, gpus, strict=True)
        ),
    )


def _latencies(found: Fleet | Pool) -> dict[str, Dimensionless]:
    return {
        "first_token": found.median_first_token,
        "first_token_p99": found.late_first_token,
        "inter_token_latency": found.median_latency,
        "inter_token_latency_p99": found.late_latency,
    }


def _of_pool(pool: Pool, window: Tokens, gpus: Dimensionless) -> dict[str, Dimensionless]:
    """What is said of one pool."""
    return {
        "context_window": float(window),
        "instances": pool.instances,
        "gpus": pool.instances * float(gpus),
        "arrival_rate": pool.arrival_rate,
        "batch": pool.batch,
        "utilization": pool.utilization,
        "power": pool.power,
        **_latencies(pool),
    }
