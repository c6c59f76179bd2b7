"""Waits behind routers of instances: their limits, their order, and queues that are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from tokwatt.equations.erlang import erlang_c
from tokwatt.equations.routers import (
    wait_in_order,
    wait_shared,
    waiting_in_order,
    waiting_shared,
)

used = st.floats(1e-3, 0.95)
variations = st.floats(0.0, 20.0)
numbers = st.floats(1.0, 1e4)


@given(used, variations)
def test_one_instance_is_the_same_queue_behind_every_router(share, scv):
    assert waiting_shared(share, 1.0) == pytest.approx(share)
    assert waiting_in_order(share, scv, 1.0) == pytest.approx(share)
    assert wait_shared(share, 1.0) == pytest.approx(1)
    assert wait_in_order(share, scv, 1.0) == pytest.approx(1)


@given(used, variations, numbers)
def test_no_router_is_worse_than_one_that_draws(share, scv, instances):
    assert 0 <= wait_shared(share, instances) <= 1 + 1e-12
    assert 0 <= wait_in_order(share, scv, instances) <= 1 + 1e-12
    assert 0 <= waiting_shared(share, instances) <= share * (1 + 1e-12)
    assert -1e-12 <= waiting_in_order(share, scv, instances) <= share * (1 + 1e-12)


@given(used, variations, numbers)
def test_waits_fall_with_the_instances(share, scv, instances):
    for shorter in (wait_shared, lambda s, n: wait_in_order(s, scv, n)):
        assert shorter(share, instances + 1) <= shorter(share, instances) * (1 + 1e-12)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("instances", [2.0, 4.0, 16.0])
def test_a_shared_queue_is_near_erlang_s(share, instances):
    exact = float(erlang_c(instances, instances * share))
    assert waiting_shared(share, instances) == pytest.approx(exact, abs=0.06)


def found_busy(share, instances):
    """Share of arrivals that wait where Erlang gaps meet exponential service: a root."""

    def off(root):
        return (instances * share / (instances * share + 1 - root)) ** instances - root

    return brentq(off, 0.0, 1 - 1e-3)


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("instances", [2.0, 4.0, 16.0])
def test_every_other_arrival_waits_as_behind_erlang_gaps(share, instances):
    root = found_busy(share, instances)
    over = root / (1 - root) / (share / (1 - share))
    assert waiting_in_order(share, 1.0, instances) == pytest.approx(root, abs=0.06)
    assert wait_in_order(share, 1.0, instances) == pytest.approx(over, abs=0.06)
