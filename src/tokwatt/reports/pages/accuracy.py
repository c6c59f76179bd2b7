"""Tables of how far the calibration is off its runs: groups, intervals, residuals, the worst."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from tokwatt.reports.markdown import Markdown, percent, pipe_table

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
WORST = 20
"""How many runs are listed as the worst."""
FEWEST = 5
"""Runs of which a median of residuals is shown."""
EDGES = {"batch": (4, 32, 128, 512), "prompt": (1024, 4096, 8192)}
"""Edges between bins of residuals, seq and tok."""


def errors_by(targets: xr.Dataset, what: str, fits: Sequence[str] | Mapping[str, str]) -> Markdown:
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


def intervals(targets: xr.Dataset) -> Markdown:
    """Half-widths of intervals and how many left-out runs they hold, by what is unknown."""
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


def peers(targets: xr.Dataset) -> Markdown:
    """Errors that others reach, and how far measurements repeat."""
    rows = [
        [words, percent(float(targets.error.sel(published=name)), ".1")]
        for name, words in PEERS.items()
    ]
    return pipe_table(["peer or floor", "median"], rows)


def residuals(targets: xr.Dataset) -> Markdown:
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


def worst(runs: xr.Dataset, targets: xr.Dataset) -> Markdown:
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
