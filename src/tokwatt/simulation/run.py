"""Engines side by side behind a router."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tokwatt.simulation.arrivals import Arrived
from tokwatt.simulation.engine import SimulatedEngine
from tokwatt.simulation.recorder import Finished, Recorder, read_all
from tokwatt.simulation.requests import Limits, Request
from tokwatt.simulation.routers import LEAST_LOADED, Router
from tokwatt.simulation.steps import StepTable
from tokwatt.units import Seconds, SequencesAxis

LEFT = 2**17
"""Segments of all engines that are left before they are read."""


class Blocked(NamedTuple):
    """What kept requests waiting when the last one arrived.

    Attributes:
        reason: what was full: the KV cache pool, the batch, or prefill.
        since: when somebody began to wait without a break.
        waiting: requests that waited in the end.
    """

    reason: str
    since: Seconds
    waiting: int


class SimulatedRun(NamedTuple):
    """A run of a fleet.

    Attributes:
        finished: its requests, in the order of arrival.
        recorders: one for each instance.
        blocked: what kept requests waiting when the last one arrived; None where nobody waited.
        duration: from the first arrival to the last token.
        arriving: from the first arrival to the last.
    """

    finished: Finished
    recorders: list[Recorder]
    blocked: Blocked | None
    duration: Seconds
    arriving: Seconds

    @property
    def inter_token_counts(self) -> SequencesAxis:
        """How many inter-token latencies of all instances lie in each bin."""
        return np.sum([recorder.histogram for recorder in self.recorders], axis=0)

    @property
    def kv_blocks(self) -> int:
        """KV blocks of all instances."""
        return sum(recorder.engine.limits.blocks for recorder in self.recorders)


def run_pools(
    tables: Sequence[StepTable],
    limits: Sequence[Limits],
    requests: Iterable[Arrived],
    router: Router,
    progress: Callable[[int], None] = lambda served: None,
    engine_type: type[SimulatedEngine] = SimulatedEngine,
    prefills: Sequence[bool] = (),
) -> SimulatedRun:
    """Serve requests.

    Args:
        tables: steps of the instances of each pool.
        limits: what those hold.
        requests: in the order of arrival, a few at a time.
        router: which instance each goes to.
        progress: called with the number of requests of each batch.
        engine_type: engines that check themselves, in tests.
        prefills: whether requests of each pool end with their first token; none if left out.

    Returns:
        What became of them. Memory grows with requests that are in flight, and with the hundred
        bytes that are kept of each finished one.
    """
    pools = [
        [engine_type(table, limit) for _ in range(count)]
        for table, limit, count in zip(tables, limits, router.engines, strict=True)
    ]
    engines = [engine for pool in pools for engine in pool]
    recorders = [
        Recorder(engine, table, pool) for pool, table in enumerate(tables) for engine in pools[pool]
    ]
    shortened = prefills or [False] * len(pools)
    begun, last, number = 0.0, 0.0, 0
    for arriving in requests:
        begun = begun if number else float(arriving.arrival[0])
        last = float(arriving.arrival[-1])
        targets = (places.tolist() for places in router.route(arriving))
        rows = zip(*(column.tolist() for column in arriving), strict=True)
        for pool, place, row in zip(*targets, rows, strict=True):
            chosen = pools[pool][place] if place >= 0 else _least(pools[pool], row[0], place)
            request = Request(number, *row)
            if shortened[pool]:
                request.output = 1
            chosen.offer(request)
            number += 1
        for engine in engines:
            engine.advance(last)
        if sum(len(engine.segments) for engine in engines) > LEFT:
            read_all(recorders)
        progress(len(arriving.arrival))
    blocked = _blocked(engines)
    for engine in engines:
        engine.advance(float("inf"))
    read_all(recorders)
    parts = [part for recorder in recorders for part in recorder.finished]
    order = np.argsort(np.concatenate([part.number for part in parts]))
    finished = Finished(*(np.concatenate(columns)[order] for columns in zip(*parts, strict=True)))
    return SimulatedRun(finished, recorders, blocked, finished.ended - begun, last - begun)


def _least(pool: Sequence[SimulatedEngine], time: Seconds, place: int) -> SimulatedEngine:
    """The engine of a pool with the fewest requests at a time, or with the least work."""
    for engine in pool:
        engine.advance(time)
    if place == LEAST_LOADED:
        return min(pool, key=lambda engine: engine.load(time))
    return min(pool, key=lambda engine: (engine.work(time), engine.load(time)))


def _blocked(engines: Sequence[SimulatedEngine]) -> Blocked | None:
    """The instance whose queue has been there for longest."""
    queues = [engine for engine in engines if engine.blocked]
    if not queues:
        return None
    worst = min(queues, key=lambda engine: engine.since)
    reason = max(worst.blocked, key=lambda name: worst.blocked[name])
    waiting = sum(engine.in_flight - len(engine.running) for engine in engines)
    return Blocked(reason, worst.since, waiting)
