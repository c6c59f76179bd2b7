import jax
import numpy as np
import pytest
from hypothesis import given
from strategies import activities, batches, between, power_curves, shares

from tokwatt.equations.power import (
    activity_power,
    clock_stretch,
    logistic_power,
    window_spread,
)

H100 = {"idle": 300.0, "nominal": 600.0, "steepness": 1.0, "log2_midpoint": 4.2}


@given(batches, batches, power_curves())
def test_power_never_falls_as_the_batch_grows(one, other, curve):
    low, high = sorted((one, other))
    assert logistic_power(low, **curve) <= logistic_power(high, **curve)


@given(batches, power_curves())
def test_power_stays_between_idle_and_nominal(batch, curve):
    assert curve["idle"] <= logistic_power(batch, **curve) <= curve["nominal"]


@given(power_curves())
def test_power_is_halfway_at_the_midpoint(curve):
    midway = logistic_power(2.0 ** curve["log2_midpoint"], **curve)
    assert midway == pytest.approx((curve["idle"] + curve["nominal"]) / 2, rel=1e-12)


@given(power_curves(), between(0, 4))
def test_power_is_symmetric_about_the_midpoint_in_doublings(curve, doublings):
    above = logistic_power(2.0 ** (curve["log2_midpoint"] + doublings), **curve)
    below = logistic_power(2.0 ** (curve["log2_midpoint"] - doublings), **curve)
    assert above + below == pytest.approx(curve["idle"] + curve["nominal"], rel=1e-12)


def test_power_tends_to_idle_for_no_batch_and_to_nominal_for_an_endless_one():
    assert logistic_power(0.0, **H100) == 300
    assert logistic_power(np.inf, **H100) == 600


def test_a_flat_curve_draws_the_mean_at_every_batch():
    curve = {**H100, "steepness": 0.0}
    assert [float(logistic_power(batch, **curve)) for batch in (1.0, 7.0, 1e6)] == [450, 450, 450]


@given(batches, power_curves())
def test_the_slope_of_power_agrees_with_finite_differences(batch, curve):
    step = 1e-4 * batch
    rise = logistic_power(batch + step, **curve) - logistic_power(batch - step, **curve)
    slope = jax.grad(logistic_power)(batch, **curve)
    scale = curve["nominal"] / batch
    assert slope == pytest.approx(float(rise) / (2 * step), rel=1e-6, abs=1e-9 * scale)


@given(activities, between(100, 2000), shares, shares)
def test_activity_power_stays_within_its_two_fractions(activity, tdp, one, other):
    low, high = sorted((one, other))
    drawn = activity_power(activity, tdp, low, high)
    assert low * tdp * (1 - 1e-15) <= drawn <= high * tdp * (1 + 1e-15)


@given(activities, activities)
def test_activity_power_never_falls_as_activity_grows(one, other):
    low, high = sorted((one, other))
    assert activity_power(low, 700.0, 0.43, 0.86) <= activity_power(high, 700.0, 0.43, 0.86)


def test_more_activity_than_a_step_has_room_for_counts_as_full():
    assert activity_power(0.0, 1000.0, 0.43, 0.86) == 430
    assert activity_power(1.0, 1000.0, 0.43, 0.86) == activity_power(1.7, 1000.0, 0.43, 0.86) == 860


@given(between(0, 3000), between(20, 300), between(400, 1400), between(1, 4))
def test_clocks_that_fall_by_the_stretch_leave_a_board_at_its_limit(demand, idle, limit, exponent):
    stretch = float(clock_stretch(demand, idle, limit, exponent))
    if demand > limit:
        left = idle + (demand - idle) * stretch**-exponent
        assert stretch > 1
        assert left == pytest.approx(limit, rel=1e-12)
    else:
        assert stretch == 1


def test_no_clock_is_slow_enough_where_idling_takes_all_that_is_allowed():
    assert clock_stretch(900.0, 700.0, 700.0, 3.0) == np.inf
    assert clock_stretch(900.0, 100.0, 200.0, 1.0) == 8


def test_a_load_keeps_all_of_its_variance_in_short_windows_and_none_in_long_ones():
    assert window_spread(1e9) == pytest.approx(1, abs=1e-6)
    assert window_spread(0.0) == pytest.approx(0, abs=1e-6)
    assert window_spread(1e-4) == pytest.approx(2e-4, rel=1e-3)


@given(between(1e-6, 1e3), between(1e-6, 1e3))
def test_a_load_keeps_more_variance_the_longer_it_is_correlated(one, other):
    low, high = sorted((one, other))
    assert 0 <= window_spread(low) <= window_spread(high) * (1 + 1e-9) <= 1 + 1e-6


@pytest.mark.parametrize("correlation", [0.1, 0.5, 2.0])
def test_a_load_that_goes_on_and_off_keeps_the_variance_that_its_means_have(correlation):
    """Half of the time on, in exponential periods: the covariance falls with the sum of rates."""
    rng = np.random.default_rng(1)
    periods = rng.exponential(2 * correlation, 400000)
    ends = np.cumsum(periods)
    work = np.concatenate([[0.0], np.cumsum(np.where(np.arange(len(ends)) % 2, 0.0, periods))])
    windows = np.arange(0.0, np.floor(ends[-1]))
    means = np.diff(np.interp(windows, np.concatenate([[0.0], ends]), work))
    assert means.var() / 0.25 == pytest.approx(float(window_spread(correlation)), rel=0.02)
