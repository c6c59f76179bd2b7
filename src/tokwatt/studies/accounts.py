"""What survives: the way from the paper's account to the consistent one, the law's slope, the lever of experts, and how sure it all is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from tokwatt import grid
from tokwatt.accounts import uncertainty
from tokwatt.accounts.cases import Account
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Serving, spec
from tokwatt.serving import account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.machine import (
    Constants,
    Machine,
    Subject,
    assemble,
    concurrency,
    sequence_bytes,
    weight_bytes,
)
from tokwatt.units import (
    Bytes,
    Dimensionless,
    In,
    Seconds,
    Sequences,
    Tokens,
    TokensAxis,
    TokensPerJoule,
    Watts,
)

AS_PUBLISHED, REPLAYED = "as published", "as replayed"


class Correction(NamedTuple):
    """One step of the way: the headline after it, the factor it brings there, and the factor it brings by itself."""

    value: Dimensionless
    factor: Dimensionless
    alone: Dimensionless


def waterfall(catalogue: Catalogue) -> xr.Dataset:
    """Each headline from its published to its consistent value, one correction at a time, and each correction by itself.

    By itself a correction is made to the paper's account with its lengths summed exactly, as most
    contradict the draws.
    """
    known = Account(catalogue)
    consistent = vars(known.presets["consistent"])
    exact = {"lengths": consistent["lengths"]}

    def corrected(headline: str, correction: str) -> Correction:
        wanted = known.headlines[headline]
        if correction == AS_PUBLISHED:
            return Correction(wanted.published, np.nan, np.nan)
        if correction == REPLAYED:
            return Correction(
                known.value(wanted, {}), known.value(wanted, {}) / wanted.published, np.nan
            )
        place = known.order.index(correction)
        before, after = (
            {name: consistent[name] for name in known.order[:stop]} for stop in (place, place + 1)
        )
        base = {} if correction == "lengths" else exact
        value = known.value(wanted, after)
        alone = _possible(
            lambda: (
                known.value(wanted, base | {correction: consistent[correction]})
                / known.value(wanted, base)
            )
        )
        return Correction(value, value / known.value(wanted, before), alone)

    table = grid.tabulate(
        corrected, headline=list(known.headlines), correction=[AS_PUBLISHED, REPLAYED, *known.order]
    )
    return table.assign_coords(
        {
            "claim": ("headline", [headline.claim for headline in known.headlines.values()]),
            "unit": (
                "headline",
                ["1" if headline.over else "tok/W" for headline in known.headlines.values()],
            ),
            "alternative": ("correction", [*[""] * 2, *(consistent[name] for name in known.order)]),
            "label": (
                "correction",
                [
                    "published",
                    "not rounded in print",
                    *(known.labels[name] for name in known.order),
                ],
            ),
        }
    )


def _possible(evaluate: Callable[[], float]) -> float:
    try:
        return evaluate()
    except ParameterError:
        return np.nan


class Reading(NamedTuple):
    """A headline under a reading of it, and how far that is from what was published."""

    value: Dimensionless
    over_published: Dimensionless


def readings(catalogue: Catalogue) -> xr.Dataset:
    """Headlines under the mixtures that somebody may have meant, each a few changes away from a preset."""
    known = Account(catalogue)

    def read(reading: str) -> Reading:
        entry = known.readings[reading]
        headline = known.headlines[entry.headline]
        start = vars(known.presets[entry.start]) if entry.start != "paper" else {}
        value = known.value(headline, start | entry.changes)
        return Reading(value, value / headline.published)

    table = grid.tabulate(read, reading=list(known.readings))
    entries = known.readings.values()
    return table.assign_coords(
        headline=("reading", [entry.headline for entry in entries]),
        meaning=("reading", [entry.meaning for entry in entries]),
    )


@spec
class Laid:
    """An LLM by its name, and how it is laid out."""

    llm: str
    serving: Annotated[Serving, In("servings")]


class Bends(NamedTuple):
    """What keeps the slope from -1, each as far as it alone follows the window; they add up to slope + 1."""

    by_limited_layers: Dimensionless
    by_experts: Dimensionless
    by_overhead: Dimensionless
    by_prompts: Dimensionless
    by_arithmetic: Dimensionless


class Slope(NamedTuple):
    """The law at one window, and what bends it: shares of the step, of the power, and of the bytes of a sequence; and causes."""

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
    by_experts: Dimensionless
    by_overhead: Dimensionless
    by_prompts: Dimensionless
    by_arithmetic: Dimensionless


def slopes(
    catalogue: Catalogue,
    gpus: list[str],
    served: dict[str, Laid],
    accounts: dict,
    context_window: TokensAxis,
    prompt_ratio: Dimensionless,
) -> xr.Dataset:
    """Slope of log tok/J over log window, an exact derivative, over window x GPU x LLM x account."""
    known = Account(catalogue)

    def law(assumed: Assumptions) -> xr.Dataset:
        def at(context_window: Tokens, subject: Subject) -> Slope:
            return _slope(assumed, subject, known.constants, context_window, prompt_ratio)

        return grid.sweep(at, context_window=context_window, subject=_subjects(known, gpus, served))

    tables = [_unstacked(law(known.changed("consistent", accounts, name))) for name in accounts]
    return xr.concat(tables, xr.Variable("account", list(accounts)))


def _slope(
    assumed: Assumptions,
    subject: Subject,
    constants: Constants,
    window: Tokens,
    prompt_ratio: Dimensionless,
) -> Slope:
    def log_efficiency(log_window: Any) -> Any:
        return jnp.log(
            account.point(
                assumed, subject, constants, jnp.exp(log_window), prompt_ratio=prompt_ratio
            ).tokens_per_joule
        )

    full = account.point(assumed, subject, constants, window, prompt_ratio=prompt_ratio)
    own, length, batch = assemble(assumed, subject, constants), window / 2, full.concurrency
    step = account.step(assumed, subject, own, batch, length, prompt_ratio * batch)
    weight_time = weight_bytes(assumed, own, batch) / own.weight_bandwidth
    kept = sequence_bytes(own, length, own.cache.held)
    return Slope(
        tokens_per_joule=full.tokens_per_joule,
        slope=jax.grad(log_efficiency)(jnp.log(window)),
        concurrency=batch,
        overhead_share=1
        - (jnp.maximum(step.memory_time, step.compute_time) + step.prefill_time) / step.latency,
        weight_share=weight_time / step.latency,
        prefill_share=step.prefill_time / step.latency,
        idle_power_share=subject.utilization.idle / step.power,
        bounded_share=1 - own.cache.held * length / kept,
        missing=full.missing,
        **_bends(assumed, subject, own, window, prompt_ratio)._asdict(),
    )


def _bends(
    assumed: Assumptions,
    subject: Subject,
    own: Machine,
    window: Tokens,
    prompt_ratio: Dimensionless,
) -> Bends:
    """Partial derivatives of log tok/J, as if each part of an instance had a window of its own."""

    def held(log_window: Any) -> Any:
        return concurrency(assumed, own, jnp.exp(log_window), jnp.exp(log_window) / 2)

    def log_efficiency(at: Bends) -> Any:
        overhead = (
            own.overhead
            + own.dispatch_overhead
            + (own.sequence_overhead + own.dispatch_time) * held(at.by_overhead)
        )
        streamed = weight_bytes(assumed, own, held(at.by_experts))
        apart = replace(
            own,
            overhead=overhead,
            dispatch_overhead=0.0,
            sequence_overhead=0.0,
            dispatch_time=0.0,
            streamed=streamed,
            routed=0.0,
        )
        length, prompts = jnp.exp(at.by_arithmetic) / 2, prompt_ratio * held(at.by_prompts)
        step = account.step(assumed, subject, apart, held(at.by_arithmetic), length, prompts)
        return jnp.log(held(at.by_limited_layers) / (step.latency * step.power))

    found = jax.grad(log_efficiency)(Bends(*[jnp.log(window)] * len(Bends._fields)))
    return found._replace(by_limited_layers=found.by_limited_layers + 1)


class Lever(NamedTuple):
    """An instance at a batch; NaN where the memory does not hold it."""

    tokens_per_joule: TokensPerJoule
    iteration_latency: Seconds
    power: Watts


def lever(
    catalogue: Catalogue,
    gpus: list[str],
    served: dict[str, Laid],
    dense: str,
    readings: dict,
    largest_batch: Sequences,
    context_window: Tokens,
) -> xr.Dataset:
    """Decoding over batch x LLM x GPU, experts read and reached in several ways, and how each mixture compares with a dense LLM."""
    known = Account(catalogue)
    batch = np.exp2(np.arange(0, np.log2(largest_batch) + 0.125, 0.25))

    def decoding(assumed: Assumptions) -> xr.Dataset:
        def at(batch: Sequences, subject: Subject) -> Lever:
            point = account.point(assumed, subject, known.constants, context_window, batch=batch)
            held = jnp.where(batch <= point.concurrency, 1.0, jnp.nan)
            return Lever(
                point.tokens_per_joule * held, point.iteration_latency * held, point.power * held
            )

        return grid.sweep(at, batch=batch, subject=_subjects(known, gpus, served))

    tables = [
        _unstacked(decoding(known.changed("consistent", readings, name))) for name in readings
    ]
    table = xr.concat(tables, xr.Variable("reading", list(readings)))
    advantage = table.tokens_per_joule / table.tokens_per_joule.sel(llm=dense)
    table["advantage"] = advantage.assign_attrs(
        grid.describe(f"tokens_per_joule_over_that_of_{dense}", "1")
    )
    table["even_batch"] = _crossing(np.log2(advantage)).assign_attrs(
        grid.describe("largest_batch_at_which_the_two_are_even", "seq")
    )
    return table


def _crossing(log_advantage: xr.DataArray) -> xr.DataArray:
    """Batch at which a line between two batches last passes zero; NaN where none does."""
    after = log_advantage.shift(batch=-1)
    along = np.log2(log_advantage.batch) + 0.25 * log_advantage / (log_advantage - after)
    return np.exp2(along.where(log_advantage * after < 0).max("batch"))


def _subjects(known: Account, gpus: list[str], served: dict[str, Laid]) -> dict[str, Subject]:
    return {
        f"{name}@{gpu}": known.subject(gpu, laid.llm, laid.serving)
        for name, laid in served.items()
        for gpu in gpus
    }


def _unstacked(table: xr.Dataset) -> xr.Dataset:
    """Subjects named LLM@GPU as two dimensions."""
    names = [name.split("@") for name in table.subject.values]
    index = pd.MultiIndex.from_tuples(names, names=["llm", "gpu"])
    ordered = table.assign_coords(xr.Coordinates.from_pandas_multiindex(index, "subject")).unstack(
        "subject"
    )
    return ordered.reindex(
        llm=list(dict.fromkeys(llm for llm, _ in names)),
        gpu=list(dict.fromkeys(gpu for _, gpu in names)),
    )


def uncertainties(
    catalogue: Catalogue, accounts: dict, draws: Dimensionless, seed: Dimensionless
) -> xr.Dataset:
    """Headlines with every uncertain number drawn at once: quantiles, and which numbers matter."""
    known = Account(catalogue)
    tables = [
        uncertainty.spread(known, known.presets[preset], int(draws), int(seed))
        for preset in accounts.values()
    ]
    return xr.concat(tables, xr.Variable("account", list(accounts)))


def elasticities(catalogue: Catalogue, cases: list[str], accounts: dict) -> xr.Dataset:
    """Elasticity d log tok/J / d log x of every number behind an operating point, by automatic differentiation."""
    known = Account(catalogue)

    def own(preset: str) -> xr.Dataset:
        return xr.concat(
            [uncertainty.elasticity(known, case, preset) for case in cases],
            xr.Variable("case", cases),
            join="outer",
        )

    return xr.concat(
        [own(preset) for preset in accounts.values()],
        xr.Variable("account", list(accounts)),
        join="outer",
    )
