"""Simulated fleets: what Python and the commands ask."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tokwatt import grid
from tokwatt.accounts.answers import demanded
from tokwatt.accounts.answers.demand import require_demand
from tokwatt.accounts.answers.fleets import FleetQuestion
from tokwatt.accounts.answers.support import (
    WATTS,
    changes_in_words,
    named_account,
    precisions_of,
    support_of,
)
from tokwatt.accounts.deployments import CONSISTENT, require
from tokwatt.accounts.parts import PoolNames, each_pool, parts_of, require_list
from tokwatt.accounts.simulated_fleet import Simulated, simulated_fleet
from tokwatt.params.errors import ParameterError, pick, require_changes, shown
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import alternatives
from tokwatt.simulation.arrivals import ARRIVALS
from tokwatt.simulation.recorder import Finished
from tokwatt.simulation.routers import ROUTERS
from tokwatt.simulation.run import SimulatedRun
from tokwatt.simulation.summary import Totals, by_second, overloaded, totals
from tokwatt.units import Tokens

if TYPE_CHECKING:
    import xarray as xr

COUNT = 10000
"""Requests of a workload that are drawn where nobody says how many."""
SETTLED = 0.1
"""Share of drawn requests whose latencies do not count, as engines start empty."""
CACHED = ("again", "found")
"""What becomes of prompt tokens that a trace calls cached: taken in again, or found in a cache."""
MOST_REQUESTS = 10**7
MOST_SEED = 2**63 - 1


def simulate(
    catalogue: Catalogue,
    requests: str | Trace = "azure",
    demand: Demand | None = None,
    names: PoolNames | Sequence[PoolNames] | None = None,
    *,
    instances: Sequence[int] = (),
    router: str | None = None,
    process: str = "poisson",
    count: int | None = None,
    seeds: Sequence[int] = (0,),
    split_lengths: Sequence[Tokens] = (),
    context_window: Tokens | None = None,
    cached: str = "again",
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
    progress: Callable[[int], None] = lambda served: None,
) -> "xr.Dataset":
    """Serve requests one by one, and keep what became of each.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace, whose own order and times are kept; without times,
            or where rows are sums, its requests are drawn as those of a workload.
        demand: arrival rate and bounds, as `fleet` has them; if left out, those of
            `accounts.answers.demanded`, and the rate of a trace that has times.
        names: an instance, or one for each pool, or one that prefills and one that decodes; eight
            H100 with Llama-3.1-70B if left out.
        instances: of each pool, of prefill before decode; those of `fleet` if left out.
        router: which instance of its pool a request goes to, one of ROUTERS; that of the account
            if left out. Instances that are left out are those of `fleet` behind the same router.
        process: how the requests of a workload arrive, one of ARRIVALS.
        count: requests of a workload; COUNT if left out.
        seeds: a run for each.
        split_lengths: longest request of each pool but the last, rising.
        context_window: window of the last pool; that of `fleet` if left out.
        cached: what becomes of prompt tokens that a trace with times calls cached, one of CACHED;
            instances that are left out are those of `fleet`, which takes them in again.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.
        progress: called with the number of requests that were served since the last time.

    Returns:
        Requests over seed and request, means of each second over seed and second, totals over seed.

    Raises:
        ParameterError: as `fleet` does; and where the queue grows without end, with what saturates
            first and when.
    """
    parts = parts_of(each_pool(names, split_lengths))
    own_rate = requests.arrival_rate if isinstance(requests, Trace) else None
    demand = demand or demanded(catalogue, arrival_rate=own_rate)
    if router is not None:
        pick("router", router, dict.fromkeys(ROUTERS))
    require_changes(changes)
    if router in alternatives("router"):
        own = (changes or {}).get("router", router)
        if own != router:
            beside = f"beside router={own} of the account"
            raise ParameterError(f"router: is {shown(router)} {beside}, wanted one of the two.")
        changes = {**(changes or {}), "router": router}
    is_found = pick("cached", cached, {name: name == "found" for name in CACHED})
    if is_found and not (isinstance(requests, Trace) and requests.timed and requests.cached_share):
        wanted = "a trace with times and cached tokens, or 'again'"
        raise ParameterError(
            f"cached: is 'found' beside requests that are drawn or name none, wanted {wanted}."
        )
    pick("process", process, dict.fromkeys(ARRIVALS))
    count = _whole("count", COUNT if count is None else count, 1, MOST_REQUESTS)
    require_demand(demand)
    require_list("seeds", seeds)
    if not len(seeds):
        raise ParameterError("seeds: has none, wanted one for each run.")
    for seed in seeds:
        _whole("seeds", seed, 0, MOST_SEED)
        if list(seeds).count(seed) > 1:
            raise ParameterError(
                f"seeds: has {seed} twice, wanted each once, as runs differ by it."
            )
    question: FleetQuestion = {
        "split_lengths": split_lengths,
        "context_window": context_window,
        "account": account,
        "changes": changes,
    }
    simulated = simulated_fleet(catalogue, requests, demand, parts, instances, is_found, **question)
    runs = []
    for seed in seeds:
        stream = simulated.stream(process, float(demand.arrival_rate), count, seed)
        done = simulated.run(stream, router or simulated.account.assumed.router, seed, progress)
        if sentence := overloaded(done):
            name = requests.name if isinstance(requests, Trace) else requests
            wanted = "more instances, a lower arrival rate or shorter requests"
            raise ParameterError(
                f"requests of {name}: cannot be served, {sentence}, wanted {wanted}."
            )
        runs.append(done)
    found = _dataset(
        runs, seeds, simulated, named_account(account, changes_in_words(changes, demand))
    )
    return found.assign_attrs(
        engine=parts[0].names.engine,
        **precisions_of(catalogue, [it.names for it in parts]),
        extrapolated="; ".join(_extrapolated(catalogue, simulated, found)),
    )


def _extrapolated(
    catalogue: Catalogue, simulated: Simulated, found: "xr.Dataset"
) -> dict[str, None]:
    """What no measured run supports, of means over all requests and all instances that decode."""
    sizes = zip(simulated.parts, simulated.instances, strict=True)
    decode = sum(count for it, count in sizes if it.part != "prefill")
    means = [found.running / decode, found.request_prompt, found.request_output]
    batch, prompt, output = (float(values.mean()) for values in means)
    asked = simulated.account, batch, prompt, output
    each = [
        support_of(catalogue, it.names, *asked, simulated.windows[it.pool], it.part)
        for it in simulated.parts
    ]
    return dict.fromkeys(phrase for own in each if own for phrase in own.extrapolated)


def _dataset(
    runs: Sequence[SimulatedRun], seeds: Sequence[int], simulated: Simulated, account: str
) -> "xr.Dataset":
    settled = 0.0 if simulated.trace else SETTLED
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
        settled=settled,
        parts=[it.part for it in simulated.parts],
        context_windows=list(simulated.windows),
        largest_deviation=max(r.deviation for done in runs for r in done.recorders),
    )


def _whole(name: str, value: int, least: int, most: int) -> int:
    """A whole number inside its domain.

    Raises:
        ParameterError: with one sentence.
    """
    if require(name, value, least, most) % 1:
        raise ParameterError(f"{name}: is {value:g}, wanted a whole number.")
    return int(value)
