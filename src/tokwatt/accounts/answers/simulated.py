"""Answers of simulations: means over seeds with intervals, alone or beside those of a fleet."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from tokwatt.accounts.answers.answer import Answer, Basis, Estimate
from tokwatt.accounts.answers.quantities import LATENCIES
from tokwatt.accounts.parts import PoolNames
from tokwatt.accounts.simulated import COUNT, simulate
from tokwatt.accounts.simulated_fleet import require_simulated
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.catalogue import Catalogue
from tokwatt.simulation.recorder import first_settled
from tokwatt.simulation.summary import Totals
from tokwatt.units import units_of

if TYPE_CHECKING:
    import xarray as xr


def answer_of(simulated: "xr.Dataset") -> Answer:
    """Totals of a simulation with 90 % intervals over its seeds."""
    units = units_of(Totals)
    quantities = {
        name: _quantity(simulated[name].values, str(units[name])) for name in Totals._fields
    }
    count = simulated.sizes["seed"]
    runs = f"{simulated.sizes['request']} requests, {count} seed{'s' * (count > 1)}"
    each = simulated.attrs["instances"]
    pools = " + ".join(
        f"{size} {part}" if part != "both" else f"{size}"
        for size, part in zip(each, simulated.attrs["parts"], strict=True)
    )
    basis = Basis(
        account=simulated.attrs["account"],
        basis=simulated.attrs["basis"],
        engine=simulated.attrs["engine"],
        precision=simulated.attrs["precision"],
        kv_cache=simulated.attrs["kv_cache"],
        calibrated_on=f"simulated: {pools} instance{'s' * (sum(each) > 1)}, {runs}",
        extrapolated=tuple(filter(None, simulated.attrs["extrapolated"].split("; "))),
    )
    return Answer(quantities, basis)


BESIDE = ("power", "tokens_per_joule", *LATENCIES)
"""Numbers of a fleet that are set beside those of a simulation."""
ALLOWED = "simulated_first_token_less_allowed"
"""A percentile of times to first token, less what the tokens of each prompt allow."""
BESIDE_SECONDS, MOST_BESIDE = 60.0, 200_000
"""How long the requests of a workload arrive there, and how many there are at most."""


def beside(
    answer: Answer,
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    names: PoolNames | Sequence[PoolNames],
    seeds: Sequence[int] = (0,),
    **question: Any,
) -> Answer:
    """A fleet's answer with the numbers of the same fleet as it is simulated.

    Args:
        answer: what `fleet` says.
        catalogue: the parameter folder.
        requests: those of the fleet; a trace without times counts as a Poisson process.
        demand: what it must carry.
        names: an instance of it, or one of each pool.
        seeds: a run for each.
        **question: what else `fleet` was asked.
    """
    sizes = [int(pool["instances"].value) for pool in answer.pools]
    require_simulated(demand, sizes)
    count = int(min(MOST_BESIDE, max(COUNT, BESIDE_SECONDS * float(demand.arrival_rate))))
    asked = catalogue, requests, demand, names
    found = simulate(*asked, instances=sizes, count=count, seeds=seeds, **question)
    quantities = answer_of(found).quantities
    simulated = {f"simulated_{name}": quantities[name] for name in BESIDE}
    if demand.ttft_per_token:
        simulated[ALLOWED] = _quantity(_less_allowed(found, demand), "s")
    return replace(answer, quantities={**answer.quantities, **simulated})


def _less_allowed(found: "xr.Dataset", demand: Demand) -> np.ndarray:
    """The percentile that is a target of first tokens less what their prompts allow, by seed."""
    over = found["request_first_token"] - demand.ttft_per_token * found["request_prompt"]
    first = first_settled(found.attrs["settled"], over.sizes["request"])
    counted = over.isel(request=slice(first, None))
    return counted.quantile(float(demand.ttft_quantile), "request").values


def _quantity(values: np.ndarray, unit: str) -> Estimate:
    """A mean over seeds and its 90 % interval, none of a single seed; no number falls below 0."""
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, None, None, unit)
    half = half_width(values)
    return Estimate(mean, max(mean - half, 0.0), mean + half, unit)


def half_width(values: np.ndarray) -> float:
    """Half of the 90 % interval of a mean over seeds, in the unit of the values."""
    spread = float(values.std(ddof=1)) / len(values) ** 0.5
    return float(stdtrit(len(values) - 1, 0.95)) * spread
