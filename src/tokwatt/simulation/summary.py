"""Totals of a run, and its seconds."""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tokwatt.simulation.latencies import latency_quantile
from tokwatt.simulation.recorder import mean_power
from tokwatt.simulation.run import SimulatedRun
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Seconds,
    SecondsAxis,
    Sequences,
    SequencesAxis,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
    WattsAxis,
)

GROWING = 1.2
"""How much longer the queue is in the last quarter of the arrivals than in the one before it, if it
grows without end; of one that grows evenly from the start it is 1.4."""
FEWEST = 10
"""Fewest requests that wait in the end where a queue is said to grow."""


class Totals(NamedTuple):
    """Numbers of a run: of all of it, or of that part in which it neither fills nor drains.

    Attributes:
        throughput: output tokens per second.
        power: mean watts of all instances on the basis of the account, idle ones included.
        tokens_per_joule: their ratio.
        running: requests that run, on the average.
        kv_use: KV blocks in use over all there are, on the average.
        queued: median wait.
        queued_p99: its 99th percentile.
        first_token: median time to first token.
        first_token_p99: its 99th percentile.
        inter_token_latency: median time between two tokens, of all tokens.
        inter_token_latency_p99: its 99th percentile.
        preempted: preemptions for each request.
    """

    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    running: Sequences
    kv_use: Dimensionless
    queued: Seconds
    queued_p99: Seconds
    first_token: Seconds
    first_token_p99: Seconds
    inter_token_latency: Seconds
    inter_token_latency_p99: Seconds
    preempted: Dimensionless


class SecondByRate(NamedTuple):
    """Means over each second, of all instances together.

    Attributes:
        running: requests that run.
        waiting: requests that wait.
        kv_use: KV blocks in use over all there are.
        power: watts on the basis of the account.
    """

    running: SequencesAxis
    waiting: SequencesAxis
    kv_use: DimensionlessAxis
    power: WattsAxis


def totals(done: SimulatedRun, settled: Dimensionless = 0.0) -> Totals:
    """Totals of a run.

    Args:
        done: the run.
        settled: share of the requests whose latencies are left out, as it started empty; where it
            is above 0, rates are those from the next arrival to the last, if they are a second
            apart or more.
    """
    finished = done.finished
    counted = finished.settled(settled)
    arrival = finished.arrival[counted]
    begun, ended = math.ceil(arrival.min()), int(arrival.max())
    steady = settled > 0 and ended > begun
    rates = _rates_within(done, begun, ended) if steady else _rates(done)
    waits = np.stack([finished.queued, finished.first_token])[:, counted]
    (queued, first), (queued_p99, first_p99) = np.quantile(waits, (0.5, 0.99), axis=1).tolist()
    return Totals(
        **rates,
        queued=queued,
        queued_p99=queued_p99,
        first_token=first,
        first_token_p99=first_p99,
        inter_token_latency=latency_quantile(done.inter_token_counts, 0.5),
        inter_token_latency_p99=latency_quantile(done.inter_token_counts, 0.99),
        preempted=float(finished.preempted.mean()),
    )


def _rates(done: SimulatedRun) -> dict[str, Dimensionless]:
    """From the first arrival to the last token; watts from the beginning on."""
    finished, recorders = done.finished, done.recorders
    output = float(finished.output.sum())
    power = mean_power(recorders, finished.ended)
    running, _, blocks, _, _ = sum(recorder.seconds.sum(axis=1) for recorder in recorders)
    return {
        "throughput": output / done.duration,
        "power": power,
        "tokens_per_joule": output / (power * finished.ended),
        "running": running / done.duration,
        "kv_use": blocks / done.kv_blocks / done.duration,
    }


def _rates_within(done: SimulatedRun, begun: int, ended: int) -> dict[str, Dimensionless]:
    """Within some seconds, in which each request generates its tokens evenly."""
    finished, seconds = done.finished, by_second(done)
    first = finished.arrival + finished.first_token
    last = finished.arrival + finished.latency
    inside = np.minimum(last, ended) - np.maximum(first, begun)
    share = np.maximum(inside, 0.0) / np.maximum(last - first, 1e-9)
    tokens = (finished.output - 1) * share + ((begun <= first) & (first < ended))
    throughput = float(tokens.sum()) / (ended - begun)
    power = float(seconds.power[begun:ended].mean())
    return {
        "throughput": throughput,
        "power": power,
        "tokens_per_joule": throughput / power,
        "running": float(seconds.running[begun:ended].mean()),
        "kv_use": float(seconds.kv_use[begun:ended].mean()),
    }


def by_second(done: SimulatedRun) -> SecondByRate:
    """Means over each second of a run."""
    length = max(1, math.ceil(done.finished.ended))
    sums, power = np.zeros((3, length)), np.zeros(length)
    for recorder in done.recorders:
        seconds = recorder.seconds[:, :length]
        seconds = np.pad(seconds, ((0, 0), (0, length - seconds.shape[1])))
        sums += seconds[:3]
        power += seconds[3] + recorder.table.idle * (1 - seconds[4])
    return SecondByRate(sums[0], sums[1], sums[2] / done.kv_blocks, power)


def overloaded(done: SimulatedRun) -> str:
    """What saturates first and when, in words, where the queue grows without end; "" elsewhere."""
    blocked = done.blocked
    if blocked is None or blocked.waiting < FEWEST:
        return ""
    arrival, queued = done.finished.arrival, done.finished.queued
    begun = float(arrival.min())
    quarters = begun + done.arriving * np.array([0.5, 0.75, 1.0])
    before, after = (
        _waiting(arrival, arrival + queued, low, high) for low, high in pairwise(quarters)
    )
    if blocked.since > quarters[1] or after < GROWING * before:
        return ""
    return (
        f"the {blocked.reason} is full from {blocked.since - begun:.4g} s on, and"
        f" {blocked.waiting} requests wait when the last one arrives after {done.arriving:.4g} s"
    )


def _waiting(since: SecondsAxis, until: SecondsAxis, low: Seconds, high: Seconds) -> Sequences:
    """Requests that wait between two times, on the average."""
    inside = np.minimum(until, high) - np.maximum(since, low)
    return float(np.maximum(inside, 0).sum() / max(high - low, 1e-9))
