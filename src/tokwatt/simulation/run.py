"""Engines side by side behind a router."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tokwatt.simulation.arrivals import Arrived
from tokwatt.simulation.engine import Engine, Limits, Request
from tokwatt.simulation.recorder import Finished, Recorder
from tokwatt.simulation.routers import Router, least_loaded
from tokwatt.simulation.steps import StepTable
from tokwatt.units import Seconds


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


class Run(NamedTuple):
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


def run(
    tables: Sequence[StepTable],
    limits: Sequence[Limits],
    requests: Iterable[Arrived],
    route: Router,
    progress: Callable[[int], None] = lambda served: None,
    engine_type: type[Engine] = Engine,
) -> Run:
    """Serve requests.

    Args:
        tables: steps of each instance.
        limits: what each holds.
        requests: in the order of arrival, a few at a time.
        route: which instance each goes to.
        progress: called with the number of requests of each batch.
        engine_type: engines that check themselves, in tests.

    Returns:
        What became of them. Memory grows with requests that are in flight, and with the hundred
        bytes that are kept of each finished one.
    """
    engines = [engine_type(*pair) for pair in zip(tables, limits, strict=True)]
    recorders = [
        Recorder(engine, table, place)
        for place, (engine, table) in enumerate(zip(engines, tables, strict=True))
    ]
    first, last, number = None, 0.0, 0
    for arriving in requests:
        rows = zip(*(column.tolist() for column in arriving), strict=True)
        places = route(arriving)
        last = float(arriving.arrival[-1])
        first = float(arriving.arrival[0]) if first is None else first
        if places is None:
            for row in rows:
                for engine in engines:
                    engine.advance(row[0])
                engines[least_loaded(engines)].offer(Request(number, *row))
                number += 1
        else:
            for place, row in zip(places.tolist(), rows, strict=True):
                engines[place].offer(Request(number, *row))
                number += 1
        for engine, recorder in zip(engines, recorders, strict=True):
            engine.advance(last)
            recorder.read()
        progress(len(arriving.arrival))
    blocked = _blocked(engines)
    for engine, recorder in zip(engines, recorders, strict=True):
        engine.advance(float("inf"))
        recorder.read()
    parts = [part for recorder in recorders for part in recorder.finished]
    order = np.argsort(np.concatenate([part.number for part in parts]))
    finished = Finished(*(np.concatenate(columns)[order] for columns in zip(*parts, strict=True)))
    begun = first or 0.0
    ended = float((finished.arrival + finished.latency).max())
    return Run(finished, recorders, blocked, ended - begun, last - begun)


def _blocked(engines: Sequence[Engine]) -> Blocked | None:
    """The instance whose queue has been there for longest."""
    queues = [engine for engine in engines if engine.blocked]
    if not queues:
        return None
    worst = min(queues, key=lambda engine: engine.since)
    reason = max(worst.blocked, key=lambda name: worst.blocked[name])
    waiting = sum(engine.in_flight - len(engine.running) for engine in engines)
    return Blocked(reason, worst.since, waiting)
