"""The law of board power by least squares: shares of TDP of boards, pooled."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.model import PredictedRun
from tokwatt.calibration.fit.start import FitRecords
from tokwatt.equations.power import utilization_power
from tokwatt.params.calibrated import OTHER, POWER_TERMS
from tokwatt.params.specs import UtilizationPower
from tokwatt.units import Dimensionless, DimensionlessAxis, SecondsAxis

PowerLaw = dict[str, dict[str, Dimensionless]]
"""Numbers of `POWER_TERMS` by board; `OTHER` stands for boards that nobody measured."""


class Uses(NamedTuple):
    """Shares of bandwidth and of time that a step uses, shape (row,) each."""

    memory: DimensionlessAxis
    compute: DimensionlessAxis
    launch: DimensionlessAxis


def uses(runs: WeightedRuns, answer: PredictedRun, latency: SecondsAxis) -> Uses:
    """What runs use of their boards in a mean step of some duration."""
    bandwidth = np.asarray(runs.arrays.share.gpu.hbm_bandwidth)
    found = answer.moved / bandwidth, answer.compute_time, answer.launch_time
    return Uses(*(np.asarray(part) / latency for part in found))


def board_laws(runs: WeightedRuns, law: PowerLaw) -> UtilizationPower:
    """The law of the board of each run in watts, shape (row,) each."""
    boards = [law.get(gpu, law[OTHER]) for gpu in runs.rows.gpu]
    terms = {name: np.array([board[name] for board in boards]) for name in POWER_TERMS}
    tdp, settings = np.asarray(runs.arrays.share.gpu.tdp), runs.model.records.settings
    scale = tdp * terms["scale"]
    return UtilizationPower(
        idle=tdp * terms["idle"],
        **{name: scale * terms[name] for name in Uses._fields},
        limit=tdp * float(settings.power_cap),
        clock_exponent=np.full(len(tdp), float(settings.clock_exponent)),
    )


def _shares(terms: dict[str, DimensionlessAxis], use: Uses) -> DimensionlessAxis:
    memory, compute, launch = (terms["scale"] * terms[name] for name in Uses._fields)
    plain = utilization_power(use.memory, use.compute, terms["idle"], memory, compute)
    return np.asarray(plain + launch * use.launch)


def fit_power(runs: WeightedRuns, answer: PredictedRun, counts: DimensionlessAxis) -> PowerLaw:
    """The law that comes closest to measured power at measured steps, up to the limit of boards.

    Args:
        runs: what was measured.
        answer: what runs use, by fitted steps.
        counts: how often each run counts, shape (row,).

    Returns:
        Numbers by board; a robust sum of squared logarithmic errors and the squares of their
        distances from the priors are least there.
    """
    records, rows = runs.model.records, runs.rows
    known = rows.power.notna().to_numpy() & runs.used & (counts > 0)
    use = uses(runs, answer, (rows.batch / rows.throughput).to_numpy())
    use = Uses(*(part[known] for part in use))
    gpus = rows.gpu[known]
    measured = (rows.power / np.asarray(runs.arrays.share.gpu.tdp))[known].to_numpy()
    boards = sorted(gpus.unique())
    places = np.array([boards.index(gpu) for gpu in gpus])
    weight = runs.weight[known] * np.sqrt(counts[known])
    width, cap = float(records.settings.power_scale), float(records.settings.power_cap)
    # One common deviation and one for each board, of every term; those without spread stay.
    free = np.concatenate(
        [np.repeat(records.power[name].spread > 0, [1, len(boards)]) for name in POWER_TERMS]
    )

    def laws(moved: DimensionlessAxis) -> dict[str, DimensionlessAxis]:
        """Terms over common value and boards, shape (1 + board,) each."""
        full = np.zeros(len(free))
        full[free] = moved
        return {
            name: _pooled(records, name, part)
            for name, part in zip(POWER_TERMS, full.reshape(len(POWER_TERMS), -1), strict=True)
        }

    def residuals(moved: DimensionlessAxis) -> DimensionlessAxis:
        terms = {name: numbers[1 + places] for name, numbers in laws(moved).items()}
        error = np.log(np.minimum(_shares(terms, use), cap) / measured) / width
        robust = np.sign(error) * np.sqrt(np.log1p(error**2))
        return np.concatenate([weight * robust, moved])

    found = laws(least_squares(residuals, np.zeros(int(free.sum()))).x)
    names = [OTHER, *boards]
    return {
        board: {name: float(found[name][place]) for name in POWER_TERMS}
        for place, board in enumerate(names)
    }


def _pooled(records: FitRecords, name: str, moved: DimensionlessAxis) -> DimensionlessAxis:
    """A number in common and of each board, from deviations in units of their spreads."""
    prior = records.power[name]
    common = prior.start + prior.spread[0] * moved[0]
    return np.exp(np.concatenate([[common], common + prior.spread[1] * moved[1:]]))
