"""What `tokwatt calibrate` does: fit to runs, hold every LLM out in turn, write the records."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from tokwatt.calibration import intervals
from tokwatt.calibration.fit import WeightedRuns
from tokwatt.calibration.model import QUANTITIES, Fitted, ServingModel
from tokwatt.calibration.records import ALL, RunCell
from tokwatt.calibration.start import FitRecords
from tokwatt.calibration.written import Tree, quantity, write_records
from tokwatt.params.calibrated import TERMS

HEADER = """\
# Written by `tokwatt calibrate`; not by hand. `value` is fitted to every run, `low` and `high` are
# percentiles 5 and 95 over draws of LLMs, `held_out` lists what is fitted without each LLM in turn.
# Half-widths are on the logarithmic scale: an interval is the prediction times e to their power and
# over it. Lists without LLMs go through `quantities`.
"""
ERROR_DIGITS = 3
FEWEST_LLMS = 3
"""LLMs that a GPU needs runs of: coverage holds out two at once."""


def write_calibrated(model: ServingModel, rows: pd.DataFrame, path: Path) -> None:
    """Fit to runs and write what comes out, as `params/calibrated.yaml` has it."""
    write_records(HEADER, calibrated(model, rows), path)


def calibrated(model: ServingModel, rows: pd.DataFrame) -> Tree:
    """Fit to every run, and without each LLM.

    Args:
        model: what is fitted.
        rows: runs on calibrated GPUs, at least `FEWEST_LLMS` LLMs on each of them.

    Returns:
        What `params/calibrated.yaml` holds.

    Raises:
        ParameterError: where a GPU has too few LLMs.
    """
    _require_llms(model, rows)
    runs = WeightedRuns(model, rows)
    fitted, fits = runs.fit(), intervals.held_out(runs)
    draws = intervals.fits_to_draws(runs)
    return {
        "source": f"least squares over {len(rows)} runs of ML.ENERGY v3 "
        "(ml-energy/leaderboard); made by `tokwatt calibrate`",
        "quality": "calibrated",
        "table": {"runs": len(rows), "digest": table_digest(rows)},
        "quantities": list(QUANTITIES),
        "value": _tree(model.records, fitted),
        "low": _tree(model.records, _quantile(draws, 0.05)),
        "high": _tree(model.records, _quantile(draws, 0.95)),
        "held_out": {"llms": list(fits), **_tree(model.records, _stacked(list(fits.values())))},
        **_scores(runs, fitted, fits),
    }


def _require_llms(model: ServingModel, rows: pd.DataFrame) -> None:
    """Refuse runs that leave nothing to fit on a GPU where two LLMs are held out."""
    for gpu in model.records.gpus:
        count = rows.llm[rows.gpu == gpu].nunique()
        if count < FEWEST_LLMS:
            found = f"has runs of {count} LLMs"
            wanted = f"at least {FEWEST_LLMS}, as two are held out at once"
            raise model.records.section.child("gpus").fail(found, wanted, gpu)


def table_digest(rows: pd.DataFrame) -> str:
    """A digest of rows that does not depend on how their table was stored."""
    text = rows.round(6).to_csv(index=False, float_format="%.6g")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scores(runs: WeightedRuns, fitted: Fitted, fits: dict[str, Fitted]) -> Tree:
    """Half-widths of intervals, their coverage, and errors, by cell."""
    rows, model = runs.rows, runs.model
    kinds = intervals.kinds(model.parameters, rows.llm)
    interval_kinds = intervals.interval_kinds(kinds)
    predicted = {
        "in_sample": model.predict(fitted, runs.arrays),
        "held_out": intervals.held_out_predictions(model, rows, runs.arrays, fits, fitted),
    }
    errors = {fit: intervals.logarithmic_errors(rows, made) for fit, made in predicted.items()}
    inside = intervals.coverage(runs, fits, interval_kinds)
    shares = inside.groupby([rows.gpu, interval_kinds]).mean()
    widths = intervals.half_widths(runs, errors["held_out"], interval_kinds)
    return {
        "half_widths": _by_cell(widths),
        "coverage": _by_cell(shares) | {ALL: quantity(inside.mean().to_numpy(), "1")},
        "errors": {fit: _errors(rows.gpu, kinds, made) for fit, made in errors.items()},
    }


def _by_cell(frame: pd.DataFrame) -> dict[str, Tree]:
    return {RunCell(*cell).key: quantity(row.to_numpy(), "1") for cell, row in frame.iterrows()}


def _errors(gpus: pd.Series, kinds: pd.Series, errors: pd.DataFrame) -> Tree:
    """Statistics of relative errors by cell, those of every GPU and of every kind among them."""
    relative = np.exp(errors) - 1
    cells = {}
    for cell in (
        RunCell(gpu, kind) for gpu in [*gpus.unique(), ALL] for kind in [*intervals.KINDS, ALL]
    ):
        inside = ((gpus == cell.gpu) | (cell.gpu == ALL)) & (
            (kinds == cell.kind) | (cell.kind == ALL)
        )
        if inside.any():
            cells[cell.key] = _statistics(relative[inside])
    return cells


def _statistics(relative: pd.DataFrame) -> Tree:
    columns = {
        "signed": relative.median(),
        "median": relative.abs().median(),
        "percentile_90": relative.abs().quantile(0.9),
    }
    rounded = {name: quantity(row.to_numpy(), "1", ERROR_DIGITS) for name, row in columns.items()}
    return {"runs": quantity(len(relative), "1"), **rounded}


def _quantile(fits: Sequence[Fitted], level: float) -> Fitted:
    """A quantile of each number over fits."""
    return jax.tree.map(lambda *numbers: np.quantile(np.array(numbers), level, 0), *fits)


def _stacked(fits: Sequence[Fitted]) -> Fitted:
    """Fits as one, whose numbers are lists: the last axis goes through the fits."""
    return jax.tree.map(lambda *numbers: np.stack(numbers, -1), *fits)


def _tree(records: FitRecords, fitted: Fitted) -> dict[str, Tree]:
    """Parameters as records."""
    steps = fitted.steps
    shared = {name.name: name.unit for name in records.names if name.part == "step"}
    return {
        "step": {name: quantity(steps.shared[name], unit) for name, unit in shared.items()},
        "layer_overhead": _named(records.gpus, steps.layer_overhead, "s"),
        "prompts": _named(records.tasks, steps.prompts, "tok"),
        "boards": {
            gpu: {
                term: quantity(board[TERMS.index(term)], "1") for term in records.boards[gpu].terms
            }
            for gpu, board in zip(records.gpus, fitted.boards, strict=True)
        },
    }


def _named(names: Sequence[str], numbers: Sequence, unit: str) -> Tree:
    return {name: quantity(number, unit) for name, number in zip(names, numbers, strict=True)}
