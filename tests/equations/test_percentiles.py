"""Percentiles by two moments, where the law is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tokwatt.equations.percentiles import gamma_quantile, late_wait, mean_wait, quantile_of_sum
from tokwatt.equations.queueing import wait_quantile

LOADS = st.floats(0.02, 0.97)


@given(load=LOADS)
def test_exponential_service_waits_as_at_one_server_by_erlang(load):
    wait = mean_wait(load, load, 2.0)
    assert wait == pytest.approx(load / (1 - load))
    for share in (0.5, 0.99):
        erlang = float(wait_quantile(1.0, load, 1.0, 1.0, share))
        assert float(late_wait(load, wait, share)) == pytest.approx(erlang, rel=1e-9, abs=1e-12)


def test_nobody_waits_where_nobody_arrives():
    assert mean_wait(0.0, 0.0, 1.0) == 0
    assert late_wait(0.0, 0.0, 0.99) == 0


@given(deviations=st.lists(st.floats(-50, 50), min_size=1, max_size=4))
def test_one_deviation_stands_for_itself_and_more_of_a_sign_add_less_than_their_sum(deviations):
    assert quantile_of_sum(3.0, deviations[:1]) == pytest.approx(3.0 + deviations[0])
    late = [abs(it) for it in deviations]
    assert max(late) - 1e-9 <= quantile_of_sum(0.0, late) <= sum(late) + 1e-9


def test_independent_normal_times_are_exact():
    spreads, z = np.array([1.0, 2.0, 0.5]), stats.norm.ppf(0.99)
    exact = z * np.sqrt((spreads**2).sum())
    assert quantile_of_sum(0.0, list(z * spreads)) == pytest.approx(exact)


@given(variation=st.floats(0.01, 1.0), share=st.sampled_from([0.5, 0.9, 0.99]))
def test_a_gamma_quantile_is_within_four_percent(variation, share):
    exact = stats.gamma.ppf(share, 1 / variation, scale=2.0 * variation)
    found = float(gamma_quantile(2.0, 4.0 * (1 + variation), share))
    assert found == pytest.approx(exact, rel=0.04)
