"""A fleet that can be simulated: engines of each pool, and the requests that come to them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Unpack

import numpy as np

from tokwatt.accounts.answers import fleet
from tokwatt.accounts.answers.demand import require_share
from tokwatt.accounts.answers.fleets import FleetQuestion
from tokwatt.accounts.answers.pools import changes_of_window, share_out
from tokwatt.accounts.deployments import fleet_account
from tokwatt.accounts.parts import PoolPart, pools_of, require_instances, require_parts
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.requests import Requests, longest_of
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.disaggregated import Disaggregation, transfer_time
from tokwatt.serving.pools.fleet import compiled_instance
from tokwatt.simulation.arrivals import Arrived, arrivals, arrived, repeated
from tokwatt.simulation.disaggregated import Stage, Transfer, run_disaggregated
from tokwatt.simulation.limits import limits_of
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import SimulatedRun, run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.units import BytesPerSecond, Instances, SecondsAxis, Tokens, TokensAxis

MOST_INSTANCES = 10_000


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A fleet that can be simulated.

    Attributes:
        account: how a step is counted.
        parts: instances by kind, prefill before decode.
        tables: steps of an instance of each.
        limits: what it holds.
        transfers: of the KV cache from each, None where it stays.
        instances: how many there are of each.
        windows: context window of each pool.
        split_lengths: longest request, or prompt, of each pool but the last.
        requests: kinds of request, of a workload; None for a trace.
        trace: requests of a trace; None for a workload.
    """

    account: Account
    parts: Sequence[PoolPart]
    tables: Sequence[StepTable]
    limits: Sequence[Limits]
    transfers: Sequence[Transfer | None]
    instances: Sequence[Instances]
    windows: Sequence[Tokens]
    split_lengths: Sequence[Tokens]
    requests: Requests | None
    trace: Arrived | None

    def stream(self, process: str, rate: float, count: int, seed: int) -> Iterator[Arrived]:
        """Requests in the order of arrival, a few at a time."""
        if self.trace is not None:
            return repeated(self.trace)
        assert self.requests is not None
        return arrivals(self.requests, process, rate, count, seed)

    def run(
        self, stream: Iterator[Arrived], rule: str, seed: int, progress: Callable[[int], None]
    ) -> SimulatedRun:
        """Serve requests by a rule of the router."""
        places = [place for place, it in enumerate(self.parts) if it.part != "decode"]
        first = self._stage(places, [self.instances[place] for place in places], rule, seed)
        transfers = [self.transfers[place] for place in places]
        if not any(transfers):
            return run_pools(first.tables, first.limits, stream, first.router, progress)
        places = [place for place, it in enumerate(self.parts) if it.part != "prefill"]
        apart = [self.parts[place].part == "decode" for place in places]
        counts = [self.instances[at] * own for at, own in zip(places, apart, strict=True)]
        decode = self._stage(places, counts, rule, seed)
        return run_disaggregated(first, decode, transfers, stream, progress)

    def _stage(
        self, places: Sequence[int], counts: Sequence[Instances], rule: str, seed: int
    ) -> Stage:
        return Stage(
            [self.tables[place] for place in places],
            [self.limits[place] for place in places],
            Router(
                rule,
                [int(count) for count in counts],
                self.split_lengths,
                seed,
                self.account.assumed.split_by,
            ),
        )


def simulated_fleet(
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    parts: Sequence[PoolPart],
    instances: Sequence[Instances],
    is_found: bool,
    **question: Unpack[FleetQuestion],
) -> Simulated:
    """The engines of a question as `fleet` has it; see `simulate`.

    What is cached of a trace with times is found in a cache if `is_found`.

    Raises:
        ParameterError: as `fleet` does, and for numbers of instances that do not fit the pools.
    """
    window = question["context_window"]
    alternatives = changes_of_window(question["changes"], window)
    names = parts[0].names
    chosen = fleet_account(catalogue, question["account"], names, requests, alternatives)
    require_parts(catalogue, chosen, parts)
    require_share(catalogue, chosen, demand)
    splits = question["split_lengths"]
    laid = share_out(catalogue, requests, names, chosen, splits, window, demand)
    kinds = laid.case.requests(chosen.assumed, float(demand.output_share))
    windows = laid.routed.windows
    if (longest := longest_of(kinds)) > windows[-1]:
        found = f"is {windows[-1]:.0f}"
        wanted = f"the longest request's {longest:.0f} tokens or more"
        raise ParameterError(f"context_window: {found}, wanted {wanted}, to serve all of them.")
    if not instances:
        sized = fleet(catalogue, requests, demand, pools_of(parts), **question)
        instances = [int(pool["instances"].value) for pool in sized.pools]
        require_simulated(demand, instances)
    require_instances("instances", instances, parts, MOST_INSTANCES)
    engines = [
        (compiled_instance(chosen, it.names.deployment(catalogue)), windows[it.pool])
        for it in parts
    ]
    limits = [limits_of(chosen, instance, edge, kinds) for instance, edge in engines]
    timed = requests if isinstance(requests, Trace) and requests.timed else None
    trace = None if timed is None else _at_rate(timed, demand, is_found)
    between = Disaggregation.of(catalogue)
    return Simulated(
        account=chosen,
        parts=parts,
        tables=[
            StepTable(chosen, instance, limit, edge)
            for (instance, edge), limit in zip(engines, limits, strict=True)
        ],
        limits=limits,
        transfers=[
            partial(_sent, instance, between.transfer) if it.part == "prefill" else None
            for it, (instance, _) in zip(parts, engines, strict=True)
        ],
        instances=instances,
        windows=windows,
        split_lengths=splits,
        requests=None if trace else kinds,
        trace=trace,
    )


def require_simulated(demand: Demand, instances: Sequence[Instances]) -> None:
    """Refuse a rate at which `fleet` sizes pools of more instances than are simulated."""
    if (largest := max(instances)) > MOST_INSTANCES:
        found = f"is {demand.arrival_rate:g}, for which a pool takes {largest:g} instances"
        wanted = f"a rate that {MOST_INSTANCES} carry, as many as are simulated"
        raise ParameterError(f"arrival_rate: {found}, wanted {wanted}.")


def _sent(instance: Instance, transfer: BytesPerSecond, prompt: TokensAxis) -> SecondsAxis:
    return np.asarray(transfer_time(instance, prompt.astype(float), transfer))


def _at_rate(trace: Trace, demand: Demand, is_found: bool) -> Arrived:
    """The requests of a timed trace at the arrival rate that is asked for, cached tokens found."""
    assert trace.arrivals is not None and trace.arrival_rate is not None
    slower = trace.arrival_rate / float(demand.arrival_rate)
    reused = trace.cached if is_found else None
    return arrived(trace.arrivals * slower, trace.prompt, trace.output, reused)
