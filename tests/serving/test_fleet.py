"""Fleets summed exactly: what goes in comes out, and more is never worse."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import paper_profiles as profiles
from reference import paper_program as program

from tokwatt.accounts.answers import fleet as answered
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import CONSERVING, DeploymentNames
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.serving.fleet import fleet_of, size_pool, split_fleet
from tokwatt.serving.routing import Topology, route
from tokwatt.serving.times import instance_of
from tokwatt.serving.traffic import Traffic, between, law_table

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
    law, chunk = parameters.workloads["azure"], profile.prefill_chunk
    table = law_table(account.assumed, law, 0.2, chunk, 65536)
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


# --- the consistent account


@pytest.fixture(scope="module")
def headlines(parameters):
    return Headlines(parameters)


@pytest.fixture(scope="module")
def pools_of(headlines):
    """Sizes the pools of eight H100 with Llama-3.1-70B for the Azure workload."""
    case, account = headlines.cases["azure_h100_homogeneous"], headlines.account("consistent")
    requests = case.requests(account.assumed, 0.2)
    chunk = float(case.deployment.prefill_chunk(chunked=True))
    instance, sized = instance_of(account, case.deployment), jax.jit(size_pool)

    def size(demand, splits=()):
        topology = Topology(65536.0, splits)
        routed = route(account.assumed, requests, case.workload.lengths, topology, chunk, 1.0)
        pools = zip(routed.pools, routed.windows, strict=True)
        return [sized(account, instance, *pool, demand) for pool in pools], routed

    return size


TARGETS = {
    "ttft": st.sampled_from([0.4, 0.5, 1.0, 10.0]),
    "itl": st.sampled_from([0.03, 0.05, 0.2]),
    "quantile": st.sampled_from([0.5, 0.99]),
    "arrival_rate": st.sampled_from([0.5, 30.0, 1000.0]),
}
EVERY_SPLIT = [(), (4096.0,), (1500.0, 8192.0), (512.0, 4096.0, 16384.0)]


@settings(max_examples=20)
@given(splits=st.sampled_from(EVERY_SPLIT), **TARGETS)
def test_both_targets_hold_in_every_pool_and_no_board_has_more_than_it_carries(
    pools_of, splits, ttft, itl, quantile, arrival_rate
):
    demand = Demand(
        arrival_rate=arrival_rate,
        latency_target=ttft,
        itl_target=itl,
        itl_quantile=quantile,
        max_utilization=0.85,
        output_share=0.2,
    )
    for pool in pools_of(demand, splits)[0]:
        if not 0 < pool.instances < np.inf:
            continue
        latency = pool.median_latency if quantile == 0.5 else pool.late_latency
        assert latency <= itl * (1 + 1e-6)
        assert pool.wait + pool.prompt_time == pytest.approx(float(pool.late_first_token))
        assert pool.late_first_token <= ttft * (1 + 1e-6)
        assert pool.median_latency <= pool.late_latency
        assert pool.median_first_token <= pool.late_first_token
        assert pool.utilization <= 0.85 * (1 + 1e-12)
        assert pool.batch <= pool.concurrency * (1 + 1e-12)


def test_such_targets_can_be_met(pools_of):
    demand = replace(DEMAND, latency_target=1.0, itl_target=0.05)
    for splits in EVERY_SPLIT:
        assert np.isfinite([pool.instances for pool in pools_of(demand, splits)[0]]).all()


@pytest.mark.parametrize("splits", EVERY_SPLIT)
def test_another_split_loses_no_requests_and_no_tokens(pools_of, headlines, splits):
    demand = replace(DEMAND, latency_target=1.0)
    (whole,), one = pools_of(demand)
    parts, routed = pools_of(demand, splits)
    arriving = sum(float(pool.arrival_rate) for pool in parts)
    assert arriving == pytest.approx(DEMAND.arrival_rate, rel=1e-12)
    assert routed.rejected == one.rejected == 0
    fleet = fleet_of(parts, 8.0, routed.rejected)
    assert float(fleet.generated) == pytest.approx(float(whole.generated), rel=1e-12)
    assert float(fleet.throughput) == pytest.approx(float(whole.credited), rel=1e-12)
    for window, traffic in zip(routed.windows, routed.pools, strict=True):
        assert traffic.steps_mean <= traffic.steps * window


@pytest.mark.parametrize(
    "changes, numbers, message",
    [
        ({"llm": "llama-3.1-405b"}, {}, "llm: does not fit on an instance"),
        ({}, {"itl_target": 0.001}, r"itl: is 0.001 s, but one request alone .* takes"),
        ({}, {"latency_target": 0.001}, r"ttft: is 0.001 s, but one request alone .* takes"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused_for_what_it_misses(
    parameters, headlines, changes, numbers, message
):
    with pytest.raises(ParameterError, match=message):
        answered(
            parameters, "azure", replace(headlines.demand, **numbers), DeploymentNames(**changes)
        )


def test_an_answer_is_its_fleet_within_its_interval(parameters, headlines, pools_of):
    found = answered(parameters, "azure", headlines.demand, split_lengths=(4096.0,))
    pools, routed = pools_of(headlines.demand, (4096.0,))
    fleet = fleet_of(pools, 8.0, routed.rejected)
    for name in ("instances", "gpus", "power", "throughput", "tokens_per_joule", "rejected"):
        assert getattr(found, name) == pytest.approx(float(getattr(fleet, name)), rel=1e-9), name
    for numbers in (found.quantities, *found.pools):
        for each in numbers.values():
            assert each.low is None or each.low <= each.value <= each.high
    total = sum(numbers["power"].value for numbers in found.pools)
    assert total == pytest.approx(found.power, rel=1e-12)
