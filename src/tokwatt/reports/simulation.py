"""`results/simulation.md`: how far simulated servers are from real ones, rate by rate."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.markdown import Markdown, joined, percent, pipe_table, significant

SCORES = {
    "throughput": "throughput",
    "time_per_output_token": "time per output token",
    "time_per_output_token_p99": "p99",
    "first_token": "time to first token",
    "first_token_p99": "p99",
}
STEPS = ("calibrated", "fitted")
MEASURED = "measured"


def write_simulation(grids: Path, out: Path) -> None:
    """Write the page from its dataset."""
    data = load_datasets(grids, ["replayed_servers"])["replayed_servers"]
    write_files({out / "simulation.md": simulation_page(data)})


def simulation_page(data: xr.Dataset) -> str:
    """The page as Markdown: `simulation.md` of this package with the numbers filled in."""
    template = files("tokwatt.reports").joinpath("simulation.md").read_text(encoding="utf-8")
    return template.format(
        runs=data.sizes["run"],
        servers=data.sizes["server_name"],
        errors=_errors(data),
        knees=_knees(data),
        rows=_rows(data),
        single=_single(data),
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
