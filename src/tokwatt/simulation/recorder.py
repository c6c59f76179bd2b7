"""What is kept of an engine's steps: requests as they finish, seconds as they pass."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tokwatt.serving.steps.power import WINDOW
from tokwatt.simulation.energy import exact_steps, power_together
from tokwatt.simulation.engine import SimulatedEngine
from tokwatt.simulation.latencies import BINS, latency_counts, nearest_quantiles
from tokwatt.simulation.requests import Segment, Span
from tokwatt.simulation.steps import StepTable
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Seconds,
    SecondsAxis,
    TokensAxis,
    Watts,
    WattsAxis,
)


class Finished(NamedTuple):
    """Finished requests, an array each.

    Attributes:
        number: place in the order of arrival.
        pool: which pool served it.
        arrival: when it arrived.
        queued: how long it waited until it was first admitted.
        first_token: time to its first token.
        latency: time to its last token.
        prompt: prompt tokens.
        output: output tokens.
        hits: prompt tokens that the prefix cache held.
        preempted: how often it was.
        itl_p50: median of its inter-token latencies; NaN where it has none.
        itl_p99: their 99th percentile.
        joules: its share of the energy of the steps in which it ran.
    """

    number: np.ndarray
    pool: np.ndarray
    arrival: SecondsAxis
    queued: SecondsAxis
    first_token: SecondsAxis
    latency: SecondsAxis
    prompt: TokensAxis
    output: TokensAxis
    hits: TokensAxis
    preempted: DimensionlessAxis
    itl_p50: SecondsAxis
    itl_p99: SecondsAxis
    joules: np.ndarray

    @property
    def ended(self) -> Seconds:
        """When the last token came."""
        return float((self.arrival + self.latency).max())

    def settled(self, share: Dimensionless) -> np.ndarray:
        """Which requests count where the first share of them, which found it empty, does not."""
        return self.number >= first_settled(share, len(self.number))


def first_settled(share: Dimensionless, requests: int) -> int:
    """Number of the first request that counts where the first share of them does not."""
    return min(math.ceil(share * requests), requests - 1)


class Recorder:
    """Reads what an engine leaves, and keeps what is asked of it later.

    Args:
        engine: the engine.
        table: its steps.
        pool: the pool that it is of.

    Attributes:
        finished: requests.
        seconds: integrals over each second: requests running and waiting, KV blocks in use, joules
            of steps, time spent in steps; shape (5, second).
        histogram: inter-token latencies by bin.
        deviation: largest relative difference of a step from the account's own.
    """

    def __init__(self, engine: SimulatedEngine, table: StepTable, pool: int) -> None:
        self.engine, self.table, self.pool = engine, table, pool
        self.finished: list[Finished] = []
        self.seconds = np.zeros((5, 0))
        self.histogram = np.zeros(BINS)
        self.deviation = 0.0
        self._behind = 0  # first step that is kept
        self._latency = np.zeros(0)
        self._shared = np.zeros(1)  # joules of a request that ran in all steps before
        self._spent: dict[int, float] = {}

    def read(self, steps: Segment, exact: SecondsAxis, watts: WattsAxis) -> None:
        """Take what the engine has left since the last time.

        Args:
            steps: of its segments, which go.
            exact: how long a step of each lasts by the account itself.
            watts: what the instance draws in each.
        """
        engine = self.engine
        engine.segments.clear()
        if len(watts):
            self._read_steps(steps, exact, watts)
        self.histogram += latency_counts(np.array(engine.pauses))
        engine.pauses.clear()
        if engine.done or engine.spans:
            self._read_requests()
        oldest = min((request.began for request in engine.running.values()), default=engine.step)
        gone = oldest - self._behind
        if gone > 0:
            self._latency, self._shared = self._latency[gone:], self._shared[gone:]
            self._behind = oldest

    def _read_steps(self, read: Segment, exact: SecondsAxis, watts: WattsAxis) -> None:
        table, steps, running = self.table, read.steps, read.batch + read.filling
        each = read.duration / steps
        if table.factor == table.prompt_factor == 1:
            self.deviation = max(self.deviation, float(np.abs(each / exact - 1).max()))
        counts = steps.astype(int)
        self.histogram += latency_counts(each, steps * read.batch)
        shared = np.repeat(watts * each / running, counts)
        self._latency = np.concatenate([self._latency, np.repeat(each, counts)])
        self._shared = np.concatenate([self._shared, self._shared[-1] + np.cumsum(shared)])
        rates = np.stack([running, read.waiting, read.blocks, watts, np.ones_like(watts)])
        self._add_seconds(read.start, read.duration, rates)

    def _add_seconds(self, start: np.ndarray, duration: np.ndarray, rates: np.ndarray) -> None:
        """Integrals of rates that hold during segments, by the second."""
        last = int(np.ceil(start[-1] + duration[-1])) + 1
        if last > self.seconds.shape[1]:
            missing = max(last, 2 * self.seconds.shape[1]) - self.seconds.shape[1]
            self.seconds = np.pad(self.seconds, ((0, 0), (0, missing)))
        first = int(start[0])
        edges = np.arange(first, last + 1.0)
        times = np.stack([start, start + duration], axis=1).ravel()
        for row, rate in zip(self.seconds, rates, strict=True):
            done = np.cumsum(np.stack([0 * rate, rate * duration], axis=1).ravel())
            row[first:last] += np.diff(np.interp(edges, times, done))

    def _read_requests(self) -> None:
        engine, spent = self.engine, self._spent
        spans = [Span(*span) for span in engine.spans]
        engine.spans.clear()
        ended, began = np.array([(span.ended, span.began) for span in spans]).T - self._behind
        energy = self._shared[ended] - self._shared[began]
        done = {request.number for request in engine.done}
        percentiles: dict[int, tuple[float, float]] = {}
        for span, joules in zip(spans, energy.tolist(), strict=True):
            spent[span.request] = spent.get(span.request, 0.0) + joules
            if span.request in done and 0 <= span.joined < span.ended:
                steps = self._latency[span.joined - self._behind : span.ended - self._behind]
                percentiles[span.request] = nearest_quantiles(steps)
        nothing = (np.nan, np.nan)
        table = self.table
        rows = [
            (
                r.number,
                self.pool,
                r.arrival,
                r.admitted - r.arrival,
                r.first - r.arrival,
                r.finished - r.arrival,
                r.prompt,
                r.output,
                r.hits,
                r.preempted,
                *percentiles.get(r.number, nothing),
                spent.pop(r.number),
            )
            for r in engine.done
        ]
        engine.done.clear()
        if rows:
            found = Finished(*np.array(rows).T)
            beside = table.first_token + table.first_token_prompt * found.prompt
            self.finished.append(
                found._replace(
                    first_token=found.first_token + beside, latency=found.latency + beside
                )
            )


def read_all(recorders: Iterable[Recorder]) -> None:
    """Read what engines have left, the steps of all that share a table at once."""
    by_table: dict[StepTable, list[Recorder]] = {}
    for recorder in recorders:
        by_table.setdefault(recorder.table, []).append(recorder)
    for table, own in by_table.items():
        left = [
            np.array(it.engine.segments, float).reshape(-1, len(Segment._fields)).T for it in own
        ]
        exact, watts = _powers(table, left)
        ends = np.cumsum([steps.shape[1] for steps in left])[:-1]
        parts = np.split(exact, ends), np.split(watts, ends)
        for recorder, steps, *part in zip(own, left, *parts, strict=True):
            recorder.read(Segment(*steps), *part)


def _powers(table: StepTable, left: list[np.ndarray]) -> tuple[SecondsAxis, WattsAxis]:
    """Duration and watts of the steps of several engines, by the account itself."""
    read = Segment(*np.concatenate(left, axis=1))
    decoding = np.where(read.prompts > 0, read.batch, read.batch + read.filling)
    own = table.account, table.instance
    exact = exact_steps(*own, decoding, read.total, read.prompts, read.attended)
    begun, windows = [np.floor(steps[0] / WINDOW) for steps in left], 0.0
    for each in begun:
        if len(each):
            each += windows - each[0]
            windows = each[-1] + 1
    return exact.duration, power_together(*own, exact, read.steps, np.concatenate(begun))


def mean_power(recorders: list[Recorder], until: Seconds) -> Watts:
    """Mean power of all instances until a time, those that wait for requests included."""
    joules = sum(
        float(recorder.seconds[3].sum())
        + recorder.table.idle * (until - float(recorder.seconds[4].sum()))
        for recorder in recorders
    )
    return joules / until
