"""Where a rising function reaches a value."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

HALVINGS = 40


def last_within(rising: Callable[[Array], Array], most: Array, upper: Array) -> Array:
    """Largest number up to a bound at which a rising function is at most a value.

    Args:
        rising: a function that does not fall on 0 to `upper`; it may jump.
        most: the value.
        upper: the bound, above 0.

    Returns:
        `upper` where the function stays within `most`, else the place to 2**-40 of `upper`; about
        0 where it exceeds it everywhere. Its slopes are those of the implicit function.

    Source: bisection, and one step of Newton's method where the function is smooth.
    """
    bound = jax.lax.stop_gradient(upper)

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        lower, higher = ends
        middle = (lower + higher) / 2
        within = rising(middle) <= most
        return jnp.where(within, middle, lower), jnp.where(within, higher, middle)

    ends = jnp.zeros_like(bound), bound
    place = jax.lax.stop_gradient(jax.lax.fori_loop(0, HALVINGS, halve, ends)[0])
    value, slope = jax.jvp(rising, (place,), (jnp.ones_like(place),))
    # The step is far below the last halving but carries the slopes; beside a jump there is none.
    known = jax.lax.stop_gradient(jnp.where(slope > 0, slope, 1.0))
    moved = (value - most) / known
    small = jnp.abs(jax.lax.stop_gradient(moved)) < bound * 2.0 ** (1 - HALVINGS)
    return jnp.where(rising(upper) <= most, upper, place - jnp.where(small, moved, 0.0))
