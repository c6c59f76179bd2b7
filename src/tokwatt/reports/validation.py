"""`results/validation.md`: how far each account is from real machines, where that is good and where it is bad."""

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tabulate import tabulate

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
    "latency": "time between tokens",
    "throughput": "throughput",
    "power": "board power",
    "tokens_per_joule": "tok/J",
}
WORST = 8
"""How many runs are listed as the worst of each quantity."""

PAGE = """\
# Predictions against measured runs

{runs} runs of ML.ENERGY v3 on H100 and B200 (`params/measured/mlenergy.yaml`) and the B200 sweep over context windows
(`params/measured/b200_sweep.yaml`) beside four accounts of them:

* **the paper**: the preset `paper` with the roofline of its program, mixtures of experts by printed active parameters; LLMs that its
  catalogue lacks by their published configuration. Watts are those of the whole instance, as for every account here.
* **consistent**: the preset `consistent`. Some of its constants were fitted to the same benchmark: its errors are not those of a forecast.
* **calibrated**: `src/tokwatt/calibration/step.py` with the parameters of `params/calibrated.yaml`, least squares over all {fitted} runs.
  *LLM held out* is a prediction by parameters fitted without any run of that architecture, on either GPU. That is the number to quote;
  *fitted to these runs* stands beside it to show the difference.
* **kernel tables**: `params/kernels.yaml`, steps of decoding that NVIDIA's aiconfigurator composes from kernels measured on the GPU,
  all-reduce and dispatch included, host and prompts left out; power by the calibrated law. No table where the package has no kernels.

Errors are relative to what was measured. Prompt lengths are not published: accounts that want one take the calibrated, effective ones.
Figures: `figures/validation.png`, `residuals.png`, `measured_slope.png`, `measured_moe.png`, `measured_generation.png`.

## Targets

Median absolute error of LLMs that were held out, over all {fitted} runs; the other accounts over the {runs} recorded ones.

{targets}

{missed}

## All runs, by GPU and kind of LLM

Median error with its sign / median / 90th percentile without. *Experts* are mixtures of experts; a *hybrid*
has recurrent layers beside attention.

{cells}

## Intervals

A prediction times e to plus or minus the half-width holds 90 % of held-out runs, if the next LLM is like one of these.
Coverage was counted on LLMs that neither the fit nor the interval saw.

{intervals}

Where a class holds a run that the host slows down, its intervals are wide: dense LLMs on B200 are the case in point.

## The sweep over context windows

Llama-3.1-70B on eight B200, throughput in tok/s and its errors; decoding alone, at the measured number of sequences.

{sweep}

Three cautions. The calibrated prediction leaves out the cost of each sequence that ML.ENERGY's runs show ({sequence:.0f} us), because
the sweep ran on another, newer server: with it throughput would be {least:.0f} to {most:.0f} % too low up to 16K. That choice was
made after the failure was seen, so that these errors are no blind forecast; no number was fitted to the sweep. The consistent
account is the other way round: its cost of a sequence was fitted to this very sweep. And no account that agrees with ML.ENERGY
agrees with the sweep's power, which is lower at the same use of memory: boards were capped, or its mean holds pauses. Windows
from 32K on are indicative (see the record).

Slope of log tok/J over log window, with its standard error:

{slopes}

## Mixtures of experts with dispatch

Table 2 of the paper bounds tok/W of a mixture of experts by its active weights, dispatch free. Measured kernels at the same batch,
length, power and basis say what is left: first without what they send, then with dispatch and all-reduce.

{kernels}

The kernels read the experts that a batch touches; that, and not dispatch, is what the bound lacks most. Of DeepSeek-V3's step the
package marks less than a third as measured: read its rows as estimates.

## By GPU and LLM

The {runs} recorded runs: median error with its sign, median and 90th percentile without. The calibration saw all of them, but for
the rows *LLM held out*.

{machines}

## Worst runs

Of predictions with the LLM held out.

{worst}

## Calibrated parameters

Percentiles 5 and 95 over fits to LLMs drawn with replacement. Prompts are effective lengths, not measurements.

{parameters}

## What limits the calibration

* On B200, small LLMs in long answers (`gpqa`, 8 to 128 sequences) take 30 ms a token where the same LLM chats at 7 ms, at 300 W: the host
  holds them up, and nothing in their configuration says so. They stay in every score.
* Where most steps take in prompts, the median time between tokens is that of a mixture of steps: its errors are half as large
  again to twice as large.
* Qwen3-Coder-480B in 8 bits alone has long prompts and slow 8-bit blocks; held out, its throughput on B200 is overestimated severalfold.
* Boards differ by several percent at equal work, which bounds every law of power from below.
* The form of the model (which terms there are) was chosen by looking at scores of held-out LLMs among 13 architectures.
  Expect LLMs that nobody looked at to do somewhat worse.
"""


def write(grids: Path, out: Path) -> None:
    """Write the page from its datasets."""
    data = {name: xr.load_dataset(grids / f"measured_{name}.nc") for name in GRIDS}
    out.mkdir(parents=True, exist_ok=True)
    (out / "validation.md").write_text(page(data), encoding="utf-8")


def page(data: Mapping[str, xr.Dataset]) -> str:
    """The page as Markdown."""
    runs, targets, sweep = data["runs"], data["targets"], data["sweep"]
    parameters = data["parameters"]
    known = sweep.sel(context_window=sweep.context_window <= 16384)
    missing = 1 - known.throughput_with_sequences / known.throughput.sel(account="measured")
    goals = _targets(runs, targets, sweep)
    missed = goals[goals["held out"] > goals["wanted"]]
    return PAGE.format(
        runs=runs.sizes["run"],
        fitted=f"{float(targets.runs.sel(gpu='all', kind='all')):.0f}",
        targets=_printed(
            _percent(goals, [name for name in goals if name not in ("what", "verdict")])
        ),
        missed=f"Missed: {'; '.join(missed.what)}. What limits them is at the end."
        if len(missed)
        else "All are met.",
        cells=_printed(_cells(targets)),
        intervals=_printed(_intervals(targets)),
        sweep=_printed(_sweep(sweep)),
        least=100 * float(missing.min()),
        most=100 * float(missing.max()),
        sequence=float(parameters.value.sel(parameter="step.sequence_overhead")) * 1e6,
        slopes=_printed(_slopes(sweep)),
        kernels=_printed(_kernels(data["kernels"])),
        machines=_printed(_machines(data["errors"])),
        worst=_printed(_worst(runs)),
        parameters=_printed(_parameters(parameters)),
    )


def _targets(runs: xr.Dataset, targets: xr.Dataset, sweep: xr.Dataset) -> pd.DataFrame:
    """What was wanted and reached; what other accounts reach over the recorded runs of the same cell."""
    rows = []
    for name in targets.target.values:
        one = targets.sel(target=name)
        gpu, kind = str(one.gpu_of_target.item()), str(one.kind_of_target.item())
        own = ((runs.gpu == gpu) | (gpu == "all")) & ((runs.kind == kind) | (kind == "all"))
        quantity = str(one.quantity_of_target.item())
        error = (
            abs(runs[quantity] / runs[quantity].sel(account="measured") - 1)
            .sel(run=own)
            .median("run")
        )
        what = f"{QUANTITIES[quantity]}, {gpu if gpu != 'all' else 'both GPUs'}, {kind if kind != 'all' else 'all LLMs'}"
        others = [float(error.sel(account=each)) for each in ("paper", "consistent")]
        rows.append([what, *others, float(one.at_most), float(one.reached)])
    short = sweep.sel(context_window=sweep.context_window <= 16384).throughput
    errors: xr.DataArray = abs(short / short.sel(account="measured") - 1)
    for name, error in (
        ("median", errors.median("context_window")),
        ("largest", errors.max("context_window")),
    ):
        others = [float(error.sel(account=each)) for each in ("paper", "consistent")]
        for account, how in (("in_sample", "not held out"), ("held_out", "held out")):
            what = f"throughput of the sweep, 2K to 16K, {name} error (the LLM {how})"
            rows.append(
                [what, *others, float(targets.sweep_at_most), float(error.sel(account=account))]
            )
    frame = pd.DataFrame(rows, columns=["what", "the paper", "consistent", "wanted", "held out"])
    return frame.assign(verdict=np.where(frame["held out"] <= frame["wanted"], "met", "missed"))


def _cells(targets: xr.Dataset) -> pd.DataFrame:
    rows = []
    for gpu, kind in _known(targets.runs):
        for fit in targets.fit.values:
            own = targets.sel(gpu=gpu, kind=kind, fit=fit)
            texts = [
                _three(*(float(own[name].sel(quantity=each)) for name in STATISTICS))
                for each in QUANTITIES
            ]
            rows.append(
                [
                    f"{gpu}, {kind}",
                    ACCOUNTS[fit].removeprefix("calibrated, "),
                    f"{float(own.runs):.0f}",
                    *texts,
                ]
            )
    return pd.DataFrame(rows, columns=["GPU, kind", "parameters", "runs", *QUANTITIES.values()])


def _machines(errors: xr.Dataset) -> pd.DataFrame:
    rows = []
    for gpu, llm in _known(errors.runs.isel(account=0)):
        for account in errors.account.values:
            own = errors.sel(gpu=gpu, llm=llm, account=account)
            texts = [
                _three(*(float(own[f"{each}_{name}"]) for name in STATISTICS))
                for each in QUANTITIES
            ]
            rows.append([f"{gpu} {llm}", ACCOUNTS[account], f"{float(own.runs):.0f}", *texts])
    return pd.DataFrame(rows, columns=["GPU and LLM", "account", "runs", *QUANTITIES.values()])


def _known(table: xr.DataArray) -> list[tuple[str, str]]:
    """Labels of two dimensions where there is a number."""
    first, second = table.dims
    pairs = product(table[first].values, table[second].values)
    return [
        (str(row), str(column))
        for row, column in pairs
        if not np.isnan(table.sel({first: row, second: column}))
    ]


def _three(signed: float, median: float, percentile_90: float) -> str:
    if np.isnan(median):
        return "-"
    return f"{signed:+.0%} / {median:.1%} / {percentile_90:.0%}".replace("%", " %")


def _intervals(targets: xr.Dataset) -> pd.DataFrame:
    rows = []
    for gpu, kind in _known(targets.half_width.isel(quantity=0)):
        own = [targets.sel(gpu=gpu, kind=kind, quantity=each) for each in QUANTITIES]
        texts = [
            f"±{float(each.half_width):.2f}, covers {float(each.coverage) * 100:.0f} %"
            for each in own
        ]
        rows.append([f"{gpu}, {kind}", *texts])
    rows.append(
        [
            "all",
            *(
                f"covers {float(targets.coverage.sel(gpu='all', kind='all', quantity=each)) * 100:.0f} %"
                for each in QUANTITIES
            ),
        ]
    )
    return pd.DataFrame(rows, columns=["GPU, kind", *QUANTITIES.values()])


def _kernels(kernels: xr.Dataset) -> pd.DataFrame:
    names = [
        "tokens_per_joule",
        "tokens_per_joule_without_sending",
        "tokens_per_joule_with_sending",
    ]
    rows = []
    for llm in kernels.llm.values:
        for gpu in kernels.gpu.values:
            own = kernels.sel(llm=llm, gpu=gpu)
            if not np.isnan(own.measured_share):
                shown = [
                    f"{float(own[name]):.2f} ({float(own[f'{name}_over_dense']):.2f}×)"
                    for name in names
                ]
                rows.append(
                    [
                        f"{llm}, {gpu}",
                        f"{float(own.concurrency):.0f}",
                        *shown,
                        f"{float(own.communication) * 1e3:.2f} ms",
                    ]
                )
    columns = [
        "LLM, GPU",
        "batch",
        "bound, tok/W (over 70B)",
        "kernels alone",
        "with dispatch",
        "dispatch and all-reduce",
    ]
    return pd.DataFrame(rows, columns=columns)


def _sweep(sweep: xr.Dataset) -> pd.DataFrame:
    measured = sweep.sel(account="measured")
    windows = [f"{each / 1024:g}K" for each in sweep.context_window.values]
    frame = pd.DataFrame(
        {"window": windows, "measured": [f"{each:.0f}" for each in measured.throughput.values]}
    )
    for quantity in ("throughput", "power"):
        for account, name in ACCOUNTS.items():
            error = (sweep[quantity].sel(account=account) / measured[quantity] - 1).values
            frame[f"{quantity}: {name}"] = [f"{each:+.0%}".replace("%", " %") for each in error]
    return frame


def _slopes(sweep: xr.Dataset) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"of": [ACCOUNTS.get(str(curve), str(curve)) for curve in sweep.curve.values]}
    )
    for span in sweep.span.values:
        own = sweep.sel(span=span)
        frame[str(span)] = [
            f"{slope:.2f} ± {error:.2f}"
            for slope, error in zip(own.slope.values, own.slope_error.values, strict=True)
        ]
    return frame


def _worst(runs: xr.Dataset) -> pd.DataFrame:
    rows = []
    for quantity, name in QUANTITIES.items():
        ratio = (
            runs[quantity].sel(account="held_out") / runs[quantity].sel(account="measured")
        ).values
        for run in np.argsort(-np.abs(np.log(ratio)))[:WORST]:
            own = runs.isel(run=int(run))
            series = own.series.item().split("-", 1)[1].rsplit("-", 1)[0]
            inside = abs(np.log(ratio[run])) <= float(own[f"{quantity}_half_width"])
            error = f"{ratio[run] - 1:+.0%}".replace("%", " %")
            gpus = f"{own.gpu.item()} ×{float(own.gpus):.0f}"
            rows.append(
                [name, gpus, series, f"{float(own.batch):.0f}", error, "yes" if inside else "no"]
            )
    return pd.DataFrame(
        rows, columns=["quantity", "GPUs", "LLM and task", "batch", "error", "within its interval"]
    )


def _parameters(parameters: xr.Dataset) -> pd.DataFrame:
    factors = {"s": (1e6, "us"), "1": (1.0, ""), "tok": (1.0, "tok")}
    rows = []
    for name in parameters.parameter.values:
        own = parameters.sel(parameter=name)
        factor, unit = factors[str(own.unit.item())]
        rows.append(
            [
                name.replace("_", " "),
                *(_number(float(own[each]) * factor) for each in ("value", "low", "high", "start")),
                unit,
            ]
        )
    return pd.DataFrame(rows, columns=["parameter", "value", "5 %", "95 %", "start", "unit"])


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3g}"


def _percent(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    return frame.assign(
        **{name: [f"{value:.1%}".replace("%", " %") for value in frame[name]] for name in names}
    )


def _printed(frame: pd.DataFrame) -> str:
    return tabulate(frame, list(frame), tablefmt="pipe", disable_numparse=True, showindex=False)
