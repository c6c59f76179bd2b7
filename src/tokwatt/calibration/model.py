"""Parameters of a serving step and of board power by least squares over measured runs, and how far to trust them.

Errors are those of LLMs that were left out: all runs of one architecture, on every GPU, are held
out at once. Intervals are conformal: a quantile of what was missed on held-out LLMs, its coverage
counted on LLMs that neither saw.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import chain, combinations
from typing import Any, NamedTuple, get_type_hints

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import pandas as pd
from scipy.optimize import least_squares, nnls

from tokwatt.calibration import step as serving_step
from tokwatt.calibration.runs import Measured
from tokwatt.calibration.step import BoardParameters, Prediction, StepParameters, Steps, Work
from tokwatt.grid import stacked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section
from tokwatt.units import Dimensionless, Tokens, units_of

QUANTITIES = Prediction._fields
TERMS = tuple(each.name for each in fields(BoardParameters))
"""Coefficients of board power, in the order of `serving_step.power_terms`."""


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """How residuals are weighed; `params/calibration.yaml` says what the numbers mean."""

    scale: Dimensionless
    power_scale: Dimensionless
    balance: Dimensionless
    power_cap: Dimensionless
    draws: Dimensionless
    coverage: Dimensionless


@dataclass(frozen=True, kw_only=True)
class Board:
    """The terms of power that the runs of a GPU tell apart."""

    terms: list[str]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The length of a task's prompts to start from, and the spread of its logarithm."""

    prompt: Tokens
    spread: Dimensionless


class Name(NamedTuple):
    """A parameter of steps by the part of the records it stands in; a GPU or a task may be its name there."""

    part: str
    name: str
    unit: str


class Fitted(NamedTuple):
    """Parameters of steps, shape (parameter,), and coefficients of power, shape (GPU, term)."""

    values: np.ndarray
    boards: np.ndarray


class Prepared(NamedTuple):
    """Rows as arrays: what they ask of a GPU, which GPU it is, and which calibrated prompt theirs is, if any."""

    work: Work
    gpu: np.ndarray
    prompt: np.ndarray


class Data(NamedTuple):
    """Rows to fit, what was measured, and the weight that a row has beside the others of its LLM and GPU."""

    rows: pd.DataFrame
    prepared: Prepared
    weight: np.ndarray


class Model:
    """What is calibrated and what predictions follow from it, by `params/calibration.yaml`."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.parameters, self.measured = parameters, Measured(parameters)
        section = parameters.section("calibration").only(
            "source", "quality", "fixed", "start", "spread", "prompts", "gpus", "requantized", "fit"
        )
        hints = get_type_hints(StepParameters, include_extras=True)
        self.section = section
        fixed = section.child("fixed")
        free = [name for name in hints if name not in fixed.raw]
        shared = [name for name in free if name != "layer_overhead"]
        self.fixed = fixed.bind({name: hint for name, hint in hints.items() if name not in free})
        self.boards = section.child("gpus").specs(Board)
        self.requantized = tuple(section.convert(_Requantized).requantized)
        self.weighing = section.child("fit").spec(Weighing)
        prompts = section.child("prompts").specs(Prompt)
        self.gpus, self.tasks = list(self.boards), list(prompts)
        self._check(section)
        units = units_of(StepParameters)
        self.names = [
            *(Name("step", name, str(units[name])) for name in shared),
            *(Name("layer_overhead", gpu, "s") for gpu in self.gpus),
            *(Name("prompts", task, "tok") for task in self.tasks),
        ]
        start = section.child("start").bind({name: hints[name] for name in free})
        spread = section.child("spread").bind(dict.fromkeys(free, Dimensionless))
        columns = [shared, ["layer_overhead"] * len(self.gpus)]
        self.start = np.array(
            [
                *(start[name] for name in chain(*columns)),
                *(each.prompt for each in prompts.values()),
            ]
        )
        self.spread = np.array(
            [
                *(spread[name] for name in chain(*columns)),
                *(each.spread for each in prompts.values()),
            ]
        )
        self._residuals: Callable = jax.jit(self._residuals_at)
        self._jacobian: Callable = jax.jit(jax.jacfwd(self._residuals_at))
        self._steps: Callable = jax.jit(self.steps)
        self._decoding: Callable = jax.jit(self._decoding_at)
        self._predictions: Callable = jax.jit(self._predictions_at)

    def _check(self, section: Section) -> None:
        """Refuse a GPU, task or term of power that nobody knows."""
        for gpu, board in self.boards.items():
            section.child("gpus").pick(gpu, gpu, self.parameters.gpus)
            for term in board.terms:
                section.child("gpus").child(gpu).pick("terms", term, dict.fromkeys(TERMS))
        for task in self.tasks:
            section.child("prompts").pick(task, task, self.measured.tasks)

    def prepare(self, rows: pd.DataFrame) -> Prepared:
        """Rows as arrays; their GPUs must be among those that are calibrated. A column `prompt` goes before a task's own."""
        for gpu in rows.gpu.unique():
            if gpu not in self.boards:
                raise self.section.child("gpus").fail(
                    "is missing", "a mapping, as there are runs on it", str(gpu)
                )
        keys = ["llm", "gpu", "precision", "task", "gpus", "expert_parallel"]
        alike = rows.groupby(keys, sort=False)
        number = alike.ngroup().to_numpy()
        each = stacked({str(key): self._work(*key) for key in alike.groups})
        own = jax.tree.map(lambda leaf: leaf[number], each)
        given = rows["prompt"].to_numpy(float) if "prompt" in rows else np.full(len(rows), np.nan)
        prompt = jnp.where(np.isnan(given), own.prompt, given)
        task = np.array([self._prompt(task) for task in rows.task])
        return Prepared(
            replace(
                own,
                batch=jnp.asarray(rows.batch.to_numpy(float)),
                output=jnp.asarray(rows.output.to_numpy(float)),
                prompt=prompt,
            ),
            np.array([self.gpus.index(gpu) for gpu in rows.gpu]),
            np.where(np.isnan(given), task, -1),
        )

    def _work(
        self, llm: str, gpu: str, precision: str, task: str, gpus: float, expert_parallel: float
    ) -> Work:
        """The work of runs that differ in batch and output alone, which are left open."""
        catalogue, widths, asked = (
            self.parameters,
            self.measured.precisions[precision],
            self.measured.tasks[task],
        )
        return serving_step.work(
            catalogue.architectures[llm],
            catalogue.gpus[gpu],
            link=catalogue.gpus[gpu].link_bandwidth,
            gpus=gpus,
            expert_parallel=expert_parallel,
            requantized=float(widths.dense == 1 and llm.startswith(self.requantized)),
            dense_width=widths.dense,
            routed_width=widths.routed,
            batch=np.nan,
            output=np.nan,
            output_scv=asked.output_scv,
            prompt=asked.prompt,
        )

    def _prompt(self, task: str) -> int:
        return self.tasks.index(task) if task in self.tasks else -1

    def steps(self, values: Any, prepared: Prepared) -> Steps:
        """Steps of rows, shape (row,) each, by parameters of steps, shape (parameter,)."""
        work, shared, layer_overhead = self._applied(values, prepared)

        def step(work: Work, overhead: Any) -> Steps:
            return serving_step.serving_steps(
                work, StepParameters(layer_overhead=overhead, **shared)
            )

        return jax.vmap(step)(work, layer_overhead)

    def prompts(self, values: Any, prepared: Prepared) -> Any:
        """Tokens of prompts of rows, shape (row,): a task's own, or the calibrated ones."""
        prompts = jnp.asarray(values)[len(self.names) - len(self.tasks) :]
        return jnp.where(prepared.prompt >= 0, prompts[prepared.prompt], prepared.work.prompt)

    def _applied(self, values: Any, prepared: Prepared) -> tuple[Work, dict[str, Any], Any]:
        values = jnp.asarray(values)
        shared = {
            each.name: values[number]
            for number, each in enumerate(self.names)
            if each.part == "step"
        }
        work = replace(prepared.work, prompt=self.prompts(values, prepared))
        return work, self.fixed | shared, values[len(shared) + prepared.gpu]

    def predict(self, fitted: Fitted, prepared: Prepared) -> Prediction:
        """What rows do, shape (row,) each."""
        return self._prediction(fitted, prepared, self._steps(fitted.values, prepared))

    def predict_decoding(
        self,
        fitted: Fitted,
        prepared: Prepared,
        residents: np.ndarray,
        latency: np.ndarray | None = None,
    ) -> Prediction:
        """What batches do that only decode, without the cost of each sequence that the benchmark's own server has.

        Args:
            fitted: parameters of steps and boards.
            prepared: the batches.
            residents: tokens that each sequence holds, shape (row,).
            latency: time of a step from elsewhere, shape (row,); power then follows from it.

        Returns:
            The prediction.
        """
        steps = self._decoding(fitted.values, prepared, residents)
        if latency is not None:
            steps = steps._replace(median_latency=latency, mean_latency=latency)
        return self._prediction(fitted, prepared, steps)

    def _decoding_at(self, values: Any, prepared: Prepared, residents: Any) -> Steps:
        work, shared, layer_overhead = self._applied(values, prepared)

        def step(work: Work, overhead: Any, held: Any) -> Steps:
            own = StepParameters(**shared | {"layer_overhead": overhead, "sequence_overhead": 0.0})
            return serving_step.decoding_steps(work, own, held)

        return jax.vmap(step)(work, layer_overhead, residents)

    def _prediction(self, fitted: Fitted, prepared: Prepared, steps: Steps) -> Prediction:
        return Prediction(
            *(np.asarray(values) for values in self._predictions(fitted.boards, prepared, steps))
        )

    def _predictions_at(self, boards: Any, prepared: Prepared, steps: Steps) -> Prediction:
        own = BoardParameters(**dict(zip(TERMS, boards[prepared.gpu].T, strict=True)))
        cap = self.weighing.power_cap
        return jax.vmap(
            lambda work, board, steps: serving_step.prediction(work, board, steps, cap)
        )(prepared.work, own, steps)

    def data(self, rows: pd.DataFrame) -> Data:
        """Rows to fit: runs of one LLM on one GPU count together as a power of their number."""
        size = rows.groupby(["llm", "gpu"]).batch.transform("size").to_numpy() ** -float(
            self.weighing.balance
        )
        return Data(rows, self.prepare(rows), size / np.sqrt((size**2).mean()))

    def fit(self, data: Data, counts: np.ndarray | None = None) -> Fitted:
        """The parameters that come closest.

        Args:
            data: runs.
            counts: how often each row counts, shape (row,); 0 leaves it out.

        Returns:
            Parameters whose logarithms minimise a robust sum of squared logarithmic errors of the
            median latency and of the mean step, and how far they are from where they start; then,
            of power, those that come closest at measured throughput.
        """
        weight = data.weight * np.sqrt(1.0 if counts is None else counts)
        latency, mean = (
            np.log(data.rows.latency.to_numpy()),
            np.log((data.rows.batch / data.rows.throughput).to_numpy()),
        )
        given = data.prepared, latency, mean
        found = least_squares(
            lambda logs: np.asarray(self._residuals(logs, *given)),
            np.log(self.start),
            lambda logs: np.asarray(self._jacobian(logs, *given)),
            x_scale="jac",
            max_nfev=100,
            loss=_robust(np.concatenate([weight, weight]) ** 2, float(self.weighing.scale)),
        )
        values = np.exp(found.x)
        return Fitted(values, self._fit_boards(data, weight, values))

    def _residuals_at(self, logs: Any, prepared: Prepared, latency: Any, mean: Any) -> Any:
        steps = self.steps(jnp.exp(logs), prepared)
        moved = (logs - np.log(self.start)) / self.spread
        return jnp.concatenate(
            [jnp.log(steps.median_latency) - latency, jnp.log(steps.mean_latency) - mean, moved]
        )

    def _fit_boards(self, data: Data, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Coefficients that are not negative, near the least sum of relative errors, by reweighted least squares."""
        steps, work = self._steps(values, data.prepared), data.prepared.work
        measured = jnp.asarray((data.rows.batch / data.rows.throughput).to_numpy())
        terms = np.array(serving_step.power_terms(work, steps.moved, steps.computed, measured)).T
        share = data.rows.power.to_numpy() / np.asarray(work.tdp)
        found = np.zeros((len(self.gpus), len(TERMS)))
        for number, board in enumerate(self.boards.values()):
            own = (data.prepared.gpu == number) & (weight > 0)
            used = [TERMS.index(term) for term in board.terms]
            columns, target, base = terms[own][:, used], share[own], weight[own] / share[own]
            now = base
            for _ in range(15 if own.any() else 0):
                found[number, used] = nnls(columns * now[:, None], target * now)[0]
                missed = np.abs(columns @ found[number, used] / target - 1)
                now = base / np.sqrt(np.maximum(missed, float(self.weighing.power_scale)))
        return found


class _Requantized(msgspec.Struct, frozen=True):
    requantized: list[str]


def _robust(weight: np.ndarray, scale: float) -> Callable[[np.ndarray], np.ndarray]:
    """Cauchy's loss of weighted residuals, and squares as they are of those that have no weight, with two derivatives."""

    def loss(squares: np.ndarray) -> np.ndarray:
        rows, rest = squares[: len(weight)], squares[len(weight) :]
        at = scale**2 + rows
        robust = [weight * np.log1p(rows / scale**2), weight / at, -weight / at**2]
        return np.concatenate([robust, [rest, np.ones_like(rest), np.zeros_like(rest)]], axis=1)

    return loss


def without(data: Data, llms: Iterable[str]) -> np.ndarray:
    """Counts that leave LLMs out."""
    return (~data.rows.llm.isin(list(llms))).to_numpy(float)


def held_out(model: Model, data: Data) -> dict[str, Fitted]:
    """A fit without each LLM."""
    return {llm: model.fit(data, without(data, [llm])) for llm in data.rows.llm.unique()}


def held_out_predictions(
    model: Model, rows: pd.DataFrame, prepared: Prepared, fits: Mapping[str, Fitted], other: Fitted
) -> Prediction:
    """Predictions of rows by the fit that did not see their LLM; by another fit where none was left out for it."""
    found = {llm: model.predict(fits.get(llm, other), prepared) for llm in rows.llm.unique()}
    return Prediction(
        *(
            np.array([getattr(found[llm], name)[row] for row, llm in enumerate(rows.llm)])
            for name in QUANTITIES
        )
    )


def drawn(model: Model, data: Data) -> list[Fitted]:
    """Fits to LLMs drawn with replacement, as many as there are."""
    llms, generator = data.rows.llm.unique(), np.random.default_rng(0)
    draws = [
        pd.Series(generator.choice(llms, len(llms))).value_counts()
        for _ in range(int(model.weighing.draws))
    ]
    return [model.fit(data, data.rows.llm.map(draw).fillna(0).to_numpy(float)) for draw in draws]


def logarithmic_errors(rows: pd.DataFrame, predicted: Prediction) -> pd.DataFrame:
    """Logarithm of predicted over measured, a column for each quantity."""
    measured = observed(rows)
    return pd.DataFrame(
        {name: np.log(getattr(predicted, name) / getattr(measured, name)) for name in QUANTITIES},
        index=rows.index,
    )


def observed(rows: pd.DataFrame) -> Prediction:
    """What was measured, as a prediction would have it."""
    rate, power = rows.throughput.to_numpy(), rows.power.to_numpy()
    return Prediction(rows.latency.to_numpy(), rate, power, rate / power / rows.gpus.to_numpy())


def kinds(parameters: ParameterFolder, llms: Iterable[str]) -> list[str]:
    """Whether LLMs are dense, hybrids with recurrent layers, or mixtures of experts."""
    architectures = parameters.architectures
    return [
        "experts"
        if architectures[llm].experts
        else "hybrid"
        if architectures[llm].linear_layers
        else "dense"
        for llm in llms
    ]


def half_width(errors: pd.Series, llms: pd.Series, level: float) -> float:
    """A quantile of absolute errors, LLMs counting as the square root of the number of their runs; NaN of none."""
    order = np.argsort(errors.abs().to_numpy())
    weight = (llms.groupby(llms).transform("size") ** -0.5).to_numpy()[order]
    if not len(order):
        return np.nan
    place = min(int(np.searchsorted(np.cumsum(weight) / weight.sum(), level)), len(order) - 1)
    return float(errors.abs().to_numpy()[order][place])


def half_widths(
    model: Model, rows: pd.DataFrame, errors: pd.DataFrame, kinds: pd.Series
) -> pd.DataFrame:
    """Half-widths of intervals on the logarithmic scale by GPU x kind, a column for each quantity."""
    level = float(model.weighing.coverage)
    cells = rows.groupby([rows.gpu, kinds]).groups
    return pd.DataFrame(
        {
            cell: {
                name: half_width(errors.loc[own, name], rows.llm[own], level) for name in QUANTITIES
            }
            for cell, own in cells.items()
        }
    ).T


def coverage(
    model: Model, data: Data, fits: Mapping[str, Fitted], kinds: pd.Series
) -> pd.DataFrame:
    """Whether runs are within their interval, 1 or 0 for each quantity, and NaN where no other LLM tells how wide it is.

    An interval is made without any run of the LLM it is for: its half-width comes from what fits
    that saw neither this LLM nor another one missed on the other.
    """
    rows, inside = data.rows, []
    errors: dict[str, list[pd.DataFrame]] = {llm: [] for llm in fits}
    for pair in combinations(fits, 2):
        missed = logarithmic_errors(
            rows, model.predict(model.fit(data, without(data, pair)), data.prepared)
        )
        for own, other in (pair, pair[::-1]):
            errors[own].append(missed[rows.llm == other])
    for llm, fitted in fits.items():
        wide = half_widths(
            model,
            rows[rows.llm != llm],
            pd.concat(errors[llm]).sort_index(),
            kinds[rows.llm != llm],
        )
        own = logarithmic_errors(rows, model.predict(fitted, data.prepared))[rows.llm == llm]
        limit = wide.reindex(pd.MultiIndex.from_arrays([rows.gpu[own.index], kinds[own.index]]))
        inside.append(
            pd.DataFrame(
                own.abs().to_numpy() <= limit.to_numpy(), own.index, columns=QUANTITIES
            ).where(limit.notna().to_numpy())
        )
    return pd.concat(inside).sort_index().astype(float)
