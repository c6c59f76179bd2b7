"""How a fleet is simulated, for the explorer to simulate the same: sizes, bounds and a seed."""

import numpy as np

from tokwatt.accounts import simulated, simulated_fleet
from tokwatt.accounts.answers.simulated import BESIDE_SECONDS
from tokwatt.simulation import arrivals, engine, limits, recorder, routers, run, steps, summary

SEED = 0
"""Of the requests that are drawn: the first of `tokwatt simulate`."""


def simulation_running() -> dict[str, object]:
    """All of it by name; seeds are NumPy's generators in the states that they begin with."""
    return {
        "most_sequences": limits.MOST_SEQUENCES,
        "most_instances": simulated_fleet.MOST_INSTANCES,
        "stretch": engine.STRETCH,
        "knots": steps.KNOTS,
        "answered": steps.ANSWERED,
        "digits": steps.DIGITS,
        "bin": recorder.BIN,
        "bins": recorder.BINS,
        "shortest": recorder.SHORTEST,
        "window": recorder.WINDOW,
        "batch": arrivals.BATCH,
        "left": run.LEFT,
        "count": simulated.COUNT,
        "seconds": BESIDE_SECONDS,
        "settled": simulated.SETTLED,
        "growing": summary.GROWING,
        "fewest": summary.FEWEST,
        "seed": _state(SEED),
        "router": _state([SEED, routers.DRAWS]),
    }


def _state(seed: int | list[int]) -> dict[str, str]:
    """The state that a generator of a seed begins with."""
    return {name: str(value) for name, value in np.random.PCG64(seed).state["state"].items()}
