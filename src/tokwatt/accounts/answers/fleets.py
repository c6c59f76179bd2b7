"""The smallest fleet for a question in names and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypedDict

from tokwatt.accounts.answers.answer import Answer
from tokwatt.accounts.answers.demand import (
    require_demand,
    require_share,
    require_targets,
    targets_in_words,
)
from tokwatt.accounts.answers.memory import memory_held
from tokwatt.accounts.answers.pools import LaidOut, changes_of_window, share_out
from tokwatt.accounts.answers.quantities import LATENCIES, quantities, rented, views
from tokwatt.accounts.answers.sizes import SizedPart, size_parts
from tokwatt.accounts.answers.support import (
    Support,
    basis_of,
    changes_in_words,
    precisions_of,
    support_of,
    unrecorded,
)
from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, fleet_account
from tokwatt.accounts.doubts import simulate_first
from tokwatt.accounts.parts import (
    PoolNames,
    PoolPart,
    each_pool,
    parts_of,
    require_instances,
    require_parts,
)
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.traffic import Part
from tokwatt.serving.pools.disaggregated import Disaggregation
from tokwatt.serving.pools.fleet import Fleet, fleet_of
from tokwatt.serving.pools.pool import Pool
from tokwatt.serving.results import MOST, plain_numbers
from tokwatt.units import Dimensionless, Instances, Tokens, Watts


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
    names: PoolNames | Sequence[PoolNames] | None = None,
    *,
    split_lengths: Sequence[Tokens] = (),
    context_window: Tokens | None = None,
    least_instances: Sequence[Instances] = (),
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
) -> Answer:
    """The smallest fleet that carries requests within bounds, its pools by the length of requests.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace with prompts and outputs.
        demand: arrival rate and bounds; its output share stands for a workload without a measured
            one.
        names: an instance, or one for each pool, or one that prefills and one that decodes; eight
            H100 with Llama-3.1-70B if left out.
        split_lengths: longest request of each pool but the last, rising; one pool if there is none.
        context_window: window of the last pool; the account's own if left out: the paper's 64K, or
            the smallest power of two that holds every request.
        least_instances: of each pool, of prefill before decode: instances that there are in any
            case, idle where they are not needed.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The fleet with 90 % intervals, where measured runs say how wide they are, and its pools.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, what
            does not fit, and where no fleet meets a target: which one, and by how much.
    """
    parts = parts_of(each_pool(names, split_lengths))
    require_demand(demand)
    alternatives = changes_of_window(changes, context_window)
    chosen = fleet_account(catalogue, account, parts[0].names, requests, alternatives)
    require_parts(catalogue, chosen, parts)
    require_targets(catalogue, chosen, demand)
    require_share(catalogue, chosen, demand)
    least = least_instances or [0.0] * len(parts)
    require_instances("least_instances", least, parts, MOST)

    @cache
    def laid(own: DeploymentNames, part: Part) -> LaidOut:
        return share_out(
            catalogue, requests, own, chosen, split_lengths, context_window, demand, part
        )

    held = [
        _held(chosen, own, parts, laid(own, "both"))
        for own in dict.fromkeys(it.names for it in parts)
    ]
    found = size_parts(
        chosen,
        parts,
        lambda it: laid(it.names, it.part),
        demand,
        Disaggregation.of(catalogue),
        least,
    )
    busiest = max(found, key=lambda it: (it.traffic.share > 0, it.sized.instances))
    if not busiest.traffic.share:
        window = f"is {found[-1].window:.0f}, which holds none of the requests"
        raise ParameterError(f"context_window: {window}, wanted a longer one.")
    support = _support(catalogue, chosen, busiest, laid(busiest.own.names, "both"))
    precisions = precisions_of(catalogue, [own.names for own in parts])
    said = changes_in_words(alternatives, demand)
    basis = basis_of(account, said, chosen, support, precisions)
    more = [phrase for it in parts if support for phrase in unrecorded(it.names, it.part)]
    hosts = [_of_hosts(chosen, it) for it in found]
    return Answer(
        quantities(_of_fleet(catalogue, chosen, found, held), support, sum(hosts)),
        replace(
            basis,
            extrapolated=tuple(dict.fromkeys([*basis.extrapolated, *more])),
            simulate=simulate_first(
                {it.name: it.sized for it in found if it.traffic.share}, requests
            ),
            targets=targets_in_words(chosen, demand),
        ),
        tuple(quantities(_of_pool(it), support, own) for it, own in zip(found, hosts, strict=True)),
        tuple(it.own.part for it in found),
    )


def _held(
    account: Account, names: DeploymentNames, parts: Sequence[PoolPart], laid: LaidOut
) -> dict[str, Dimensionless]:
    """What the memory of a deployment holds at the longest of its windows."""
    window = max(laid.routed.windows[it.pool] for it in parts if it.names == names)
    return memory_held(names, account, laid.case.deployment, window)


def _support(
    catalogue: Catalogue, account: Account, busiest: SizedPart, whole: LaidOut
) -> Support | None:
    """The measured runs behind the largest pool."""
    traffic, own = whole.routed.pools[busiest.own.pool], busiest.own
    outputs, batch = traffic.generated / traffic.share, busiest.sized.batch
    prompts, window = traffic.prompts, busiest.window
    return support_of(catalogue, own.names, account, batch, prompts, outputs, window, own.part)


def _of_fleet(
    catalogue: Catalogue,
    account: Account,
    parts: Sequence[SizedPart],
    held: Sequence[dict[str, Dimensionless]],
) -> dict[str, Dimensionless]:
    """What is said of a whole fleet."""
    pools = [it.sized for it in parts]
    result = plain_numbers(fleet_of(pools, 1.0, parts[0].laid.routed.rejected))
    rent = sum(
        it.sized.instances
        * float(rented(account, it.gpus))
        * float(it.laid.case.deployment.gpu.price)
        for it in parts
    )
    return {
        "missing": max(found.get("missing", 0.0) for found in held),
        "instances": result.instances,
        "gpus": sum(it.sized.instances * it.gpus for it in parts),
        "power": result.power,
        "throughput": result.throughput,
        "tokens_per_joule": result.tokens_per_joule,
        **views(catalogue, result.tokens_per_joule, result.throughput, rent),
        **_latencies(result),
        "rejected": result.rejected,
    }


def _of_hosts(account: Account, part: SizedPart) -> Watts:
    """What a pool draws beside its boards."""
    gpu = part.laid.case.deployment.gpu
    return part.sized.instances * float(on_basis(account, gpu, part.gpus, 0.0))


def _latencies(found: Fleet | Pool) -> dict[str, Dimensionless]:
    return {name: getattr(found, field) for name, field in LATENCIES.items()}


def _of_pool(part: SizedPart) -> dict[str, Dimensionless]:
    """What is said of one pool."""
    pool = part.sized
    return {
        "context_window": part.window,
        "instances": pool.instances,
        "gpus": pool.instances * part.gpus,
        "arrival_rate": pool.arrival_rate,
        "batch": pool.batch,
        "utilization": pool.utilization,
        "power": pool.power,
        **_latencies(pool),
    }
