"""When requests come, and what they ask."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tokwatt.serving.demand.requests import Requests
from tokwatt.units import RequestsPerSecond, SecondsAxis, TokensAxis

ARRIVALS = ("poisson", "constant", "gamma", "daily")
"""Processes of arrival that need only a rate."""
BURSTINESS = 0.25
"""Shape of the gamma law of gaps, `burstiness` of vLLM's benchmark: 1 is a Poisson process, gaps
of a smaller one vary more. Assumed: a squared coefficient of variation of 4."""
DAY = 86400.0
"""Seconds of a daily profile."""
SWING = 0.5
"""By which share of the mean the rate rises above it by day and falls below it by night, assumed.
"""
BATCH = 2**14
"""Requests that are made at once."""


class Arrived(NamedTuple):
    """Requests in the order of arrival, an array each.

    Attributes:
        arrival: when they arrive.
        prompt: prompt tokens.
        output: output tokens.
        reused: prompt tokens that a prefix cache may hold.
        prefix: which conversation those are of; -1: the cache holds them without further ado.
        priority: requests of a smaller number go first.
    """

    arrival: SecondsAxis
    prompt: TokensAxis
    output: TokensAxis
    reused: TokensAxis
    prefix: np.ndarray
    priority: np.ndarray


def arrived(
    arrival: SecondsAxis,
    prompt: TokensAxis,
    output: TokensAxis,
    reused: TokensAxis | None = None,
    prefix: np.ndarray | None = None,
    priority: np.ndarray | None = None,
) -> Arrived:
    """Requests sorted by arrival; nothing is reused and all are equal where it is not said."""
    order = np.argsort(arrival, kind="stable")
    nothing = np.zeros(len(order))
    columns = (
        prompt,
        output,
        nothing if reused is None else reused,
        nothing - 1 if prefix is None else prefix,
        nothing if priority is None else priority,
    )
    whole = (np.asarray(column)[order].astype(int) for column in columns)
    return Arrived(np.asarray(arrival, float)[order], *whole)


def arrivals(
    requests: Requests, process: str, rate: RequestsPerSecond, count: int, seed: int
) -> Iterator[Arrived]:
    """Requests of a request length distribution, drawn and timed at random.

    Args:
        requests: their kinds.
        process: one of ARRIVALS.
        rate: requests per second, in the mean.
        count: how many.
        seed: of the generator; the same seed gives the same requests at every rate.

    Yields:
        A few thousand of them at a time, so that any number takes little memory.

    Source: gamma gaps as in vLLM's `benchmark_serving`; the daily profile is a sine.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    law = np.cumsum(requests.weight)
    last = 0.0
    for start in range(0, count, BATCH):
        number = min(BATCH, count - start)
        uniform = last + np.cumsum(_gaps(rng, process, number))
        last = float(uniform[-1])
        kinds = np.searchsorted(law, rng.random(number) * law[-1], side="right")
        times = _by_day(uniform / rate) if process == "daily" else uniform / rate
        yield arrived(times, requests.prompt[kinds], requests.output[kinds])


def _gaps(rng: np.random.Generator, process: str, number: int) -> np.ndarray:
    """Times between arrivals, of mean 1."""
    if process == "constant":
        return np.ones(number)
    if process == "gamma":
        return rng.gamma(BURSTINESS, 1 / BURSTINESS, number)
    return rng.exponential(1.0, number)


def _by_day(times: SecondsAxis) -> SecondsAxis:
    """Times of an even rate at those of a rate that swings, by the share of a day's arrivals."""
    clock = np.linspace(0, DAY, 1441)
    due = clock - SWING * DAY / (2 * np.pi) * np.sin(2 * np.pi * clock / DAY)
    days, rest = np.divmod(times, DAY)
    return days * DAY + np.interp(rest, due, clock)


def repeated(stream: Arrived) -> Iterator[Arrived]:
    """Requests a few thousand at a time."""
    for start in range(0, len(stream.arrival), BATCH):
        yield Arrived(*(column[start : start + BATCH] for column in stream))
