"""How far to trust the calibration: LLMs held out, intervals from them, and what those cover.

All runs of one LLM, on every GPU, are held out at once. Intervals are conformal: a quantile of the
errors on held-out LLMs, whose coverage is counted on LLMs that neither saw.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from tokwatt.calibration.fit import WeightedRuns
from tokwatt.calibration.model import QUANTITIES, Fitted, RunArrays, ServingModel
from tokwatt.calibration.prediction import Prediction
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import Llm
from tokwatt.units import Dimensionless, DimensionlessAxis

SEED = 0
"""Seed of the draws of LLMs, so that a calibration comes out the same."""
LLM_WEIGHT = -0.5
"""Power of the number of an LLM's runs by which each counts: an LLM counts as its square root."""
DENSE, HYBRID, EXPERTS = "dense", "hybrid", "experts"
KINDS = (DENSE, HYBRID, EXPERTS)
"""Kinds of LLMs, by what their layers hold."""


def kind_of(llm: Llm) -> str:
    """Whether an LLM is a mixture of experts, a hybrid with recurrent layers, or dense."""
    if llm.experts:
        return EXPERTS
    return HYBRID if llm.linear_layers else DENSE


def kinds(parameters: ParameterFolder, llms: pd.Series) -> pd.Series:
    """Kinds of LLMs by name."""
    return llms.map(lambda llm: kind_of(parameters.llms[llm].published))


def interval_kinds(kinds: pd.Series) -> pd.Series:
    """Kinds that have intervals of their own: hybrids share those of dense LLMs."""
    return kinds.replace(HYBRID, DENSE)


def without(runs: WeightedRuns, llms: Iterable[str]) -> DimensionlessAxis:
    """Counts that leave LLMs out, shape (row,)."""
    return (~runs.rows.llm.isin(list(llms))).to_numpy(float)


def held_out(runs: WeightedRuns) -> dict[str, Fitted]:
    """A fit without each LLM."""
    return {llm: runs.fit(without(runs, [llm])) for llm in runs.rows.llm.unique()}


def held_out_predictions(
    model: ServingModel,
    rows: pd.DataFrame,
    arrays: RunArrays,
    fits: Mapping[str, Fitted],
    other: Fitted,
) -> Prediction:
    """Predictions of rows by the fit that did not see their LLM, else by another one."""
    by_llm = {llm: model.predict(fits.get(llm, other), arrays) for llm in rows.llm.unique()}
    return Prediction(
        *(
            np.array([getattr(by_llm[llm], name)[row] for row, llm in enumerate(rows.llm)])
            for name in QUANTITIES
        )
    )


def fits_to_draws(runs: WeightedRuns) -> list[Fitted]:
    """Fits to LLMs drawn with replacement, as many as there are."""
    llms = runs.rows.llm.unique()
    generator = np.random.default_rng(SEED)
    draws = [
        pd.Series(generator.choice(llms, len(llms))).value_counts()
        for _ in range(int(runs.model.records.settings.draws))
    ]
    return [runs.fit(runs.rows.llm.map(draw).fillna(0).to_numpy(float)) for draw in draws]


def observed(rows: pd.DataFrame) -> Prediction:
    """What was measured, in the form of a prediction."""
    throughput, power = rows.throughput.to_numpy(), rows.power.to_numpy()
    efficiency = throughput / power / rows.gpus.to_numpy()
    return Prediction(rows.latency.to_numpy(), throughput, power, efficiency)


def logarithmic_errors(rows: pd.DataFrame, predicted: Prediction) -> pd.DataFrame:
    """Logarithm of predicted over measured, a column for each quantity."""
    pairs = zip(QUANTITIES, predicted, observed(rows), strict=True)
    errors = {name: np.log(prediction / measured) for name, prediction, measured in pairs}
    return pd.DataFrame(errors, rows.index)


def half_width(errors: pd.Series, llms: pd.Series, level: Dimensionless) -> Dimensionless:
    """A quantile of absolute errors in which each LLM has its weight; NaN of none."""
    if errors.empty:
        return np.nan
    weight = llms.groupby(llms).transform("size") ** LLM_WEIGHT
    sizes = errors.abs().to_numpy()
    order = np.argsort(sizes)
    shares = np.cumsum(weight.to_numpy()[order]) / weight.sum()
    return float(sizes[order][min(int(np.searchsorted(shares, level)), len(order) - 1)])


def half_widths(runs: WeightedRuns, errors: pd.DataFrame, kinds: pd.Series) -> pd.DataFrame:
    """Half-widths of intervals on the logarithmic scale.

    Args:
        runs: what was fitted.
        errors: logarithmic errors of some of its runs, by their place in it.
        kinds: of the LLM of every run.

    Returns:
        A column for each quantity, by GPU and kind of LLM.
    """
    level, rows = runs.model.records.settings.coverage, runs.rows.loc[errors.index]
    cells = rows.groupby([rows.gpu, kinds.loc[errors.index].rename("kind")]).groups
    widths = {
        cell: [half_width(errors.loc[places, name], rows.llm[places], level) for name in QUANTITIES]
        for cell, places in cells.items()
    }
    return pd.DataFrame.from_dict(widths, orient="index", columns=QUANTITIES).set_axis(
        pd.MultiIndex.from_tuples(widths, names=["gpu", "kind"])
    )


def coverage(runs: WeightedRuns, fits: Mapping[str, Fitted], kinds: pd.Series) -> pd.DataFrame:
    """Whether runs of held-out LLMs lie within their intervals.

    For LLM A the half-width is a quantile of the errors on every other LLM B, each predicted by a
    fit that saw neither A nor B: one fit for each pair of LLMs.

    Args:
        runs: what was fitted.
        fits: the fit without each LLM.
        kinds: of the LLM of every run.

    Returns:
        1 or 0 for each run and quantity; NaN where no other LLM tells how wide the interval is.
    """
    others: dict[str, list[pd.DataFrame]] = {llm: [] for llm in fits}
    for pair in combinations(fits, 2):
        errors = _errors(runs, runs.fit(without(runs, pair)))
        for llm, other in (pair, pair[::-1]):
            others[llm].append(errors[runs.rows.llm == other])
    inside = []
    for llm, fitted in fits.items():
        widths = half_widths(runs, pd.concat(others[llm]).sort_index(), kinds)
        errors = _errors(runs, fitted)[runs.rows.llm == llm]
        cells = [runs.rows.gpu[errors.index], kinds[errors.index]]
        limit = widths.reindex(pd.MultiIndex.from_arrays(cells)).set_axis(errors.index)
        inside.append((errors.abs() <= limit).where(limit.notna()))
    return pd.concat(inside).sort_index().astype(float)


def _errors(runs: WeightedRuns, fitted: Fitted) -> pd.DataFrame:
    return logarithmic_errors(runs.rows, runs.model.predict(fitted, runs.arrays))
