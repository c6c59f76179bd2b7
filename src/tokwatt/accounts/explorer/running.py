"""How a fleet is simulated, for the explorer to simulate the same: sizes, bounds and seeds."""

import numpy as np

from tokwatt.accounts.answers.simulated import half_width
from tokwatt.accounts.explorer.constants import RUNNING, constants_of
from tokwatt.params.folder import Folder
from tokwatt.serving.pools.disaggregated import Disaggregation
from tokwatt.simulation import routers

SEEDS = 30
"""Most runs of the explorer, each of the seed that `tokwatt simulate` takes for it."""


def simulation_running(folder: Folder) -> dict[str, object]:
    """All of it by name; a seed is the states that NumPy's generators begin with."""
    return constants_of(RUNNING) | {
        "seeds": [
            {"seed": _state(seed), "router": _state([seed, routers.DRAWS])} for seed in range(SEEDS)
        ],
        "transfer": Disaggregation.of(folder).transfer,
        "half_widths": [_half_width(count) for count in range(2, SEEDS + 1)],
    }


def _half_width(count: int) -> float:
    """Half of the interval of a mean over so many seeds that spread by 1."""
    even = np.resize([-1.0, 1.0], count)
    return half_width(even / even.std(ddof=1))


def _state(seed: int | list[int]) -> dict[str, str]:
    """The state that a generator of a seed begins with."""
    return {name: str(value) for name, value in np.random.PCG64(seed).state["state"].items()}
