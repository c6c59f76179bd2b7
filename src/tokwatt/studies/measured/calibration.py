"""The calibration over all of its runs: errors, intervals and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from tokwatt import grid
from tokwatt.calibration import intervals
from tokwatt.calibration.evidence import CLASSES, QUANTITIES
from tokwatt.calibration.records import Calibrated
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless, Seconds, Sequences, Tokens, TokensPerSecond

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


class ErrorColumns(NamedTuple):
    """Median errors over fit x group of runs x quantity; NaN where nothing was measured."""

    median_error: Dimensionless


class IntervalColumns(NamedTuple):
    """Intervals over what is unknown x cell x quantity; NaN where there are too few LLMs."""

    half_width: Dimensionless
    coverage: Dimensionless


class TargetColumns(NamedTuple):
    """Targets and what is reached, over target."""

    quantity_of_target: ArrayLike
    gpu_of_target: ArrayLike
    kind_of_target: ArrayLike
    at_most: Dimensionless
    reached: Dimensionless


class CalibrationScalars(NamedTuple):
    """What holds for the calibration as a whole."""

    sweep_at_most: Dimensionless
    fitted_runs: Dimensionless


class Published(NamedTuple):
    """What others reach, over published."""

    error: Dimensionless


class ClientColumns(NamedTuple):
    """The recorded runs of load generators, over client run."""

    source: ArrayLike
    release: ArrayLike
    llm: ArrayLike
    gpu: ArrayLike
    precision: ArrayLike
    kind: ArrayLike
    odd: Dimensionless
    tensor_parallel: Dimensionless
    data_parallel: Dimensionless
    batch: Sequences
    prompt: Tokens
    output: Tokens


class ClientAnswers(NamedTuple):
    """What was measured of them or predicted without their LLM, over account x client run."""

    client_latency: Seconds
    client_throughput: TokensPerSecond
    first_token: Seconds


class ClientIntervals(NamedTuple):
    """Half-widths of the intervals of these predictions, over client run."""

    client_latency_half_width: Dimensionless
    client_throughput_half_width: Dimensionless
    first_token_half_width: Dimensionless


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
CLIENT_QUANTITIES = ("latency", "throughput", "first_token")


def calibrated_errors(
    catalogue: Catalogue, targets: dict[str, Target], sweep_target: Dimensionless
) -> xr.Dataset:
    """Errors of the calibration, intervals and their coverage, targets, and client runs."""
    calibrated = Calibrated(catalogue)
    errors = calibrated.errors
    groups = list(errors["in_sample"])
    of_fits = [_table(groups, errors[fit]) for fit in FITS]
    counts = grid.dataset(
        {"group": groups}, GroupColumns(_column(groups, errors["in_sample"], "runs"))
    )
    axes: dict[str, ArrayLike] = {"fit": [*FITS], "group": groups, "quantity": [*QUANTITIES]}
    section = catalogue.section("measured/inferencex").child("published")
    published = [section.quantity(name, Dimensionless) for name in section.raw]
    return xr.merge(
        [
            grid.dataset(axes, ErrorColumns(np.array(of_fits)), LONG_NAMES),
            counts,
            _intervals(calibrated),
            grid.dataset({"target": [*targets]}, _targets(catalogue, targets, errors), LONG_NAMES),
            grid.dataset({"published": [*section.raw]}, Published(np.array(published)), LONG_NAMES),
            grid.dataset(
                {}, CalibrationScalars(float(sweep_target), calibrated.table.runs), LONG_NAMES
            ),
            _clients(calibrated),
        ]
    )


class GroupColumns(NamedTuple):
    """How many runs a group has."""

    runs: Dimensionless


def _table(names: Sequence[str], rows: Mapping[str, Mapping[str, Dimensionless]]) -> np.ndarray:
    """Rows by name and quantity, NaN where there is none."""
    return np.array([_column(names, rows, quantity) for quantity in QUANTITIES]).T


def _column(
    names: Sequence[str], rows: Mapping[str, Mapping[str, Dimensionless]], key: str
) -> np.ndarray:
    return np.array([float(rows.get(name, {}).get(key, np.nan)) for name in names])


def _intervals(calibrated: Calibrated) -> xr.Dataset:
    cells = list(calibrated.widths[CLASSES[0]])
    tables = [
        np.array([_table(cells, table[what]) for what in CLASSES])
        for table in (calibrated.widths, calibrated.coverage)
    ]
    axes: dict[str, ArrayLike] = {"unknown": [*CLASSES], "cell": cells}
    axes["quantity"] = [*QUANTITIES]
    return grid.dataset(axes, IntervalColumns(*tables), LONG_NAMES)


def _targets(
    catalogue: Catalogue,
    targets: Mapping[str, Target],
    errors: Mapping[str, Mapping[str, Mapping[str, Dimensionless]]],
) -> TargetColumns:
    """Targets beside the median errors of held-out LLMs."""
    section = catalogue.section("paper").child("grids")
    reached = []
    for target in targets.values():
        whole = target.kind == "all"
        what = f"gpu.{target.gpu}" if whole else f"cell.{target.gpu}-{target.kind}"
        row = section.pick("targets", f"{SOURCE}.{what}", errors["llm"])
        reached.append(float(section.pick("targets", target.quantity, row)))
    return TargetColumns(
        [target.quantity for target in targets.values()],
        [target.gpu for target in targets.values()],
        [target.kind for target in targets.values()],
        [target.at_most for target in targets.values()],
        reached,
    )


def _clients(calibrated: Calibrated) -> xr.Dataset:
    """The recorded runs of load generators beside what is predicted without their LLM."""
    rows = calibrated.model.measured.client_runs
    predicted, observed = calibrated.predict(rows), intervals.observed(rows)
    columns = rows.assign(kind=calibrated.model.kinds(rows.llm))
    known = ClientColumns(*(columns[name] for name in ClientColumns._fields))
    answers = [
        np.array([table[name] for table in (observed, predicted)]) for name in CLIENT_QUANTITIES
    ]
    widths = calibrated.widths_of(rows)
    own = ClientIntervals(*(widths[name] for name in CLIENT_QUANTITIES))
    places = np.arange(len(rows))
    axes: dict[str, ArrayLike] = {"account": ["measured", "held_out"], "client_run": places}
    tables = [
        grid.dataset({"client_run": places}, known, LONG_NAMES),
        grid.dataset(axes, ClientAnswers(*answers), LONG_NAMES),
        grid.dataset({"client_run": places}, own, LONG_NAMES),
    ]
    clash = {"runs", "quantity"}
    return xr.merge(tables).drop_vars(clash, errors="ignore")
