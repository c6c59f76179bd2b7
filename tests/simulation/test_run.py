"""Fleets: what goes in comes out, whatever the router; the same seed gives the same run."""

import numpy as np
import pytest
from simulation.flat import CheckedEngine

from tokwatt.accounts.deployments import DeploymentNames, account_of
from tokwatt.serving.demand.requests import pairs_of
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import step
from tokwatt.serving.steps.times import instance_of
from tokwatt.simulation.arrivals import ARRIVALS, arrivals, arrived, repeated
from tokwatt.simulation.disaggregated import Stage, run_disaggregated
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import ROUTERS, Router
from tokwatt.simulation.run import run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.simulation.summary import by_second, overloaded, totals

LIMITS = Limits(64, 2048, 1500, 16)
KINDS = pairs_of(np.array([200.0, 1500.0, 60.0]), np.array([50.0, 120.0, 400.0]), np.ones(3) / 3)


@pytest.fixture(scope="module")
def instance(parameters):
    names = DeploymentNames(llm="llama-3.1-8b", gpus=1)
    account = account_of(parameters, "consistent", names)
    return account, instance_of(account, names.deployment(parameters))


@pytest.fixture(scope="module")
def table(instance):
    return StepTable(*instance, LIMITS, 4096)


def served(table, rate, count=400, rule="round_robin", engines=(2,), seed=1, process="poisson"):
    stream = arrivals(KINDS, process, rate, count, seed)
    router = Router(rule, engines, (500.0,)[: len(engines) - 1], seed)
    limits = [LIMITS] * len(engines)
    return run_pools([table] * len(engines), limits, stream, router, engine_type=CheckedEngine)


@pytest.mark.parametrize("rule", ROUTERS)
@pytest.mark.parametrize("engines", [(3,), (1, 2)])
def test_all_requests_and_joules_come_out(table, rule, engines):
    done = served(table, 8.0, rule=rule, engines=engines)
    finished, recorders = done.finished, done.recorders
    assert (finished.number == np.arange(400)).all()
    joules = sum(float(recorder.seconds[3].sum()) for recorder in recorders)
    assert finished.joules.sum() == pytest.approx(joules, rel=1e-9)
    assert max(recorder.deviation for recorder in recorders) < 1e-3
    if len(engines) > 1:
        assert (finished.pool == (finished.prompt + finished.output > 500)).all()
    tokens = sum(float(recorder.histogram.sum()) for recorder in recorders)
    assert tokens == (finished.output - 1).sum()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(table):
    first, again, other = (served(table, 6.0, seed=seed).finished for seed in (3, 3, 4))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert (first.latency != other.latency).any()


def test_seconds_hold_what_requests_and_steps_do(table):
    done = served(table, 6.0)
    finished, second, sums = done.finished, by_second(done), totals(done)
    beside = table.first_token + table.first_token_prompt * finished.prompt
    ran = (finished.latency - finished.queued - beside).sum()
    assert second.running.sum() == pytest.approx(ran, rel=1e-6)
    assert second.power.mean() == pytest.approx(sums.power, rel=0.02)
    assert sums.throughput == pytest.approx(finished.output.sum() / done.duration)


def test_rates_are_of_the_part_in_which_a_run_neither_fills_nor_drains(table):
    one = pairs_of(np.array([200.0]), np.array([300.0]), np.ones(1))
    stream = arrivals(one, "constant", 60.0, 1500, 1)
    done = run_pools([table], [LIMITS], stream, Router("round_robin", [4]))
    whole, steady = totals(done), totals(done, 0.2)
    assert whole.throughput < 0.95 * 60 * 300
    assert steady.throughput == pytest.approx(60 * 300, rel=0.005)
    middle = slice(8, 22)
    assert steady.power == pytest.approx(by_second(done).power[middle].mean(), rel=0.005)
    assert steady.tokens_per_joule == pytest.approx(steady.throughput / steady.power)


def test_a_long_queue_is_as_long_as_its_requests_wait(table):
    done = served(table, 400.0, engines=(1,))
    waited = float(done.finished.queued.sum())
    assert by_second(done).waiting.sum() == pytest.approx(waited, rel=0.05)


def test_a_steady_batch_has_the_latency_and_the_power_of_a_point(instance, table):
    account, own = instance
    batch, output = 16, 2000
    stream = arrived(np.zeros(batch), np.full(batch, 100), np.full(batch, output))
    done = run_pools(
        [table], [LIMITS._replace(blocks=10**6)], repeated(stream), Router("random", [1])
    )
    point = step(account.assumed, own, Load(float(batch), 100.0 + output / 2, 0.0, 0.0))
    sums = totals(done)
    assert sums.inter_token_latency == pytest.approx(float(point.latency), rel=3e-3)
    assert sums.power == pytest.approx(float(point.power), rel=1e-2)
    assert sums.throughput == pytest.approx(batch / float(point.latency), rel=1e-2)


SQUARED_VARIATION = {"poisson": 1.0, "constant": 0.0, "gamma": 4.0}
"""Of the gaps of a process."""


@pytest.mark.parametrize("process", ARRIVALS)
def test_arrivals_have_the_rate_and_the_variation_of_their_process(process):
    times = np.concatenate([part.arrival for part in arrivals(KINDS, process, 2.0, 40000, 5)])
    if process == "daily":
        hours = np.histogram(times, np.arange(0, 6 * 3600.0, 3600.0))[0]
        assert (np.diff(hours) > 0).all()  # from midnight, the lowest, to the morning
        return
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(0.5, rel=0.05)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(SQUARED_VARIATION[process], abs=0.15)


def test_what_cannot_be_served_is_said_with_what_is_full(table):
    assert overloaded(served(table, 4.0)) == ""
    assert "prefill is full from" in overloaded(served(table, 400.0, engines=(1,)))
    small = [LIMITS._replace(sequences=2)]
    stream = arrivals(KINDS, "constant", 20.0, 400, 1)
    done = run_pools([table], small, stream, Router("round_robin", [1]))
    assert "batch is full from" in overloaded(done)
    tight = [LIMITS._replace(blocks=150)]
    stream = arrivals(KINDS, "constant", 20.0, 400, 1)
    done = run_pools([table], tight, stream, Router("round_robin", [1]))
    assert "KV cache pool is full from" in overloaded(done)


def test_a_median_and_a_late_latency_of_a_request_are_those_of_its_steps(table):
    done = served(table, 6.0, engines=(1,))
    finished = done.finished
    several = finished.output > 50
    mean = (finished.latency - finished.first_token)[several] / (finished.output[several] - 1)
    assert (finished.itl_p50[several] <= finished.itl_p99[several]).all()
    assert (finished.itl_p50[several] <= 2.001 * mean).all()
    # A single long stall lifts the mean of some requests above their 99th percentile.
    assert (finished.itl_p99[several] >= 0.999 * mean).mean() > 0.95


def apart(table, stream, transfer):
    """One instance that prefills and one that decodes."""
    stages = [Stage([table], [LIMITS], Router("round_robin", [1])) for _ in range(2)]
    return run_disaggregated(*stages, [transfer], stream)


def test_prefill_apart_does_not_stall_tokens_and_loses_nothing(table):
    count = 400
    together = served(table, 8.0, count, engines=(2,)).finished
    stream = arrivals(KINDS, "poisson", 8.0, count, 1)
    done = apart(table, stream, lambda prompt: prompt * 131072.0 / 4e11)
    finished = done.finished
    assert (finished.output == together.output).all()
    joules = sum(float(recorder.seconds[3].sum()) for recorder in done.recorders)
    assert finished.joules.sum() == pytest.approx(joules, rel=1e-9)
    tokens = sum(float(recorder.histogram.sum()) for recorder in done.recorders)
    assert tokens == (finished.output - 1).sum()
    assert (finished.latency >= finished.first_token).all()
    assert np.nanmax(finished.itl_p99) < 0.5 * np.nanquantile(together.itl_p99, 0.99)


def test_a_slow_link_delays_the_first_token_by_the_transfer(table):
    stream = arrived(np.array([0.0]), np.array([1000]), np.array([50]))
    fast, slow = (
        apart(table, repeated(stream), lambda prompt, own=own: 1e5 * prompt / own).finished
        for own in (1e12, 1e8)
    )
    more = pytest.approx(1e8 / 1e8 - 1e8 / 1e12, rel=1e-6)
    assert slow.first_token[0] - fast.first_token[0] == more
    assert slow.latency[0] - fast.latency[0] == more


def test_a_prompt_whose_last_token_is_left_costs_a_step_of_decode(table):
    """Alone it is computed in the time in which one request decodes."""
    stream = arrived(np.array([0.0]), np.array([1000]), np.array([2]), reused=np.array([1000]))
    done = run_pools([table], [LIMITS], repeated(stream), Router("round_robin", [1]))
    beside = table.first_token + table.first_token_prompt * 1000
    assert done.finished.first_token[0] - beside == pytest.approx(table.decoding(1, 1000), rel=1e-9)


def test_pools_apart_and_together_serve_what_each_would_alone(table):
    """Short requests are prefilled apart, the others not; nothing of one pool reaches the other."""
    stream = list(arrivals(KINDS, "poisson", 6.0, 300, 2))
    length = np.concatenate([part.prompt + part.output for part in stream])
    split = float(np.median(length))

    def stage(*counts):
        return Stage([table] * 2, [LIMITS] * 2, Router("round_robin", counts, [split]))

    done = run_disaggregated(stage(1, 1), stage(1, 0), [lambda p: 0.0 * p, None], iter(stream))
    short = length <= split
    assert (done.finished.pool == ~short).all()
    for own, alone in (
        (short, lambda part: apart(table, part, lambda prompt: 0.0 * prompt)),
        (~short, lambda part: run_pools([table], [LIMITS], part, Router("round_robin", [1]))),
    ):
        whole = type(stream[0])(*(np.concatenate(column) for column in zip(*stream, strict=True)))
        part = type(whole)(*(column[own] for column in whole))
        wanted = alone(repeated(part)).finished
        for name, error in (("first_token", 1e-6), ("latency", 1e-6), ("joules", 0.02)):
            found = getattr(done.finished, name)[own]  # joules by what is read at once
            assert found == pytest.approx(getattr(wanted, name), rel=error)
