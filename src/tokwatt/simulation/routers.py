"""Which engine a request goes to: a pool by its length or prompt, and an engine of it by a rule."""

from collections.abc import Callable, Sequence

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.serving.choices import SplitBy
from tokwatt.serving.demand.routing import routed_tokens
from tokwatt.simulation.arrivals import Arrived
from tokwatt.units import Tokens

ROUTERS = ("random", "round_robin", "least_loaded", "least_work", "by_prefix")
DRAWS = 1
"""Beside the seed of a run in that of its router's draws, which are none of its requests'."""
LEAST_LOADED, LEAST_WORK = -1, -2
"""Written for the engine of a pool that has the fewest requests when one arrives, and for the one
whose requests without a first token have the fewest prompt tokens, of equals the former."""


class Router:
    """Gives requests their pool and their engine.

    Args:
        rule: one of ROUTERS.
        engines: how many each pool has.
        longest: longest request, or prompt, of each pool but the last, rising.
        seed: of the rule that draws.
        split_by: which of the two it is.
    """

    def __init__(
        self,
        rule: str,
        engines: Sequence[int],
        longest: Sequence[Tokens] = (),
        seed: int = 0,
        split_by: SplitBy = "length",
    ) -> None:
        self.engines, self._longest = tuple(engines), np.array(longest, float)
        self._split_by: SplitBy = split_by
        self._rng = np.random.Generator(np.random.PCG64([seed, DRAWS]))
        self._turns = [0] * len(engines)
        rules: dict[str, Callable[[int, Arrived], np.ndarray]] = {
            "round_robin": self._in_turn,
            "random": self._drawn,
            "least_loaded": lambda pool, stream: np.full(len(stream.arrival), LEAST_LOADED),
            "least_work": lambda pool, stream: np.full(len(stream.arrival), LEAST_WORK),
            "by_prefix": self._by_prefix,
        }
        self._rule = rules[rule]

    def route(self, stream: Arrived) -> tuple[np.ndarray, np.ndarray]:
        """Pool of each request, and its engine there, LEAST_LOADED or LEAST_WORK."""
        routed = routed_tokens(self._split_by, stream.prompt, stream.output)
        pools = np.searchsorted(self._longest, np.asarray(routed))
        places = np.empty(len(pools), int)
        for pool in range(len(self.engines)):
            inside = pools == pool
            if not self.engines[pool] and inside.any():
                wanted = "1 or more, as requests come to it"
                raise ParameterError(f"instances: is 0 in pool {pool + 1}, wanted {wanted}.")
            places[inside] = self._rule(pool, Arrived(*(column[inside] for column in stream)))
        return pools, places

    def _in_turn(self, pool: int, stream: Arrived) -> np.ndarray:
        places = (self._turns[pool] + np.arange(len(stream.arrival))) % self.engines[pool]
        self._turns[pool] += len(places)
        return places

    def _drawn(self, pool: int, stream: Arrived) -> np.ndarray:
        return self._rng.integers(0, self.engines[pool], len(stream.arrival))

    def _by_prefix(self, pool: int, stream: Arrived) -> np.ndarray:
        own = stream.prefix % self.engines[pool]
        return np.where(stream.prefix >= 0, own, self._in_turn(pool, stream))
