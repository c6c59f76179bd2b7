"""Where a rising function reaches a value."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

ROUNDS = 12
"""Rounds of two evaluations each."""


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
        1e-9 of itself above a hundredth of it, where the function is smooth; to 2**-12 of `upper`
        and below it beside a jump; 0 where the function exceeds `most` everywhere, NaN where
        `upper` is. Its slopes are those of the implicit function.

    Source: Ridders (1979), doi:10.1109/TCS.1979.1084580, and a step of Newton's method.
    """
    rising = jax.jit(rising)  # traced once
    bound, level = jax.lax.stop_gradient((upper, most))

    def excess(place: Array) -> Array:
        return jax.lax.stop_gradient(rising(place)) - level

    def narrowed(ends: Bracket, place: Array, found: Array) -> Bracket:
        within = found <= 0
        return Bracket(
            lower=jnp.where(within, place, ends.lower),
            upper=jnp.where(within, ends.upper, place),
            below=jnp.where(within, found, ends.below),
            above=jnp.where(within, ends.above, found),
        )

    def narrow(_: int, ends: Bracket) -> Bracket:
        middle = (ends.lower + ends.upper) / 2
        found = excess(middle)
        share = found / jnp.sqrt(found**2 - ends.below * ends.above)
        share = jnp.where(jnp.isfinite(share), jnp.clip(share, -1.0, 1.0), 0.0)
        place = middle - share * (middle - ends.lower)
        return narrowed(narrowed(ends, middle, found), place, excess(place))

    zero = jnp.zeros_like(bound)
    start = Bracket(zero, bound, jnp.minimum(excess(1e-9 * bound), 0.0), excess(bound))
    ends = jax.lax.fori_loop(0, ROUNDS, narrow, start)
    place = jax.lax.stop_gradient(ends.lower)
    value, slope = jax.jvp(rising, (place,), (jnp.ones_like(place),))
    # A step within the bracket carries the slopes; beside a jump it would leave it.
    moved = (value - most) / jax.lax.stop_gradient(jnp.where(slope > 0, slope, 1.0))
    still = jax.lax.stop_gradient(place - moved)
    inside = (slope > 0) & (still >= ends.lower) & (still <= ends.upper) & (place > 0)
    bounded = (start.above <= 0) | jnp.isnan(bound)
    return jnp.where(bounded, upper, place - jnp.where(inside, moved, 0.0))
