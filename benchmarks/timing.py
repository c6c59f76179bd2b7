"""Interleaved rounds of all programs: a machine that slows down slows all of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

RUNS = 7
OURS = "tokwatt"


class Row(NamedTuple):
    """One program doing one thing, timed `len(values)` times."""

    what: str
    program: str
    threads: int
    state: str
    values: list[float]
    unit: str


def seconds(run: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = perf_counter()
    run()
    return perf_counter() - start


def rates(
    what: str, threads: int, unit: str, programs: dict[str, tuple[Callable[[], Any], int]]
) -> list[Row]:
    """Things per second of programs that are `name: (call, things it does)`, warm."""
    for call, _ in programs.values():
        call()
    values: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(RUNS):
        for name, (call, things) in programs.items():
            values[name].append(things / seconds(call))
    return [Row(what, name, threads, "warm", measured, unit) for name, measured in values.items()]


@contextmanager
def shared(threads: int) -> Iterator[Callable[[Callable, Any], list]]:
    """Do a thing with each piece of work, `threads` at a time; results are dropped at once."""

    def dropping(run: Callable, piece: Any) -> None:
        run(piece)

    with ThreadPoolExecutor(threads) as pool:
        yield lambda run, work: [None for _ in pool.map(partial(dropping, run), work)]
