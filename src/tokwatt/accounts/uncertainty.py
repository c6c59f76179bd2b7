"""How sure a headline is: every uncertain number drawn at once, and the slope of an operating point in each number."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy import stats

from tokwatt.accounts.cases import Account, Case, Headline
from tokwatt.grid import describe
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.machine import Constants

BLOCK = 8192
"""Draws that are evaluated at once, a power of two."""
QUANTILES = (0.05, 0.5, 0.95)
NUMBERS = ("gpu", "serving", "profile", "logistic", "fractions", "utilization")
"""Parts of a subject whose numbers are parameters of the account; those of an LLM are what it is."""


def spread(known: Account, preset: Assumptions, draws: int, seed: int) -> xr.Dataset:
    """Headlines when every uncertain number is drawn at once.

    Args:
        known: cases, headlines and uncertain numbers.
        preset: the account; `paper` leaves each case the changes that the paper's number stands on.
        draws: quasi-random draws for the quantiles, a power of two and at least `BLOCK`.
        seed: of their scrambling.

    Returns:
        Quantiles of each headline; first-order and total indices of its logarithm by each uncertain
        number; and how much of the variance of its two cases a ratio takes away.

    Source: Saltelli et al., doi:10.1016/j.cpc.2009.09.018, as in `scipy.stats.sobol_indices`.
    """
    uncertain, headlines = known.uncertain, known.headlines
    logs = {name: _drawn(known, case, preset) for name, case in known.cases.items()}
    ranges = [stats.uniform(each.low, each.high - each.low) for each in uncertain.values()]

    def at(factors: np.ndarray) -> dict[str, np.ndarray]:
        """Logarithm of each case, shape (draw,), at factors of shape (uncertain, draw)."""
        return {name: log(factors) for name, log in logs.items()}

    def outcome(found: dict[str, np.ndarray]) -> np.ndarray:
        """Logarithm of each headline, shape (headline, draw)."""
        return np.stack(
            [
                found[each.case] - (found[each.over] if each.over else 0.0)
                for each in headlines.values()
            ]
        )

    unit = stats.qmc.Sobol(len(uncertain), rng=seed).random(draws).T
    factors = np.stack([ranged.ppf(row) for ranged, row in zip(ranges, unit, strict=True)])
    parts = at(factors)
    drawn = np.exp(outcome(parts))
    indices = stats.sobol_indices(
        func=lambda factors: outcome(at(factors)),
        n=BLOCK,
        dists=ranges,
        rng=np.random.default_rng(seed),
    )
    names = {
        "headline": list(headlines),
        "uncertain": list(uncertain),
        "quantile": ("quantile", list(QUANTILES), describe("quantile", "1")),
    }
    return xr.Dataset(
        {
            "value": (
                ("headline", "quantile"),
                np.quantile(drawn, QUANTILES, axis=1).T,
                describe("headline", "1"),
            ),
            "first_order": (
                ("headline", "uncertain"),
                indices.first_order,
                describe("first_order_index_of_the_logarithm", "1"),
            ),
            "total_order": (
                ("headline", "uncertain"),
                indices.total_order,
                describe("total_index_of_the_logarithm", "1"),
            ),
            "cancelled": (
                ("headline",),
                [_cancelled(each, parts) for each in headlines.values()],
                describe("share_of_variance_that_the_ratio_cancels", "1"),
            ),
        },
        names,
    )


def _cancelled(headline: Headline, logs: dict[str, np.ndarray]) -> float:
    """1 - Var(a - b) / (Var a + Var b) of the logarithms; NaN where a headline is no ratio."""
    if not headline.over:
        return float("nan")
    above, below = logs[headline.case], logs[headline.over]
    return float(1 - np.var(above - below) / (np.var(above) + np.var(below)))


def _drawn(known: Account, case: Case, preset: Assumptions) -> Callable[[np.ndarray], np.ndarray]:
    """Logarithm of a case's tokens per joule as a function of factors, shape (uncertain, draw)."""
    assumed = case.paper if preset == known.presets["paper"] else preset
    routed = case.traffic(assumed, known.demand, known.constants)

    def log_efficiency(factors: Any) -> Any:
        subject, constants = case.subject, known.constants
        for each, factor in zip(known.uncertain.values(), factors, strict=True):
            subject, constants = each.applied(case.gpu, subject, constants, factor)
        return jnp.log(
            case.evaluate(assumed, constants, known.demand, routed, subject).tokens_per_joule
        )

    mapped = jax.jit(jax.vmap(log_efficiency, in_axes=1))
    # Blocks of one size, so that JAX compiles once however many draws are asked for.
    return lambda factors: np.concatenate(
        [mapped(block) for block in np.split(factors, factors.shape[1] // BLOCK, axis=1)]
    )


def elasticity(known: Account, case: str, preset: str) -> xr.Dataset:
    """Elasticity d log tok/J / d log x for every number x behind a case that is an instance.

    Args:
        known: the cases.
        case: name of an instance.
        preset: name of the account.

    Returns:
        One variable over the numbers' names; a number that is 0 has none.
    """
    chosen = known.cases[case]
    assumed = chosen.paper if preset == "paper" else known.presets[preset]

    def log_efficiency(numbers: dict[str, Any], constants: Constants) -> Any:
        subject = replace(chosen.subject, **numbers)
        return jnp.log(
            chosen.evaluate(assumed, constants, known.demand, None, subject).tokens_per_joule
        )

    numbers = {
        name: getattr(chosen.subject, name)
        for name in NUMBERS
        if getattr(chosen.subject, name) is not None
    }
    slopes = jax.grad(log_efficiency, argnums=(0, 1))(
        *jax.tree.map(jnp.asarray, (numbers, known.constants))
    )
    scaled = jax.tree.map(lambda slope, number: slope * number, slopes, (numbers, known.constants))
    leaves = jax.tree_util.tree_leaves_with_path(scaled[0]) + jax.tree_util.tree_leaves_with_path(
        {"constants": scaled[1]}
    )
    found = {_dotted(path): float(value) for path, value in leaves if float(value) != 0}
    return xr.Dataset(
        {
            "elasticity": (
                "parameter",
                list(found.values()),
                describe("elasticity_of_tokens_per_joule", "1"),
            )
        },
        {"parameter": list(found)},
    )


def _dotted(path: tuple) -> str:
    return ".".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path)
