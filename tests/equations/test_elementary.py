"""Exponentials and logarithms against the machine's extended precision."""

import jax
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokwatt.equations.elementary import exp, exp2, expm1, log, log1p, log2

EPSILON = 2.0**-52
numbers = st.floats(min_value=2.0**-1022, max_value=1.7e308)
exponents = st.floats(min_value=-708, max_value=709, allow_subnormal=False)
near_zero = st.floats(min_value=-0.5, max_value=0.5, allow_subnormal=False)


def close(found, expected, ulps):
    error = abs(np.longdouble(float(found)) - expected)
    assert error <= ulps * EPSILON * max(abs(expected), np.longdouble(1e-290))


@given(numbers)
@example(1.0165490812009332)
@example(1.0318630838951772)
def test_logarithms_are_those_of_extended_precision(number):
    close(log(number), np.log(np.longdouble(number)), 2)


@given(numbers)
@example(1.0165490812009332)
@example(1.0318630838951772)
def test_binary_logarithms_are_those_of_extended_precision(number):
    expected = np.log2(np.longdouble(number))
    assert abs(np.longdouble(float(log2(number))) - expected) <= 5e-16 * max(abs(expected), 1e-300)


@given(exponents)
def test_exponentials_are_those_of_extended_precision(number):
    close(exp(number), np.exp(np.longdouble(number)), 2)
    close(expm1(number), np.expm1(np.longdouble(number)), 3)


@given(st.floats(min_value=-1021, max_value=1023, allow_subnormal=False))
def test_powers_of_two_are_those_of_extended_precision(number):
    close(exp2(number), np.exp2(np.longdouble(number)), 2)


@given(near_zero)
def test_no_digit_is_lost_near_zero(number):
    close(expm1(number), np.expm1(np.longdouble(number)), 3)
    close(log1p(number), np.log1p(np.longdouble(number)), 3)


@given(st.floats(min_value=-0.999, max_value=1e300, allow_subnormal=False))
def test_a_logarithm_of_one_more_is_that_of_extended_precision(number):
    close(log1p(number), np.log1p(np.longdouble(number)), 3)


@pytest.mark.parametrize("exponent", [-1022, -1, 0, 1, 10, 1023])
def test_powers_of_two_are_whole(exponent):
    assert log2(2.0**exponent) == exponent


@pytest.mark.parametrize("exponent", [-1021, -1, 0, 1, 10, 1023])
def test_whole_powers_of_two_are_exact(exponent):
    assert exp2(exponent) == 2.0**exponent


@pytest.mark.parametrize("function", [log2, log])
def test_a_logarithm_rises_with_its_argument(function):
    values = np.asarray(function(1 + np.arange(-1000, 1000) * EPSILON))
    assert np.all(np.diff(values) >= 0)


@pytest.mark.parametrize(
    ("function", "at", "limit"),
    [
        (log2, 0.0, -np.inf),
        (log2, np.inf, np.inf),
        (log2, -1.0, np.nan),
        (log2, np.nan, np.nan),
        (log, 0.0, -np.inf),
        (log, np.inf, np.inf),
        (log, -1.0, np.nan),
        (log, np.nan, np.nan),
        (log1p, -1.0, -np.inf),
        (log1p, np.inf, np.inf),
        (log1p, -2.0, np.nan),
        (log1p, np.nan, np.nan),
        (log1p, 0.0, 0.0),
        (exp, -np.inf, 0.0),
        (exp, -709.0, 0.0),
        (exp, 710.0, np.inf),
        (exp, np.inf, np.inf),
        (exp, np.nan, np.nan),
        (exp, 0.0, 1.0),
        (exp2, -np.inf, 0.0),
        (exp2, 1024.0, np.inf),
        (exp2, np.inf, np.inf),
        (exp2, np.nan, np.nan),
        (expm1, -np.inf, -1.0),
        (expm1, -800.0, -1.0),
        (expm1, np.inf, np.inf),
        (expm1, np.nan, np.nan),
        (expm1, 0.0, 0.0),
    ],
)
def test_limits(function, at, limit):
    np.testing.assert_equal(float(jax.jit(function)(at)), limit)


@given(st.floats(min_value=1e-100, max_value=1e100))
def test_derivatives_of_logarithms_are_exact(number):
    np.testing.assert_allclose(jax.grad(log)(number), 1 / number, rtol=1e-15)
    np.testing.assert_allclose(jax.grad(log2)(number), 1 / (number * np.log(2)), rtol=1e-15)
    np.testing.assert_allclose(jax.grad(log1p)(number), 1 / (1 + number), rtol=1e-15)


@pytest.mark.parametrize(("function", "pole"), [(log, 0.0), (log2, 0.0), (log1p, -1.0)])
def test_a_derivative_at_a_pole_is_infinite(function, pole):
    assert jax.grad(function)(pole) == np.inf


@given(st.floats(min_value=-700, max_value=700))
def test_derivatives_of_exponentials_are_exact(number):
    np.testing.assert_allclose(jax.grad(exp)(number), np.exp(number), rtol=1e-13)
    np.testing.assert_allclose(jax.grad(expm1)(number), np.exp(number), rtol=1e-13)
    np.testing.assert_allclose(jax.grad(exp2)(number), np.exp2(number) * np.log(2), rtol=1e-13)
