"""How sure a headline is: uncertain numbers drawn at once, and elasticities in each number."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from scipy import stats

from tokwatt import grid
from tokwatt.accounts.cases import Case, Filled, evaluated
from tokwatt.accounts.headlines import Headline, Headlines
from tokwatt.accounts.uncertain import Uncertain
from tokwatt.equations import roofline
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account, Constants
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.routing import Routed
from tokwatt.serving.deployment import Deployment
from tokwatt.units import Dimensionless

BLOCK = 8192
"""Draws that are evaluated at once, a power of two."""
QUANTILES = (0.05, 0.5, 0.95)
NUMBERS = (
    "gpu",
    "parallelism",
    "precision",
    "engine",
    "profile",
    "logistic",
    "activity",
    "utilization",
    "fitted",
)
"""Parts of a deployment whose numbers are varied. The LLM's architecture is not."""


class Elasticity(NamedTuple):
    """Elasticity d log tok/J / d log x of numbers behind an operating point, shape (parameter,)."""

    elasticity: Dimensionless


def spread(
    headlines: Headlines, preset: Assumptions, draws: Dimensionless, seed: Dimensionless
) -> xr.Dataset:
    """Headlines when every uncertain number is drawn at once.

    Args:
        headlines: cases, headlines and uncertain numbers.
        preset: the assumption set; `paper` leaves each case the changes that the paper's number
            stands on.
        draws: quasi-random draws for the quantiles, a power of two and at least `BLOCK`.
        seed: of their scrambling.

    Returns:
        Quantiles of each headline; first-order and total indices of its logarithm by each uncertain
        number; and how much of the variance of its two cases a ratio takes away. Where a fleet does
        not exist in some draws, they count as a tokens-per-joule of none, and indices are NaN.

    Source: Saltelli et al., doi:10.1016/j.cpc.2009.09.018, as in `scipy.stats.sobol_indices`.
    """
    numbers = headlines.uncertain.values()
    logs = {name: _drawn(headlines, case, preset) for name, case in headlines.cases.items()}
    ranges = [stats.uniform(number.low, number.high - number.low) for number in numbers]

    def by_case(factors: np.ndarray) -> dict[str, np.ndarray]:
        """Logarithm of each case, shape (draw,), at factors (uncertain, draw)."""
        return {name: log(factors) for name, log in logs.items()}

    def outcome(factors: np.ndarray) -> np.ndarray:
        """Logarithm of each headline, shape (headline, draw)."""
        found = _logs(headlines, by_case(factors))
        return np.where(np.isfinite(found), found, 0.0)

    unit = stats.qmc.Sobol(len(ranges), rng=seed).random(draws).T
    factors = np.stack([ranged.ppf(row) for ranged, row in zip(ranges, unit, strict=True)])
    parts = by_case(factors)
    drawn = _logs(headlines, parts)
    without_fleet = 1 - np.isfinite(drawn).mean(axis=1)
    rng = np.random.default_rng(seed)
    indices = stats.sobol_indices(func=outcome, n=BLOCK, dists=ranges, rng=rng)
    cancelled = [_cancelled(headline, parts) for headline in headlines.headlines.values()]
    # Where neither of two fleets exists there is no ratio; no two draws are interpolated.
    values = np.exp(np.nanquantile(drawn, QUANTILES, axis=1, method="inverted_cdf").T)
    return _labelled(headlines, values, without_fleet, indices, cancelled)


def _labelled(
    headlines: Headlines,
    values: np.ndarray,
    without_fleet: np.ndarray,
    indices: Any,
    cancelled: list[float],
) -> xr.Dataset:
    names, numbers = list(headlines.headlines), list(headlines.uncertain)
    missing, by_number = without_fleet[:, None] > 0, ("headline", "uncertain")
    first, total = (
        np.where(missing, np.nan, order) for order in (indices.first_order, indices.total_order)
    )
    described = {
        "value": (("headline", "quantile"), values, "headline"),
        "without_fleet": (
            "headline",
            without_fleet,
            "share of draws in which a fleet does not exist",
        ),
        "first_order": (by_number, first, "first-order index of the logarithm"),
        "total_order": (by_number, total, "total index of the logarithm"),
        "cancelled": ("headline", cancelled, "share of variance that the ratio cancels"),
    }
    return xr.Dataset(
        {
            name: (dims, column, grid.describe(meaning, "1"))
            for name, (dims, column, meaning) in described.items()
        },
        {
            "headline": names,
            "uncertain": numbers,
            "quantile": ("quantile", list(QUANTILES), grid.describe("quantile", "1")),
        },
    )


def _logs(headlines: Headlines, parts: dict[str, np.ndarray]) -> np.ndarray:
    """Logarithms of all headlines, shape (headline, draw)."""
    return np.stack([_log(headline, parts) for headline in headlines.headlines.values()])


def _log(headline: Headline, parts: dict[str, np.ndarray]) -> np.ndarray:
    """Logarithm of a headline from those of its cases; NaN where neither exists."""
    with np.errstate(invalid="ignore"):
        return parts[headline.case] - (parts[headline.over] if headline.over else 0.0)


def _cancelled(headline: Headline, parts: dict[str, np.ndarray]) -> float:
    """1 - Var(a - b) / (Var a + Var b) of the logarithms; NaN where a headline is no ratio."""
    if not headline.over:
        return float("nan")
    both = np.isfinite(parts[headline.case]) & np.isfinite(parts[headline.over])
    above, below = parts[headline.case][both], parts[headline.over][both]
    return float(1 - np.var(above - below) / (np.var(above) + np.var(below)))


def _drawn(
    headlines: Headlines, case: Case, preset: Assumptions
) -> Callable[[np.ndarray], np.ndarray]:
    """Logarithm of a case's tokens per joule as a function of factors, shape (uncertain, draw)."""
    assumed = case.paper if preset == headlines.presets["paper"] else preset
    account, demand = Account(assumed, headlines.constants), headlines.demand
    routed = case.traffic(account, demand)
    pools = routed.apart if routed else [case.filled(assumed, demand)]
    numbers = headlines.uncertain.values()

    def log_efficiency(factors: np.ndarray) -> np.ndarray:
        own = [
            number.factors_on(case.gpu, row) for number, row in zip(numbers, factors, strict=True)
        ]
        # Blocks of one size, so that JAX compiles once however many draws are asked for.
        blocks = np.split(np.stack(own), factors.shape[1] // BLOCK, axis=1)
        given = tuple(numbers), account, case.deployment, demand
        found = [sum(_drawn_pool(*given, pool, block) for pool in pools) for block in blocks]
        throughput, power = np.concatenate(found, axis=1)
        with np.errstate(divide="ignore"):
            return np.log(np.nan_to_num(roofline.tokens_per_joule(throughput, power)))

    return log_efficiency


@partial(jax.jit, static_argnames="numbers")
def _drawn_pool(
    numbers: tuple[Uncertain, ...],
    account: Account,
    deployment: Deployment,
    demand: Demand,
    asked: Routed | Filled,
    factors: Array,
) -> Array:
    """Tokens per second and watts of a pool at each draw, shape (2, draw)."""

    def at(factors: Array) -> Array:
        changed, constants = deployment, account.constants
        for number, factor in zip(numbers, factors, strict=True):
            changed, constants = number.applied(changed, constants, factor)
        pool = evaluated(Account(account.assumed, constants), changed, asked, demand)
        return jnp.stack([pool.throughput, pool.power])

    return jax.vmap(at, in_axes=1, out_axes=1)(factors)


def elasticity(headlines: Headlines, case_name: str, preset: str) -> xr.Dataset:
    """Elasticity d log tok/J / d log x for every number x behind a case that is an instance.

    Args:
        headlines: the cases.
        case_name: name of an instance.
        preset: name of the assumption set.

    Returns:
        See `Elasticity`; a number that is 0 has none.

    Source: definition, by automatic differentiation.
    """
    case = headlines.cases[case_name]
    assumed = case.paper if preset == "paper" else headlines.presets[preset]

    def log_efficiency(numbers: dict[str, object], constants: Constants) -> Array:
        deployment = replace(case.deployment, **numbers)  # type: ignore[arg-type]
        account = Account(assumed, constants)
        return jnp.log(case.evaluate(account, headlines.demand, None, deployment).tokens_per_joule)

    parts = {name: getattr(case.deployment, name) for name in NUMBERS}
    numbers = {name: part for name, part in parts.items() if part is not None}
    point = jax.tree.map(jnp.asarray, (numbers, headlines.constants))
    slopes = jax.grad(log_efficiency, argnums=(0, 1))(*point)
    scaled = jax.tree.map(lambda slope, number: jnp.sum(slope * number), slopes, point)
    leaves = jax.tree_util.tree_leaves_with_path({**scaled[0], "constants": scaled[1]})
    found = {_dotted(path): float(value) for path, value in leaves if float(value) != 0}
    return grid.dataset({"parameter": list(found)}, Elasticity(np.array(list(found.values()))))


def _dotted(path: tuple) -> str:
    return ".".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path)
