"""Where a formula has the percentiles of a simulation, and where it says that it has not."""

from dataclasses import replace

import numpy as np
import pytest

import tokwatt as tw
from tokwatt.accounts.answers.simulated import beside
from tokwatt.accounts.doubts import doubts
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.pools.pool import Pool

NAMES = tw.DeploymentNames()
PERCENTILES = ("first_token", "first_token_p99", "inter_token_latency", "inter_token_latency_p99")


def asked(parameters, rate, requests="azure", **question):
    demand = tw.demanded(parameters, arrival_rate=rate, latency_target=60.0, itl_target=10.0)
    demand = replace(demand, max_utilization=0.999)
    return tw.fleet(parameters, requests, demand, NAMES, **question), demand


def test_what_the_formula_answers_is_what_a_simulation_says(parameters):
    answer, demand = asked(parameters, 5.0)
    assert answer.basis.simulate == ()
    both = beside(answer, parameters, "azure", demand, NAMES)
    for name, within in zip(PERCENTILES, (0.1, 0.12, 0.05, 0.2), strict=True):
        simulated = getattr(both, f"simulated_{name}")
        assert getattr(answer, name) == pytest.approx(simulated, rel=within), name


def test_long_prompts_that_hold_up_others_must_be_simulated(parameters):
    stated = {"changes": {"output_share": "fifth"}}
    few, many = (asked(parameters, rate, "lmsys", **stated)[0] for rate in (2.0, 14.0))
    assert "hold up all others" not in str(few)
    assert "first token p99: prompts in progress hold up all others" in str(many)


def test_a_kv_cache_pool_that_fills_must_be_simulated(parameters):
    answer, _ = asked(parameters, 1.3, "agent_heavy", changes={"output_share": "fifth"})
    assert "of the KV cache pool" in "; ".join(answer.basis.simulate)


def test_a_trace_in_bursts_must_be_simulated_and_one_at_random_not(parameters):
    rng = np.random.default_rng(2)
    told = []
    for gaps in (rng.exponential(1.0, 2000), rng.gamma(0.25, 4.0, 2000)):
        trace = Trace(
            name="mine.csv",
            prompt=rng.integers(200, 900, 2000),
            output=rng.integers(50, 200, 2000),
            arrivals=np.cumsum(gaps),
        )
        told.append("; ".join(asked(parameters, 5.0, trace)[0].basis.simulate))
    assert "bursts" not in told[0]
    assert (
        "first token, first token p99, inter token latency p99: arrivals come in bursts" in told[1]
    )


@pytest.mark.parametrize("long, doubted", [(2_000, False), (40_000, True)])
def test_a_median_behind_far_longer_prompts_must_be_simulated(parameters, long, doubted):
    """One prompt in ten has 40,000 tokens, 1,000 the others: simulated 0.09 s, by formula 0.3 s."""
    prompt = np.where(np.arange(1000) % 10, 1_000, long)
    trace = Trace(name="mine.csv", prompt=prompt, output=np.full(1000, 200))
    for instances, named in {(): "first token, first token p99", (16.0,): "first token"}.items():
        answer, _ = asked(parameters, 20.0, trace, least_instances=instances)
        told = [phrase for phrase in answer.basis.simulate if "prompts differ" in phrase]
        assert [phrase.split(":")[0] for phrase in told] == [named] * doubted


def test_the_papers_account_has_no_such_percentiles(parameters):
    answer, _ = asked(parameters, 5.0, account="paper")
    assert answer.basis.simulate == ()


def test_a_doubt_says_of_which_pool_it_is_unless_it_is_of_all(parameters):
    demand = tw.demanded(parameters, arrival_rate=1000.0)
    told = tw.fleet(parameters, "azure", demand, split_lengths=(4096.0,)).basis.simulate
    assert told
    assert all(" of requests up to 4096: " in phrase for phrase in told)


def documents(median, spread, output):
    """Prompts of a lognormal law and answers of one length, and one instance of 8B for them."""
    rng = np.random.default_rng(3)
    prompt = np.clip(median * np.exp(spread * rng.standard_normal(5000)), 1, 60_000).astype(int)
    return Trace(name="mine.csv", prompt=prompt, output=np.full(5000, output))


def one_instance(parameters, trace, rate):
    """The answer of `fleet`, and the same simulated."""
    names = tw.DeploymentNames(llm="llama-3.1-8b", gpus=1)
    demand = replace(
        tw.demanded(parameters, arrival_rate=rate, latency_target=600.0, itl_target=10.0),
        max_utilization=0.999,
    )
    answer = tw.fleet(parameters, trace, demand, names)
    assert answer.instances == 1
    return answer, beside(answer, parameters, trace, demand, names)


@pytest.mark.parametrize("rate, doubted", [(0.3, False), (2.8, True)])
def test_short_answers_that_pile_up_behind_long_prompts_must_be_simulated(
    parameters, rate, doubted
):
    """As of documents: at the higher rate the median inter-token latency is twice the formula's."""
    answer, both = one_instance(parameters, documents(4000, 1.2, 60), rate)
    told = [phrase for phrase in answer.basis.simulate if "follow upon one another" in phrase]
    named = "first token, inter token latency, first token p99"
    assert [phrase.split(":")[0] for phrase in told] == [named] * doubted
    ratio = both.simulated_inter_token_latency / answer.inter_token_latency
    assert ratio > 2 if doubted else ratio == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "law, rate",
    [((4000, 1.2, 60), 2.8), ((1000, 0.5, 30), 25.0), ((1000, 1.1, 150), 9.0)],
    ids=["long", "short", "uneven"],
)
def test_the_latest_tokens_are_those_beside_prompts_that_came_together(parameters, law, rate):
    """By the mean prompt of a pass alone they would be 0.5 to 0.7 times as late."""
    answer, both = one_instance(parameters, documents(*law), rate)
    assert "inter token latency p99" not in "; ".join(answer.basis.simulate)
    simulated = both.simulated_inter_token_latency_p99
    assert answer.inter_token_latency_p99 == pytest.approx(simulated, rel=0.15)


QUIET = Pool(*[0.0] * len(Pool._fields))._replace(late_latency=0.02, latency_ratio=1.0)


def doubted(burstiness=1.0, **fields):
    return {name for name, _ in doubts(QUIET._replace(**fields), burstiness)}


def test_a_pool_that_hardly_takes_in_prompts_is_not_doubted():
    assert doubted() == set()


@pytest.mark.parametrize(("tokens", "iterations"), [(0.008, 0.003), (0.01, 0.01), (0.06, 0.02)])
def test_late_tokens_are_doubted_where_about_one_in_a_hundred_comes_beside_prompts(
    tokens, iterations
):
    """Simulated, they are a quarter to ten times later or sooner than by formula."""
    found = doubted(token_share=tokens, prefill_share=iterations)
    assert found == {"inter_token_latency_p99"}


@pytest.mark.parametrize(("tokens", "iterations"), [(0.003, 0.003), (0.04, 0.04)])
def test_late_tokens_are_not_doubted_where_they_are_of_one_kind(tokens, iterations):
    assert doubted(token_share=tokens, prefill_share=iterations) == set()


def test_medians_are_doubted_where_requests_pile_up_behind_prompts():
    """With 8B and prompts of any length the simulated median is half as long again."""
    found = doubted(latency_ratio=1.87, token_share=0.066, prefill_share=0.04)
    assert found == {"first_token", "first_token_p99", "inter_token_latency"}
    assert "inter_token_latency" not in doubted(latency_ratio=1.05, token_share=0.066)


def test_bursts_are_doubted():
    assert "first_token_p99" in doubted(burstiness=2.0)
