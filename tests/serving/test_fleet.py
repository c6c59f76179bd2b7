"""Fleets summed exactly: what goes in comes out, and more is never worse."""

from dataclasses import make_dataclass, replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import paper_profiles as profiles
from reference import paper_program as program

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import CONSERVING
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.choices import OF_INSTANCES, OF_POOLS
from tokwatt.serving.demand.running_sums import between, law_table
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.pools.fleet import split_fleet
from tokwatt.serving.pools.pool import size_pool
from tokwatt.serving.steps.times import instance_of

SPLITS = st.sampled_from([512.0, 1500.0, 4096.0, 8192.0, 20000.0])
DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)


@pytest.fixture(scope="module")
def account(parameters):
    """The paper's account, with rules that conserve requests and tokens."""
    return AssumptionSets(parameters).account("paper", CONSERVING)


@pytest.fixture(scope="module")
def table(parameters, account):
    return law_table(account.assumed, parameters.workloads["azure"], 0.2, 1024.0, 65536)


@pytest.fixture(scope="module")
def fleet(parameters, account, table):
    """Sizes fleets of H100 instances for a table of requests."""
    sized = jax.jit(split_fleet)

    def size(demand=DEMAND, split=0.0, window=65536.0, table=table, profile=None):
        deployment = parameters.profiled(profile or parameters.profiles["H100"])
        return sized(account, instance_of(account, deployment), table, demand, split, window)

    return size


@pytest.mark.parametrize("preset", ["paper", "consistent"])
def test_making_an_instance_and_sizing_its_pool_read_no_other_choices(parameters, table, preset):
    sets = AssumptionSets(parameters)
    assumed = sets.presets[preset]
    deployment = parameters.profiled(parameters.profiles["H100"])

    def only(names):
        known = make_dataclass("Known", names, frozen=True)
        return Account(known(*(getattr(assumed, name) for name in names)), sets.constants)

    def sized(deployment, traffic):
        instance = instance_of(only(OF_INSTANCES), deployment)
        return size_pool(only(OF_POOLS), instance, traffic, 8192.0, sets.demand)

    jax.eval_shape(sized, deployment, between(table, 0.0, 8192.0))


@given(split=SPLITS)
def test_requests_and_output_are_the_same_however_they_are_split(fleet, split):
    whole, parted = fleet(), fleet(split=split)
    assert float(parted.throughput) == pytest.approx(float(whole.throughput), rel=1e-12)
    assert float(parted.generated) == pytest.approx(float(parted.throughput), rel=1e-12)
    assert float(parted.rejected) == pytest.approx(0, abs=1e-12)


def test_requests_beyond_the_window_are_counted_as_rejected(parameters, fleet):
    law = parameters.workloads["azure"]
    within = law.fractions[law.lengths == 8192][0]
    assert float(fleet(window=8192.0).rejected) == pytest.approx(1 - within, abs=1e-12)


@given(split=SPLITS)
def test_sums_of_two_parts_make_the_whole(table, split):
    def sums(lower, upper):
        means = between(table, lower, upper)
        own = {"share", "credited", "generated"}
        return {
            name: float(value * (1 if name in own else means.share))
            for name, value in means._asdict().items()
            if name not in ("long_prompt", "median_prompt")
        }

    short, long, whole = sums(0.0, split), sums(split, 65536.0), sums(0.0, 65536.0)
    for name in short:
        assert short[name] + long[name] == pytest.approx(whole[name], rel=1e-12), name


@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_service_of_one_pool_is_the_programs_with_lengths_summed(parameters, account, knots, gpu):
    profile = parameters.profiles[gpu]
    deployment = parameters.profiled(profile)
    law = parameters.workloads["azure"]
    table = law_table(account.assumed, law, 0.2, profile.prefill_chunk, 65536)
    instance = instance_of(account, deployment)
    pool = size_pool(account, instance, between(table, 0.0, 65536.0), 65536.0, DEMAND)
    expected = program.size_pool(
        knots["azure"], profiles.MANUAL[gpu], 65536, program.Demand(), program.summed
    )
    assert pool.service_rate == pytest.approx(expected.service_rate, rel=1e-10)
    assert pool.service_scv == pytest.approx(expected.scv, rel=1e-8)


def test_an_empty_pool_has_no_instances(parameters, account, table):
    instance = instance_of(account, parameters.profiled(parameters.profiles["H100"]))
    pool = size_pool(account, instance, between(table, 4096.0, 4096.0), 4096.0, DEMAND)
    assert (pool.instances, pool.power, pool.credited, pool.wait) == (0, 0, 0, 0)


def test_the_papers_search_leaves_an_instance_where_nobody_arrives(parameters, account, table):
    searching = account.switched(search_start="one_too_many", batch_rounding="whole")
    instance = instance_of(searching, parameters.profiled(parameters.profiles["H100"]))
    pool = size_pool(searching, instance, between(table, 4096.0, 4096.0), 4096.0, DEMAND)
    expected = program.instances_required(0.0, 1.0, 0.5, 1.0)
    assert pool.instances == expected == 1
    assert pool.power == pytest.approx(profiles.MANUAL["H100"].power(1), rel=1e-12)
    assert pool.wait == np.inf


@given(factor=st.floats(1.1, 20))
def test_more_arrivals_never_need_fewer_instances(fleet, factor):
    more = replace(DEMAND, arrival_rate=1000.0 * factor)
    assert fleet(more).instances >= fleet().instances


def test_tokens_per_joule_differentiates_in_the_weight_time(parameters, fleet):
    profile = parameters.profiles["H100"]

    def efficiency(weight_time):
        return fleet(profile=replace(profile, weight_time=weight_time)).tokens_per_joule

    slope, step = jax.grad(efficiency)(0.004), 1e-8
    difference = (efficiency(0.004 + step) - efficiency(0.004 - step)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-4)


def test_the_exact_reference_of_the_homogeneous_fleet_holds(fleet):
    """145 instances; 5.44 tok/W at the whole batch of 13, a little less at 13.55."""
    assert fleet().instances == 145
    assert fleet().tokens_per_joule == pytest.approx(5.437, rel=0.012)


def test_a_table_has_the_fields_of_traffic(table):
    assert isinstance(table, Traffic)
    assert {column.shape for column in table} == {(65537,)}
