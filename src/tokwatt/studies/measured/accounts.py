"""What every account says of measured runs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from tokwatt import grid
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.calibration import intervals
from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.power import PowerLaw, board_laws
from tokwatt.calibration.kernels import Kernels, config_of
from tokwatt.calibration.records import Calibrated
from tokwatt.equations.batching import resident_tokens
from tokwatt.params.account_names import AccountName
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.llm import active_parameters, routed_parameters, total_parameters
from tokwatt.serving.point import OperatingPoint, operating_point
from tokwatt.serving.steps.power import within_limit
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    SecondsAxis,
    Sequences,
    SequencesAxis,
    Tokens,
    TokensAxis,
    TokensPerSecondAxis,
    WattsAxis,
)

KV_WIDTH = 2.0
"""Bytes of a number in the KV cache of ML.ENERGY's runs."""


class Prediction(NamedTuple):
    """What a run does, shape (row,) each.

    Attributes:
        latency: inter-token latency.
        throughput: output tokens per second of the instance.
        power: watts of one GPU.
        tokens_per_joule: output tokens per joule of all its GPUs.
    """

    latency: SecondsAxis
    throughput: TokensPerSecondAxis
    power: WattsAxis
    tokens_per_joule: DimensionlessAxis


QUANTITIES = Prediction._fields
Predictions = Mapping[AccountName, Prediction]


def predictions(catalogue: Catalogue, calibrated: Calibrated, rows: pd.DataFrame) -> Predictions:
    """What was measured in runs and what each account says of them, shape (row,) each."""
    runs, fitted = WeightedRuns(calibrated.model, rows), calibrated.fitted
    records = calibrated.model.records
    recipes = [records.checkpoint(*pair) for pair in zip(rows.llm, rows.precision, strict=True)]
    logs = fitted.logs(records, rows)
    prompts = np.asarray(runs.arrays.asked.prompt) * np.exp(logs[-1])
    residents = np.asarray(resident_tokens(prompts, rows.output, rows.output_scv))
    return {
        AccountName.MEASURED: of_frame(intervals.observed(rows)),
        **_assumed(
            catalogue, rows.assign(precision=recipes), residents, prompts / rows.output.to_numpy()
        ),
        AccountName.KERNELS: by_kernels(catalogue, runs, logs, fitted.law, residents),
        AccountName.IN_SAMPLE: of_frame(intervals.predicted_runs(runs, logs, fitted.law)),
        AccountName.HELD_OUT: of_frame(calibrated.predict(rows)),
    }


def of_frame(frame: pd.DataFrame) -> Prediction:
    """A prediction from columns of its quantities."""
    return Prediction(*(frame[name].to_numpy(float) for name in QUANTITIES))


def by_kernels(
    catalogue: Catalogue,
    runs: WeightedRuns,
    logs: DimensionlessAxis,
    law: PowerLaw,
    residents: TokensAxis,
) -> Prediction:
    """Decoding by kernel tables, with power by the calibrated law; NaN where there are none."""
    rows, use, boards = runs.rows, runs.answers(logs), board_laws(runs, law)
    bandwidth = runs.arrays.share.gpu.hbm_bandwidth
    configs = [config_of(row) for row in rows.itertuples()]
    bare = jnp.asarray(Kernels(catalogue).times(configs, rows.batch.to_numpy(), residents).step)
    latency, power = map(np.asarray, within_limit(bandwidth, boards, use, bare))
    throughput = rows.batch.to_numpy() / latency
    efficiency = throughput / power / intervals.instance_gpus(rows)
    return Prediction(latency, throughput, power, efficiency)


def _assumed(
    catalogue: Catalogue, rows: pd.DataFrame, residents: TokensAxis, ratio: DimensionlessAxis
) -> Predictions:
    """The paper's account and the consistent one; prompts are `ratio` times the output."""
    sets = AssumptionSets(catalogue)
    paper = sets.account("paper", {"basis": "instance", "step": "program"})
    load = rows.batch.to_numpy(), residents, ratio
    printed = _deployments(catalogue, rows, printed_deployment)
    as_printed, as_published = (
        points(account, printed, *load)
        for account in (paper, paper.switched(architecture="published"))
    )
    listed = rows.llm.isin(catalogue.paper_llms).to_numpy()
    pairs = zip(as_printed, as_published, strict=True)
    served = _deployments(catalogue, rows, run_deployment)
    return {
        AccountName.PAPER: Prediction(*(np.where(listed, *pair) for pair in pairs)),
        AccountName.CONSISTENT: points(sets.account("consistent"), served, *load),
    }


def points(
    account: Account,
    deployments: Deployment,
    batch: SequencesAxis,
    length: TokensAxis,
    ratio: DimensionlessAxis,
) -> Prediction:
    """Instances at batch sizes and lengths of their own, all of shape (row,)."""

    @jax.jit
    @jax.vmap
    def point(
        deployment: Deployment, batch: Sequences, length: Tokens, ratio: Dimensionless
    ) -> OperatingPoint:
        return operating_point(account, deployment, length, 1.0, ratio, batch)

    columns = map(jnp.asarray, (batch, length, ratio))
    gpus = deployments.parallelism.tensor_parallel
    return of_one_gpu(point(deployments, *columns), gpus)


def of_one_gpu(point: OperatingPoint, gpus: DimensionlessAxis) -> Prediction:
    """Points on the basis of instances as predictions, with the power of one GPU."""
    columns = point.median_latency, point.throughput, point.power / gpus, point.tokens_per_joule
    return Prediction(*map(np.asarray, columns))


DEPLOYED = [
    "gpu",
    "llm",
    "precision",
    "tensor_parallel",
    "data_parallel",
    "expert_parallel",
    "engine",
]
"""Columns of runs that say how an LLM is deployed."""


def _deployments(
    catalogue: Catalogue, rows: pd.DataFrame, made: Callable[[Catalogue, pd.Series], Deployment]
) -> Deployment:
    """The deployment of each run, shape (row,)."""
    alike = rows.groupby(DEPLOYED, sort=False)
    firsts = rows.loc[alike.head(1).index]
    stacked = grid.stacked({str(place): made(catalogue, row) for place, row in firsts.iterrows()})
    return jax.tree.map(lambda leaf: leaf[alike.ngroup().to_numpy()], stacked)


def run_deployment(catalogue: Catalogue, run: pd.Series) -> Deployment:
    """A run's deployment as the catalogue has it, with the step of its own engine."""
    deployment = catalogue.deployment(
        catalogue.boards[run.gpu],
        catalogue.llms[run.llm],
        replace(catalogue.precisions[run.precision], kv=KV_WIDTH),
        run.tensor_parallel,
        run.expert_parallel,
        data_parallel=run.data_parallel,
    )
    return replace(deployment, fitted=catalogue.calibrated.step(run.gpu, run.engine))


def printed_deployment(catalogue: Catalogue, run: pd.Series) -> Deployment:
    """The same as the paper's program would have it, at the mean width of its parameters."""
    served = run_deployment(catalogue, run)
    published, widths = served.llm.published, served.precision
    routed = routed_parameters(published)
    share = routed / total_parameters(published)
    width = float(widths.dense + (widths.routed - widths.dense) * share)
    active = active_parameters(published) if routed > 0 else 0.0
    mean = replace(widths, dense=width, routed=width)
    return replace(served, precision=mean, active_parameters=float(active))
