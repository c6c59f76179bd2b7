"""A calibrated serving engine: what runs do, from parameters of their steps and boards."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from tokwatt.calibration.evidence import kind_of
from tokwatt.calibration.fit.start import FitRecords
from tokwatt.calibration.runs.runs import Measured
from tokwatt.equations.batching import resident_tokens
from tokwatt.grid import stacked
from tokwatt.params.calibrated import CAPPED
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import Parallelism, StepParameters, UtilizationPower, spec
from tokwatt.serving.deployment import Layout
from tokwatt.serving.gpu.share import GpuShare, held_bytes, share_of
from tokwatt.serving.steps.chunked import Load, first_token_time, iterations
from tokwatt.serving.steps.costs import pass_costs
from tokwatt.serving.steps.power import within_limit
from tokwatt.units import (
    Bytes,
    Dimensionless,
    DimensionlessAxis,
    Seconds,
    Sequences,
    Tokens,
    TokensPerSecond,
    Watts,
)


@spec
class RunRequests:
    """The requests of a run.

    Attributes:
        batch: requests in flight.
        prompt: mean prompt tokens.
        output: mean output tokens.
        output_scv: squared coefficient of variation of them.
        client: 1 where a client keeps them in flight, 0 where they are running.
    """

    batch: Sequences
    prompt: Tokens
    output: Tokens
    output_scv: Dimensionless
    client: Dimensionless


class PredictedRun(NamedTuple):
    """What a run does.

    Attributes:
        latency: time per output token of a client, or the median inter-token latency.
        throughput: output tokens per second of the instance.
        first_token: time to first token.
        mean_latency: the mean iteration.
        late_latency: the 99th percentile of iterations.
        moved: bytes that one GPU reads in the mean iteration.
        compute_time: arithmetic in it.
        launch_time: launches of kernels of experts in it.
        power: of one GPU; NaN without a law.
    """

    latency: Seconds
    throughput: TokensPerSecond
    first_token: Seconds
    mean_latency: Seconds
    late_latency: Seconds
    moved: Bytes
    compute_time: Seconds
    launch_time: Seconds
    power: Watts


class RunArrays(NamedTuple):
    """Rows as arrays, shape (row,) each: what a run asks of one of its GPUs, and its requests."""

    share: GpuShare
    asked: RunRequests


def answer(
    share: GpuShare, fitted: StepParameters, asked: RunRequests, law: UtilizationPower | None = None
) -> PredictedRun:
    """What a run does.

    Args:
        share: what one GPU holds, reads and computes.
        fitted: efficiencies and overheads.
        asked: the requests; of those of a client no more run than the KV cache pool holds.
        law: of power, whose limit the board keeps as it slows down; None for steps as they are.

    Returns:
        The answer; requests of a client that do not run wait, by Little's law.

    Source: `tokwatt.serving.steps.chunked`.
    """
    costs = pass_costs(share, fitted)
    length = resident_tokens(asked.prompt, asked.output, asked.output_scv)
    fitting = share.kv_budget * share.data_parallel / held_bytes(share, length)
    most = jnp.where(asked.client > 0, jnp.maximum(1.0, fitting), jnp.inf)
    batch = jnp.minimum(asked.batch, most)
    prefills = batch / asked.output
    load = Load(batch, length, asked.prompt * prefills, prefills)
    found, bandwidth = iterations(costs, load), share.gpu.hbm_bandwidth
    bare = found.mean.latency
    mean, power = (bare, jnp.nan)
    if law is not None:
        mean, power = within_limit(bandwidth, law, found.mean, bare)
    stretch = mean / bare
    first = first_token_time(costs, load, asked.prompt, stretch)
    waiting = jnp.maximum(0.0, asked.batch - found.running) / found.running
    stay = first + (asked.output - 1 + waiting * asked.output) * mean
    by_client = asked.batch * asked.output / stay
    return PredictedRun(
        latency=jnp.where(asked.client > 0, mean, stretch * found.median_latency),
        throughput=jnp.where(asked.client > 0, by_client, asked.batch / mean),
        first_token=first,
        mean_latency=mean,
        late_latency=stretch * found.late_latency,
        moved=found.mean.moved,
        compute_time=found.mean.compute_time,
        launch_time=found.mean.launch_time,
        power=power,
    )


class ServingModel:
    """What is asked of runs, by the records of `params/calibration.yaml`."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.parameters = parameters
        self.measured = Measured(parameters)
        self.records = FitRecords(parameters, self.measured)

    def arrays(self, rows: pd.DataFrame) -> RunArrays:
        """Rows as arrays; a prompt that is not given is that of the task, or its prior."""
        keys = ["llm", "gpu", "engine", "precision", "kv_width"]
        keys += ["tensor_parallel", "data_parallel", "expert_parallel"]
        alike = rows.groupby(keys, sort=False)
        shares = stacked({str(key): self._share(*key) for key in alike.groups})
        places = alike.ngroup().to_numpy()
        names = ("batch", "output", "output_scv", "client")
        columns = {name: jnp.asarray(rows[name].to_numpy(float)) for name in names}
        return RunArrays(
            jax.tree.map(lambda leaf: leaf[places], shares),
            RunRequests(**columns, prompt=jnp.asarray(self._prompts(rows))),
        )

    def _prompts(self, rows: pd.DataFrame) -> np.ndarray:
        priors = {task: prior.prompt for task, prior in self.records.prompts.items()}
        known = {task: entry.prompt for task, entry in self.measured.tasks.items()} | priors
        return rows.prompt.fillna(rows.task.map(known)).to_numpy(float)

    def at_low_load(self, rows: pd.DataFrame) -> np.ndarray:
        """Which rows have so few requests in flight that their times to first token count."""
        most = self.records.settings.most_in_flight * rows.data_parallel
        return (rows.batch <= most).to_numpy()

    def kinds(self, llms: pd.Series) -> pd.Series:
        """Kinds of LLMs by name."""
        return llms.map(lambda llm: kind_of(self.parameters.llms[llm].published))

    def _share(
        self,
        llm: str,
        gpu: str,
        engine: str,
        precision: str,
        kv_width: Dimensionless,
        tensor_parallel: Dimensionless,
        data_parallel: Dimensionless,
        expert_parallel: Dimensionless,
    ) -> GpuShare:
        """What one GPU of a run holds, reads and computes."""
        parameters, records = self.parameters, self.records
        recipe = parameters.precisions[records.checkpoint(llm, precision)]
        layout = Layout(
            gpu=parameters.gpus[gpu],
            llm=parameters.llms[llm],
            parallelism=Parallelism(
                tensor_parallel=tensor_parallel,
                data_parallel=data_parallel,
                expert_parallel=expert_parallel if parameters.llms[llm].published.experts else 1.0,
            ),
            precision=replace(recipe, kv=kv_width),
            engine=parameters.engine,
            serving_engine=parameters.engines[records.family(engine)],
        )
        share = share_of(layout, layout.llm.published, measured=True)
        slow = llm in records.rescaled.get(engine, ()) and recipe.block_scaled > 0
        return replace(share, rescaled=float(slow))


@partial(jax.jit, static_argnames="names")
def answers(
    names: tuple[str, ...],
    logs: DimensionlessAxis,
    arrays: RunArrays,
    laws: UtilizationPower | None = None,
) -> PredictedRun:
    """What runs do.

    Args:
        names: of the parameters of a step.
        logs: their logarithms, then that of a factor on the prompt, shape (name + 1, row).
        arrays: the runs.
        laws: of power, shape (row,) each.

    Returns:
        Answers, shape (row,) each; no efficiency is above 1.
    """
    capped = np.array([CAPPED in name for name in names])[:, None]
    numbers = jnp.exp(jnp.where(capped, jnp.minimum(0.0, logs[:-1]), logs[:-1]))
    prompts = arrays.asked.prompt * jnp.exp(logs[-1])
    asked = replace(arrays.asked, prompt=prompts)

    def row(
        share: GpuShare,
        numbers: DimensionlessAxis,
        asked: RunRequests,
        law: UtilizationPower | None,
    ) -> PredictedRun:
        fitted = StepParameters(**dict(zip(names, numbers, strict=True)))
        return answer(share, fitted, asked, law)

    return jax.vmap(row, (0, 1, 0, 0))(arrays.share, numbers, asked, laws)
