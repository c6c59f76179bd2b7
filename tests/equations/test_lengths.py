import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import LONGEST, between, length_laws

from tokwatt.equations.lengths import (
    decode_steps,
    fraction_within,
    length_masses,
    running_sums,
)
from tokwatt.serving.demand import sampling

LENGTHS = np.arange(1.0, LONGEST + 1)
masses_of = jax.jit(length_masses)


@given(length_laws())
def test_masses_sum_to_one_and_are_never_negative(law):
    masses = masses_of(LENGTHS, law.knots, law.fractions)
    assert masses.sum() == pytest.approx(1, rel=1e-12)
    assert masses.min() >= 0


@given(length_laws())
def test_masses_are_those_of_the_summed_sampler(law):
    lengths, weights = sampling.summed(law.pairs, LONGEST)
    summed = np.bincount(lengths.astype(int), weights, minlength=LONGEST + 1)[1:]
    np.testing.assert_allclose(
        masses_of(LENGTHS, law.knots, law.fractions), summed, rtol=0, atol=1e-14
    )


def test_masses_of_the_papers_workloads_sum_to_one(parameters):
    for law in parameters.workloads.values():
        lengths = np.arange(1.0, law.lengths[-1] + 1)
        assert length_masses(lengths, law.lengths, law.fractions).sum() == pytest.approx(
            1, rel=1e-12
        )


@given(length_laws(), between(0, 2 * LONGEST))
def test_fraction_within_interpolates_through_the_origin(law, length):
    by_numpy = np.interp(length, np.append(0.0, law.knots), np.append(0.0, law.fractions))
    assert fraction_within(length, law.knots, law.fractions) == pytest.approx(by_numpy, abs=1e-14)


@given(length_laws(), between(0, LONGEST), between(0, LONGEST))
def test_fraction_within_never_falls_and_meets_the_knots(law, one, other):
    low, high = sorted((one, other))
    assert (
        fraction_within(low, law.knots, law.fractions)
        <= fraction_within(high, law.knots, law.fractions) + 1e-15
    )
    at_knots = [float(fraction_within(knot, law.knots, law.fractions)) for knot in law.knots]
    np.testing.assert_allclose(at_knots, law.fractions, atol=1e-15)


def test_no_request_is_shorter_than_nothing_and_none_is_longer_than_the_last_knot():
    knots, fractions = np.array([10.0, 20.0]), np.array([0.5, 1.0])
    assert fraction_within(0.0, knots, fractions) == fraction_within(-5.0, knots, fractions) == 0
    assert fraction_within(20.0, knots, fractions) == fraction_within(1e9, knots, fractions) == 1
    assert fraction_within(5.0, knots, fractions) == 0.25


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_run_of_rows_is_the_difference_of_two_running_sums(one, other):
    start, stop = sorted((one, other))
    rows = np.random.default_rng(1).normal(size=(40, 3))
    sums = running_sums(rows)
    assert sums.shape == (41, 3)
    np.testing.assert_allclose(sums[stop] - sums[start], rows[start:stop].sum(axis=0), atol=1e-12)


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 8192))
def test_a_request_stays_one_step_for_each_chunk_and_each_output_token(prompt, output, chunk):
    assert decode_steps(float(prompt), float(output), float(chunk)) == -(-prompt // chunk) + output
