"""`results/validation.md`: how far each account is from real machines, and where."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.labels import context_window
from tokwatt.reports.markdown import Markdown, filled_page, joined, percent, pipe_table, significant
from tokwatt.reports.pages import accuracy
from tokwatt.reports.pages.accuracy import FITS, QUANTITIES

GRIDS = ("runs", "errors", "targets", "parameters", "sweep", "kernels")
ACCOUNTS = {
    "paper": "the paper",
    "consistent": "consistent",
    "kernels": "kernel tables",
    "in_sample": "calibrated, fitted to these runs",
    "held_out": "calibrated, LLM held out",
}
STATISTICS = ("signed", "median", "percentile_90")
BEHIND = ("tokens_per_joule_without_sending", "tokens_per_joule_with_sending")
"""What is left of the bound `tokens_per_joule` without communication, and with it."""
ANALYSED = "1f6eb84b122c"
"""The fit that the prose about residuals was worked out for."""
SHORT = 16384
"""Longest window of the sweep that is more than indicative, tokens."""


def write_validation(grids: Path, out: Path) -> None:
    """Write the page from its datasets."""
    datasets = load_datasets(grids, (f"measured_{name}" for name in GRIDS))
    text = validation_page({name: datasets[f"measured_{name}"] for name in GRIDS})
    write_files({out / "validation.md": text})


def validation_page(data: Mapping[str, xr.Dataset]) -> str:
    """The page as Markdown: `validation.md` of this package with the numbers filled in."""
    sweep, targets = data["sweep"], data["targets"]
    short = sweep.sel(context_window=sweep.context_window <= SHORT)
    too_low = 1 - short.throughput_with_sequences / short.throughput.sel(account="measured")
    return filled_page(
        "validation.md",
        runs=data["runs"].sizes["run"],
        clients=targets.sizes["client_run"],
        odd=int(targets.odd.sum()),
        fitted=f"{float(targets.fitted_runs):.0f}",
        least=100 * float(too_low.min()),
        most=100 * float(too_low.max()),
        kinds=accuracy.errors_by(targets, "kind", FITS),
        gpus=accuracy.errors_by(targets, "gpu", ("llm", "gpu")),
        engines=accuracy.errors_by(targets, "engine", ("llm", "engine")),
        llms=accuracy.errors_by(targets, "llm", ("llm",)),
        intervals=accuracy.intervals(targets),
        peers=accuracy.peers(targets),
        residuals=accuracy.residuals(targets),
        sweep=_sweep(sweep),
        slopes=_slopes(sweep),
        kernels=_kernels(data["kernels"]),
        machines=_machines(data["errors"]),
        worst=accuracy.worst(data["runs"], targets),
        parameters=_parameters(data["parameters"]),
        analysed=analysed(fit_digest(data["parameters"])),
        **_targets(data["runs"], targets, short.throughput),
    )


def _targets(runs: xr.Dataset, targets: xr.Dataset, short: xr.DataArray) -> dict[str, Markdown]:
    """Targets beside what was reached, and which of them were missed."""
    rows = []
    for what, error, target, reached in [
        *_cell_targets(runs, targets),
        *_sweep_targets(short, targets),
    ]:
        others = [error.sel(account=account) for account in ("paper", "consistent")]
        errors = [percent(float(share), ".1") for share in (*others, target, reached)]
        rows.append([what, *errors, "met" if reached <= target else "missed"])
    heads = ["quantity", "the paper", "consistent", "target", "held out", "verdict"]
    missed = joined((row[0] for row in rows if row[-1] == "missed"), "; ")
    conclusion = f"Missed: {missed}. The last section says why." if missed else "All are met."
    return {"targets": pipe_table(heads, rows), "missed": Markdown(conclusion)}


Goal = tuple[str, xr.DataArray, xr.DataArray, xr.DataArray]
"""What is wanted, errors of every account over the same runs, the target, and what is reached."""


def _cell_targets(runs: xr.Dataset, targets: xr.Dataset) -> Iterator[Goal]:
    for name in targets.target.values:
        target = targets.sel(target=name)
        gpu, kind = str(target.gpu_of_target.item()), str(target.kind_of_target.item())
        quantity = str(target.quantity_of_target.item())
        inside = ((runs.gpu == gpu) | (gpu == "all")) & ((runs.kind == kind) | (kind == "all"))
        place = "both GPUs" if gpu == "all" else gpu
        llms = "all LLMs" if kind == "all" else kind
        error = _error(runs[quantity]).sel(run=inside).median("run")
        yield f"{QUANTITIES[quantity]}, {place}, {llms}", error, target.at_most, target.reached


def _sweep_targets(short: xr.DataArray, targets: xr.Dataset) -> Iterator[Goal]:
    """The same for the sweep, by its median and its largest error."""
    errors = _error(short)
    window = "context_window"
    for name, error in {"median": errors.median(window), "largest": errors.max(window)}.items():
        for account, how in {"in_sample": "not held out", "held_out": "held out"}.items():
            what = f"throughput of the sweep, 2K to 16K, {name} error (the LLM {how})"
            yield what, error, targets.sweep_at_most, error.sel(account=account)


def _error(quantity: xr.DataArray) -> xr.DataArray:
    """Absolute errors of every account, relative to the measurement."""
    return abs(quantity / quantity.sel(account="measured") - 1)


def _machines(errors: xr.Dataset) -> Markdown:
    rows = []
    for gpu, llm in errors.runs.isel(account=0).to_series().dropna().index:
        for account in errors.account.values:
            row = errors.sel(gpu=gpu, llm=llm, account=account)
            texts = [
                _three(*(row[f"{quantity}_{name}"] for name in STATISTICS))
                for quantity in QUANTITIES
            ]
            rows.append([f"{gpu} {llm}", ACCOUNTS[account], f"{float(row.runs):.0f}", *texts])
    return pipe_table(["GPU and LLM", "account", "runs", *QUANTITIES.values()], rows)


def _three(signed: xr.DataArray, median: xr.DataArray, percentile_90: xr.DataArray) -> str:
    if np.isnan(median):
        return "-"
    texts = [percent(float(signed), "+.0"), percent(float(median), ".1")]
    return " / ".join([*texts, percent(float(percentile_90))])


def _kernels(kernels: xr.Dataset) -> Markdown:
    rows = []
    for llm in kernels.llm.values:
        for gpu in kernels.gpu.values:
            row = kernels.sel(llm=llm, gpu=gpu)
            if np.isnan(row.measured_share):
                continue
            efficiencies = [
                f"{float(row[name]):.2f} ({float(row[f'{name}_over_dense']):.2f}×)"
                for name in ("tokens_per_joule", *BEHIND)
            ]
            communication = f"{float(row.communication) * 1e3:.2f} ms"
            batch = f"{float(row.concurrency):.0f}"
            rows.append([f"{llm}, {gpu}", batch, *efficiencies, communication])
    bounds = ["bound, tok/W (over 70B)", "kernels alone", "with dispatch"]
    return pipe_table(["LLM, GPU", "batch", *bounds, "dispatch and all-reduce"], rows)


def _sweep(sweep: xr.Dataset) -> Markdown:
    measured = sweep.sel(account="measured")
    columns = {
        "window": [context_window(window) for window in sweep.context_window.values],
        "measured": [f"{throughput:.0f}" for throughput in measured.throughput.values],
        "bandwidth": [percent(share, ".0") for share in sweep.bandwidth_share.values],
    }
    for quantity in ("throughput", "power"):
        for account, name in ACCOUNTS.items():
            errors = (sweep[quantity].sel(account=account) / measured[quantity] - 1).values
            columns[f"{quantity}: {name}"] = [percent(error, "+.0") for error in errors]
    return pipe_table(list(columns), list(zip(*columns.values(), strict=True)))


def _slopes(sweep: xr.Dataset) -> Markdown:
    rows = []
    for curve in map(str, sweep.curve.values):
        spans = [sweep.sel(curve=curve, span=span) for span in sweep.span.values]
        texts = [f"{float(row.slope):.2f} ± {float(row.slope_error):.2f}" for row in spans]
        rows.append([ACCOUNTS.get(curve, curve), *texts])
    return pipe_table(["curve", *map(str, sweep.span.values)], rows)


def fit_digest(parameters: xr.Dataset) -> str:
    """A fit by what it gave all parameters."""
    numbers = [f"{name} {value:.5g}" for name, value in parameters.value.to_series().items()]
    return sha256("\n".join(sorted(numbers)).encode()).hexdigest()[:12]


def analysed(fit: str) -> Markdown:
    """Which fit prose is about that was worked out once, and whether this is another one."""
    said = f"Sentences about residuals and the sweep were worked out for the fit {ANALYSED}"
    return Markdown(said + ("." if fit == ANALYSED else f", this is {fit}: read them as history."))


def _parameters(parameters: xr.Dataset) -> Markdown:
    factors = {"s": (1e6, "us"), "1": (1.0, ""), "tok": (1.0, "tok"), "s/tok": (1e6, "us/tok")}
    rows = []
    for name in parameters.parameter.values:
        parameter = parameters.sel(parameter=name)
        factor, unit = factors[str(parameter.unit.item())]
        numbers = [float(parameter[key]) * factor for key in ("value", "low", "high", "start")]
        rows.append([name.replace("_", " "), *map(significant, numbers), unit])
    return pipe_table(["parameter", "value", "least", "most", "start", "unit"], rows)
