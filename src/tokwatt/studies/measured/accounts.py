"""What every account says of measured runs."""

from collections.abc import Mapping
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from tokwatt import grid
from tokwatt.accounts.assumptions import Assumptions
from tokwatt.accounts.cases import Account
from tokwatt.calibration import intervals
from tokwatt.calibration.kernels import Kernels, config_of
from tokwatt.calibration.model import Prediction
from tokwatt.calibration.records import Calibrated
from tokwatt.calibration.runs import Measured
from tokwatt.calibration.step import resident_tokens
from tokwatt.params.account_names import AccountName
from tokwatt.params.specs import Architecture, Llm, Serving
from tokwatt.serving import account, architecture
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.machine import Constants, Subject
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    SecondsAxis,
    Sequences,
    SequencesAxis,
    Tokens,
    TokensAxis,
)

KV_WIDTH = 2.0
"""Bytes of a number in the KV cache of every measured run."""
Predictions = Mapping[AccountName, Prediction]


def predictions(
    catalogue: Catalogue, layout: Serving, calibrated: Calibrated, rows: pd.DataFrame
) -> Predictions:
    """What was measured in runs and what each account says of them, shape (row,) each."""
    model, fitted = calibrated.model, calibrated.fitted
    arrays = model.arrays(rows)
    work = arrays.work
    prompts = np.asarray(model.prompts(fitted.steps, arrays))
    residents = np.asarray(resident_tokens(prompts, work.output, work.output_scv))
    ratio = prompts / rows.output.to_numpy()
    by_kernels = step_by_kernels(catalogue, rows, residents)
    return {
        AccountName.MEASURED: intervals.observed(rows),
        **_assumed(catalogue, layout, rows, residents, ratio),
        AccountName.KERNELS: model.predict_decoding(fitted, arrays, residents, by_kernels),
        AccountName.IN_SAMPLE: model.predict(fitted, arrays),
        AccountName.HELD_OUT: intervals.held_out_predictions(
            model, rows, arrays, calibrated.held_out, fitted
        ),
    }


def step_by_kernels(catalogue: Catalogue, rows: pd.DataFrame, residents: TokensAxis) -> SecondsAxis:
    """Steps by the kernels of each run's configuration, NaN where there are none."""
    configs = [config_of(row) for row in rows.itertuples()]
    return Kernels(catalogue).times(configs, rows.batch.to_numpy(), residents).step


def _assumed(
    catalogue: Catalogue,
    layout: Serving,
    rows: pd.DataFrame,
    residents: TokensAxis,
    ratio: DimensionlessAxis,
) -> Predictions:
    """The paper's account and the consistent one; prompts are `ratio` times the output."""
    names = Account(catalogue)
    subjects = _subjects(catalogue, layout, rows)
    columns = rows.batch.to_numpy(), residents, ratio
    paper = replace(names.presets["paper"], basis="instance", step="program")
    as_printed, as_published, consistent = (
        points(assumed, subjects, names.constants, *columns)
        for assumed in (
            names.mixture(paper),
            names.mixture(replace(paper, architecture="published")),
            names.presets["consistent"],
        )
    )
    listed = rows.llm.isin(catalogue.llms).to_numpy()
    pairs = zip(as_printed, as_published, strict=True)
    return {
        AccountName.PAPER: Prediction(*(np.where(listed, *pair) for pair in pairs)),
        AccountName.CONSISTENT: consistent,
    }


def points(
    assumed: Assumptions,
    subjects: Subject,
    constants: Constants,
    batch: SequencesAxis,
    length: TokensAxis,
    ratio: DimensionlessAxis,
) -> Prediction:
    """Instances at batch sizes and lengths of their own, all of shape (row,)."""

    @jax.jit
    @jax.vmap
    def point(
        subject: Subject, batch: Sequences, length: Tokens, ratio: Dimensionless
    ) -> account.Point:
        return account.point(assumed, subject, constants, length, 1.0, ratio, batch)

    columns = map(jnp.asarray, (batch, length, ratio))
    return of_one_gpu(point(subjects, *columns), subjects.serving.tensor_parallel)


def of_one_gpu(point: account.Point, gpus: DimensionlessAxis) -> Prediction:
    """Points on the basis of instances as predictions, with the power of one GPU."""
    columns = point.iteration_latency, point.throughput, point.power / gpus, point.tokens_per_joule
    return Prediction(*map(np.asarray, columns))


def _subjects(catalogue: Catalogue, layout: Serving, rows: pd.DataFrame) -> Subject:
    """The deployment of each run, shape (row,)."""
    alike = rows.groupby(["gpu", "llm", "precision", "gpus"], sort=False)
    subjects = grid.stacked({str(key): subject(catalogue, layout, *key) for key in alike.groups})
    return jax.tree.map(lambda leaf: leaf[alike.ngroup().to_numpy()], subjects)


def subject(
    catalogue: Catalogue,
    layout: Serving,
    gpu: str,
    llm: str,
    precision: str,
    gpus: Dimensionless,
) -> Subject:
    """A run's deployment as the accounts know it, at the mean width of its parameters."""
    published = catalogue.architectures[llm]
    widths = Measured(catalogue).precisions[precision]
    routed = architecture.routed_parameters(published)
    share = routed / architecture.total_parameters(published)
    active = architecture.active_parameters(published) if routed > 0 else 0.0
    return Subject(
        gpu=catalogue.gpus[gpu],
        llm=catalogue.llms.get(llm) or _as_llm(published),
        architecture=published,
        serving=replace(
            layout,
            tensor_parallel=gpus,
            weight_width=float(widths.dense + (widths.routed - widths.dense) * share),
            kv_width=KV_WIDTH,
        ),
        logistic=catalogue.power_curves[gpu],
        fractions=catalogue.power_fractions,
        utilization=catalogue.utilization_curves[gpu],
        active_parameters=float(active),
    )


def _as_llm(published: Architecture) -> Llm:
    """An LLM that the paper's catalogue lacks, by its published configuration."""
    shared = {field.name for field in fields(Llm)} & vars(published).keys()
    return Llm(**{name: getattr(published, name) for name in shared})
