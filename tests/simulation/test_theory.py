"""Limits in which an engine is a queue with a closed form."""

import math

import numpy as np
import pytest
from simulation.flat import FlatSteps, ample, served

from tokwatt.simulation.engine import SimulatedEngine
from tokwatt.simulation.requests import Limits

STEP = 0.004
"""Duration of a step over the mean time of service: small, so that time is nearly continuous."""
COUNT = 10000


def rows_of(rate, steps, seed, count=COUNT):
    """Poisson arrivals of one prompt token each, and outputs that take so many steps."""
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(1 / rate, count))
    return list(zip(arrival.tolist(), [1] * count, steps(rng, count).tolist(), strict=True))


def exponential(rng, count):
    return np.maximum(1, np.ceil(rng.exponential(1 / STEP, count))).astype(int)


def constant(rng, count):
    return np.full(count, round(1 / STEP))


def mean_wait(rows, servers):
    engine = served(FlatSteps(STEP), Limits(servers, 10**9, 10**9, 16), rows, SimulatedEngine)
    done = engine.done
    return float(np.mean([request.admitted - request.arrival for request in done]))


def erlang_c(servers, load):
    """Share of arrivals that wait."""
    lost = load**servers / math.factorial(servers)
    carried = sum(load**k / math.factorial(k) for k in range(servers))
    waiting = lost * servers / (servers - load)
    return waiting / (carried + waiting)


@pytest.mark.parametrize(("servers", "rate"), [(1, 0.5), (4, 2.8)])
def test_exponential_outputs_that_do_not_slow_each_other_wait_as_in_mmc(servers, rate):
    wait = np.mean([mean_wait(rows_of(rate, exponential, s), servers) for s in range(3)])
    assert wait == pytest.approx(erlang_c(servers, rate) / (servers - rate), rel=0.08)


def test_equal_outputs_one_at_a_time_wait_as_in_md1():
    rate = 0.5
    wait = np.mean([mean_wait(rows_of(rate, constant, seed), 1) for seed in range(3)])
    assert wait == pytest.approx(rate / (2 * (1 - rate)), rel=0.06)


def test_late_waits_are_those_of_mm1():
    """All of the law: P(wait > t) = load exp(-(1 - load) t), for service of mean 1."""
    load = 0.6
    waits = np.concatenate(
        [
            [
                request.admitted - request.arrival
                for request in served(
                    FlatSteps(STEP),
                    Limits(1, 10**9, 10**9, 16),
                    rows_of(load, exponential, seed),
                    SimulatedEngine,
                ).done
            ]
            for seed in range(4)
        ]
    )
    # Whoever comes while nobody is served waits for at most the rest of a step.
    assert np.mean(waits > STEP) == pytest.approx(load, rel=0.03)
    for share in (0.9, 0.99):
        late = np.log(load / (1 - share)) / (1 - load)
        assert np.quantile(waits, share) == pytest.approx(late, rel=0.12)


@pytest.mark.parametrize("steps", [exponential, constant])
def test_steps_in_proportion_to_the_batch_share_the_processor(steps):
    """M/G/1 processor sharing: x / (1 - load) for a request of x, whatever the law."""
    rate = 0.6
    engine = served(FlatSteps(0.0, STEP, STEP), ample(), rows_of(rate, steps, 5), SimulatedEngine)
    work = np.array([request.output for request in engine.done]) * STEP
    spent = np.array([request.finished - request.arrival for request in engine.done])
    assert spent.mean() == pytest.approx(work.mean() / (1 - rate), rel=0.08)
    long = work > np.median(work) if steps is exponential else work > 0
    assert spent[long].mean() == pytest.approx(work[long].mean() / (1 - rate), rel=0.08)


def test_an_overloaded_engine_falls_behind_at_the_rate_it_must():
    rate = 1.5
    engine = served(
        FlatSteps(STEP),
        Limits(1, 10**9, 10**9, 16),
        rows_of(rate, constant, 1, 4000),
        SimulatedEngine,
    )
    last = max(request.arrival for request in engine.done)
    left = sum(request.admitted > last for request in engine.done)
    assert left / last == pytest.approx(rate - 1, rel=0.1)


def test_requests_in_flight_are_arrivals_times_their_time():
    """Little's law, of the engine's own steps against its requests'."""
    rows = rows_of(2.0, exponential, 3, 5000)
    engine = served(FlatSteps(STEP, STEP / 20), Limits(16, 10**9, 10**9, 16), rows, SimulatedEngine)
    running = sum(segment[1] * (segment[3] + segment[7]) for segment in engine.segments)
    spent = sum(request.finished - request.admitted for request in engine.done)
    assert running == pytest.approx(spent, rel=1e-9)
