"""Percentiles by two moments, where the law is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tokwatt.equations.percentiles import (
    gamma_quantile,
    late_wait,
    mean_wait,
    quantile_of_sum,
    wait_scv,
)
from tokwatt.equations.queueing import wait_quantile

LOADS = st.floats(0.02, 0.97)


@given(load=LOADS)
def test_exponential_service_waits_as_at_one_server_by_erlang(load):
    wait = mean_wait(load, load, 2.0)
    assert wait == pytest.approx(load / (1 - load))
    scv = wait_scv(load, 1.0, 2.0, 6.0)
    assert scv == pytest.approx(1.0)
    for share, within in {0.5: 0.022, 0.99: 0.015}.items():
        erlang = float(wait_quantile(1.0, load, 1.0, 1.0, share))
        late = float(late_wait(load, wait, scv, share))
        assert late == pytest.approx(erlang, rel=within, abs=0.04)


@pytest.mark.parametrize("work", ["equal", "lognormal", "two lengths"])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_the_wait_of_a_queue_that_is_served_one_by_one(work, load):
    """Lindley's recursion over a million requests."""
    rng = np.random.default_rng(7)
    times = {
        "equal": np.ones(1_000_000),
        "lognormal": rng.lognormal(0, 1, 1_000_000),
        "two lengths": np.where(rng.random(1_000_000) < 0.9, 0.2, 8.0),
    }[work]
    gaps = rng.exponential(times.mean() / load, len(times))
    level = np.concatenate([[0.0], np.cumsum(times[:-1] - gaps[1:])])
    waits = level - np.minimum.accumulate(level)
    mean, square, cube = (float((times**power).mean()) for power in (1, 2, 3))
    wait, scv = mean_wait(load, load / mean, square), wait_scv(load, mean, square, cube)
    assert waits.mean() == pytest.approx(wait, rel=0.03)
    delayed = waits[waits > 0]
    assert delayed.var() / delayed.mean() ** 2 == pytest.approx(float(scv), rel=0.1)
    late = float(late_wait(load, wait, scv, 0.99))
    assert np.quantile(waits, 0.99) == pytest.approx(late, rel=0.15)


def test_nobody_waits_where_nobody_arrives():
    assert mean_wait(0.0, 0.0, 1.0) == 0
    assert late_wait(0.0, 0.0, 1.0, 0.99) == 0


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
