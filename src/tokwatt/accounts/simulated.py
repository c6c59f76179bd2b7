"""Simulated fleets: what Python and the commands ask."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokwatt import grid
from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.answers.basis import WATTS, named_account
from tokwatt.accounts.answers.demand import require_demand
from tokwatt.accounts.answers.pools import changes_of_window, each_pool, share_out
from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, fleet_account, pick, require
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.params.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.requests import Requests
from tokwatt.serving.times import instance_of
from tokwatt.simulation.arrivals import ARRIVALS, Arrived, arrivals, arrived, repeated
from tokwatt.simulation.disaggregated import run_disaggregated
from tokwatt.simulation.limits import limits_of, link_of
from tokwatt.simulation.recorder import Finished
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import ROUTERS, Router
from tokwatt.simulation.run import SimulatedRun, run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.simulation.summary import Totals, by_second, overloaded, totals
from tokwatt.units import Instances, Tokens

if TYPE_CHECKING:
    import xarray as xr

COUNT = 10000
"""Requests of a workload that are drawn where nobody says how many."""
SETTLED = 0.1
"""Share of drawn requests whose latencies do not count, as engines start empty."""
MOST_INSTANCES, MOST_REQUESTS = 1000, 10**7
MOST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A fleet that can be simulated.

    Attributes:
        account: how a step is counted.
        tables: steps of an instance of each pool.
        limits: what it holds.
        windows: context window of each pool; a request goes to the first that holds it.
        instances: how many each pool has.
        requests: kinds of request, of a workload; None for a trace.
        trace: requests of a trace; None for a workload.
    """

    account: Account
    tables: list[StepTable]
    limits: list[Limits]
    windows: tuple[Tokens, ...]
    instances: tuple[Instances, ...]
    requests: Requests | None
    trace: Arrived | None


def simulate(
    catalogue: Catalogue,
    requests: str | Trace = "azure",
    demand: Demand | None = None,
    names: DeploymentNames | Sequence[DeploymentNames] | None = None,
    *,
    instances: Sequence[int] = (),
    router: str = "round_robin",
    process: str = "poisson",
    count: int | None = None,
    seeds: Sequence[int] = (0,),
    prefill_instances: int = 0,
    split_lengths: Sequence[Tokens] = (),
    context_window: Tokens | None = None,
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
    progress: Callable[[int], None] = lambda served: None,
) -> "xr.Dataset":
    """Serve requests one by one, and keep what became of each.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace, whose own order and times are kept; without times
            its requests are drawn as those of a workload.
        demand: arrival rate and bounds, as `fleet` has them.
        names: an instance, or one for each pool; eight H100 with Llama-3.1-70B if left out.
        instances: of each pool; those of `fleet` if left out.
        router: which instance of its pool a request goes to, one of ROUTERS.
        process: how the requests of a workload arrive, one of ARRIVALS.
        count: requests of a workload; COUNT if left out.
        seeds: a run for each.
        prefill_instances: that only prefill, beside those that then only decode; no split then.
        split_lengths: longest request of each pool but the last, rising.
        context_window: window of the last pool; that of `fleet` if left out.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.
        progress: called with the number of requests that were served since the last time.

    Returns:
        Requests over seed and request, means of each second over seed and second, totals over seed.

    Raises:
        ParameterError: as `fleet` does; and where the queue grows without end, with what saturates
            first and when.
    """
    each = each_pool(names or DeploymentNames(), len(split_lengths) + 1)
    demand = demand or demanded(catalogue)
    pick("router", router, {name: name for name in ROUTERS})
    pick("process", process, {name: name for name in ARRIVALS})
    count = require("count", COUNT if count is None else count, 1, MOST_REQUESTS)
    require("prefill_instances", prefill_instances, 0, MOST_INSTANCES)
    require_demand(demand)
    for seed in seeds:
        require("seeds", seed, 0, MOST_SEED)
    if prefill_instances and split_lengths:
        wanted = "one of the two"
        raise ParameterError(f"prefill_instances: is given beside split lengths, wanted {wanted}.")
    simulated = _simulated(
        catalogue, requests, demand, each, instances, split_lengths, context_window, account,
        changes,
    )  # fmt: skip
    runs = []
    for seed in seeds:
        chosen = Router(router, simulated.instances, simulated.windows[:-1], seed)
        stream = _stream(simulated, process, float(demand.arrival_rate), count, seed)
        if prefill_instances:
            first = Router(router, [prefill_instances], (), seed)
            table, limits = simulated.tables[0], simulated.limits[0]
            link = link_of(table.instance)
            done = run_disaggregated(table, limits, stream, (first, chosen), link, progress)
        else:
            done = run_pools(simulated.tables, simulated.limits, stream, chosen, progress)
        if sentence := overloaded(done):
            name = requests.name if isinstance(requests, Trace) else requests
            wanted = "more instances, a lower arrival rate or shorter requests"
            raise ParameterError(
                f"requests of {name}: cannot be served, {sentence}, wanted {wanted}."
            )
        runs.append(done)
    settled = 0.0 if simulated.trace else SETTLED
    found = _dataset(runs, seeds, settled, simulated, named_account(account, changes))
    return found.assign_attrs(
        prefill_instances=prefill_instances,
        engine=each[0].engine,
        precision=" and ".join(dict.fromkeys(own.precision_in(catalogue) for own in each)),
    )


def _simulated(
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    each: Sequence[DeploymentNames],
    instances: Sequence[int],
    splits: Sequence[Tokens],
    context_window: Tokens | None,
    account: str,
    changes: Mapping[str, str] | None,
) -> Simulated:
    alternatives = changes_of_window(changes, context_window)
    chosen = fleet_account(catalogue, account, each[0], requests, alternatives)
    laid = share_out(catalogue, requests, each[0], chosen, splits, context_window, demand)
    kinds = laid.case.requests(chosen.assumed, float(demand.output_share))
    windows = laid.routed.windows
    if not instances:
        sized = fleet(
            catalogue, requests, demand, each, split_lengths=splits,
            context_window=context_window, account=account, changes=changes,
        )  # fmt: skip
        instances = [int(pool["instances"].value) for pool in sized.pools]
    if len(instances) != len(windows):
        raise ParameterError(
            f"instances: has {len(instances)} numbers, wanted {len(windows)}, one for each pool."
        )
    for number in instances:
        require("instances", number, 0, MOST_INSTANCES)
    mean = float(kinds.weight @ (kinds.prompt + kinds.output / 2) / kinds.weight.sum())
    pools = [
        (instance_of(chosen, own.deployment(catalogue)), edge)
        for own, edge in zip(each, windows, strict=True)
    ]
    limits = [limits_of(chosen, instance, edge, mean) for instance, edge in pools]
    tables = [
        StepTable(chosen, instance, limit.sequences, limit.tokens, edge)
        for (instance, edge), limit in zip(pools, limits, strict=True)
    ]
    trace = _timed(requests, demand) if isinstance(requests, Trace) else None
    return Simulated(
        account=chosen,
        tables=tables,
        limits=limits,
        windows=windows,
        instances=tuple(instances),
        requests=None if trace else kinds,
        trace=trace,
    )


def _timed(trace: Trace, demand: Demand) -> Arrived | None:
    """The requests of a trace at the arrival rate that is asked for; None where it has no times."""
    if trace.arrivals is None or trace.arrival_rate is None:
        return None
    slower = trace.arrival_rate / float(demand.arrival_rate)
    counts = np.ones(len(trace.prompt)) if trace.counts is None else trace.counts
    each = np.repeat(np.arange(len(counts)), counts.astype(int))
    return arrived(trace.arrivals[each] * slower, trace.prompt[each], trace.output[each])


def _stream(
    simulated: Simulated, process: str, rate: float, count: int, seed: int
) -> Iterator[Arrived]:
    if simulated.trace is not None:
        return repeated(simulated.trace)
    assert simulated.requests is not None
    return arrivals(simulated.requests, process, rate, count, seed)


def _dataset(
    runs: Sequence[SimulatedRun],
    seeds: Sequence[int],
    settled: float,
    simulated: Simulated,
    account: str,
) -> "xr.Dataset":
    columns = Totals(*np.array([totals(done, settled) for done in runs]).T)
    summed = grid.dataset({"seed": list(seeds)}, columns)
    finished = Finished(*map(np.stack, zip(*(r.finished for r in runs), strict=True)))
    whole: dict[str, Any] = {"seed": list(seeds), "request": np.arange(finished.number.shape[1])}
    each = grid.dataset(whole, finished).drop_vars("number")
    each = each.rename({name: f"request_{name}" for name in each.data_vars})
    seconds = [by_second(done) for done in runs]
    longest = max(len(second.power) for second in seconds)

    def filled(rates: Sequence[np.ndarray]) -> np.ndarray:
        more = (np.pad(it, (0, longest - len(it)), constant_values=np.nan) for it in rates)
        return np.stack(list(more))

    stacked = type(seconds[0])(*map(filled, zip(*seconds, strict=True)))
    passing = grid.dataset({"seed": list(seeds), "second": np.arange(longest)}, stacked)
    passing = passing.rename({name: f"second_{name}" for name in passing.data_vars})
    found = summed.merge(each).merge(passing)
    found["request_joules"].attrs["units"] = "J"
    return found.assign_attrs(
        account=account,
        basis=WATTS[simulated.account.assumed.basis],
        instances=list(simulated.instances),
        context_windows=list(simulated.windows),
        largest_deviation=max(r.deviation for done in runs for r in done.recorders),
    )
