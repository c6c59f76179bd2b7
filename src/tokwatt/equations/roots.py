"""Where a rising function reaches a value."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

ROUNDS = 16
"""Rounds of two evaluations each."""
NEAR = 1e-9
"""Share of the bound that the search begins at."""


class Bracket(NamedTuple):
    """Two ends between which a function passes a value, and how far it is from it there."""

    lower: Array
    upper: Array
    below: Array
    above: Array


def last_within(rising: Callable[[Array], Array], most: Array, upper: Array) -> Array:
    """Largest number up to a bound at which a rising function is at most a value.

    Args:
        rising: a function that does not fall on 0 to `upper`; it may jump.
        most: the value.
        upper: the bound, above 0.

    Returns:
        `upper` where the function stays within `most`, else the place: to 1e-6 of `upper`, and to
        1e-9 of itself above a hundredth of it, where the function is smooth; to 2**-16 of `upper`
        and below it beside a jump; 0 where the function exceeds `most` everywhere, NaN where
        `upper` is. Its slopes are those of the implicit function.

    Source: Ridders (1979), doi:10.1109/TCS.1979.1084580.
    """
    bound = jnp.asarray(upper)

    def excess(place: Array) -> Array:
        return rising(place) - most

    def solve(function: Callable[[Array], Array], guess: Array) -> Array:
        return _ridders(function, guess)

    def slope(linear: Callable[[Array], Array], value: Array) -> Array:
        rise = linear(jnp.ones_like(value))
        return jnp.where(rise > 0, value / jnp.where(rise > 0, rise, 1.0), 0.0)

    place = jax.lax.custom_root(excess, jax.lax.stop_gradient(bound), solve, slope)
    at_bound = (place == jax.lax.stop_gradient(bound)) | jnp.isnan(bound)
    return jnp.where(at_bound, bound, place)


def _ridders(function: Callable[[Array], Array], bound: Array) -> Array:
    """Where a rising function passes 0 between 0 and a bound; the bound where it does not.

    Each step evaluates it once, so that it is compiled once: near 0 and at the bound first, then by
    turns in the middle and where Ridders' exponential through the middle passes 0.
    """
    zero = jnp.zeros_like(bound)

    def narrow(step: Array, state: tuple[Bracket, Array]) -> tuple[Bracket, Array]:
        ends, crossing = state
        turn = jnp.where(step % 2 == 0, (ends.lower + ends.upper) / 2, crossing)
        place = jnp.where(step == 0, NEAR * bound, jnp.where(step == 1, ends.upper, turn))
        found = function(place)
        share = found / jnp.sqrt(found**2 - ends.below * ends.above)
        share = jnp.where(jnp.isfinite(share), jnp.clip(share, -1.0, 1.0), 0.0)
        within = found <= 0
        narrowed = Bracket(
            lower=jnp.where(within, place, ends.lower),
            upper=jnp.where(within, ends.upper, place),
            below=jnp.where(within, found, ends.below),
            above=jnp.where(within, ends.above, found),
        )
        return narrowed, place - share * (place - ends.lower)

    start = Bracket(zero, bound, zero, zero), zero
    ends, _ = jax.lax.fori_loop(0, 2 * ROUNDS + 2, narrow, start)
    return jnp.where(ends.above <= 0, bound, ends.lower)
