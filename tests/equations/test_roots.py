"""The place where a rising function reaches a value: where it is, at jumps, and its slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import between

from tokwatt.equations.roots import last_within


@jax.jit
def of_power(exponent, most, upper):
    return last_within(lambda x: x**exponent - most, upper)


@jax.jit
def of_jump(jump, most, upper):
    return last_within(lambda x: x + jnp.where(x > jump, 100.0, 0.0) - most, upper)


@jax.jit
def of_root(least, most, upper):
    return last_within(lambda x: least + jnp.sqrt(x) - most, upper)


@jax.jit
def of_cubic(factor, most, upper):
    return last_within(lambda x: factor * x + x**3 - most, upper)


@given(between(0.2, 5), between(0.01, 100), st.sampled_from([0.1, 1.0, 10.0, 1024.0]))
def test_it_is_the_inverse_of_a_power_up_to_the_bound(exponent, most, upper):
    place, expected = of_power(exponent, most, upper), min(upper, most ** (1 / exponent))
    assert place == pytest.approx(expected, rel=1e-9, abs=1e-6 * upper)
    if expected > upper / 100:
        assert place == pytest.approx(expected, rel=1e-9)


@given(between(0.1, 0.9), between(0.1, 10))
def test_beside_a_jump_it_stays_before_it_and_has_no_slope(jump, upper):
    place = of_jump(jump * upper, 50.0, upper)
    assert jump * upper - upper * 2.0**-12 <= place <= jump * upper
    assert jax.grad(of_jump, 1)(jump * upper, 50.0, upper) == 0


@given(between(1.01, 10), between(0.1, 10))
def test_it_is_zero_where_the_value_is_exceeded_everywhere(least, upper):
    assert of_root(least, 1.0, upper) == 0
    assert jax.grad(of_root, 1)(least, 1.0, upper) == 0


def test_it_is_unknown_where_the_bound_is():
    assert jnp.isnan(of_power(1.0, 1.0, jnp.nan))


def test_it_is_the_bound_with_its_slope_where_the_function_stays_within():
    assert of_power(1.0, 9.0, 3.0) == 3
    assert jax.grad(of_power, (0, 1, 2))(1.0, 9.0, 3.0) == (0, 0, 1)


@settings(max_examples=30)
@given(between(0.5, 3), between(0.5, 3))
def test_its_slopes_are_those_of_finite_differences(factor, most):
    step = 1e-5
    differences = [
        (of_cubic(factor + step, most, 10.0) - of_cubic(factor - step, most, 10.0)) / (2 * step),
        (of_cubic(factor, most + step, 10.0) - of_cubic(factor, most - step, 10.0)) / (2 * step),
    ]
    for slopes in (jax.grad(of_cubic, (0, 1)), jax.jacfwd(of_cubic, (0, 1))):
        np.testing.assert_allclose(slopes(factor, most, 10.0), differences, rtol=1e-5)


@given(between(0.2, 5), between(0.01, 100), between(0.001, 1))
def test_a_nearer_bound_makes_no_other_difference(exponent, most, share):
    far = float(of_power(exponent, most, 100.0))
    near = float(of_power(exponent, most, 100.0 * share))
    assert near == pytest.approx(min(far, 100.0 * share), rel=1e-9, abs=1e-7)
