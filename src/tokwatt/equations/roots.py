"""Where a function passes zero."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

NEAR = 1e-9
"""Share of the bound that the search begins at."""
TOLERANCE = 1e-12
"""Width of the bracket that ends the search, as a share of its upper end."""
RESIDUAL = 1e-14
"""Value that is 0 but for rounding, which ends the search too."""
MOST_EVALUATIONS = 100
STRAIGHT = 12
"""Evaluations after which every other place is the middle of the bracket."""
JUMP = 1e-6
"""A function that rises by more than this within the bracket jumps there."""


class _Bracket(NamedTuple):
    """Two ends between which a function passes 0: the one that moved last, and the other.

    `at_far` is the value there or, where that end stayed, a share of it, which draws the next place
    beyond the crossing.
    """

    near: Array
    far: Array
    at_near: Array
    at_far: Array


def last_within(rising: Callable[[Array], Array], upper: Array) -> Array:
    """Largest number up to a bound at which a function is at most 0.

    Args:
        rising: a function on 0 to `upper` of the order of 1, above 0 from some number on; it may
            jump there. The straighter it is, the fewer evaluations.
        upper: the bound, above 0.

    Returns:
        `upper` where the function is at most 0, else the place, to 1e-9 of itself but no nearer
        than 1e-9 of `upper`; 0 where it is above 0 everywhere, NaN where `upper` is. Its slopes are
        those of the implicit function, and 0 beside a jump.

    Source: Anderson and Bjorck (1973), doi:10.1007/BF01951936, with bisection beside.
    """
    bound = jnp.asarray(upper)
    flat, hoisted = jax.closure_convert(rising, bound)
    place = _root(flat, jax.lax.stop_gradient(bound), *hoisted)
    return jnp.where((place == bound) | jnp.isnan(bound), bound, place)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _root(rising: Callable[..., Array], bound: Array, *parameters: Array) -> Array:
    return _crossing(lambda place: rising(place, *parameters), bound)[0]


@_root.defjvp
def _implicit_slope(
    rising: Callable[..., Array], primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Array, Array]:
    """A root moves as far as a function rises with its parameters, over its own slope there."""
    bound, *parameters = primals
    place, jump = _crossing(lambda place: rising(place, *parameters), bound)
    _, slope = jax.jvp(lambda place: rising(place, *parameters), (place,), (jnp.ones_like(place),))
    _, rise = jax.jvp(partial(rising, place), tuple(parameters), tuple(tangents[1:]))
    smooth = (slope > 0) & (jump <= JUMP)
    return place, jnp.where(smooth, -rise / jnp.where(smooth, slope, 1.0), 0.0)


def _crossing(function: Callable[[Array], Array], bound: Array) -> tuple[Array, Array]:
    """Where a function passes 0 up to a bound, and how far it jumps there.

    Each round evaluates it once, so that it is compiled once: near 0 and at the bound first.
    """
    zero = jnp.zeros_like(bound)

    def wide(state: tuple[Array, Array, _Bracket]) -> Array:
        step, _, ends = state
        searching = ((ends.at_near > 0) != (ends.at_far > 0)) & ~_is_root(ends)
        far_apart = jnp.abs(ends.far - ends.near) > TOLERANCE * jnp.maximum(ends.near, ends.far)
        return (step < 2) | (step < MOST_EVALUATIONS) & jnp.any(searching & far_apart)

    def narrow(state: tuple[Array, Array, _Bracket]) -> tuple[Array, Array, _Bracket]:
        step, place, ends = state
        found = function(place)
        same = ((found > 0) == (ends.at_near > 0)) & (step > 1)
        eased = 1 - found / jnp.where(same, ends.at_near, 1.0)
        moved = _Bracket(
            near=place,
            far=jnp.where(same, ends.far, ends.near),
            at_near=found,
            at_far=jnp.where(same, ends.at_far * jnp.where(eased > 0, eased, 0.5), ends.at_near),
        )
        halved = (step > STRAIGHT) & (step % 2 == 0)
        place = jnp.where(halved, (moved.near + moved.far) / 2, _between(moved))
        return step + 1, jnp.where(step == 0, bound, place), moved

    start = _Bracket(zero, zero, zero, zero)
    _, _, ends = jax.lax.while_loop(wide, narrow, (jnp.zeros((), int), NEAR * bound, start))
    # A function that rounds to 0 may be above it where one part of a compiled round reads it and at
    # it where another does; both ends are then as good, unless nothing was ever within.
    low = jnp.minimum(ends.near, ends.far)
    lower = jnp.where(ends.at_far <= 0, ends.far, jnp.where(low > NEAR * bound, low, zero))
    place = jnp.where((ends.at_near <= 0) | _is_root(ends), ends.near, lower)
    return place, jnp.where(_is_root(ends), 0.0, jnp.abs(ends.at_far - ends.at_near))


def _is_root(ends: _Bracket) -> Array:
    return jnp.abs(ends.at_near) <= RESIDUAL


def _between(ends: _Bracket) -> Array:
    """Where a straight line through the ends passes 0, no nearer to one than the tolerance."""
    rise = ends.at_far - ends.at_near
    line = ends.near - ends.at_near * (ends.far - ends.near) / jnp.where(rise == 0, 1.0, rise)
    low, high = jnp.minimum(ends.near, ends.far), jnp.maximum(ends.near, ends.far)
    least = TOLERANCE / 2 * high
    return jnp.clip(line, low + least, high - least)
