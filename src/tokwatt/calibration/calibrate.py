"""What `tokwatt calibrate` does: fit to runs, leave things out in turn, write the records."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tokwatt.calibration import intervals
from tokwatt.calibration.evidence import CLASSES, QUANTITIES
from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.model import ServingModel
from tokwatt.calibration.fit.numbers import LEVEL_NAMES, roofline
from tokwatt.calibration.intervals import Fit
from tokwatt.calibration.written import Tree, quantity, write_records
from tokwatt.params.calibrated import HELD_OUT, OTHER, POWER_TERMS
from tokwatt.params.specs import StepParameters
from tokwatt.units import units_of

HEADER = """\
# Written by `tokwatt calibrate`, not by hand. `value` is fitted to every run: a number is one in
# common times e to the deviations of GPU, engine, both and release; no efficiency is above 1.
# Half-widths, coverage and errors are of runs that were left out with their configuration (known),
# LLM, GPU or engine; half-widths are of logarithms. Power has shares of TDP.
"""
LEFT_OUT = """\
# Written by `tokwatt calibrate`; not by hand. What is fitted without each LLM in turn, each list in
# the order of `llms`: deviations as in calibrated.yaml, and of its common numbers.
"""
SOURCE = "least squares over {} runs of ML.ENERGY v3 and InferenceX; made by `tokwatt calibrate`"
ERROR_DIGITS = 3
DECIMALS, NEGLIGIBLE = 4, 0.0005
"""Digits of a logarithm that are written, and below which it is not."""


def write_calibrated(model: ServingModel, rows: pd.DataFrame, path: Path) -> None:
    """Fit to runs and write what comes out, as `params/calibrated.yaml` has it."""
    found, held_out = calibrated(model, rows)
    write_records(HEADER, found, path)
    (path.parent / HELD_OUT).parent.mkdir(parents=True, exist_ok=True)
    write_records(LEFT_OUT, held_out, path.parent / f"{HELD_OUT}.yaml")


def calibrated(model: ServingModel, rows: pd.DataFrame) -> tuple[Tree, Tree]:
    """Fit to every run, and without each LLM, GPU, engine and fold of configurations.

    Args:
        model: what is fitted.
        rows: runs of at least two LLMs, some with power.

    Returns:
        What `params/calibrated.yaml` holds, and what is fitted without each LLM.

    Raises:
        ParameterError: where there is nothing to leave out, or no power.
    """
    _require_enough(model, rows)
    runs = WeightedRuns(model, rows)
    every = np.ones(len(rows))
    whole = intervals.fit(runs, every, intervals.fit(runs, every))
    made = {what: pd.DataFrame(np.nan, rows.index, [*QUANTITIES]) for what in CLASSES}
    without: dict[str, Fit] = {}
    names = intervals.groups(runs)
    for what, name, fitted in intervals.held_out_fits(runs, whole):
        own = (names[what] == name).to_numpy()
        made[what][own] = _predicted(runs, fitted)[own]
        if what == "llm":
            without[name] = fitted
    made["in_sample"] = _predicted(runs, whole)
    made["roofline"] = intervals.predicted_runs(runs, roofline(model.records, rows), whole.law)
    errors = {fit: intervals.log_errors(runs, found) for fit, found in made.items()}
    level = float(model.records.settings.coverage)
    widths = {what: intervals.widths(runs, errors[what], level) for what in CLASSES}
    inside = {what: intervals.coverage(runs, errors[what], level) for what in CLASSES}
    tree = {
        "source": SOURCE.format(int(runs.used.sum())),
        "quality": "calibrated",
        "table": {"runs": int(runs.used.sum()), "digest": table_digest(rows)},
        "value": _values(runs, whole),
        "half_widths": _named(widths),
        "coverage": _named(inside),
        "domain": _domain(rows[runs.used]),
        "quantities": list(QUANTITIES),
        "errors": {fit: _errors(runs, found) for fit, found in errors.items()},
    }
    return tree, _held_out(runs, whole, without)


def _predicted(runs: WeightedRuns, fitted: Fit) -> pd.DataFrame:
    return intervals.predicted_runs(runs, runs.pooling.logs(fitted.steps), fitted.law)


def _require_enough(model: ServingModel, rows: pd.DataFrame) -> None:
    """Refuse runs that leave nothing to fit where an LLM is left out, or nothing of power."""
    llms = rows.llm[(rows.odd == 0) & rows.power.notna()].nunique()
    if llms < intervals.FEWEST_LLMS:
        found = f"starts from runs with power of {llms} LLMs"
        wanted = f"at least {intervals.FEWEST_LLMS}, as each is left out in turn"
        raise model.records.section.fail(found, wanted)


def table_digest(rows: pd.DataFrame) -> str:
    """A digest of rows that does not depend on how their table was stored."""
    text = rows.round(6).to_csv(index=False, float_format="%.6g")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _values(runs: WeightedRuns, fitted: Fit) -> Tree:
    """Fitted numbers as records."""
    found, units = runs.pooling.values(fitted.steps), units_of(StepParameters)
    common = {
        name: quantity(value, str(units[name])) for name, value in found["common"][""].items()
    }
    priors = runs.model.records.prompts
    prompts = {
        task: quantity(priors[task].prompt * np.exp(numbers["prompt"]), "tok")
        for task, numbers in found["task"].items()
    }
    law = fitted.law
    shared = next(iter(law.values()))
    return {
        "common": common,
        **{LEVEL_NAMES[level]: _deviations(found.get(level, {}), level) for level in LEVEL_NAMES},
        "prompts": prompts,
        "power": {name: quantity(shared[name], "1") for name in ("memory", "compute", "launch")},
        "boards": {
            board: {name: quantity(numbers[name], "1") for name in ("idle", "scale")}
            for board, numbers in law.items()
        },
    }


def _deviations(found: Mapping[str, Mapping[str, float | list]], level: str) -> Tree:
    """Deviations as records, pairs of GPU and engine nested; those that are negligible left out."""
    tree: dict[str, dict] = {}
    for label, numbers in found.items():
        written = {
            name: quantity(np.round(value, DECIMALS), "1")
            for name, value in numbers.items()
            if np.abs(value).max() >= NEGLIGIBLE
        }
        gpu, _, engine = label.partition("/")
        owner, key = (tree.setdefault(gpu, {}), engine) if level == "both" else (tree, label)
        if written or level == "common":
            owner[key] = written
    return {label: entry for label, entry in tree.items() if entry}


def _held_out(runs: WeightedRuns, whole: Fit, without: Mapping[str, Fit]) -> Tree:
    """What is fitted without each LLM, as lists; common values as deviations from the whole fit."""
    values = runs.pooling.values
    center = values(whole.steps)["common"][""]
    found = [values(fitted.steps) for fitted in without.values()]
    common = {
        name: [float(np.log(tree["common"][""][name] / center[name])) for tree in found]
        for name in center
    }
    tree = {
        level: {
            label: {name: [own[level][label][name] for own in found] for name in names}
            for label, names in found[0].get(level, {}).items()
        }
        for level in LEVEL_NAMES
    }
    laws = [fitted.law for fitted in without.values()]
    boards = {
        board: {
            name: quantity(np.array([law.get(board, law[OTHER])[name] for law in laws]), "1", 4)
            for name in POWER_TERMS
        }
        for board in whole.law
    }
    parts = {LEVEL_NAMES[level]: _deviations(entries, level) for level, entries in tree.items()}
    common_lists = _deviations({"": common}, "common")[""]
    return {
        "source": SOURCE.format(int(runs.used.sum())),
        "quality": "calibrated",
        "llms": list(without),
        "value": {"common": common_lists, **parts, "boards": boards},
    }


def _named(table: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Tree:
    return {
        what: {
            key: {name: quantity(number, "1", ERROR_DIGITS) for name, number in row.items()}
            for key, row in entries.items()
        }
        for what, entries in table.items()
    }


def _domain(rows: pd.DataFrame) -> Tree:
    """What was measured, by GPU and engine."""
    tree: dict[str, dict] = {}
    for (gpu, engine), members in rows.groupby(["gpu", "engine"]):
        ranges = {
            name: quantity(np.array([members[name].min(), members[name].max()]), unit)
            for name, unit in (("batch", "seq"), ("prompt", "tok"), ("output", "tok"))
            if members[name].notna().any()
        }
        tree.setdefault(str(gpu), {})[str(engine)] = {
            "runs": quantity(len(members), "1"),
            **ranges,
            "llms": sorted(members.llm.unique()),
            "precisions": sorted(members.precision.unique()),
        }
    return tree


def _errors(runs: WeightedRuns, found: pd.DataFrame) -> Tree:
    """Median errors without sign, by source and by what else runs have in common."""
    kinds = runs.model.kinds(runs.rows.llm)
    rows = runs.rows.assign(kind=kinds, cell=runs.rows.gpu + "-" + kinds)[runs.used]
    relative = np.expm1(found[runs.used]).abs()
    tree = {}
    for column in ("kind", "gpu", "engine", "llm", "cell"):
        for (source, name), members in rows.groupby(["source", column]):
            median = relative.loc[members.index].median()
            tree[f"{source}.{column}.{name}"] = {
                "runs": len(members),
                **{
                    quantity_: float(f"{number:.3g}")
                    for quantity_, number in median.dropna().items()
                },
            }
    return tree
