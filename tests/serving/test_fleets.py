"""Fleets summed exactly: what goes in comes out, and more is never worse."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokwatt.serving.fleets import between, request_moments, size_pool
from tokwatt.studies.replay.instances import Calibrated

import tokwatt as tw
from tokwatt.serving import sampling
from tokwatt.studies.replay import fleets

SPLITS = st.sampled_from([512.0, 1500.0, 4096.0, 8192.0, 20000.0])
DEMAND = tw.Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)


@pytest.fixture(scope="module")
def moments(parameters):
    return request_moments(parameters.workloads["azure"], 0.2, 1024.0, 65536)


@given(split=SPLITS)
def test_requests_and_output_are_the_same_however_they_are_split(parameters, split):
    workload, profile = parameters.workloads["azure"], parameters.profiles["H100"]
    whole, parted = (
        tw.fleet(workload, profile, DEMAND),
        tw.fleet(workload, profile, DEMAND, split_length=split),
    )
    assert float(parted.throughput) == pytest.approx(float(whole.throughput), rel=1e-12)
    assert float(parted.rejected) == pytest.approx(0, abs=1e-12)


def test_requests_beyond_the_window_are_counted_as_rejected(parameters):
    law = parameters.workloads["azure"]
    fleet = tw.fleet(law, parameters.profiles["H100"], DEMAND, context_window=8192.0)
    assert float(fleet.rejected) == pytest.approx(
        1 - law.fractions[law.lengths == 8192][0], abs=1e-12
    )


@given(split=SPLITS)
def test_sums_of_two_parts_make_the_whole(moments, split):
    parts = zip(
        between(moments, 0.0, split),
        between(moments, split, 65536.0),
        between(moments, 0.0, 65536.0),
        strict=True,
    )
    for short, long, whole in parts:
        assert float(short + long) == pytest.approx(float(whole), rel=1e-12)


@pytest.mark.parametrize("profile", ["H100", "B200"])
def test_service_of_one_pool_is_the_replay_with_exact_lengths(parameters, moments, profile):
    law, chosen = parameters.workloads["azure"], parameters.profiles[profile]
    knots = list(zip(law.lengths, law.fractions, strict=True))
    sums = request_moments(law, 0.2, chosen.prefill_chunk, 65536)
    pool = size_pool(sums, 0.0, 65536.0, chosen, DEMAND)
    replayed = fleets.serve(knots, Calibrated(chosen), 65536.0, 0.8, sampling.summed)
    assert pool.service_rate == pytest.approx(replayed.service_rate, rel=1e-10)
    assert pool.service_scv == pytest.approx(replayed.service_scv, rel=1e-8)


def test_an_empty_pool_has_no_instances(parameters, moments):
    pool = size_pool(moments, 4096.0, 4096.0, parameters.profiles["H100"], DEMAND)
    assert (pool.instances, pool.power, pool.throughput) == (0, 0, 0)


@given(factor=st.floats(1.1, 20))
def test_more_arrivals_never_need_fewer_instances(parameters, factor):
    law, profile = parameters.workloads["lmsys"], parameters.profiles["H100"]
    more = tw.Demand(**{**vars(DEMAND), "arrival_rate": 1000.0 * factor})
    assert tw.fleet(law, profile, more).instances >= tw.fleet(law, profile, DEMAND).instances


def test_tokens_per_joule_differentiates_in_the_weight_time(parameters):
    profile = parameters.profiles["H100"]

    def efficiency(weight_time):
        changed = type(profile)(**{**vars(profile), "weight_time": weight_time})
        return tw.fleet(parameters.workloads["azure"], changed, DEMAND).tokens_per_joule

    slope, step = jax.grad(efficiency)(0.004), 1e-8
    difference = (efficiency(0.004 + step) - efficiency(0.004 - step)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-4)


def test_the_exact_reference_of_the_homogeneous_fleet_holds(parameters):
    """145 instances; 5.44 tok/W at the whole batch of 13, a little less at the 13.55 that are in flight."""
    fleet = tw.fleet(parameters.workloads["azure"], parameters.profiles["H100"], DEMAND)
    assert fleet.instances == 145
    assert fleet.tokens_per_joule == pytest.approx(5.437, rel=0.012)
