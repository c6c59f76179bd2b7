"""Studies of what was measured: every account beside it, errors, the sweep over context windows, and ratios of pairs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.assumptions import Assumptions
from tokwatt.accounts.cases import Account
from tokwatt.calibration import model as calibration
from tokwatt.calibration.kernels import Kernels, Machine, machine_of
from tokwatt.calibration.model import QUANTITIES, Prediction
from tokwatt.calibration.records import Calibrated, cell, interval_kinds
from tokwatt.calibration.runs import Measured
from tokwatt.calibration.step import resident_tokens
from tokwatt.params.specs import Architecture, Gpu, Llm, Serving
from tokwatt.serving import account, architecture
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.machine import Constants, Subject
from tokwatt.studies.replay.points import Served, roofline_point
from tokwatt.units import (
    Dimensionless,
    In,
    Seconds,
    SequencesAxis,
    Tokens,
    TokensPerJoule,
    units_of,
)

Gpus = Annotated[dict[str, Gpu], In("gpus")]
MEASURED, PAPER, CONSISTENT, KERNELS, IN_SAMPLE, HELD_OUT = (
    "measured",
    "paper",
    "consistent",
    "kernels",
    "in_sample",
    "held_out",
)
ACCOUNTS = (PAPER, CONSISTENT, KERNELS, IN_SAMPLE, HELD_OUT)
"""Predictions: the paper's, the consistent one, that of kernel tables, and the calibrated one, fitted to every run or without an LLM."""
UNITS = {name: unit for name, unit in units_of(Prediction).items() if unit}
LONG = {
    "latency": "time_between_two_tokens",
    "throughput": "output_tokens_per_second_of_the_instance",
    "power": "power_of_one_gpu",
    "tokens_per_joule": "tokens_per_joule_of_the_instance",
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two series of runs, by their names in `params/measured/mlenergy.yaml`."""

    above: str
    below: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """An error that a calibrated prediction of held-out LLMs should not exceed, over the runs of a cell."""

    quantity: str
    cell: str
    at_most: Dimensionless


def runs(catalogue: Catalogue, layout: Annotated[Serving, In("servings")]) -> xr.Dataset:
    """Every run of the records: what was measured and what each account says, over account x run."""
    rows, found = _accounts(catalogue, layout)
    calibrated = Calibrated(catalogue)
    kinds = calibration.kinds(catalogue, rows.llm)
    widths = calibrated.half_widths.loc[
        [cell(*each) for each in zip(rows.gpu, interval_kinds(kinds), strict=True)]
    ]
    names = {
        name: ("run", rows[name].to_numpy(), grid.describe(name, None))
        for name in ("gpu", "llm", "task", "precision", "series")
    }
    names["kind"] = ("run", kinds, grid.describe("kind_of_llm", None))
    numbers = {
        "batch": ("run", rows.batch.to_numpy(), grid.describe("sequences_in_flight", "seq")),
        "gpus": ("run", rows.gpus.to_numpy(), grid.describe("gpus_of_the_instance", "1")),
        "parameters": (
            "run",
            _parameters(catalogue, rows.llm),
            grid.describe("parameters_of_the_llm", "param"),
        ),
        "fitted": (
            "run",
            rows.llm.isin(calibrated.held_out).to_numpy(),
            grid.describe("whether_the_calibration_saw_the_run", None),
        ),
    }
    described = {name: grid.describe(LONG[name], UNITS[name]) for name in QUANTITIES}
    values = {
        name: (
            ("account", "run"),
            [getattr(each, name) for each in found.values()],
            described[name],
        )
        for name in QUANTITIES
    }
    over = {
        f"{name}_over_measured": (
            ("account", "run"),
            [getattr(each, name) / getattr(found[MEASURED], name) for each in found.values()],
            grid.describe(f"{name}_over_measured", "1"),
        )
        for name in QUANTITIES
    }
    half = {
        f"{name}_half_width": (
            "run",
            widths[name].to_numpy(),
            grid.describe(f"half_width_of_the_interval_of_log_{name}", "1"),
        )
        for name in QUANTITIES
    }
    coordinates = {
        "account": ("account", list(found), grid.describe("account", None)),
        "run": ("run", np.arange(len(rows)), grid.describe("run", None)),
    }
    return xr.Dataset(names | numbers | values | over | half, coordinates)


def errors(catalogue: Catalogue, layout: Annotated[Serving, In("servings")]) -> xr.Dataset:
    """Relative errors over GPU and LLM x account: the median with its sign, the median and 90th percentile without."""
    rows, found = _accounts(catalogue, layout)
    machine = rows.gpu.str.cat(rows.llm, " ")
    cells = sorted(machine.unique(), key=lambda each: (each.split()[0] != "H100", each))
    measured, counts = (
        found[MEASURED],
        [[float((machine == each).sum())] * len(ACCOUNTS) for each in cells],
    )
    dataset = xr.Dataset(
        {"runs": (("machine", "account"), counts, grid.describe("runs", "1"))},
        {
            "machine": ("machine", cells, grid.describe("gpu_and_llm", None)),
            "account": ("account", list(ACCOUNTS), grid.describe("account", None)),
        },
    )
    for name in QUANTITIES:
        relative = pd.DataFrame(
            {each: getattr(found[each], name) / getattr(measured, name) - 1 for each in ACCOUNTS}
        )
        for statistic, of in _STATISTICS.items():
            described = grid.describe(f"{statistic}_relative_error_of_{name}", "1")
            dataset[f"{name}_{statistic}"] = (
                ("machine", "account"),
                of(relative, machine.to_numpy()).loc[cells].to_numpy(),
                described,
            )
    return dataset


_STATISTICS: dict[str, Callable[[pd.DataFrame, np.ndarray], pd.DataFrame]] = {
    "signed": lambda each, cells: each.groupby(cells).median(),
    "median": lambda each, cells: each.abs().groupby(cells).median(),
    "percentile_90": lambda each, cells: each.abs().groupby(cells).quantile(0.9),
}


def calibrated_errors(
    catalogue: Catalogue, targets: dict[str, Target], sweep_target: Dimensionless
) -> xr.Dataset:
    """Errors of the calibration over all of its runs, by cell, intervals and their coverage, and targets."""
    calibrated = Calibrated(catalogue)
    cells = list(calibrated.errors[HELD_OUT])
    fits = [IN_SAMPLE, HELD_OUT]
    section = catalogue.section("paper").child("grids")
    dataset = xr.Dataset(
        {
            "runs": (
                "cell",
                [calibrated.errors[HELD_OUT][each].runs for each in cells],
                grid.describe("runs", "1"),
            )
        },
        {
            "cell": ("cell", cells, grid.describe("gpu_and_kind_of_llm", None)),
            "fit": ("fit", fits, grid.describe("fit", None)),
            "quantity": ("quantity", list(QUANTITIES), grid.describe("quantity", None)),
            "interval": (
                "interval",
                list(calibrated.half_widths.index),
                grid.describe("gpu_and_kind_of_llm_of_an_interval", None),
            ),
            "target": ("target", list(targets), grid.describe("target", None)),
        },
    )
    for statistic in _STATISTICS:
        values = [
            [getattr(calibrated.errors[fit][each], statistic) for each in cells] for fit in fits
        ]
        dataset[statistic] = (
            ("fit", "cell", "quantity"),
            values,
            grid.describe(f"{statistic}_relative_error", "1"),
        )
    dataset["half_width"] = (
        ("interval", "quantity"),
        calibrated.half_widths.to_numpy(),
        grid.describe("half_width_of_log", "1"),
    )
    inside = calibrated.coverage.loc[calibrated.half_widths.index]
    dataset["coverage"] = (
        ("interval", "quantity"),
        inside.to_numpy(),
        grid.describe("share_of_held_out_runs_inside", "1"),
    )
    every = calibrated.coverage.loc["all"].to_numpy()
    dataset["coverage_of_all"] = (
        "quantity",
        every,
        grid.describe("share_of_held_out_runs_inside", "1"),
    )
    reached = []
    for target in targets.values():
        section.pick("targets", target.cell, calibrated.errors[HELD_OUT])
        place = QUANTITIES.index(
            section.pick("targets", target.quantity, {name: name for name in QUANTITIES})
        )
        reached.append(float(calibrated.errors[HELD_OUT][target.cell].median[place]))
    dataset["at_most"] = (
        "target",
        [float(each.at_most) for each in targets.values()],
        grid.describe("largest_error_wanted", "1"),
    )
    dataset["reached"] = ("target", reached, grid.describe("median_error_of_held_out_llms", "1"))
    for name in ("quantity", "cell"):
        asked = [getattr(each, name) for each in targets.values()]
        dataset[f"{name}_of_target"] = (
            "target",
            asked,
            grid.describe(f"{name}_of_the_target", None),
        )
    dataset["sweep_at_most"] = (
        (),
        float(sweep_target),
        grid.describe("largest_error_of_the_sweep_wanted", "1"),
    )
    return dataset


def parameters(catalogue: Catalogue) -> xr.Dataset:
    """The calibrated parameters with what they are between over draws of LLMs, and where they started."""
    calibrated = Calibrated(catalogue)
    model, (low, high) = calibrated.model, calibrated.bounds
    names = [f"{each.part}.{each.name}" for each in model.names]
    names += [f"{gpu}.{term}" for gpu, board in model.boards.items() for term in board.terms]
    units = [each.unit for each in model.names] + ["1"] * (len(names) - len(model.names))
    columns = {"value": calibrated.fitted, "low": low, "high": high}
    terms = [
        (row, calibration.TERMS.index(term))
        for row, board in enumerate(model.boards.values())
        for term in board.terms
    ]
    dataset = xr.Dataset(
        coords={"parameter": ("parameter", names, grid.describe("parameter", None))}
    )
    for name, fitted in columns.items():
        values = [*fitted.values, *(fitted.boards[place] for place in terms)]
        dataset[name] = (
            "parameter",
            values,
            grid.describe(f"{name}_in_the_unit_of_the_parameter", "1"),
        )
    dataset["start"] = (
        "parameter",
        [*model.start, *[np.nan] * len(terms)],
        grid.describe("start_in_the_unit_of_the_parameter", "1"),
    )
    dataset["unit"] = ("parameter", units, grid.describe("unit", None))
    return dataset


def sweep(
    catalogue: Catalogue, layout: Annotated[Serving, In("servings")], profile: str
) -> xr.Dataset:
    """The measured sweep over context windows beside every account, and slopes of log tokens per joule over log window."""
    calibrated, names = Calibrated(catalogue), Account(catalogue)
    model = calibrated.model
    rows = model.measured.sweep()
    llm, batch, residents = rows.llm[0], rows.batch.to_numpy(), rows.residents.to_numpy()
    windows = rows.context_window.to_numpy()
    prepared = model.prepare(rows.assign(task=model.tasks[0], output=np.inf, latency=np.nan))
    measured = calibration.observed(rows.assign(latency=rows.batch / rows.throughput))
    subject = _subject(catalogue, layout, rows.gpu[0], llm, rows.precision[0], rows.gpus[0])
    own = replace(
        subject, profile=catalogue.profiles[profile], logistic=catalogue.profiles[profile].power
    )
    at = partial(_points, constants=names.constants, ratio=np.zeros(len(rows)))
    paper = replace(names.presets[PAPER], basis="instance")
    subjects = grid.stacked(dict.fromkeys(map(str, windows), subject))
    full = jax.jit(jax.vmap(lambda window: account.point(paper, own, names.constants, window)))(
        jnp.asarray(windows)
    )
    projected = _seen(full, rows.gpus.to_numpy())
    found = {
        MEASURED: measured,
        PAPER: projected,
        CONSISTENT: at(names.presets[CONSISTENT], subjects, batch=batch, length=residents),
        KERNELS: model.predict_decoding(
            calibrated.fitted, prepared, residents, _by_kernels(catalogue, rows, residents)
        ),
        IN_SAMPLE: model.predict_decoding(calibrated.fitted, prepared, residents),
        HELD_OUT: model.predict_decoding(calibrated.held_out[llm], prepared, residents),
    }
    efficiency = {name: each.tokens_per_joule for name, each in found.items()}
    efficiency["law"] = measured.tokens_per_joule[0] * windows[0] / windows
    spans = {"up to 64K": windows <= 65536, "all": windows > 0}
    slopes = [
        [_slope(windows[span], values[span]) for span in spans.values()]
        for values in efficiency.values()
    ]
    dataset = xr.Dataset(
        {
            name: (
                ("account", "context_window"),
                [getattr(each, name) for each in found.values()],
                grid.describe(LONG[name], UNITS[name]),
            )
            for name in ("latency", "throughput", "power")
        },
        {
            "account": ("account", list(found), grid.describe("account", None)),
            "context_window": ("context_window", windows, grid.describe("context_window", "tok")),
            "curve": ("curve", list(efficiency), grid.describe("account_or_law", None)),
            "span": ("span", list(spans), grid.describe("windows", None)),
        },
    )
    slower = (
        found[IN_SAMPLE].latency
        + calibrated.fitted.values[[each.name for each in model.names].index("sequence_overhead")]
        * batch
    )
    described = grid.describe("throughput_as_calibrated_with_the_time_of_each_sequence", "tok/s")
    dataset["throughput_with_sequences"] = ("context_window", batch / slower, described)
    dataset["tokens_per_joule"] = (
        ("curve", "context_window"),
        list(efficiency.values()),
        grid.describe(LONG["tokens_per_joule"], "tok/J"),
    )
    for number, name in enumerate(("slope", "slope_error")):
        described = grid.describe(f"{name}_of_log_tokens_per_joule_over_log_window", "1")
        dataset[name] = (("curve", "span"), np.array(slopes)[:, :, number], described)
    return dataset


def ratios(
    catalogue: Catalogue,
    layout: Annotated[Serving, In("servings")],
    pairs: dict[str, Pair],
    batch: SequencesAxis,
) -> xr.Dataset:
    """Tokens per joule of one series over another's at equal batch, over pair x account x batch.

    Between runs both are interpolated on logarithmic scales; NaN beyond the batches that both were
    measured at.
    """
    rows, found = _accounts(catalogue, layout)
    entries = catalogue.section("measured/mlenergy").child("runs")

    def curve(name: str, each: str) -> np.ndarray:
        own = (
            rows.series == entries.pick("pairs", name, {key: key for key in entries.raw})
        ).to_numpy()
        order = np.argsort(rows.batch[own].to_numpy())
        known, values = (
            np.log(rows.batch[own].to_numpy()[order]),
            np.log(found[each].tokens_per_joule[own][order]),
        )
        slack = 1e-2  # the mean batch of a run falls a little short of the largest that it may have
        inside = (np.log(batch) >= known[0] - slack) & (np.log(batch) <= known[-1] + slack)
        return np.where(inside, np.interp(np.log(batch), known, values), np.nan)

    values = [
        [np.exp(curve(pair.above, each) - curve(pair.below, each)) for each in found]
        for pair in pairs.values()
    ]
    return xr.Dataset(
        {
            "ratio": (
                ("pair", "account", "batch"),
                values,
                grid.describe("ratio_of_tokens_per_joule", "1"),
            )
        },
        {
            "pair": ("pair", list(pairs), grid.describe("pair", None)),
            "account": ("account", list(found), grid.describe("account", None)),
            "batch": ("batch", batch, grid.describe("sequences_in_flight", "seq")),
        },
    )


def kernel_bounds(
    catalogue: Catalogue, gpus: Gpus, served: dict[str, Served], context_window: Tokens
) -> xr.Dataset:
    """Table 2's bound for mixtures of experts, and what measured kernels leave of it without and with what they send.

    Batch, power and basis are the paper's; only the step differs. NaN where there are no kernels of
    a machine.
    """
    point = partial(roofline_point, curve=catalogue.power_fractions, context_window=context_window)
    bound = grid.sweep(point, served=served, gpu=gpus).rename(served="llm")
    tables = Kernels(catalogue)

    machines = [_served_machine(gpu, llm, each) for llm, each in served.items() for gpu in gpus]
    length = np.repeat([float(each.serving.mean_length) for each in served.values()], len(gpus))
    whole, sent = (
        each.reshape(bound.concurrency.shape)
        for each in tables.steps(machines, bound.concurrency.to_numpy().ravel(), length)
    )
    share = [
        tables.entries[each.name].measured_share if each.name in tables.entries else np.nan
        for each in machines
    ]
    rate = (bound.concurrency / bound.power).to_numpy()
    found = KernelSteps(rate / (whole - sent), rate / whole, sent, np.reshape(share, sent.shape))
    table, units = bound[["concurrency", "power", "tokens_per_joule"]], units_of(KernelSteps)
    table = table.assign(
        {
            name: (("llm", "gpu"), values, grid.describe(name, units[name]))
            for name, values in found._asdict().items()
        }
    )
    for name in (
        "tokens_per_joule",
        "tokens_per_joule_without_sending",
        "tokens_per_joule_with_sending",
    ):
        over = (table[name] / table[name].isel(llm=0, drop=True)).assign_attrs(
            grid.describe(f"{name}_over_that_of_the_first_llm", "1")
        )
        table[f"{name}_over_dense"] = over
    return table


def _served_machine(gpu: str, llm: str, served: Served) -> Machine:
    precision = "fp8" if served.serving.weight_width <= 1 else "bfloat16"
    return Machine(
        gpu, llm, precision, int(served.serving.tensor_parallel), int(served.llm.experts > 0)
    )


class KernelSteps(NamedTuple):
    """Tokens per joule by kernels, without and with what they send, how long that takes, and what share is measured."""

    tokens_per_joule_without_sending: TokensPerJoule
    tokens_per_joule_with_sending: TokensPerJoule
    communication: Seconds
    measured_share: Dimensionless


@lru_cache(maxsize=1)
def _accounts(catalogue: Catalogue, layout: Serving) -> tuple[pd.DataFrame, dict[str, Prediction]]:
    """Rows of the records, and what each account says of them."""
    calibrated, names = Calibrated(catalogue), Account(catalogue)
    model, fitted = calibrated.model, calibrated.fitted
    rows = model.measured.runs()
    prepared = model.prepare(rows)
    prompts = np.asarray(model.prompts(fitted.values, prepared))
    residents = np.asarray(resident_tokens(prompts, prepared.work.output, prepared.work.output_scv))
    machines = rows.groupby(["gpu", "llm", "precision", "gpus"], sort=False)
    each = grid.stacked({str(key): _subject(catalogue, layout, *key) for key in machines.groups})
    subjects = jax.tree.map(lambda leaf: leaf[machines.ngroup().to_numpy()], each)
    at = partial(
        _points,
        constants=names.constants,
        batch=rows.batch.to_numpy(),
        length=residents,
        ratio=prompts / rows.output.to_numpy(),
    )
    paper = replace(names.presets[PAPER], basis="instance", step="program")
    listed = rows.llm.isin(catalogue.llms).to_numpy()
    as_printed, as_published = (
        at(names.mixture(paper), subjects),
        at(names.mixture(replace(paper, architecture="published")), subjects),
    )
    return rows, {
        MEASURED: calibration.observed(rows),
        PAPER: Prediction(
            *(np.where(listed, *both) for both in zip(as_printed, as_published, strict=True))
        ),
        CONSISTENT: at(names.presets[CONSISTENT], subjects),
        KERNELS: model.predict_decoding(
            fitted, prepared, residents, _by_kernels(catalogue, rows, residents)
        ),
        IN_SAMPLE: model.predict(fitted, prepared),
        HELD_OUT: calibration.held_out_predictions(
            model, rows, prepared, calibrated.held_out, fitted
        ),
    }


def _by_kernels(catalogue: Catalogue, rows: pd.DataFrame, residents: np.ndarray) -> np.ndarray:
    """Steps by the kernels of each row's machine, NaN where there are none."""
    return Kernels(catalogue).steps(
        [machine_of(row) for row in rows.itertuples()], rows.batch.to_numpy(), residents
    )[0]


def _points(
    assumed: Assumptions,
    subjects: Subject,
    constants: Constants,
    batch: np.ndarray,
    length: np.ndarray,
    ratio: np.ndarray,
) -> Prediction:
    """Instances at batches and lengths of their own, all of shape (row,); watts of one GPU."""

    def point(subject: Subject, batch: Any, length: Tokens, ratio: Dimensionless) -> account.Point:
        return account.point(assumed, subject, constants, length, 1.0, ratio, batch)

    found = jax.jit(jax.vmap(point))(
        subjects, *(jnp.asarray(each) for each in (batch, length, ratio))
    )
    return _seen(found, subjects.serving.tensor_parallel)


def _seen(point: account.Point, gpus: Any) -> Prediction:
    """Points on the basis of instances, with the power of one GPU."""
    found = point.iteration_latency, point.throughput, point.power / gpus, point.tokens_per_joule
    return Prediction(*(np.asarray(each) for each in found))


def _subject(
    catalogue: Catalogue, layout: Serving, gpu: str, llm: str, precision: str, gpus: float
) -> Subject:
    """A run as the accounts take it: on its GPUs, at the mean width of its parameters."""
    published, widths = catalogue.architectures[llm], Measured(catalogue).precisions[precision]
    routed, total = (
        architecture.routed_parameters(published),
        architecture.total_parameters(published),
    )
    width = float(widths.dense + (widths.routed - widths.dense) * routed / total)
    return Subject(
        gpu=catalogue.gpus[gpu],
        llm=catalogue.llms.get(llm) or _as_llm(published),
        architecture=published,
        serving=replace(layout, tensor_parallel=gpus, weight_width=width, kv_width=2.0),
        logistic=catalogue.power_curves[gpu],
        fractions=catalogue.power_fractions,
        utilization=catalogue.utilization_curves[gpu],
        active_parameters=float(
            jnp.where(routed > 0, architecture.active_parameters(published), 0.0)
        ),
    )


def _as_llm(published: Architecture) -> Llm:
    """What the paper's catalogue would have, for an LLM that it lacks; the paper's account then takes the published configuration."""
    names = (
        "layers",
        "query_heads",
        "kv_heads",
        "head_dim",
        "hidden",
        "vocabulary",
        "experts",
        "active_experts",
        "expert_feed_forward",
    )
    return Llm(
        **{name: getattr(published, name) for name in names}, feed_forward=published.feed_forward
    )


def _parameters(catalogue: Catalogue, llms: pd.Series) -> np.ndarray:
    known = {
        llm: float(architecture.total_parameters(catalogue.architectures[llm]))
        for llm in llms.unique()
    }
    return np.array([known[llm] for llm in llms])


def _slope(windows: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line through logarithms, and its standard error."""
    x, y = np.log(windows), np.log(values)
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    left = y - y.mean() - slope * centred
    return float(slope), float(np.sqrt(left @ left / (len(x) - 2) / (centred @ centred)))
