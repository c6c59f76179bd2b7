"""`results/validation.md`: how far each account is from real machines, and where."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.markdown import Markdown, joined, percent, pipe_table, significant

GRIDS = ("runs", "errors", "targets", "parameters", "sweep", "kernels")
ACCOUNTS = {
    "paper": "the paper",
    "consistent": "consistent",
    "kernels": "kernel tables",
    "in_sample": "calibrated, fitted to these runs",
    "held_out": "calibrated, LLM held out",
}
STATISTICS = ("signed", "median", "percentile_90")
QUANTITIES = {
    "latency": "inter-token latency",
    "throughput": "throughput",
    "power": "board power",
    "tokens_per_joule": "tok/J",
}
BEHIND = ("tokens_per_joule_without_sending", "tokens_per_joule_with_sending")
"""What is left of the bound `tokens_per_joule` without communication, and with it."""
SHORT = 16384
"""Longest window of the sweep that is more than indicative, tokens."""
WORST = 8
"""How many runs are listed as the worst of each quantity."""


def write_validation(grids: Path, out: Path) -> None:
    """Write the page from its datasets."""
    datasets = load_datasets(grids, (f"measured_{name}" for name in GRIDS))
    text = validation_page({name: datasets[f"measured_{name}"] for name in GRIDS})
    write_files({out / "validation.md": text})


def validation_page(data: Mapping[str, xr.Dataset]) -> str:
    """The page as Markdown: `validation.md` of this package with the numbers filled in."""
    sweep, parameters = data["sweep"], data["parameters"]
    short = sweep.sel(context_window=sweep.context_window <= SHORT)
    too_low = 1 - short.throughput_with_sequences / short.throughput.sel(account="measured")
    template = files("tokwatt.reports").joinpath("validation.md").read_text(encoding="utf-8")
    return template.format(
        runs=data["runs"].sizes["run"],
        fitted=f"{float(data['targets'].runs.sel(gpu='all', kind='all')):.0f}",
        least=100 * float(too_low.min()),
        most=100 * float(too_low.max()),
        sequence=float(parameters.value.sel(parameter="step.sequence_overhead")) * 1e6,
        cells=_cells(data["targets"]),
        intervals=_intervals(data["targets"]),
        sweep=_sweep(sweep),
        slopes=_slopes(sweep),
        kernels=_kernels(data["kernels"]),
        machines=_machines(data["errors"]),
        worst=_worst(data["runs"]),
        parameters=_parameters(parameters),
        **_targets(data["runs"], data["targets"], short.throughput),
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


def _cells(targets: xr.Dataset) -> Markdown:
    rows = []
    for gpu, kind in _recorded(targets.runs):
        for fit in targets.fit.values:
            statistics = targets[[*STATISTICS, "runs"]].sel(gpu=gpu, kind=kind, fit=fit)
            texts = [
                _three(*(statistics[name].sel(quantity=quantity) for name in STATISTICS))
                for quantity in QUANTITIES
            ]
            fitted = ACCOUNTS[fit].removeprefix("calibrated, ")
            rows.append([f"{gpu}, {kind}", fitted, f"{float(statistics.runs):.0f}", *texts])
    return pipe_table(["GPU, kind", "parameters", "runs", *QUANTITIES.values()], rows)


def _machines(errors: xr.Dataset) -> Markdown:
    rows = []
    for gpu, llm in _recorded(errors.runs.isel(account=0)):
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


def _recorded(table: xr.DataArray) -> list[tuple[str, str]]:
    """Labels of two dimensions where there is a number."""
    return table.to_series().dropna().index.tolist()


def _intervals(targets: xr.Dataset) -> Markdown:
    rows = []
    for gpu, kind in _recorded(targets.half_width.isel(quantity=0)):
        cell = targets.sel(gpu=gpu, kind=kind)
        intervals = [cell.sel(quantity=quantity) for quantity in QUANTITIES]
        texts = [f"±{float(row.half_width):.2f}, {_covers(row.coverage)}" for row in intervals]
        rows.append([f"{gpu}, {kind}", *texts])
    every = targets.coverage.sel(gpu="all", kind="all")
    whole = [every.sel(quantity=quantity) for quantity in QUANTITIES]
    rows.append(["all", *map(_covers, whole)])
    return pipe_table(["GPU, kind", *QUANTITIES.values()], rows)


def _covers(coverage: xr.DataArray) -> str:
    return f"covers {percent(float(coverage))}"


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
        "window": [f"{window / 1024:g}K" for window in sweep.context_window.values],
        "measured": [f"{throughput:.0f}" for throughput in measured.throughput.values],
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


def _worst(runs: xr.Dataset) -> Markdown:
    rows = [
        [QUANTITIES[quantity], *_run(runs.isel(run=run), quantity)]
        for quantity in QUANTITIES
        for run in np.argsort(-abs(np.log(_ratio(runs, quantity).values)))[:WORST]
    ]
    heads = ["quantity", "GPUs", "LLM and task", "batch", "error", "within its interval"]
    return pipe_table(heads, rows)


def _run(run: xr.Dataset, quantity: str) -> list[str]:
    ratio = float(_ratio(run, quantity))
    inside = abs(np.log(ratio)) <= float(run[f"{quantity}_half_width"])
    return [
        f"{run.gpu.item()} ×{float(run.gpus):.0f}",
        run.series.item().split("-", 1)[1].rsplit("-", 1)[0],
        f"{float(run.batch):.0f}",
        percent(ratio - 1, "+.0"),
        "yes" if inside else "no",
    ]


def _ratio(runs: xr.Dataset, quantity: str) -> xr.DataArray:
    """Predictions with the LLM held out over measurements."""
    values = runs[quantity]
    return values.sel(account="held_out") / values.sel(account="measured")


def _parameters(parameters: xr.Dataset) -> Markdown:
    factors = {"s": (1e6, "us"), "1": (1.0, ""), "tok": (1.0, "tok")}
    rows = []
    for name in parameters.parameter.values:
        parameter = parameters.sel(parameter=name)
        factor, unit = factors[str(parameter.unit.item())]
        numbers = [float(parameter[key]) * factor for key in ("value", "low", "high", "start")]
        rows.append([name.replace("_", " "), *map(significant, numbers), unit])
    return pipe_table(["parameter", "value", "5 %", "95 %", "start", "unit"], rows)
