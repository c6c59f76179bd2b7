"""A calibrated serving engine: steps, power and tokens per joule of runs from fitted parameters."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from tokwatt.calibration.prediction import (
    MixedSteps,
    Prediction,
    RequestMix,
    decoding_steps,
    mixed_steps,
    predicted,
)
from tokwatt.calibration.runs import Measured
from tokwatt.calibration.start import FitRecords, StepVector
from tokwatt.grid import stacked
from tokwatt.params.calibrated import TERMS
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import Parallelism, StepParameters, UtilizationPower
from tokwatt.serving.deployment import Layout
from tokwatt.serving.instance import GpuShare, share_of
from tokwatt.units import Dimensionless, DimensionlessAxis, Seconds, SecondsAxis, Tokens, TokensAxis

QUANTITIES = Prediction._fields
ENGINE = "vllm"
"""The engine of every measured run."""
KV_WIDTH = 2.0
"""Bytes of an element of the KV cache in every measured run."""
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
        share: what a run asks of one of its GPUs.
        mix: its requests.
        gpu: place of its GPU among those that are calibrated.
        prompt: place of its task among those whose prompts are calibrated, or `NO_TASK`.
    """

    share: GpuShare
    mix: RequestMix
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
        keys = ["llm", "gpu", "precision", "gpus", "expert_parallel"]
        alike = rows.groupby(keys, sort=False)
        shares = stacked({str(key): self._share(*key) for key in alike.groups})
        places = alike.ngroup().to_numpy()
        requests = [self.measured.tasks[task] for task in rows.task]
        prompt = rows["prompt"].to_numpy(float) if "prompt" in rows else np.nan
        is_default = np.broadcast_to(np.isnan(prompt), len(rows))
        task = [tasks.index(task) if task in tasks else NO_TASK for task in rows.task]
        default = np.array([request.prompt for request in requests])
        return RunArrays(
            jax.tree.map(lambda leaf: leaf[places], shares),
            RequestMix(
                batch=jnp.asarray(rows.batch.to_numpy(float)),
                prompt=jnp.where(is_default, default, prompt),
                output=jnp.asarray(rows.output.to_numpy(float)),
                output_scv=jnp.array([request.output_scv for request in requests]),
            ),
            np.array([gpus.index(gpu) for gpu in rows.gpu]),
            np.where(is_default, task, NO_TASK),
        )

    def _share(
        self,
        llm: str,
        gpu: str,
        precision: str,
        gpus: Dimensionless,
        expert_parallel: Dimensionless,
    ) -> GpuShare:
        """What one GPU of a run holds, reads and computes; its KV cache has 16 bits."""
        parameters = self.parameters
        ranks = gpus if expert_parallel else 1.0
        layout = Layout(
            gpu=parameters.gpus[gpu],
            llm=parameters.llms[llm],
            parallelism=Parallelism(tensor_parallel=gpus, expert_parallel=ranks),
            precision=replace(parameters.precisions[precision], kv=KV_WIDTH),
            engine=parameters.engine,
            serving_engine=parameters.engines[ENGINE],
        )
        share = share_of(layout, layout.llm.published, measured=True)
        rescaled = float(self.records.is_rescaled(llm, precision))
        return replace(share, requantized=rescaled)

    def _steps_at(self, vector: StepVector, arrays: RunArrays) -> MixedSteps:
        """Steps of runs, shape (row,) each."""
        return self._rows(mixed_steps, vector, arrays)

    def prompts(self, vector: StepVector, arrays: RunArrays) -> TokensAxis:
        """Mean prompt tokens of runs, shape (row,): those of the task, or the calibrated ones."""
        calibrated = jnp.asarray(vector.prompts)[arrays.prompt]
        return jnp.where(arrays.prompt == NO_TASK, arrays.mix.prompt, calibrated)

    def task_prompts(self, vector: StepVector) -> dict[str, Tokens]:
        """Mean prompt tokens by task: those that are published, or the calibrated ones."""
        published = {name: task.prompt for name, task in self.measured.tasks.items()}
        return published | dict(zip(self.records.tasks, vector.prompts, strict=True))

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

    def _decoding_at(
        self, vector: StepVector, arrays: RunArrays, residents: TokensAxis
    ) -> MixedSteps:
        shared = vector.shared | {"sequence_overhead": 0.0}
        decoding = decoding_steps
        return self._rows(decoding, vector._replace(shared=shared), arrays, residents)

    def _rows(
        self,
        step: Callable[..., MixedSteps],
        vector: StepVector,
        arrays: RunArrays,
        *columns: TokensAxis,
    ) -> MixedSteps:
        """A step of each row with the parameters of its GPU; `columns` go to the step as well."""
        shared = self.records.fixed | vector.shared
        mix = replace(arrays.mix, prompt=self.prompts(vector, arrays))
        overhead = jnp.asarray(vector.layer_overhead)[arrays.gpu]

        def row(share: GpuShare, overhead: Seconds, mix: RequestMix, *column: Tokens) -> MixedSteps:
            parameters = StepParameters(**shared, layer_overhead=overhead)
            return step(share, parameters, mix, *column)

        return jax.vmap(row)(arrays.share, overhead, mix, *columns)

    def _prediction(self, fitted: Fitted, arrays: RunArrays, steps: MixedSteps) -> Prediction:
        return Prediction(*map(np.asarray, self._predictions(fitted.boards, arrays, steps)))

    def _predictions_at(
        self, boards: DimensionlessAxis, arrays: RunArrays, steps: MixedSteps
    ) -> Prediction:
        coefficients = jnp.asarray(boards)[arrays.gpu].T * arrays.share.gpu.tdp[None, :]
        limit = self.records.settings.power_cap * arrays.share.gpu.tdp
        terms = dict(zip(TERMS, coefficients, strict=True))
        laws = UtilizationPower(**terms, limit=limit)
        return jax.vmap(predicted)(arrays.share, laws, steps)
