"""Datasets of what survives: corrections, the slope of the law, the lever of experts.

Outputs: `waterfall`, `readings`, `slopes`, `lever`, `uncertainties`, `elasticities`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from tokwatt import grid
from tokwatt.accounts import uncertainty
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.accounts.headlines import Headlines
from tokwatt.equations.batching import overlapped
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Board
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.chunked import Load
from tokwatt.serving.instance import TOUCHED, Instance, concurrency
from tokwatt.serving.point import operating_point
from tokwatt.serving.share import held_bytes
from tokwatt.serving.step import measured_step, step
from tokwatt.serving.times import instance_of
from tokwatt.studies.instances import Boards
from tokwatt.studies.replay.points import LlmLayout
from tokwatt.units import (
    Bytes,
    Dimensionless,
    Seconds,
    Sequences,
    Tokens,
    TokensAxis,
    TokensPerJoule,
    Watts,
)

AS_PUBLISHED, REPLAYED = "as published", "as replayed"


class Correction(NamedTuple):
    """One step of the way.

    Attributes:
        value: the headline after it.
        factor: the factor that it brings there.
        alone: the factor that it brings to the paper's account by itself.
    """

    value: Dimensionless
    factor: Dimensionless
    alone: Dimensionless


def waterfall(catalogue: Catalogue) -> xr.Dataset:
    """Each headline from its published to its consistent value, one correction at a time.

    `alone` applies a single correction to the paper's account, with exact sums instead of the
    seeded draws, since most corrections cannot be combined with those.
    """
    headlines = Headlines(catalogue)
    order, consistent = headlines.order, vars(headlines.presets["consistent"])
    exact = {"lengths": consistent["lengths"]}

    def corrected(headline: str, correction: str) -> Correction:
        claim = headlines.headlines[headline]
        if correction == AS_PUBLISHED:
            return Correction(claim.published, np.nan, np.nan)
        if correction == REPLAYED:
            value = headlines.value(claim, {})
            return Correction(value, value / claim.published, np.nan)
        place = order.index(correction)
        before = {name: consistent[name] for name in order[:place]}
        change = {correction: consistent[correction]}
        base = {} if correction == "lengths" else exact
        value = headlines.value(claim, before | change)
        alone = _possible(
            lambda: headlines.value(claim, base | change) / headlines.value(claim, base)
        )
        return Correction(value, value / headlines.value(claim, before), alone)

    corrections = [AS_PUBLISHED, REPLAYED, *order]
    table = grid.tabulate(corrected, headline=list(headlines.headlines), correction=corrections)
    claims = headlines.headlines.values()
    labels = ["published", "not rounded in print", *(headlines.labels[name] for name in order)]
    return table.assign_coords(
        claim=("headline", [claim.claim for claim in claims]),
        unit=("headline", ["1" if claim.over else "tok/W" for claim in claims]),
        alternative=("correction", ["", "", *(consistent[name] for name in order)]),
        label=("correction", labels),
    )


def _possible(evaluate: Callable[[], float]) -> float:
    try:
        return evaluate()
    except ParameterError:
        return np.nan


class InterpretedHeadline(NamedTuple):
    """A headline under an interpretation of it.

    Attributes:
        value: the headline.
        over_published: the same over the published number.
    """

    value: Dimensionless
    over_published: Dimensionless


def readings(catalogue: Catalogue) -> xr.Dataset:
    """Headlines as somebody may have meant them, each a few changes away from a preset."""
    headlines = Headlines(catalogue)

    def read(reading: str) -> InterpretedHeadline:
        entry = headlines.interpretations[reading]
        claim = headlines.headlines[entry.headline]
        start = vars(headlines.presets[entry.start]) if entry.start != "paper" else {}
        value = headlines.value(claim, start | entry.changes, float(entry.latency_target))
        return InterpretedHeadline(value, value / claim.published)

    table = grid.tabulate(read, reading=list(headlines.interpretations))
    entries = headlines.interpretations.values()
    return table.assign_coords(
        headline=("reading", [entry.headline for entry in entries]),
        meaning=("reading", [entry.meaning for entry in entries]),
    )


class Bends(NamedTuple):
    """What keeps the slope from -1, each by itself; they add up to slope + 1.

    Attributes:
        by_limited_layers: layers that do not keep every token.
        by_sequence_limit: the engine's limit of running requests.
        by_experts: experts that a smaller batch leaves unread.
        by_overhead: overheads of running requests.
        by_prompts: prefill.
        by_arithmetic: arithmetic of decoding, and the scan itself.
    """

    by_limited_layers: Dimensionless
    by_sequence_limit: Dimensionless
    by_experts: Dimensionless
    by_overhead: Dimensionless
    by_prompts: Dimensionless
    by_arithmetic: Dimensionless


class Slope(NamedTuple):
    """The law at one window, and what bends it.

    Attributes:
        tokens_per_joule: of an instance.
        slope: of log tokens per joule over log window.
        concurrency: running requests.
        overhead_share: share of the step that is neither memory nor arithmetic.
        weight_share: share of the step that reads weights.
        prefill_share: share of the step that is prefill.
        idle_power_share: idle power over power.
        bounded_share: share of a sequence's bytes that does not grow with it.
        missing: bytes of a GPU by which the weights do not fit.
        by_limited_layers: see `Bends`.
        by_sequence_limit: see `Bends`.
        by_experts: see `Bends`.
        by_overhead: see `Bends`.
        by_prompts: see `Bends`.
        by_arithmetic: see `Bends`.
    """

    tokens_per_joule: TokensPerJoule
    slope: Dimensionless
    concurrency: Sequences
    overhead_share: Dimensionless
    weight_share: Dimensionless
    prefill_share: Dimensionless
    idle_power_share: Dimensionless
    bounded_share: Dimensionless
    missing: Bytes
    by_limited_layers: Dimensionless
    by_sequence_limit: Dimensionless
    by_experts: Dimensionless
    by_overhead: Dimensionless
    by_prompts: Dimensionless
    by_arithmetic: Dimensionless


def slopes(
    catalogue: Catalogue,
    gpus: Boards,
    served: dict[str, LlmLayout],
    accounts: dict,
    context_window: TokensAxis,
    prompt_ratio: Dimensionless,
) -> xr.Dataset:
    """Slope of log tok/J over log window, over account x window x LLM x GPU."""

    def law(account: Account) -> xr.Dataset:
        def slope(context_window: Tokens, llm: LlmLayout, gpu: Board) -> Slope:
            return _slope(account, llm, gpu, catalogue, context_window, prompt_ratio)

        return grid.sweep(slope, context_window=context_window, llm=served, gpu=gpus)

    return _over(catalogue, accounts, "account", law)


def _over(
    catalogue: Catalogue,
    changes: dict,
    dimension: str,
    table: Callable[[Account], xr.Dataset],
) -> xr.Dataset:
    """Datasets under the consistent account with changes, side by side along a dimension."""
    sets = AssumptionSets(catalogue)
    tables = [
        table(Account(sets.changed("consistent", changes[name], sets.section), sets.constants))
        for name in changes
    ]
    return xr.concat(tables, xr.Variable(dimension, list(changes)))


def _slope(
    account: Account,
    layout: LlmLayout,
    board: Board,
    catalogue: Catalogue,
    window: Tokens,
    prompt_ratio: Dimensionless,
) -> Slope:
    deployment, assumed = layout.on(board, catalogue), account.assumed
    instance = instance_of(account, deployment)

    def log_efficiency(log_window: Array) -> Array:
        point = operating_point(account, deployment, jnp.exp(log_window), MEAN_FILL, prompt_ratio)
        return jnp.log(point.tokens_per_joule)

    full = operating_point(account, deployment, window, MEAN_FILL, prompt_ratio)
    length, batch = MEAN_FILL * window, full.concurrency
    iteration = step(assumed, instance, _load(window, batch, prompt_ratio))
    held = instance.cache.held
    reading = overlapped(iteration.weight_time, iteration.compute_time) + iteration.scan_time
    slope = jax.grad(log_efficiency)(jnp.log(window))
    bends = _bends(account, instance, window, prompt_ratio)
    explained = sum(bends) - bends.by_experts
    return Slope(
        tokens_per_joule=full.tokens_per_joule,
        slope=slope,
        concurrency=batch,
        overhead_share=1 - (reading + iteration.prefill_time) / iteration.latency,
        weight_share=iteration.weight_time / iteration.latency,
        prefill_share=iteration.prefill_time / iteration.latency,
        idle_power_share=instance.utilization.idle / iteration.power,
        bounded_share=1 - held * length / held_bytes(instance, length),
        missing=full.missing,
        **bends._replace(by_experts=slope + 1 - explained)._asdict(),
    )


def _load(window: Tokens, batch: Sequences, prompt_ratio: Dimensionless) -> Load:
    """The load of an operating point at a window."""
    length = MEAN_FILL * window
    return Load(batch, length, prompt_ratio * batch, batch * (prompt_ratio + 0.5) / length)


def _bends(
    account: Account, instance: Instance, window: Tokens, prompt_ratio: Dimensionless
) -> Bends:
    """Partial derivatives of log tok/J, as if each part of an instance had a window of its own.

    What the other parts leave of the slope is that of experts.
    """
    assumed = account.assumed

    def held(log_window: Array) -> Array:
        window = jnp.exp(log_window)
        return concurrency(assumed, instance, window, MEAN_FILL * window)

    def touched(expert_share: Dimensionless, tokens: Tokens) -> Dimensionless:
        return jax.lax.stop_gradient(TOUCHED[assumed.experts](expert_share, tokens))

    def log_efficiency(windows: Bends) -> Array:
        costs, batch = instance.costs, held(windows.by_arithmetic)
        apart = replace(
            costs, launch=costs.launch + costs.sequence * held(windows.by_overhead), sequence=0.0
        )
        prompts = _load(jnp.exp(windows.by_prompts), held(windows.by_prompts), prompt_ratio)
        load = prompts._replace(batch=batch, length=MEAN_FILL * jnp.exp(windows.by_arithmetic))
        iteration = measured_step(assumed, replace(instance, costs=apart), load, touched)
        return jnp.log(held(windows.by_limited_layers) / (iteration.latency * iteration.power))

    bends = jax.grad(log_efficiency)(Bends(*[jnp.log(window)] * len(Bends._fields)))
    limited = bends.by_limited_layers + 1
    most = instance.data_parallel * instance.max_sequences
    capped = held(jnp.log(window)) >= most
    return bends._replace(
        by_limited_layers=jnp.where(capped, 0.0, limited),
        by_sequence_limit=jnp.where(capped, limited, 0.0),
    )


class Lever(NamedTuple):
    """An instance at a batch size; NaN where the memory does not hold it.

    Attributes:
        tokens_per_joule: of the instance.
        iteration_latency: duration of an iteration.
        power: watts on the basis.
    """

    tokens_per_joule: TokensPerJoule
    iteration_latency: Seconds
    power: Watts


def lever(
    catalogue: Catalogue,
    gpus: Boards,
    served: dict[str, LlmLayout],
    dense: str,
    readings: dict,
    largest_batch: Sequences,
    context_window: Tokens,
) -> xr.Dataset:
    """Decoding over reading x batch x LLM x GPU, and how each mixture compares with a dense LLM."""
    batch = np.exp2(np.arange(0, np.log2(largest_batch) + 0.125, 0.25))

    def decoding(account: Account) -> xr.Dataset:
        def lever(batch: Sequences, llm: LlmLayout, gpu: Board) -> Lever:
            deployment = llm.on(gpu, catalogue)
            point = operating_point(account, deployment, context_window, MEAN_FILL, 4.0, batch)
            held = jnp.where(batch <= point.concurrency, 1.0, jnp.nan)
            latency = point.iteration_latency
            return Lever(point.tokens_per_joule * held, latency * held, point.power * held)

        return grid.sweep(lever, batch=batch, llm=served, gpu=gpus)

    table = _over(catalogue, readings, "reading", decoding)
    advantage = table.tokens_per_joule / table.tokens_per_joule.sel(llm=dense)
    even = _crossing(np.log2(advantage))
    described = grid.describe("largest batch at which the two are even", "seq")
    over = grid.describe(f"tokens per joule over that of {dense}", "1")
    return table.assign(
        advantage=advantage.assign_attrs(over), even_batch=even.assign_attrs(described)
    )


def _crossing(log_advantage: xr.DataArray) -> xr.DataArray:
    """Batch at which a line between two batches last passes zero; NaN where none does."""
    after = log_advantage.shift(batch=-1)
    along = np.log2(log_advantage.batch) + 0.25 * log_advantage / (log_advantage - after)
    return np.exp2(along.where(log_advantage * after < 0).max("batch"))


def uncertainties(
    catalogue: Catalogue, accounts: dict, draws: Dimensionless, seed: Dimensionless
) -> xr.Dataset:
    """Headlines with every uncertain number drawn at once: quantiles, and which numbers matter."""
    headlines = Headlines(catalogue)
    tables = [
        uncertainty.spread(headlines, headlines.presets[preset], int(draws), int(seed))
        for preset in accounts.values()
    ]
    return xr.concat(tables, xr.Variable("account", list(accounts)))


def elasticities(catalogue: Catalogue, cases: list[str], accounts: dict) -> xr.Dataset:
    """Elasticity d log tok/J / d log x of every number behind an operating point."""
    headlines = Headlines(catalogue)

    def beside(preset: str) -> xr.Dataset:
        tables = [uncertainty.elasticity(headlines, case, preset) for case in cases]
        return xr.concat(tables, xr.Variable("case", cases), join="outer")

    tables = [beside(preset) for preset in accounts.values()]
    return xr.concat(tables, xr.Variable("account", list(accounts)), join="outer")
