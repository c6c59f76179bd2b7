"""The calibration over all of its runs: errors, intervals, targets and parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from numpy.typing import ArrayLike

from tokwatt import grid
from tokwatt.calibration.intervals import KINDS
from tokwatt.calibration.model import QUANTITIES, Fitted
from tokwatt.calibration.records import ALL, Calibrated, CellErrors, RunCell
from tokwatt.calibration.start import TERMS
from tokwatt.params.account_names import AccountName
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless

FITS = (AccountName.IN_SAMPLE, AccountName.HELD_OUT)


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


class CellColumns(NamedTuple):
    """Errors and intervals over GPU x kind of LLM x quantity x fit; NaN where there are no runs."""

    runs: Dimensionless
    half_width: Dimensionless
    coverage: Dimensionless
    signed: Dimensionless
    median: Dimensionless
    percentile_90: Dimensionless


class TargetColumns(NamedTuple):
    """Targets and what is reached, over target."""

    quantity_of_target: ArrayLike
    gpu_of_target: ArrayLike
    kind_of_target: ArrayLike
    at_most: Dimensionless
    reached: Dimensionless


class SweepTarget(NamedTuple):
    """The largest error wanted of the sweep over context windows."""

    sweep_at_most: Dimensionless


class ParameterColumns(NamedTuple):
    """Parameters over parameter, each in the unit that `unit` says."""

    value: Dimensionless
    low: Dimensionless
    high: Dimensionless
    start: Dimensionless
    unit: ArrayLike


LONG_NAMES = {
    "half_width": "half_width_of_the_interval_of_the_logarithm",
    "coverage": "share_of_held_out_runs_inside",
    "signed": "median_relative_error",
    "median": "median_relative_error_without_sign",
    "percentile_90": "90th_percentile_of_relative_errors_without_sign",
    "at_most": "largest_error_wanted",
    "reached": "median_error_of_held_out_llms",
    "sweep_at_most": "largest_error_of_the_sweep_wanted",
    "kind": "kind_of_llm",
    **{name: f"{name}_in_the_unit_of_the_parameter" for name in ("value", "low", "high", "start")},
}


def calibrated_errors(
    catalogue: Catalogue, targets: dict[str, Target], sweep_target: Dimensionless
) -> xr.Dataset:
    """Errors of the calibration, intervals and their coverage, and targets."""
    calibrated = Calibrated(catalogue)
    held_out = calibrated.errors[AccountName.HELD_OUT]
    gpus, kinds = list(dict.fromkeys(cell.gpu for cell in held_out)), [*KINDS, ALL]
    columns = CellColumns(
        _table(gpus, kinds, {cell: row.runs for cell, row in held_out.items()}),
        _table(gpus, kinds, dict(calibrated.half_widths.iterrows())),
        _table(gpus, kinds, dict(calibrated.coverage.iterrows())),
        *_statistics(gpus, kinds, calibrated.errors),
    )
    axes: dict[str, ArrayLike] = {"gpu": gpus, "kind": kinds, "quantity": [*QUANTITIES]}
    axes["fit"] = [*FITS]
    reached = _targets(catalogue, targets, held_out)
    return (
        grid.dataset(axes, columns, LONG_NAMES)
        .merge(grid.dataset({"target": [*targets]}, reached, LONG_NAMES))
        .merge(grid.dataset({}, SweepTarget(float(sweep_target)), LONG_NAMES))
    )


def _statistics(
    gpus: Sequence[str], kinds: Sequence[str], errors: Mapping[str, Mapping[RunCell, CellErrors]]
) -> list[np.ndarray]:
    """Statistics of errors over GPU, kind, quantity and fit."""
    statistics = []
    for name in ("signed", "median", "percentile_90"):
        cells = [{cell: getattr(row, name) for cell, row in errors[fit].items()} for fit in FITS]
        statistics.append(np.stack([_table(gpus, kinds, rows) for rows in cells], axis=-1))
    return statistics


def _table(gpus: Sequence[str], kinds: Sequence[str], rows: Mapping) -> np.ndarray:
    """Rows by cell as an array over GPU and kind, NaN where there is none."""
    shape = np.shape(next(iter(rows.values())))
    table = np.full((len(gpus), len(kinds), *shape), np.nan)
    for (gpu, kind), row in rows.items():
        table[gpus.index(gpu), kinds.index(kind)] = row
    return table


def _targets(
    catalogue: Catalogue, targets: Mapping[str, Target], held_out: Mapping[RunCell, CellErrors]
) -> TargetColumns:
    """Targets beside the median errors of held-out LLMs."""
    section = catalogue.section("paper").child("grids")
    errors = {cell.key: row for cell, row in held_out.items()}
    places = {name: place for place, name in enumerate(QUANTITIES)}
    reached = [
        section.pick("targets", RunCell(target.gpu, target.kind).key, errors).median[
            section.pick("targets", target.quantity, places)
        ]
        for target in targets.values()
    ]
    return TargetColumns(
        [target.quantity for target in targets.values()],
        [target.gpu for target in targets.values()],
        [target.kind for target in targets.values()],
        [target.at_most for target in targets.values()],
        reached,
    )


def parameters(catalogue: Catalogue) -> xr.Dataset:
    """The calibrated parameters, their ranges over draws of LLMs, and where they started."""
    calibrated = Calibrated(catalogue)
    records, (low, high) = calibrated.model.records, calibrated.bounds
    terms = [(gpu, term) for gpu, board in records.boards.items() for term in board.terms]
    places = [(records.gpus.index(gpu), TERMS.index(term)) for gpu, term in terms]

    def numbers(fitted: Fitted) -> list[float]:
        steps = ravel_pytree(fitted.steps)[0]
        return [*map(float, steps), *(float(fitted.boards[place]) for place in places)]

    names = [f"{name.part}.{name.name}" for name in records.names]
    start = np.full((len(records.gpus), len(TERMS)), np.nan)
    columns = ParameterColumns(
        value=numbers(calibrated.fitted),
        low=numbers(low),
        high=numbers(high),
        start=numbers(Fitted(records.start, start)),
        unit=[*(name.unit for name in records.names), *(["1"] * len(terms))],
    )
    axis = [*names, *(f"{gpu}.{term}" for gpu, term in terms)]
    return grid.dataset({"parameter": axis}, columns, LONG_NAMES)
