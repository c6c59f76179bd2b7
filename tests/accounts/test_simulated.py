"""Simulations that are asked for in names, and what they say beside a fleet's formula."""

from dataclasses import replace

import numpy as np
import pytest

import tokwatt as tw
from tokwatt.accounts import simulated_fleet
from tokwatt.accounts.answers.pools import share_out
from tokwatt.accounts.answers.simulated import answer_of, beside, half_width
from tokwatt.accounts.deployments import fleet_account
from tokwatt.accounts.parts import Disaggregated
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.pools.targets import asked_of
from tokwatt.serving.steps.power import board_power
from tokwatt.serving.steps.step import single_use, step
from tokwatt.serving.steps.times import instance_of
from tokwatt.simulation.routers import Router

NAMES = tw.DeploymentNames(llm="llama-3.1-8b", gpus=1)


@pytest.fixture(scope="module")
def found(parameters):
    demand = tw.demanded(parameters, arrival_rate=10.0)
    return tw.simulate(parameters, "azure", demand, NAMES, count=1500, seeds=(0, 1, 2))


def test_a_dataset_has_units_and_all_requests(found):
    assert found.sizes["seed"] == 3 and found.sizes["request"] == 1500
    assert found.request_joules.attrs["units"] == "J"
    assert found.second_power.attrs["units"] == "W"
    assert found.attrs["largest_deviation"] < 1e-4
    assert not found.request_latency.isnull().any()


def cached_trace(share):
    """Requests at their own times, of each of which a share of the prompt is called cached."""
    rng = np.random.default_rng(5)
    prompt = rng.integers(200, 3000, 200)
    return Trace(
        name="mine.csv",
        prompt=prompt,
        output=rng.integers(1, 200, 200),
        cached=(share * prompt).astype(int),
        arrivals=np.arange(200) * 0.2,
    )


def test_a_trace_is_served_at_its_own_times_where_no_demand_says_otherwise(parameters):
    trace = cached_trace(0.0)
    found = tw.simulate(parameters, trace, names=NAMES, instances=[1])
    rate = trace.output.sum() / trace.arrivals[-1]
    assert found.throughput.item() == pytest.approx(rate, rel=0.1)


def test_cached_tokens_of_a_trace_are_hits_if_they_are_to_be_found(parameters):
    trace, demand = cached_trace(0.5), tw.demanded(parameters, arrival_rate=5.0)
    again, found = (
        tw.simulate(parameters, trace, demand, NAMES, instances=[1], cached=own)
        for own in ("again", "found")
    )
    assert (again.request_hits == 0).all()
    assert found.request_hits.values[0].tolist() == trace.cached.tolist()
    assert float(found.request_first_token.mean()) < float(again.request_first_token.mean())


@pytest.mark.parametrize("requests", ["azure", cached_trace(0.0)], ids=["drawn", "none"])
def test_no_cached_tokens_are_found_where_requests_have_none(parameters, requests):
    with pytest.raises(
        tw.ParameterError, match="cached: is 'found' beside requests that are drawn"
    ):
        tw.simulate(parameters, requests, None, NAMES, instances=[1], cached="found")


def test_an_answer_has_intervals_of_its_seeds(found):
    answer = answer_of(found)
    quantity = answer.quantities["first_token"]
    assert quantity.low < quantity.value < quantity.high
    assert "3 seeds" in str(answer)


def test_a_fleet_has_the_power_and_the_median_latency_that_its_formula_says(parameters):
    demand = tw.demanded(parameters, arrival_rate=10.0)
    answer = tw.fleet(parameters, "azure", demand, NAMES)
    both = beside(answer, parameters, "azure", demand, NAMES)
    assert both.simulated_first_token > 0
    assert both.simulated_inter_token_latency == pytest.approx(answer.inter_token_latency, rel=0.1)
    assert both.simulated_power == pytest.approx(answer.power, rel=0.06)


def test_an_instance_rests_between_requests_that_come_seldom(parameters):
    """By the formula as by the simulation; in the end it draws what its boards do without work."""
    seldom, never = (tw.demanded(parameters, arrival_rate=rate) for rate in (0.3, 1e-4))
    answer = tw.fleet(parameters, "azure", seldom, NAMES)
    both = beside(answer, parameters, "azure", seldom, NAMES)
    assert both.simulated_power == pytest.approx(answer.power, rel=0.06)
    deployment = NAMES.deployment(parameters)
    idle = float(deployment.utilization.idle) * NAMES.gpus
    assert tw.fleet(parameters, "azure", never, NAMES).power == pytest.approx(idle, rel=1e-2)


def test_an_instance_of_one_slot_works_for_its_utilization_of_the_time(parameters):
    """It runs one request then, not more: by hand, what its steps and resting boards draw."""
    names = replace(NAMES, max_num_seqs=1)
    demand = tw.demanded(parameters, arrival_rate=0.3, latency_target=30.0, itl_target=0.1)
    answer = tw.fleet(parameters, "azure", demand, names)
    [pool] = answer.pools
    account = fleet_account(parameters, "consistent", names, "azure")
    deployment = names.deployment(parameters)
    laid = share_out(parameters, "azure", names, account, (), None, demand)
    traffic, own = laid.routed.pools[0], (account.assumed, instance_of(account, deployment))
    one, chunk = asked_of(account.assumed, traffic).at(np.array(1.0)), float(own[1].costs.chunk)
    working = float(step(*own, one).power)
    busy, idle = pool["utilization"].value, float(deployment.utilization.idle)
    taking = one._replace(prompts=chunk, prefills=chunk / traffic.prompts)
    time, full = map(float, board_power(*own, single_use(*own, taking)))
    decoding = float(
        board_power(*own, single_use(*own, one._replace(prompts=0.0, prefills=0.0)))[1]
    )
    filling = 0.3 * traffic.prompts * time / chunk / busy
    prompt = traffic.prompts2 / (2 * traffic.prompts) * time / chunk
    apart = 2 * prompt * (1 + prompt * np.expm1(-1 / prompt))
    working += apart * (filling * full + (1 - filling) * decoding - working)
    each = NAMES.gpus * (busy * working + (1 - busy) * idle)
    assert pool["batch"].value == pytest.approx(busy, rel=1e-6)
    assert answer.power == pytest.approx(answer.instances * each, rel=1e-6)


@pytest.mark.parametrize("gpus", [4, 8])
def test_prefill_apart_is_simulated_as_its_formula_says(parameters, gpus):
    """Where a router sends prompts at random, as the formula's queue takes them to come."""
    own = tw.DeploymentNames(gpus=gpus, precision="fp8")
    names = Disaggregated(prefill=own, decode=own)
    numbers = {"latency_target": 1.0, "itl_target": 0.03, "itl_quantile": 0.99}
    demand = tw.demanded(parameters, arrival_rate=20.0, **numbers)
    answer = tw.fleet(parameters, "azure", demand, names)
    instances = [int(pool["instances"].value) for pool in answer.pools]
    asked = parameters, "azure", demand, names
    found = answer_of(tw.simulate(*asked, instances=instances, router="random", count=8000))
    for name, error in (
        ("power", 0.06),
        ("inter_token_latency", 0.05),
        ("inter_token_latency_p99", 0.1),
    ):
        assert getattr(found, name) == pytest.approx(getattr(answer, name), rel=error)
    for name in ("first_token", "first_token_p99"):  # a sum of percentiles is an upper bound
        assert 0.6 * getattr(answer, name) < getattr(found, name) < 1.1 * getattr(answer, name)
    assert found.throughput == pytest.approx(answer.throughput, rel=0.05)
    assert "prefill" in str(found) and "decode" in str(found)


@pytest.mark.parametrize("router", ["random", "least_work"])
def test_a_simulation_has_the_router_of_its_account(parameters, router, monkeypatch):
    """Said by a choice or by its own option; `fleet` sizes behind the same one."""
    rules, sized = [], []

    def routed(rule, *rest):
        rules.append(rule)
        return Router(rule, *rest)

    def fleet(*asked, **question):
        sized.append(fleet_account(asked[0], "consistent", NAMES, "azure", question["changes"]))
        return tw.fleet(*asked, **question)

    monkeypatch.setattr(simulated_fleet, "Router", routed)
    monkeypatch.setattr(simulated_fleet, "fleet", fleet)
    asked = parameters, "azure", tw.demanded(parameters, arrival_rate=2.0), NAMES
    tw.simulate(*asked, count=20, changes={"router": router})
    tw.simulate(*asked, count=20, router=router)
    assert rules == [router] * 2 and {it.assumed.router for it in sized} == {router}
    tw.simulate(*asked, count=20)
    assert rules[-1] == fleet_account(parameters, "consistent", NAMES, "azure").assumed.router


def test_halves_that_cannot_serve_one_request_are_refused(parameters):
    one = tw.DeploymentNames()
    demand = tw.demanded(parameters, arrival_rate=2.0)
    for other, sentence in (
        (tw.DeploymentNames(llm="llama-3.1-8b"), "llm: is llama-3.1-8b where requests decode"),
        (tw.DeploymentNames(kv_precision="fp8"), "kv_precision: is 1 B a number where"),
        (tw.DeploymentNames(engine="sglang"), "engine: is sglang where requests decode"),
    ):
        names = Disaggregated(prefill=one, decode=other)
        for ask in (tw.fleet, tw.simulate):
            with pytest.raises(tw.ParameterError, match=sentence):
                ask(parameters, "azure", demand, names)


def test_a_trace_keeps_its_order_and_its_times_at_another_rate(parameters):
    rng = np.random.default_rng(1)
    trace = Trace(
        name="mine.csv",
        prompt=rng.integers(10, 900, 300),
        output=rng.integers(1, 200, 300),
        arrivals=np.sort(rng.uniform(0, 100, 300)),
    )
    demand = tw.demanded(parameters, arrival_rate=2 * trace.arrival_rate)
    found = tw.simulate(parameters, trace, demand, NAMES, instances=[1])
    assert (found.request_prompt[0] == trace.prompt).all()
    assert np.allclose(found.request_arrival[0], trace.arrivals / 2)


def test_requests_of_a_trace_of_sums_do_not_all_come_with_the_first_of_their_row(parameters):
    hours = {"counts": np.full(3, 200), "arrivals": np.array([0.0, 3600.0, 7200.0])}
    trace = Trace(name="usage.json", prompt=np.full(3, 1000), output=np.full(3, 50), **hours)
    demand = tw.demanded(parameters, arrival_rate=trace.arrival_rate)
    found = tw.simulate(parameters, trace, demand, NAMES, instances=[1], count=600)
    alone = tw.point(parameters, NAMES, prompt=1000, output=50, batch=1)
    assert float(found.first_token[0]) == pytest.approx(alone.first_token, rel=0.1)
    assert len(np.unique(found.request_arrival[0])) == 600


def test_a_simulation_says_what_no_measured_run_supports(parameters):
    demand = tw.demanded(parameters, arrival_rate=0.1)
    names = replace(NAMES, gpu="L40S")
    answer = answer_of(tw.simulate(parameters, "azure", demand, names, instances=[1], count=50))
    assert "1 instance, 50" in answer.basis.calibrated_on
    assert answer.basis.extrapolated[0] == "gpu L40S"
    seldom = answer_of(tw.simulate(parameters, "azure", demand, NAMES, instances=[1], count=50))
    assert seldom.basis.extrapolated[0].startswith("batch 0.")


@pytest.mark.parametrize("account", ["consistent", "paper"])
def test_windows_are_those_that_the_fleet_has(parameters, account):
    demand = tw.demanded(parameters, arrival_rate=2.0)
    question = {"split_lengths": [2048.0], "account": account}
    asked = tw.fleet(parameters, "azure", demand, NAMES, **question)
    found = tw.simulate(parameters, "azure", demand, NAMES, count=50, **question)
    assert found.attrs["context_windows"] == [pool["context_window"].value for pool in asked.pools]
    assert found.attrs["instances"] == [pool["instances"].value for pool in asked.pools]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"instances": [1], "arrival_rate": 500.0},
            "^requests of azure: cannot be served, the prefill is full",
        ),
        ({"instances": [1, 1]}, "instances: has 2 numbers, wanted 1"),
        ({"router": "nearest"}, "router: is 'nearest', wanted"),
        (
            {"router": "random", "changes": {"router": "least_work"}},
            "router: is 'random' beside router=least_work of the account, wanted one of the two",
        ),
        ({"process": "weekly"}, "process: is 'weekly', wanted"),
        ({"context_window": 1024}, "context_window: is 1024, wanted the longest request's"),
    ],
)
def test_a_question_without_an_answer_is_one_sentence(parameters, options, sentence):
    demand = tw.demanded(parameters, arrival_rate=options.pop("arrival_rate", 5.0))
    with pytest.raises(tw.ParameterError, match=sentence):
        tw.simulate(parameters, "azure", demand, NAMES, count=2000, **options)


def test_no_percentile_of_times_may_be_negative(parameters):
    """Two seeds far apart: half of the interval of a late wait is more than its mean."""
    found = tw.simulate(
        parameters,
        "lmsys",
        tw.demanded(parameters, arrival_rate=5.0, output_share=0.2),
        count=300,
        seeds=(0, 1),
        changes={"output_share": "fifth"},
    )
    waits, said = found["queued_p99"].values, answer_of(found).quantities["queued_p99"]
    assert waits.mean() < half_width(waits)
    assert said.low == 0 and said.high == pytest.approx(waits.mean() + half_width(waits))
