"""The calibration over all of its runs: errors, intervals, targets and parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from tokwatt.calibration import intervals
from tokwatt.calibration.evidence import CLASSES, QUANTITIES
from tokwatt.calibration.records import Calibrated
from tokwatt.params.calibrated import OTHER, POWER_TERMS
from tokwatt.params.specs import StepParameters
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.units import Dimensionless, units_of

FITS = ("in_sample", *CLASSES, "roofline")
"""Whose errors are recorded: of the fit to every run, of those that leave things out, of none."""
SOURCE = "mlenergy"
"""Whose runs the targets are of."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An error that predictions of held-out LLMs should not exceed, over the runs of a cell.

    Attributes:
        quantity: the quantity by name.
        gpu: the GPU, or `all`.
        kind: the kind of LLM, or `all`.
        at_most: the largest median error wanted.
    """

    quantity: str
    gpu: str
    kind: str
    at_most: Dimensionless


CLIENT_COLUMNS = {
    **dict.fromkeys(("source", "release", "llm", "gpu", "precision", "kind")),
    **dict.fromkeys(("odd", "tensor_parallel", "data_parallel"), "1"),
    **{"batch": "seq", "prompt": "tok", "output": "tok"},
}
"""What is known of a recorded run of a load generator, and its unit."""
CLIENT_ANSWERS = {"client_latency": "s", "client_throughput": "tok/s", "first_token": "s"}
"""What was measured of it or predicted without its LLM, and its unit."""
LONG_NAMES = {
    "half_width": "half_width_of_the_interval_of_the_logarithm",
    "coverage": "share_of_left_out_runs_inside",
    "median_error": "median_relative_error_without_sign",
    "at_most": "largest_error_wanted",
    "reached": "median_error_of_held_out_llms",
    "sweep_at_most": "largest_error_of_the_sweep_wanted",
    "error": "median_error_that_others_reach",
    "unknown": "what_of_a_run_no_other_run_knows",
    "kind": "kind_of_llm",
    "client_latency": "time_per_output_token",
}


def calibrated_errors(
    catalogue: Catalogue, targets: dict[str, Target], sweep_target: Dimensionless
) -> xr.Dataset:
    """Errors of the calibration, intervals and their coverage, targets, and client runs."""
    calibrated = Calibrated(catalogue)
    errors = calibrated.errors
    groups, cells = list(errors["in_sample"]), list(calibrated.widths[CLASSES[0]])
    widths, coverage = (
        [_table(cells, table[what]) for what in CLASSES]
        for table in (calibrated.widths, calibrated.coverage)
    )
    section = catalogue.section("measured/inferencex").child("published")
    peers = [section.quantity(name, Dimensionless) for name in section.raw]
    by_cell = ("unknown", "cell", "quantity")
    variables = {
        "median_error": Variable(
            ("fit", "group", "quantity"), [_table(groups, errors[fit]) for fit in FITS], "1"
        ),
        "runs": Variable("group", _column(groups, errors["in_sample"], "runs"), "1"),
        "half_width": Variable(by_cell, widths, "1"),
        "coverage": Variable(by_cell, coverage, "1"),
        **_targets(catalogue, targets, errors),
        "error": Variable("published", peers, "1"),
        "sweep_at_most": Variable((), float(sweep_target), "1"),
        "fitted_runs": Variable((), calibrated.table.runs, "1"),
        **_clients(calibrated),
    }
    axes = {
        "fit": FITS,
        "group": groups,
        "quantity": QUANTITIES,
        "unknown": CLASSES,
        "cell": cells,
        "target": [*targets],
        "published": [*section.raw],
        "client_run": np.arange(len(calibrated.model.measured.client_runs)),
        "account": ["measured", "held_out"],
    }
    return labelled(variables, axes, LONG_NAMES)


def _table(names: Sequence[str], rows: Mapping[str, Mapping[str, Dimensionless]]) -> np.ndarray:
    """Rows by name and quantity, NaN where there is none."""
    return np.array([_column(names, rows, quantity) for quantity in QUANTITIES]).T


def _column(
    names: Sequence[str], rows: Mapping[str, Mapping[str, Dimensionless]], key: str
) -> np.ndarray:
    return np.array([float(rows.get(name, {}).get(key, np.nan)) for name in names])


def _targets(
    catalogue: Catalogue,
    targets: Mapping[str, Target],
    errors: Mapping[str, Mapping[str, Mapping[str, Dimensionless]]],
) -> dict[str, Variable]:
    """Targets beside the median errors of held-out LLMs."""
    section = catalogue.section("paper").child("grids")
    reached = []
    for target in targets.values():
        whole = target.kind == "all"
        what = f"gpu.{target.gpu}" if whole else f"cell.{target.gpu}-{target.kind}"
        row = section.pick("targets", f"{SOURCE}.{what}", errors["llm"])
        reached.append(float(section.pick("targets", target.quantity, row)))
    asked = {
        f"{name}_of_target": Variable("target", [vars(own)[name] for own in targets.values()])
        for name in ("quantity", "gpu", "kind")
    }
    most = [target.at_most for target in targets.values()]
    return {
        **asked,
        "at_most": Variable("target", most, "1"),
        "reached": Variable("target", reached, "1"),
    }


def _clients(calibrated: Calibrated) -> dict[str, Variable]:
    """The recorded runs of load generators beside what is predicted without their LLM."""
    rows = calibrated.model.measured.client_runs
    tables, widths = (
        (intervals.observed(rows), calibrated.predict(rows)),
        calibrated.widths_of(rows),
    )
    known = rows.assign(kind=calibrated.model.kinds(rows.llm))
    columns = {
        name: Variable("client_run", known[name], unit) for name, unit in CLIENT_COLUMNS.items()
    }
    for name, unit in CLIENT_ANSWERS.items():
        answers = [table[name.removeprefix("client_")] for table in tables]
        columns[name] = Variable(("account", "client_run"), answers, unit)
    for name in CLIENT_ANSWERS:
        half_width = widths[name.removeprefix("client_")]
        columns[f"{name}_half_width"] = Variable("client_run", half_width, "1")
    return columns


def parameters(catalogue: Catalogue) -> xr.Dataset:
    """Common parameters and shares of power, their ranges without each LLM, and their starts."""
    calibrated = Calibrated(catalogue)
    records, fitted = calibrated.model.records, calibrated.fitted
    without = pd.DataFrame([numbers.common for numbers in calibrated.held_out.values()])
    rows = {
        f"step.{name}": (
            fitted.common[name],
            without[name].min(),
            without[name].max(),
            records.priors[name].start,
            str(unit),
        )
        for name, unit in units_of(StepParameters).items()
    }
    for board, numbers in fitted.law.items():
        laws = [held.law[board] for held in calibrated.held_out.values()]
        for name in POWER_TERMS if board == OTHER else ("idle", "scale"):
            ends = [np.log(law[name]) for law in laws]
            values = np.log(numbers[name]), min(ends), max(ends)
            rows[f"{board}.{name}"] = (*values, records.power[name].start, "1")
    *numbers_of_rows, units_of_rows = zip(*rows.values(), strict=True)
    columns = {
        name: Variable("parameter", np.exp(np.array(column, float)), "1")
        for name, column in zip(("value", "low", "high", "start"), numbers_of_rows, strict=True)
    }
    long_names = {name: f"{name}_in_the_unit_of_the_parameter" for name in columns}
    columns["unit"] = Variable("parameter", units_of_rows)
    return labelled(columns, {"parameter": [*rows]}, long_names)
