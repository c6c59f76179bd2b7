"""Parameters of a serving step and of board power by least squares over measured runs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares, nnls

from tokwatt.calibration.model import Fitted, RunArrays, ServingModel
from tokwatt.calibration.start import StepVector
from tokwatt.params.calibrated import TERMS
from tokwatt.serving.power import power_terms
from tokwatt.units import DimensionlessAxis, SecondsAxis

MOST_EVALUATIONS = 100
"""Evaluations of the residuals after which a fit of steps ends; it needs about ten."""
REWEIGHTINGS = 15
"""Reweighted fits of power, after which its coefficients no longer move in the digits written."""


class WeightedRuns:
    """Measured runs, and how much each counts beside the others of its LLM and GPU.

    Attributes:
        model: what is fitted.
        rows: the runs.
        arrays: what they ask of their GPUs.
        weight: shape (row,), with a mean square of 1.
    """

    def __init__(self, model: ServingModel, rows: pd.DataFrame) -> None:
        self.model = model
        self.rows = rows
        self.arrays = model.arrays(rows)
        runs = rows.groupby(["llm", "gpu"]).batch.transform("size").to_numpy()
        weight = runs ** -float(model.records.settings.balance)
        self.weight = weight / np.sqrt((weight**2).mean())
        self._measured = tuple(map(np.log, (rows.latency.to_numpy(), self.mean_latency)))
        self._start = ravel_pytree(model.records.start)[0]
        self._spread = model.records.spread
        self._residuals = jax.jit(self._residuals_at)
        self._jacobian = jax.jit(jax.jacfwd(self._residuals_at))

    @property
    def mean_latency(self) -> SecondsAxis:
        """Time of the mean step as measured, shape (row,)."""
        return (self.rows.batch / self.rows.throughput).to_numpy()

    def fit(self, counts: DimensionlessAxis | None = None) -> Fitted:
        """The parameters that come closest.

        Args:
            counts: how often each run counts, shape (row,); 0 leaves it out.

        Returns:
            Parameters whose logarithms minimise a robust sum of squared logarithmic errors of the
            median inter-token latency and of the mean step, and how far they are from where they
            start; then the coefficients of power that come closest at measured throughput.
        """
        weight = self.weight * np.sqrt(1.0 if counts is None else counts)
        scale = float(self.model.records.settings.scale)
        solution = least_squares(
            self.residuals,
            np.log(self._start),
            self.jacobian,
            x_scale="jac",
            max_nfev=MOST_EVALUATIONS,
            loss=_robust(np.concatenate([weight, weight]) ** 2, scale),
        )
        steps = self.model.records.unravel(np.exp(solution.x))
        return Fitted(steps, self._boards(steps, weight))

    def residuals(self, logs: DimensionlessAxis) -> DimensionlessAxis:
        """What a fit makes small, at logarithms of a flattened `StepVector`."""
        return np.asarray(self._residuals(logs, self.arrays, *self._measured))

    def jacobian(self, logs: DimensionlessAxis) -> DimensionlessAxis:
        """Derivatives of the residuals by the logarithms."""
        return np.asarray(self._jacobian(logs, self.arrays, *self._measured))

    def _residuals_at(
        self, logs: jax.Array, arrays: RunArrays, median: SecondsAxis, mean: SecondsAxis
    ) -> jax.Array:
        """Logarithmic errors of median and mean steps, then distances from the start in spreads."""
        steps = self.model.steps(self.model.records.unravel(jnp.exp(logs)), arrays)
        moved = (logs - jnp.log(self._start)) / self._spread
        errors = jnp.log(steps.median_latency) - median, jnp.log(steps.mean_latency) - mean
        return jnp.concatenate([*errors, moved])

    def _boards(self, vector: StepVector, weight: DimensionlessAxis) -> DimensionlessAxis:
        """Coefficients of power by GPU, shape (GPU, term); 0 where its runs tell nothing."""
        records, share = self.model.records, self.arrays.share
        steps = self.model.steps(vector, self.arrays)
        idle, bandwidth, arithmetic, *rest = power_terms(
            share, steps.moved, steps.computed, jnp.asarray(self.mean_latency)
        )
        terms = idle, bandwidth, jnp.sqrt(arithmetic), *rest
        of_tdp = self.rows.power.to_numpy() / np.asarray(share.gpu.tdp)
        boards = np.zeros((len(records.gpus), len(TERMS)))
        for place, board in enumerate(records.boards.values()):
            runs = (self.arrays.gpu == place) & (weight > 0)
            used = [TERMS.index(term) for term in board.terms]
            if runs.any():
                boards[place, used] = nonnegative_least_deviations(
                    np.array(terms).T[runs][:, used],
                    of_tdp[runs],
                    weight[runs],
                    records.settings.power_scale,
                )
        return boards


def nonnegative_least_deviations(
    columns: DimensionlessAxis,
    target: DimensionlessAxis,
    weight: DimensionlessAxis,
    scale: DimensionlessAxis,
) -> DimensionlessAxis:
    """Iteratively reweighted non-negative least squares.

    Args:
        columns: shape (row, term).
        target: what their weighted sum should be, shape (row,).
        weight: of each row, shape (row,).
        scale: relative error below which errors count by their square.

    Returns:
        Coefficients, none negative, near the least weighted sum of relative errors.
    """
    relative = weight / target
    row_weight = relative
    for _ in range(REWEIGHTINGS):
        coefficients = nnls(columns * row_weight[:, None], target * row_weight)[0]
        errors = np.abs(columns @ coefficients / target - 1)
        row_weight = relative / np.sqrt(np.maximum(errors, float(scale)))
    return coefficients


def _robust(weight: DimensionlessAxis, scale: float) -> Callable[[np.ndarray], np.ndarray]:
    """Cauchy's loss of weighted residuals with two derivatives, then squares as they are."""

    def loss(squares: np.ndarray) -> np.ndarray:
        rows, rest = squares[: len(weight)], squares[len(weight) :]
        width = scale**2 + rows
        robust = [weight * np.log1p(rows / scale**2), weight / width, -weight / width**2]
        return np.concatenate([robust, [rest, np.ones_like(rest), np.zeros_like(rest)]], axis=1)

    return loss
