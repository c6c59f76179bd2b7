"""`results/simulation.md`: how far simulated servers are from real ones, rate by rate."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.labels import PERCENTILES, Labels, read_labels
from tokwatt.reports.markdown import Markdown, filled_page, joined, percent, pipe_table, significant

SCORES = {
    "throughput": "throughput",
    "time_per_output_token": "time per output token",
    "time_per_output_token_p99": "p99",
    "first_token": "time to first token",
    "first_token_p99": "p99",
}
STEPS = ("calibrated", "fitted")
MEASURED = "measured"
SERVERS = "replayed_servers"
FORMULAS = {
    "percentiles": "at random",
    "percentiles_in_bursts": "in bursts",
    "percentiles_elsewhere": "at random, elsewhere",
}
"""Datasets of the formula of fleets beside simulations, and how requests arrive in each."""
FLEETS = "simulated_fleets"
GRIDS = (SERVERS, *FORMULAS, FLEETS)
WITHIN = 0.1
"""Relative difference at which formula and simulation agree."""


def write_simulation(params: Path, grids: Path, out: Path) -> None:
    """Write the page from its datasets."""
    data = load_datasets(grids, GRIDS)
    write_files({out / "simulation.md": simulation_page(data, read_labels(params))})


def simulation_page(grids: Mapping[str, xr.Dataset], label: Labels) -> str:
    """The page as Markdown: `simulation.md` of this package with the numbers filled in."""
    data = grids[SERVERS]
    return filled_page(
        "simulation.md",
        runs=data.sizes["run"],
        servers=data.sizes["server_name"],
        errors=_errors(data),
        knees=_knees(data),
        rows=_rows(data),
        single=_single(data),
        agreement=_agreement(grids),
        simulated=simulated_table(grids[FLEETS], label),
        keeping=keeping(grids[FLEETS]),
    )


def _relative(data: xr.Dataset, steps: str) -> xr.DataArray:
    """Relative errors over score and run."""
    scores = data[list(SCORES)].to_array("score")
    return scores.sel(series=steps) / scores.sel(series=MEASURED) - 1


def _errors(data: xr.Dataset) -> Markdown:
    others = (data.lowest == 0).values
    groups = {
        "all rates": np.ones(data.sizes["run"], bool),
        "other rates": others,
        "below the knee": others & (data.saturated == 0).values,
        "one rate alone": np.isnan(data.saturated).values,
    }
    rows = []
    for steps in STEPS:
        errors = abs(_relative(data, steps))
        for group, inside in groups.items():
            medians = errors[:, inside].median("run")
            texts = [percent(float(median), ".1") for median in medians]
            rows.append([steps, group, str(int(inside.sum())), *texts])
    return pipe_table(["steps", "runs", "number", *SCORES.values()], rows)


def _knees(data: xr.Dataset) -> Markdown:
    known = data.knee.sel(series=MEASURED).notnull().values
    rows = []
    for server in data.server_name.values[known]:
        knees = data.knee.sel(server_name=server)
        texts = [
            significant(float(knees.sel(series=name))) or "none" for name in (MEASURED, *STEPS)
        ]
        rows.append([server, *texts])
    return pipe_table(["server (req/s)", MEASURED, *STEPS], rows)


def _rows(data: xr.Dataset) -> Markdown:
    errors = _relative(data, "fitted").transpose("run", "score")
    order = np.argsort(-abs(errors).median("score").values, kind="stable")
    rows = []
    for place in order:
        run = data.isel(run=int(place))
        name = Markdown(f"*{run.run.item()}*") if run.lowest else run.run.item()
        factors = joined([significant(float(run.factor)), significant(float(run.prompt_factor))])
        texts = [percent(float(error), "+.0") for error in errors[int(place)]]
        rate = significant(float(run.arrival_rate))
        rows.append([name, f"{run.gpus.item():.0f} {run.gpu.item()}", rate, factors, *texts])
    return pipe_table(["run", "GPUs", "req/s", "factors", *SCORES.values()], rows)


def _single(data: xr.Dataset) -> str:
    """What the servers of one rate say, whose medians are fitted to themselves."""
    inside = np.isnan(data.saturated).values
    errors = abs(_relative(data, "fitted"))[:, inside]
    worst = percent(float(errors.max()), ".1")
    return (
        f"The {int(inside.sum())} servers of which one rate is known are fitted to their own two"
        f" medians; their throughput and 99th percentiles are within {worst}."
    )


def _agreement(grids: Mapping[str, xr.Dataset]) -> Markdown:
    """How many cases agree, of those that the formula answers and of those that it does not."""
    rows = []
    for name, arriving in FORMULAS.items():
        for percentile, title in PERCENTILES.items():
            own = grids[name].sel(percentile=percentile)
            agrees = (abs(own.over_simulated - 1) <= WITHIN) | (
                (own.formula >= own.low) & (own.formula <= own.high)
            )
            farthest = abs(np.log(own.over_simulated))
            cells = []
            for inside in (own.doubtful == 0, own.doubtful == 1):
                count = int(inside.sum())
                cells += [
                    f"{int((agrees & inside).sum())} of {count}",
                    f"{float(np.exp(farthest.where(inside).max())):.2f}×" if count else "",
                ]
            rows.append([arriving, title, *cells])
    heads = ["arrivals", "percentile", "answered", "farthest", "to be simulated", "farthest"]
    return pipe_table(heads, rows)


def simulated_table(fleets: xr.Dataset, label: Labels) -> Markdown:
    """What the fleets of Table 3 do under each account, request by request."""
    rows = []
    for workload in fleets.workload.values:
        for gpu in fleets.gpu.values:
            for topology in fleets.topology.values:
                own = fleets.sel(workload=workload, gpu=gpu, topology=topology)
                cells = [_kept(own.sel(account=account)) for account in fleets.account.values]
                size = f"{float(own.instances[0]):.0f}"
                rows.append([*map(label, map(str, (workload, gpu, topology))), size, *cells])
    accounts = [f"{account}: TTFT p99, within target" for account in fleets.account.values]
    return pipe_table(["workload", "GPU", "topology", "instances", *accounts], rows)


def _kept(fleet: xr.Dataset) -> str:
    """Late first tokens of a fleet and how many keep the target."""
    late, within = float(fleet.first_token_p99), float(fleet.within_target)
    grows = ", the queue grows" if fleet.growing else ""
    return f"{significant(late)} s, {percent(within, '.1')}{grows}"


def keeping(fleets: xr.Dataset) -> SimpleNamespace:
    """How many fleets keep the target for 99 % of the requests and no queue, by account."""
    kept = (fleets.within_target >= 0.99) & (fleets.growing == 0)
    kept = kept.sum(("workload", "topology", "gpu"))
    inputs = json.loads(fleets.attrs["inputs"])
    return SimpleNamespace(
        paper=int(kept.sel(account="paper")),
        consistent=int(kept.sel(account="consistent")),
        number=fleets.within_target.isel(account=0).size,
        target=inputs["common"]["demand"]["latency_target"]["value"],
        duration=inputs["duration"]["value"],
    )
