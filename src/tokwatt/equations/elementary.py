"""Exponentials and logarithms of float64 that vectorise.

XLA asks the system's library for one logarithm or power at a time, which takes three to eight times
as long. Exponentials end in a division: XLA copies what ends in anything cheaper into every loop
that reads it, and works it out there once more.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from tokwatt.units import Dimensionless

_ONE = 0x3FF0000000000000  # bits of 1.0
_SQRT_HALF = 0x3FE6A09E667F3BCD  # bits of sqrt(1/2)
# Bits of 2.0**52, whose last bit counts one: a whole number put in reads as 2.0**52 + itself.
_WHOLE = 0x4330000000000000
_BIAS = 1023
_LN2 = 0.6931471805599453
# The same in two parts, of which a whole number of the first is exact.
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_ATANH = [2 / (2 * term + 1) for term in range(11)]
_ATANH_LOG2 = [term / _LN2 for term in _ATANH]
_COTH = [1, 1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000]
_BOUNDS, _BOUNDS_OF_POWERS = (-708.0, 709.0), (-1021.0, 1023.0)


def polynomial(coefficients: Sequence[Dimensionless], at: Dimensionless) -> Dimensionless:
    """A polynomial by its coefficients, the one of the lowest power first, in Horner's way."""
    return reduce(lambda total, each: total * at + each, reversed(coefficients))


def _bits(number: Array) -> Array:
    return lax.bitcast_convert_type(number, jnp.int64)


def _number(bits: Array) -> Array:
    return lax.bitcast_convert_type(bits, jnp.float64)


def _inside(number: Array, bounds: tuple[float, float]) -> Array:
    least, most = bounds
    return jnp.where((number < least) | (number > most), 0.0, number)


def _within(number: Array, bounds: tuple[float, float], below: float, value: Array) -> Array:
    least, most = bounds
    return jnp.where(number < least, below, jnp.where(number > most, jnp.inf, value))


def _natural(number: Array) -> tuple[Array, Array, Array]:
    """As `_parts_of_power`, of an exponential."""
    inside = _inside(number, _BOUNDS)
    whole = jnp.round(inside * (1 / _LN2))
    return _parts_of_power(whole, (inside - whole * _LN2_HIGH) - whole * _LN2_LOW)


def _parts_of_power(whole: Array, rest: Array) -> tuple[Array, Array, Array]:
    """A whole power of two, half of the rest of the exponent, and R."""
    power = _number(_bits(whole + (2.0**52 + _BIAS)) << 52)
    return power, rest / 2, polynomial(_COTH, rest * rest)


def _parts(number: Array) -> tuple[Array, Array]:
    """Exponent and mantissa of a number above 0."""
    bits = _bits(number)
    shift = jnp.full_like(bits, 52)
    exponent = lax.shift_right_logical(bits + (_ONE - _SQRT_HALF), shift)
    return _number(exponent | _WHOLE) - (2.0**52 + _BIAS), _number(bits - (exponent << 52) + _ONE)


def _series(above: Array, below: Array, terms: Sequence[float] = _ATANH) -> Array:
    """Logarithm of (below + above) / (below - above)."""
    ratio = above / below
    return ratio * polynomial(terms, ratio * ratio)


def _positive(number: Array, value: Array) -> Array:
    limit = jnp.where(number == 0, -jnp.inf, jnp.where(number > 0, jnp.inf, jnp.nan))
    return jnp.where((number > 0) & (number < jnp.inf), value, limit)


@jax.custom_jvp
def exp(number: Dimensionless) -> Dimensionless:
    r"""Exponential of a float64.

    With :math:`x = n \ln 2 + 2 h` and :math:`R = h \coth h`:

    .. math:: e^x = 2^n (R + h) / (R - h)

    Args:
        number: any float64.

    Returns:
        The exponential, to 4e-16 of itself; 0 below -708, inf above 709. Its derivative is exact.

    Source: the series of the hyperbolic cotangent, Abramowitz and Stegun 4.5.67; the first term
        left out is below 1e-16.
    """
    number = jnp.asarray(number, jnp.float64)
    power, half, even = _natural(number)
    return _within(number, _BOUNDS, 0.0, power * (even + half) / (even - half))


@jax.custom_jvp
def exp2(number: Dimensionless) -> Dimensionless:
    """Power of two of a float64: exact at whole numbers.

    Args:
        number: any float64.

    Returns:
        The power, to 4e-16 of itself; 0 below -1021, inf above 1023. Its derivative is exact.

    Source: as `exp`.
    """
    number = jnp.asarray(number, jnp.float64)
    inside = _inside(number, _BOUNDS_OF_POWERS)
    whole = jnp.round(inside)
    power, half, even = _parts_of_power(whole, (inside - whole) * _LN2)
    return _within(number, _BOUNDS_OF_POWERS, 0.0, power * (even + half) / (even - half))


@jax.custom_jvp
def expm1(number: Dimensionless) -> Dimensionless:
    r"""Exponential of a float64 less 1, as exact near 0 as elsewhere.

    .. math:: e^x - 1 = (2^n 2 h + (2^n - 1) (R - h)) / (R - h)

    Args:
        number: any float64.

    Returns:
        The number, to 5e-16 of itself; -1 below -708, inf above 709. Its derivative is exact.

    Source: as `exp`.
    """
    number = jnp.asarray(number, jnp.float64)
    power, half, even = _natural(number)
    below = even - half
    return _within(number, _BOUNDS, -1.0, (power * (2 * half) + (power - 1) * below) / below)


@jax.custom_jvp
def log(number: Dimensionless) -> Dimensionless:
    r"""Natural logarithm of a float64.

    With :math:`x = 2^e m`, :math:`m \in [\sqrt{1/2}, \sqrt 2)` and :math:`s = (m - 1) / (m + 1)`:

    .. math:: \ln x = e \ln 2 + 2 \sum_{j=0}^{10} \frac{s^{2 j + 1}}{2 j + 1}

    Args:
        number: any float64; a subnormal one gives a number below -708 that is not its logarithm.

    Returns:
        The logarithm, to 5e-16 of itself; -inf at 0, NaN below it, inf at inf. Its derivative is
        exact.

    Source: the series of atanh, Abramowitz and Stegun 4.6.33; the first term left out is below
        1e-18.
    """
    number = jnp.asarray(number, jnp.float64)
    whole, mantissa = _parts(number)
    series = _series(mantissa - 1, mantissa + 1)
    return _positive(number, whole * _LN2_HIGH + (series + whole * _LN2_LOW))


@jax.custom_jvp
def log1p(number: Dimensionless) -> Dimensionless:
    r"""Natural logarithm of 1 and a float64, as exact near 0 as elsewhere.

    Args:
        number: any float64.

    Returns:
        The logarithm, to 6e-16 of itself; -inf at -1, NaN below it, inf at inf. Its derivative is
        exact.

    Source: as `log`, with :math:`s = x / (2 + x)` where 1 + x needs no power of two.
    """
    number = jnp.asarray(number, jnp.float64)
    whole, mantissa = _parts(1 + number)
    near = whole == 0
    series = _series(
        jnp.where(near, number, mantissa - 1), jnp.where(near, 2 + number, mantissa + 1)
    )
    return _positive(1 + number, whole * _LN2_HIGH + (series + whole * _LN2_LOW))


@jax.custom_jvp
def log2(number: Dimensionless) -> Dimensionless:
    """Base-2 logarithm of a float64: `log` over ln 2, but exact at powers of two.

    Args:
        number: as for `log`.

    Returns:
        As `log` does.

    Source: as `log`.
    """
    number = jnp.asarray(number, jnp.float64)
    whole, mantissa = _parts(number)
    return _positive(number, whole + _series(mantissa - 1, mantissa + 1, _ATANH_LOG2))


def _derived(function: Callable, slope: Callable[[Array, Array], ArrayLike]) -> None:
    """Give a function the derivative that is a function of its argument and its value."""

    @function.defjvp  # type: ignore[attr-defined]
    def _jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, ArrayLike]:
        number = jnp.asarray(primals[0], jnp.float64)
        value = function(number)
        return value, tangents[0] * slope(number, value)


_derived(exp, lambda number, value: value)
_derived(exp2, lambda number, value: value * _LN2)
_derived(expm1, lambda number, value: exp(number))
_derived(log, lambda number, value: 1 / number)
_derived(log1p, lambda number, value: 1 / (1 + number))
_derived(log2, lambda number, value: 1 / (number * _LN2))
