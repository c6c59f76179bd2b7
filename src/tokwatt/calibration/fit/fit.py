"""Parameters of steps by Levenberg and Marquardt, with a robust loss and priors as ridges."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from tokwatt.calibration.fit.model import PredictedRun, RunArrays, ServingModel, answers
from tokwatt.calibration.fit.pooling import Pooling
from tokwatt.params.specs import UtilizationPower
from tokwatt.units import Dimensionless, DimensionlessAxis

LARGEST_MOVE = 3.0
"""Prior spreads that one step of a fit moves a number by at most."""
DAMPING, EASED, HARDENED, LEAST_DAMPING = 1e-3, 4.0, 8.0, 1e-7
TRIES = 6
"""Dampings that are tried before a fit ends."""
MOST_STEPS = 60
"""Steps after which a fit ends; it needs about thirty, and five from a fit to most of its runs."""
TOLERANCE, LOOSE_TOLERANCE = 1e-4, 1e-3
"""Relative gain of a step below which a fit ends, from the priors and from another fit."""


class Targets(NamedTuple):
    """What was measured, as logarithms, and how much each counts, shape (quantity, row)."""

    logs: DimensionlessAxis
    weight: DimensionlessAxis


class WeightedRuns:
    """Measured runs, and how much each counts beside the others of its cell.

    Attributes:
        model: what is fitted.
        rows: the runs.
        arrays: what they ask of their GPUs.
        pooling: what they deviate by.
        used: whether a run counts in fits and scores: odd ones and those that do not fit do not.
        weight: shape (row,), with a mean square of 1.
    """

    def __init__(self, model: ServingModel, rows: pd.DataFrame) -> None:
        self.model, self.rows = model, rows
        self.arrays = model.arrays(rows)
        self.pooling = Pooling(model.records, rows)
        fits = np.asarray(self.arrays.share.kv_budget) > 0
        self.used = fits & (rows.odd == 0).to_numpy()
        sizes = rows.groupby(["llm", "gpu", "engine"]).batch.transform("size").to_numpy()
        weight = sizes ** -float(model.records.settings.balance)
        self.weight = weight / np.sqrt((weight**2).mean())
        self.low_load = model.at_low_load(rows) & rows.first_token.notna().to_numpy()
        self._names = tuple(model.records.names)

    @property
    def targets(self) -> Targets:
        """Latency, throughput and time to first token, and their weights."""
        rows, settings = self.rows, self.model.records.settings
        client = rows.client.to_numpy() > 0
        measured = rows.latency, rows.throughput, rows.first_token.where(self.low_load, 1.0)
        weight = [
            np.ones(len(rows)),
            np.where(client, settings.throughput_weight, 1.0),
            np.where(self.low_load, settings.first_token_weight, 0.0),
        ]
        return Targets(np.log(np.array(measured, float)), np.array(weight))

    def answers(
        self, logs: DimensionlessAxis, laws: UtilizationPower | None = None
    ) -> PredictedRun:
        """What the runs do at logarithms of parameters and by laws of power, shape (row,) each."""
        return answers(self._names, jnp.asarray(logs), self.arrays, laws)

    def fit(
        self,
        counts: DimensionlessAxis | None = None,
        start: DimensionlessAxis | None = None,
        keep_prompts: bool = False,
        laws: UtilizationPower | None = None,
    ) -> DimensionlessAxis:
        """The deviations that come closest, in units of their spreads.

        Args:
            counts: how often each run counts, shape (row,); 0 leaves it out.
            start: where to begin; at the priors if left out.
            keep_prompts: whether prompts stay where they start.
            laws: of power, shape (row,) each, whose limits stretch steps; none if left out.

        Returns:
            The mode: a Cauchy loss of logarithmic errors plus half the squares of the deviations
            is least there.
        """
        settings, pooling = self.model.records.settings, self.pooling
        weight = self.weight**2 * self.used * (1.0 if counts is None else counts)
        width = float(settings.scale) ** 2
        held = pooling.prompts if keep_prompts else slice(0, 0)

        def cost(errors: DimensionlessAxis, scaled: DimensionlessAxis) -> Dimensionless:
            return ((weight * np.log1p(errors**2 / width)).sum() + scaled @ scaled) / 2

        tolerance = TOLERANCE if start is None else LOOSE_TOLERANCE
        scaled = np.zeros(len(pooling.spread)) if start is None else start.copy()
        errors, slopes = self.residuals(scaled, laws)
        now, damping = cost(errors, scaled), DAMPING
        for _ in range(MOST_STEPS):
            curvature, gradient = self._normal(scaled, errors, slopes, weight, width)
            gradient[held], curvature[held, :], curvature[:, held] = 0.0, 0.0, 0.0
            before = now
            for _ in range(TRIES):
                damped = curvature + np.diag(damping * curvature.diagonal() + 1e-12)
                move = np.linalg.solve(damped, -gradient)
                tried = scaled + np.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
                found = self.residuals(tried, laws)
                if (new := cost(found[0], tried)) < now:
                    damping = max(damping / EASED, LEAST_DAMPING)
                    scaled, (errors, slopes), now = tried, found, new
                    break
                damping *= HARDENED
            if before - now <= tolerance * before:
                break
        return scaled

    def residuals(
        self, scaled: DimensionlessAxis, laws: UtilizationPower | None = None
    ) -> tuple[DimensionlessAxis, DimensionlessAxis]:
        """Weighted logarithmic errors, shape (quantity, row), and derivatives by parameters."""
        logs = jnp.asarray(self.pooling.logs(scaled))
        found = _residuals(self._names, logs, self.arrays, laws, *map(jnp.asarray, self.targets))
        errors, slopes = map(np.asarray, found)
        return errors, slopes

    def _normal(
        self,
        scaled: DimensionlessAxis,
        errors: DimensionlessAxis,
        slopes: DimensionlessAxis,
        weight: DimensionlessAxis,
        width: Dimensionless,
    ) -> tuple[DimensionlessAxis, DimensionlessAxis]:
        """Curvature and gradient of the loss, with its weights as they are now."""
        curvature, gradient = np.eye(len(scaled)), scaled.copy()
        for quantity, error in enumerate(errors):
            counted = weight / (width + error**2)
            rows = counted > 0
            jacobian = self.pooling.gradient(slopes[:, quantity])[rows]
            curvature += jacobian.T @ (jacobian * counted[rows, None])
            gradient += jacobian.T @ (counted * error)[rows]
        return curvature, gradient


@partial(jax.jit, static_argnames="names")
def _residuals(
    names: tuple[str, ...],
    logs: DimensionlessAxis,
    arrays: RunArrays,
    laws: UtilizationPower | None,
    measured: DimensionlessAxis,
    weight: DimensionlessAxis,
) -> tuple[DimensionlessAxis, DimensionlessAxis]:
    """Errors, shape (quantity, row), and their derivatives by each row of `logs`."""

    def errors(logs: DimensionlessAxis) -> DimensionlessAxis:
        found = answers(names, logs, arrays, laws)
        predicted = jnp.log(jnp.stack([found.latency, found.throughput, found.first_token]))
        return weight * (predicted - measured)

    def slope(place: jax.Array) -> jax.Array:
        # Rows do not depend on each other, so that one direction serves all of them.
        aside = jnp.zeros_like(logs).at[place].set(1.0)
        return jax.jvp(errors, (logs,), (aside,))[1]

    return errors(logs), jax.lax.map(slope, jnp.arange(len(logs)))
