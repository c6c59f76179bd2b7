"""How far to trust the calibration: what is left out in turn, and intervals from the errors there.

Intervals are conformal: a quantile of the errors on what was left out, in which each LLM counts as
the root of its runs, the widest that leaving out one more LLM gives. Coverage is counted on LLMs
whose own errors the quantile did not see.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from tokwatt.calibration.evidence import KINDS, KNOWN, QUANTITIES, cell_key
from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.power import PowerLaw, board_laws, fit_power
from tokwatt.units import Dimensionless, DimensionlessAxis

SEED = 0
"""Seed of the draw of folds, so that a calibration comes out the same."""
LLM_WEIGHT = -0.5
"""Power of the number of an LLM's runs by which each counts: an LLM counts as its square root."""
FEWEST_LLMS, FEWEST_RUNS = 3, 20
"""What a cell of an engine must have for an interval of its own."""
Widths = dict[str, dict[str, Dimensionless]]
"""A number for each quantity, by cell."""


class Fit(NamedTuple):
    """Everything that is fitted: deviations of steps in their spreads, and the law of power."""

    steps: DimensionlessAxis
    law: PowerLaw


def fit(runs: WeightedRuns, counts: DimensionlessAxis, start: Fit | None = None) -> Fit:
    """A fit to some of the runs, which begins at another.

    Prompts then stay as they are there, and boards keep their limits by its law of power.
    """
    if start is None:
        steps = runs.fit(counts)
    else:
        steps = runs.fit(counts, start.steps, True, board_laws(runs, start.law))
    answer = runs.answers(runs.pooling.logs(steps))
    counted = runs.used & (counts > 0) & runs.rows.power.notna().to_numpy()
    law = fit_power(runs, answer, counts) if counted.any() or start is None else start.law
    return Fit(steps, law)


def predicted_runs(runs: WeightedRuns, logs: DimensionlessAxis, law: PowerLaw) -> pd.DataFrame:
    """What runs do, a column for each quantity; power is that of one GPU."""
    answer = runs.answers(logs, board_laws(runs, law))
    names = [name for name in QUANTITIES if name in answer._fields]
    columns = {name: np.asarray(getattr(answer, name)) for name in names}
    columns["tokens_per_joule"] = (
        columns["throughput"] / columns["power"] / instance_gpus(runs.rows)
    )
    return pd.DataFrame(columns, runs.rows.index)[[*QUANTITIES]]


def instance_gpus(rows: pd.DataFrame) -> DimensionlessAxis:
    """GPUs of the instance of each run."""
    return (rows.tensor_parallel * rows.data_parallel).to_numpy(float)


def observed(rows: pd.DataFrame) -> pd.DataFrame:
    """What was measured, a column for each quantity; NaN where it was not."""
    efficiency = rows.throughput / rows.power / instance_gpus(rows)
    return rows.assign(tokens_per_joule=efficiency)[[*QUANTITIES]]


def log_errors(runs: WeightedRuns, predicted: pd.DataFrame) -> pd.DataFrame:
    """Logarithms of predicted over measured; NaN of runs that are not used."""
    found = np.log(predicted / observed(runs.rows))[runs.used].reindex(runs.rows.index)
    found["first_token"] = found.first_token.where(runs.low_load)
    return found


def held_out_fits(runs: WeightedRuns, whole: Fit) -> Iterator[tuple[str, str, Fit]]:
    """Fits without each LLM, GPU, engine and fold of configurations: class, name and fit."""
    for what, names in groups(runs).items():
        for name in sorted(names[runs.used].unique()):
            counts = (names != name).to_numpy(float)
            yield what, str(name), fit(runs, counts, whole)


def groups(runs: WeightedRuns) -> dict[str, pd.Series]:
    """What each run is left out with, by class."""
    rows, records = runs.rows, runs.model.records
    keys = ["llm", "gpu", "engine", "precision", "tensor_parallel", "data_parallel"]
    keys += ["expert_parallel", "prompt", "task"]
    configuration = rows.groupby(keys, dropna=False).ngroup()
    folds = np.random.default_rng(SEED).integers(
        0, int(records.settings.folds), configuration.max() + 1
    )
    fold = pd.Series(folds[configuration], rows.index).astype(str)
    return {KNOWN: fold, "llm": rows.llm, "gpu": rows.gpu, "engine": rows.engine}


def cells(runs: WeightedRuns) -> dict[str, pd.Series]:
    """Which runs an interval comes from, by its cell: a kind of LLM, with an engine, with a GPU.

    Runs of a client tell of every engine; those without one of their own engine and GPU alone, but
    for power, which only they have.
    """
    rows, kinds = runs.rows, runs.model.kinds(runs.rows.llm)
    found = {}
    for kind in KINDS:
        own = (kinds == kind) & runs.used
        found[kind] = own
        for engine in rows.engine[rows.client == 0].unique():
            of_engine = own & (rows.engine == engine)
            found[cell_key(kind, engine)] = of_engine
            for gpu in sorted(rows.gpu[of_engine].unique()):
                found[cell_key(kind, engine, gpu)] = of_engine & (rows.gpu == gpu)
    return found


def widths(
    runs: WeightedRuns, found: pd.DataFrame, level: Dimensionless, without: str = ""
) -> Widths:
    """Half-widths on the logarithmic scale, by cell; an LLM's own errors may be left out."""
    llm, table = runs.rows.llm, {}
    for key, members in cells(runs).items():
        row = {}
        for name in QUANTITIES:
            errors = interval_errors(runs, found[name], key, members)
            known = errors[llm[errors.index] != without]
            llms = llm[known.index]
            if len(known) >= FEWEST_RUNS and (key in KINDS or llms.nunique() >= FEWEST_LLMS):
                row[name] = error_quantile(known, llms, level)
        if row:
            table[key] = row
    return table


def interval_errors(
    runs: WeightedRuns, found: pd.Series, key: str, members: pd.Series
) -> pd.Series:
    """Errors of the runs that the interval of a cell is for.

    That of a kind is for runs of a client, where there are any: others have one of their engine.
    """
    known = found[members].dropna()
    of_client = known[runs.rows.client[known.index] > 0]
    return of_client if key in KINDS and len(of_client) else known


def error_quantile(errors: pd.Series, llms: pd.Series, level: Dimensionless) -> Dimensionless:
    """The widest quantile of absolute errors as each LLM in turn is left out.

    Each LLM has its weight. That of all errors lies between those without one LLM: an LLM with
    small errors would narrow it, and the next one need not be like that.

    Source: the extremes of leaving out, as in the jackknife-minmax, arXiv:1905.02928; groups in
    place of observations, arXiv:2306.06342.
    """
    sizes = errors.abs().sort_values()
    codes, names = pd.factorize(llms[sizes.index])
    kept = np.arange(len(names))[:, None] != codes if len(names) > 1 else np.ones((1, len(codes)))
    weight = kept * np.bincount(codes)[codes] ** LLM_WEIGHT
    shares = np.cumsum(weight, 1) / weight.sum(1, keepdims=True)
    return float(sizes.iloc[min(int((shares < level).sum(1).max()), len(sizes) - 1)])


def coverage(runs: WeightedRuns, found: pd.DataFrame, level: Dimensionless) -> Widths:
    """Share of runs within intervals that their LLM's errors did not make, by cell."""
    llm, members = runs.rows.llm, cells(runs)
    inside: dict[tuple[str, str], list[pd.Series]] = {}
    for name in llm[runs.used].unique():
        for key, row in widths(runs, found, level, without=name).items():
            for quantity, width in row.items():
                errors = interval_errors(runs, found[quantity], key, members[key])
                own = errors[llm[errors.index] == name].abs() <= width
                inside.setdefault((key, quantity), []).append(own)
    table: Widths = {}
    for (key, quantity), parts in inside.items():
        if len(shares := pd.concat(parts)):
            table.setdefault(key, {})[quantity] = float(shares.mean())
    return table
