"""Where a rising function reaches a value."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

NEAR = 1e-9
"""Share of the bound that the search begins at."""
TOLERANCE = 1e-12
"""Width of the bracket that ends the search, as a share of its upper end."""
MOST_EVALUATIONS = 60
JUMP = 1e-6
"""A function that rises by more than this share of the value within the bracket jumps there."""


class _Bracket(NamedTuple):
    """Two ends between which a function passes 0, the end that was left last, and its values.

    `near` is the end that moved last, `far` the one on the other side of the place.
    """

    near: Array
    far: Array
    left: Array
    at_near: Array
    at_far: Array
    at_left: Array

    @property
    def width(self) -> Array:
        """Distance of the ends."""
        return jnp.abs(self.far - self.near)


def last_within(rising: Callable[[Array], Array], most: Array, upper: Array) -> Array:
    """Largest number up to a bound at which a rising function is at most a value.

    Args:
        rising: a function that does not fall on 0 to `upper`; it may jump.
        most: the value.
        upper: the bound, above 0.

    Returns:
        `upper` where the function stays within `most`, else the place, to 1e-9 of itself but no
        nearer than 1e-9 of `upper`; 0 where the function exceeds `most` everywhere, NaN where
        `upper` is. Its slopes are those of the implicit function, and 0 beside a jump.

    Source: Chandrupatla (1997), doi:10.1016/S0965-9978(96)00051-8.
    """
    bound = jnp.asarray(upper)
    start = jax.lax.stop_gradient(bound)

    def excess(place: Array) -> Array:
        return rising(place) - most

    def slope(linear: Callable[[Array], Array], value: Array) -> Array:
        rise = linear(jnp.ones_like(value))
        return jnp.where(rise > 0, value / jnp.where(rise > 0, rise, 1.0), 0.0)

    place, rise = jax.lax.custom_root(excess, start, _chandrupatla, slope, has_aux=True)
    jumps = jax.lax.stop_gradient(rise > JUMP * jnp.abs(most))
    place = jnp.where(jumps, jax.lax.stop_gradient(place), place)
    return jnp.where((place == start) | jnp.isnan(bound), bound, place)


def _chandrupatla(function: Callable[[Array], Array], bound: Array) -> tuple[Array, Array]:
    """Where a rising function passes 0 up to a bound, and its rise within the last bracket.

    Each round evaluates it once, so that it is compiled once: near 0 and at the bound first.
    """
    zero = jnp.zeros_like(bound)

    def wide(state: tuple[Array, _Bracket]) -> Array:
        step, ends = state
        searching = (ends.at_near > 0) != (ends.at_far > 0)
        far_apart = ends.width > TOLERANCE * jnp.maximum(ends.near, ends.far)
        return (step < 2) | (step < MOST_EVALUATIONS) & jnp.any(searching & far_apart)

    def narrow(state: tuple[Array, _Bracket]) -> tuple[Array, _Bracket]:
        step, ends = state
        place = jnp.where(step == 0, NEAR * bound, jnp.where(step == 1, bound, _next(ends)))
        found = function(place)
        same = ((found > 0) == (ends.at_near > 0)) & (step > 1)
        kept = same | (step < 2)
        moved = _Bracket(
            near=place,
            far=jnp.where(same, ends.far, ends.near),
            left=jnp.where(kept, ends.near, ends.far),
            at_near=found,
            at_far=jnp.where(same, ends.at_far, ends.at_near),
            at_left=jnp.where(kept, ends.at_near, ends.at_far),
        )
        return step + 1, moved

    start = _Bracket(zero, zero, zero, zero, zero, zero)
    _, ends = jax.lax.while_loop(wide, narrow, (jnp.zeros((), int), start))
    lower = jnp.where(ends.at_far <= 0, ends.far, zero)
    place = jnp.where(ends.at_near <= 0, ends.near, lower)
    return place, jnp.abs(ends.at_far - ends.at_near)


def _next(ends: _Bracket) -> Array:
    """The next place: by inverse quadratic interpolation where it is safe, else the middle."""
    span, rise = ends.left - ends.far, ends.at_left - ends.at_far
    moved = (ends.near - ends.far) / jnp.where(span == 0, 1.0, span)
    risen = (ends.at_near - ends.at_far) / jnp.where(rise == 0, 1.0, rise)
    safe = (risen**2 < moved) & ((1 - risen) ** 2 < 1 - moved) & (span != 0) & (rise != 0)
    to_far, to_left = ends.at_far - ends.at_near, ends.at_left - ends.at_near
    across = (ends.left - ends.near) / (ends.far - ends.near)
    quadratic = -ends.at_near / to_far * ends.at_left / rise
    quadratic += across * ends.at_near / to_left * ends.at_far / rise
    least = TOLERANCE * jnp.maximum(ends.near, ends.far) / (2 * ends.width)
    share = jnp.clip(jnp.where(safe, quadratic, 0.5), least, 1 - least)
    return ends.near + share * (ends.far - ends.near)
