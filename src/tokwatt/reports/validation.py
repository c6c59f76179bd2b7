"""`results/validation.md`: how far each account is from real machines, and where."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.labels import context_window
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
EVERY = {**QUANTITIES, "first_token": "time to first token"}
SOURCES = {"mlenergy": "ML.ENERGY", "inferencex": "InferenceX", "nvidia": "NVIDIA"}
FITS = {
    "roofline": "plain roofline",
    "in_sample": "fitted to these runs",
    "known": "configuration left out",
    "llm": "LLM left out",
    "gpu": "GPU left out",
    "engine": "engine left out",
}
UNKNOWN = {"known": "nothing", "llm": "LLM", "gpu": "GPU", "engine": "engine"}
PEERS = {
    "aiconfigurator_latency": "AIConfigurator, time per output token",
    "aiconfigurator_throughput": "AIConfigurator, throughput",
    "repeated": "the same measured twice, one version",
    "repeated_on_another_version": "the same measured twice, two versions",
}
BEHIND = ("tokens_per_joule_without_sending", "tokens_per_joule_with_sending")
"""What is left of the bound `tokens_per_joule` without communication, and with it."""
SHORT = 16384
"""Longest window of the sweep that is more than indicative, tokens."""
WORST = 20
"""How many runs are listed as the worst."""
FEWEST = 5
"""Runs of which a median of residuals is shown."""
EDGES = {"batch": (4, 32, 128, 512), "prompt": (1024, 4096, 8192)}
"""Edges between bins of residuals, seq and tok."""


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
    template = files("tokwatt.reports").joinpath("validation.md").read_text(encoding="utf-8")
    return template.format(
        runs=data["runs"].sizes["run"],
        clients=targets.sizes["client_run"],
        odd=int(targets.odd.sum()),
        fitted=f"{float(targets.fitted_runs):.0f}",
        least=100 * float(too_low.min()),
        most=100 * float(too_low.max()),
        kinds=_groups(targets, "kind", FITS),
        gpus=_groups(targets, "gpu", ("llm", "gpu")),
        engines=_groups(targets, "engine", ("llm", "engine")),
        llms=_groups(targets, "llm", ("llm",)),
        intervals=_intervals(targets),
        peers=_peers(targets),
        residuals=_residuals(targets),
        sweep=_sweep(sweep),
        slopes=_slopes(sweep),
        kernels=_kernels(data["kernels"]),
        machines=_machines(data["errors"]),
        worst=_worst(data["runs"], targets),
        parameters=_parameters(data["parameters"]),
        **_targets(data["runs"], targets, short.throughput),
    )


def _groups(targets: xr.Dataset, what: str, fits: Sequence[str] | Mapping[str, str]) -> Markdown:
    """Median errors of the groups of runs that have something in common, by source."""
    rows = []
    for group in targets.group.values:
        source, column, name = str(group).split(".", 2)
        if column != what:
            continue
        for fit in fits:
            errors = targets.median_error.sel(group=group, fit=fit)
            count = f"{float(targets.runs.sel(group=group)):.0f}"
            texts = [_or_dash(errors.sel(quantity=quantity)) for quantity in EVERY]
            rows.append([f"{SOURCES[source]}, {name}", FITS[fit], count, *texts])
    return pipe_table([what, "parameters", "runs", *EVERY.values()], rows)


def _or_dash(share: xr.DataArray) -> str:
    return "-" if np.isnan(share) else percent(float(share), ".1")


def _intervals(targets: xr.Dataset) -> Markdown:
    rows = []
    for cell in targets.cell.values:
        for unknown, words in UNKNOWN.items():
            found = targets[["half_width", "coverage"]].sel(cell=cell, unknown=unknown)
            pairs = [found.sel(quantity=quantity) for quantity in EVERY]
            texts = [
                "-"
                if np.isnan(pair.half_width)
                else f"±{float(pair.half_width):.2f}, holds {_or_dash(pair.coverage)}"
                for pair in pairs
            ]
            rows.append([str(cell), words, *texts])
    return pipe_table(["kind, engine, GPU", "unknown", *EVERY.values()], rows)


def _peers(targets: xr.Dataset) -> Markdown:
    rows = [
        [words, percent(float(targets.error.sel(published=name)), ".1")]
        for name, words in PEERS.items()
    ]
    return pipe_table(["peer or floor", "median"], rows)


def _residuals(targets: xr.Dataset) -> Markdown:
    """Signed median errors of recorded client runs against what they may depend on."""
    runs = targets.sel(client_run=targets.odd == 0)
    bins = {
        **{name: _binned(runs[name], edges) for name, edges in EDGES.items()},
        "LLM": runs.llm.values.astype(str),
        "release": runs.release.values.astype(str),
    }
    low = runs.batch <= EDGES["batch"][0] * runs.data_parallel
    quantities = (runs.client_latency, runs.client_throughput, runs.first_token.where(low))
    errors = [
        table.sel(account="held_out") / table.sel(account="measured") - 1 for table in quantities
    ]
    rows = []
    for what, labels in bins.items():
        for label in dict.fromkeys(sorted(labels, key=_natural)):
            inside = labels == label
            if inside.sum() >= FEWEST:
                medians = [float(error[inside].median()) for error in errors]
                texts = ["-" if np.isnan(median) else percent(median, "+.0") for median in medians]
                rows.append([f"{what} {label}", str(inside.sum()), *texts])
    heads = ["runs with", "runs", "time per output token", "throughput", "time to first token"]
    return pipe_table(heads, rows)


def _natural(label: str) -> tuple[float, str]:
    first = label.split(" ")[-1]
    return (float(first), label) if first.isdecimal() else (np.inf, label)


def _binned(values: xr.DataArray, edges: Sequence[float]) -> np.ndarray:
    labels = [f"up to {edge}" for edge in edges] + [f"above {edges[-1]}"]
    return np.array(labels)[np.searchsorted(edges, values.values, side="left")]


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


def _worst(runs: xr.Dataset, targets: xr.Dataset) -> Markdown:
    """The worst runs of both sources, one quantity each."""
    found = [
        (_ratio(runs, name), QUANTITIES[name], runs[f"{name}_half_width"].values, _names(runs))
        for name in QUANTITIES
    ]
    clients = targets.sel(client_run=targets.odd == 0)
    for name in ("client_latency", "client_throughput"):
        widths = clients[f"{name}_half_width"].values
        words = EVERY[name.removeprefix("client_")]
        found.append((_ratio(clients, name), words, widths, _client_names(clients)))
    listed = [
        (abs(np.log(ratio)), [words, name, percent(ratio - 1, "+.0"), _inside(ratio, width)])
        for ratios, words, widths, names in found
        for ratio, width, name in zip(ratios, widths, names, strict=True)
    ]
    rows = [row for _, row in sorted(listed, key=lambda pair: -pair[0])[:WORST]]
    return pipe_table(["quantity", "run", "error", "within its interval"], rows)


def _inside(ratio: float, half_width: float) -> str:
    return "yes" if abs(np.log(ratio)) <= half_width else "no"


def _names(runs: xr.Dataset) -> list[str]:
    return [
        f"{series.split('-', 1)[1].rsplit('-', 1)[0]}, {gpu} ×{gpus:.0f}, batch {batch:.0f}"
        for series, gpu, gpus, batch in zip(
            runs.series.values, runs.gpu.values, runs.gpus.values, runs.batch.values, strict=True
        )
    ]


def _client_names(runs: xr.Dataset) -> list[str]:
    columns = (runs.llm, runs.precision, runs.gpu, runs.tensor_parallel, runs.batch, runs.release)
    return [
        f"{llm} {precision}, {gpu} ×{gpus:.0f}, batch {batch:.0f}, {release}"
        for llm, precision, gpu, gpus, batch, release in zip(
            *(column.values for column in columns), strict=True
        )
    ]


def _ratio(runs: xr.Dataset, quantity: str) -> np.ndarray:
    """Predictions with the LLM held out over measurements."""
    values = runs[quantity]
    return (values.sel(account="held_out") / values.sel(account="measured")).values


def _parameters(parameters: xr.Dataset) -> Markdown:
    factors = {"s": (1e6, "us"), "1": (1.0, ""), "tok": (1.0, "tok"), "s/tok": (1e6, "us/tok")}
    rows = []
    for name in parameters.parameter.values:
        parameter = parameters.sel(parameter=name)
        factor, unit = factors[str(parameter.unit.item())]
        numbers = [float(parameter[key]) * factor for key in ("value", "low", "high", "start")]
        rows.append([name.replace("_", " "), *map(significant, numbers), unit])
    return pipe_table(["parameter", "value", "least", "most", "start", "unit"], rows)
