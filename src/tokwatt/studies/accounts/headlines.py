"""Headlines on their way to consistent values, as they may have been meant, and how certain."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts import uncertainty
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless

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
