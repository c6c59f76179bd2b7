"""A calibrated serving engine: steps, power and tokens per joule of runs from fitted parameters."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from tokwatt.calibration import step as serving_step
from tokwatt.calibration.runs import Measured
from tokwatt.calibration.start import TERMS, FitRecords, StepVector
from tokwatt.calibration.step import BoardParameters, Prediction, StepParameters, Steps, Work
from tokwatt.grid import stacked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.units import Dimensionless, DimensionlessAxis, SecondsAxis, TokensAxis

QUANTITIES = Prediction._fields
NO_TASK = -1
"""Stands for a task whose prompts are not calibrated."""


class Fitted(NamedTuple):
    """What a fit gives.

    Attributes:
        steps: parameters of a step.
        boards: coefficients of board power as shares of TDP, shape (GPU, term).
    """

    steps: StepVector
    boards: DimensionlessAxis


class RunArrays(NamedTuple):
    """Rows as arrays, shape (row,) each.

    Attributes:
        work: what a run asks of one of its GPUs.
        gpu: place of its GPU among those that are calibrated.
        prompt: place of its task among those whose prompts are calibrated, or `NO_TASK`.
    """

    work: Work
    gpu: np.ndarray
    prompt: np.ndarray


class ServingModel:
    """A serving engine with the terms, GPUs and tasks of `params/calibration.yaml`."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.parameters = parameters
        self.measured = Measured(parameters)
        self.records = FitRecords(parameters, self.measured)
        self.steps = jax.jit(self._steps_at)
        self._decoding = jax.jit(self._decoding_at)
        self._predictions = jax.jit(self._predictions_at)

    def arrays(self, rows: pd.DataFrame) -> RunArrays:
        """Rows as arrays.

        Args:
            rows: runs, on GPUs that are calibrated; a column `prompt` replaces that of the task.

        Returns:
            The arrays.

        Raises:
            ParameterError: where a GPU is not calibrated.
        """
        gpus, tasks = self.records.gpus, self.records.tasks
        for gpu in set(rows.gpu) - set(gpus):
            section = self.records.section.child("gpus")
            raise section.fail("is missing", "a mapping, as there are runs on it", str(gpu))
        work = self._works(rows)
        prompt = rows.get("prompt", pd.Series(np.nan, rows.index)).to_numpy(float)
        batch, output = (jnp.asarray(rows[name].to_numpy(float)) for name in ("batch", "output"))
        work = replace(
            work, batch=batch, output=output, prompt=np.where(np.isnan(prompt), work.prompt, prompt)
        )
        task = [tasks.index(task) if task in tasks else NO_TASK for task in rows.task]
        place = np.array([gpus.index(gpu) for gpu in rows.gpu])
        return RunArrays(work, place, np.where(np.isnan(prompt), task, NO_TASK))

    def _works(self, rows: pd.DataFrame) -> Work:
        """The work of rows, batch and output left open; rows that agree otherwise share one."""
        keys = ["llm", "gpu", "precision", "task", "gpus", "expert_parallel"]
        alike = rows.groupby(keys, sort=False)
        works = stacked({str(key): self._work(*key) for key in alike.groups})
        return jax.tree.map(lambda leaf: leaf[alike.ngroup().to_numpy()], works)

    def _work(
        self,
        llm: str,
        gpu: str,
        precision: str,
        task: str,
        gpus: Dimensionless,
        expert_parallel: Dimensionless,
    ) -> Work:
        widths = self.parameters.precisions[precision]
        requests = self.measured.tasks[task]
        return serving_step.work(
            self.parameters.llms[llm].published,
            self.parameters.gpus[gpu],
            link=self.parameters.gpus[gpu].link_bandwidth,
            gpus=gpus,
            expert_parallel=expert_parallel,
            requantized=float(self.records.is_rescaled(llm, precision)),
            dense_width=widths.dense,
            routed_width=widths.routed,
            batch=np.nan,
            output=np.nan,
            output_scv=requests.output_scv,
            prompt=requests.prompt,
        )

    def _steps_at(self, vector: StepVector, arrays: RunArrays) -> Steps:
        """Steps of runs, shape (row,) each."""
        return self._rows(serving_step.serving_steps, vector, arrays)

    def prompts(self, vector: StepVector, arrays: RunArrays) -> TokensAxis:
        """Mean prompt tokens of runs, shape (row,): those of the task, or the calibrated ones."""
        calibrated = jnp.asarray(vector.prompts)[arrays.prompt]
        return jnp.where(arrays.prompt == NO_TASK, arrays.work.prompt, calibrated)

    def predict(self, fitted: Fitted, arrays: RunArrays) -> Prediction:
        """What runs do, shape (row,) each."""
        return self._prediction(fitted, arrays, self.steps(fitted.steps, arrays))

    def predict_decoding(
        self,
        fitted: Fitted,
        arrays: RunArrays,
        residents: TokensAxis,
        latency: SecondsAxis | None = None,
    ) -> Prediction:
        """What batches do that only decode, without the overhead of sequences.

        Args:
            fitted: parameters of steps and boards.
            arrays: the batches.
            residents: tokens that each sequence holds, shape (row,).
            latency: time of a step from elsewhere, shape (row,); power then follows from it.

        Returns:
            The prediction; the overhead of sequences is that of the benchmark's own server.
        """
        steps = self._decoding(fitted.steps, arrays, residents)
        if latency is not None:
            steps = steps._replace(median_latency=latency, mean_latency=latency)
        return self._prediction(fitted, arrays, steps)

    def _decoding_at(self, vector: StepVector, arrays: RunArrays, residents: TokensAxis) -> Steps:
        shared = vector.shared | {"sequence_overhead": 0.0}
        decoding = serving_step.decoding_steps
        return self._rows(decoding, vector._replace(shared=shared), arrays, residents)

    def _rows(
        self,
        step: Callable[..., Steps],
        vector: StepVector,
        arrays: RunArrays,
        *columns: TokensAxis,
    ) -> Steps:
        """A step of each row with the parameters of its GPU; `columns` go to the step as well."""
        shared = self.records.fixed | vector.shared
        work = replace(arrays.work, prompt=self.prompts(vector, arrays))
        overhead = jnp.asarray(vector.layer_overhead)[arrays.gpu]
        return jax.vmap(
            lambda work, overhead, *column: step(
                work, StepParameters(**shared, layer_overhead=overhead), *column
            )
        )(work, overhead, *columns)

    def _prediction(self, fitted: Fitted, arrays: RunArrays, steps: Steps) -> Prediction:
        return Prediction(*map(np.asarray, self._predictions(fitted.boards, arrays, steps)))

    def _predictions_at(
        self, boards: DimensionlessAxis, arrays: RunArrays, steps: Steps
    ) -> Prediction:
        coefficients = jnp.asarray(boards)[arrays.gpu].T
        board = BoardParameters(**dict(zip(TERMS, coefficients, strict=True)))
        cap = self.records.settings.power_cap

        def row(work: Work, board: BoardParameters, steps: Steps) -> Prediction:
            return serving_step.prediction(work, board, steps, cap)

        return jax.vmap(row)(arrays.work, board, steps)
