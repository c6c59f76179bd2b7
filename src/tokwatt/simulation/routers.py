"""Which engine a request goes to."""

from collections.abc import Callable, Sequence

import numpy as np

from tokwatt.simulation.arrivals import Arrived
from tokwatt.simulation.engine import Engine

ROUTERS = ("round_robin", "random", "least_loaded", "by_length", "by_prefix")
Router = Callable[[Arrived], np.ndarray | None]
"""Engines of requests by their place; None where that depends on how they are doing."""


def router(name: str, engines: int, pools: Sequence[tuple[float, int]], seed: int) -> Router:
    """A router by name.

    Args:
        name: one of ROUTERS.
        engines: how many there are.
        pools: longest request of each pool and how many engines it has, for `by_length`; the last
            takes what is longer as well.
        seed: of the router that draws.

    Returns:
        What gives each request its engine.
    """
    turn = 0
    rng = np.random.Generator(np.random.PCG64([seed, 1]))

    def in_turn(stream: Arrived) -> np.ndarray:
        nonlocal turn
        places = (turn + np.arange(len(stream.arrival))) % engines
        turn = (turn + len(places)) % engines
        return places

    def by_prefix(stream: Arrived) -> np.ndarray:
        return np.where(stream.prefix >= 0, stream.prefix % engines, in_turn(stream))

    turns = [0] * len(pools)
    edges = np.array([longest for longest, _ in pools[:-1]])
    firsts = np.cumsum([0, *(count for _, count in pools)])

    def by_length(stream: Arrived) -> np.ndarray:
        pool = np.searchsorted(edges, stream.prompt + stream.output)
        places = np.empty(len(pool), int)
        for number, (_, count) in enumerate(pools):
            inside = pool == number
            places[inside] = firsts[number] + (turns[number] + np.arange(inside.sum())) % count
            turns[number] += int(inside.sum())
        return places

    chosen: dict[str, Router] = {
        "round_robin": in_turn,
        "random": lambda stream: rng.integers(0, engines, len(stream.arrival)),
        "least_loaded": lambda stream: None,
        "by_length": by_length,
        "by_prefix": by_prefix,
    }
    return chosen[name]


def least_loaded(engines: Sequence[Engine]) -> int:
    """The engine with the fewest requests, the first of those."""
    return min(range(len(engines)), key=lambda place: engines[place].in_flight)
