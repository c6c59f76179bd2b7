"""The logarithm against the machine's extended precision."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokwatt.equations.elementary import log2

numbers = st.floats(min_value=2.0**-1022, max_value=1.7e308)


@given(numbers)
def test_the_logarithm_is_that_of_extended_precision(number):
    expected = np.log2(np.longdouble(number))
    assert abs(np.longdouble(float(log2(number))) - expected) <= 5e-16 * max(abs(expected), 1e-300)


@pytest.mark.parametrize("exponent", [-1022, -1, 0, 1, 10, 1023])
def test_powers_of_two_are_whole(exponent):
    assert log2(2.0**exponent) == exponent


def test_it_rises_with_its_argument():
    values = np.asarray(log2(1 + np.arange(-1000, 1000) * 2.0**-52))
    assert np.all(np.diff(values) >= 0)


def test_limits_are_those_of_a_logarithm():
    assert log2(0.0) == -np.inf
    assert log2(np.inf) == np.inf
    assert np.isnan(log2(-1.0))
    assert np.isnan(log2(np.nan))


@given(st.floats(min_value=1e-100, max_value=1e100))
def test_its_derivative_is_exact(number):
    np.testing.assert_allclose(jax.grad(log2)(number), 1 / (number * np.log(2)), rtol=1e-15)
