"""Iterations under chunked prefill, and boards at their limit of power: laws."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import jax
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import between, shares, step_times

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.serving.steps.chunked import Load, iterations
from tokwatt.serving.steps.power import within_limit
from tokwatt.serving.steps.step import first_token, step
from tokwatt.serving.steps.times import instance_of

MACHINES = [("llama-3.1-70b", "H100"), ("qwen3-235b-a22b", "B200"), ("qwen3-next-80b-a3b", "H200")]
ITERATIONS = jax.jit(iterations)
STEP = jax.jit(step, static_argnums=0)
FIRST_TOKEN = jax.jit(first_token, static_argnums=0)
WITHIN = jax.jit(within_limit)


class Parts(NamedTuple):
    """What a step uses of a board."""

    moved: float
    compute_time: float
    launch_time: float


@st.composite
def loads(draw):
    """Batches that take in prompts, more than a chunk in an iteration too."""
    batch, output = draw(between(1, 2048)), draw(between(1, 5000))
    prompt = draw(st.just(0.0) | between(1, 1e5))
    starts = batch / output
    return Load(batch, prompt + output / 2, starts * prompt, starts)


@pytest.fixture(scope="module")
def account(parameters):
    return AssumptionSets(parameters).account("consistent")


@pytest.fixture(scope="module")
def instances(parameters, account):
    @cache
    def of(llm, gpu):
        return instance_of(account, DeploymentNames(llm=llm, gpu=gpu).deployment(parameters))

    return of


each_machine = pytest.mark.parametrize("machine", MACHINES)


@each_machine
@given(load=loads())
def test_the_mean_pass_takes_in_the_prompts_of_what_it_decodes(instances, machine, load):
    """Up to a chunk all that arrives; beyond, fewer requests decode, as many prompts for each."""
    instance = instances(*machine)
    found = ITERATIONS(instance.costs, load)
    assert found.prompts == pytest.approx(
        min(load.prompts, float(instance.prefill_chunk)), rel=1e-12
    )
    assert found.prompts * load.batch == pytest.approx(
        float(load.prompts * found.running), rel=1e-12
    )


@each_machine
@given(load=loads())
def test_decoding_alone_is_the_shortest_and_the_late_pass_no_shorter_than_the_median(
    instances, machine, load
):
    instance = instances(*machine)
    found = ITERATIONS(instance.costs, load)
    decoding = float(found.decoding.latency) * (1 - 1e-12)
    assert decoding <= found.mean.latency
    assert decoding <= found.median_latency <= found.late_latency


@each_machine
def test_without_prompts_every_pass_decodes(instances, machine):
    instance = instances(*machine)
    found = ITERATIONS(instance.costs, Load(64.0, 1000.0, 0.0, 0.0))
    decoding = found.decoding.latency
    assert found.mean.latency == found.late_latency == decoding
    assert (found.running, found.prompts) == (64, 0)


@each_machine
@given(load=loads(), more=between(1, 3))
def test_more_of_the_same_requests_never_take_less_time(instances, account, machine, load, more):
    instance, larger = instances(*machine), Load(*(number * more for number in load))
    larger = larger._replace(length=load.length)
    few, many = (STEP(account.assumed, instance, each) for each in (load, larger))
    for name in ("latency", "median_latency", "late_latency", "running"):
        assert getattr(few, name) <= getattr(many, name) * (1 + 1e-9), name


@each_machine
@given(load=loads())
def test_a_board_never_draws_more_than_its_limit(instances, account, machine, load):
    instance = instances(*machine)
    found = STEP(account.assumed, instance, load)
    mean = ITERATIONS(instance.costs, load).mean
    assert 0 < found.power <= instance.utilization.limit * (1 + 1e-12)
    assert found.latency >= mean.latency * (1 - 1e-12)
    if found.latency > mean.latency * (1 + 1e-9):
        assert found.power == pytest.approx(float(instance.utilization.limit), rel=1e-9)


@each_machine
@given(
    moved=between(1e9, 1e12),
    computing=shares,
    launching=shares,
    one=step_times,
    other=step_times,
)
def test_a_step_within_the_limit_keeps_its_time_and_a_longer_one_never_gets_shorter(
    instances, machine, moved, computing, launching, one, other
):
    instance, (short, long) = instances(*machine), sorted((one, other))
    law, bandwidth = instance.utilization, instance.gpu.hbm_bandwidth
    use = Parts(moved, computing, launching)
    kept = [WITHIN(bandwidth, law, use, time) for time in (short, long)]
    assert kept[0][0] <= kept[1][0] * (1 + 1e-12)
    for time, (result, power) in zip((short, long), kept, strict=True):
        assert result >= time
        assert power <= law.limit
        if power < law.limit:
            assert result == time


@each_machine
@given(load=loads(), one=between(1, 1e5), other=between(1, 1e5))
def test_a_longer_prompt_never_has_its_first_token_sooner(
    instances, account, machine, load, one, other
):
    instance, (short, long) = instances(*machine), sorted((one, other))
    times = [FIRST_TOKEN(account.assumed, instance, load, prompt) for prompt in (short, long)]
    assert times[0] <= times[1] * (1 + 1e-12)


@each_machine
@given(load=loads())
def test_a_slower_board_takes_no_less_time(instances, account, machine, load):
    assume(load.prompts > 0)
    instance = instances(*machine)
    law = replace(instance.utilization, limit=0.8 * instance.utilization.limit)
    capped = STEP(account.assumed, replace(instance, utilization=law), load)
    assert capped.latency >= STEP(account.assumed, instance, load).latency * (1 - 1e-12)
    assert capped.power <= law.limit * (1 + 1e-12)
