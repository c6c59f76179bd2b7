"""What each configuration takes to serve each class of requests, or a part of their work."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np

from tokwatt.accounts.answers.quantities import rented
from tokwatt.params.specs import Demand
from tokwatt.planning.columns.classes import Classes, at_rates
from tokwatt.planning.columns.configurations import Configurations
from tokwatt.planning.columns.kernels import (
    Alone,
    Column,
    block_alone,
    block_columns,
    block_instances,
    block_starts,
)
from tokwatt.planning.optimum.choice import class_place
from tokwatt.serving.account import Account
from tokwatt.serving.choices import OF_INSTANCES, OF_POOLS
from tokwatt.serving.demand.traffic import Part, Traffic
from tokwatt.serving.instance import Instance
from tokwatt.units import BytesPerSecond, DimensionlessAxis, Instances, Tokens

GROUPS, MEMBERS = 8, 3
"""Configurations that are evaluated at once: so many that differ in more than their cap on the
batch, and of each so many that differ in nothing else."""
LANES = 128, 512
"""Classes that are evaluated at once, so that one program serves every plan of few or of many."""
WIDE = 32
"""Windows, and configurations for them, that are evaluated at once."""
THREADS = 2


@dataclass(frozen=True, eq=False)
class PartColumns:
    """Every configuration for every class of requests; arrays have shape (configuration, class).

    Attributes:
        account: how tokens and joules are counted.
        configurations: what may be chosen.
        classes: requests by length.
        demand: arrival rate and targets.
        part: what instances do for a request.
        transfer: bytes per second at which a cache leaves each GPU, where it has to.
        kept: instances that there are in any case, one number or shape (configuration, class).
    """

    account: Account
    configurations: Configurations
    classes: Classes
    demand: Demand
    part: Part = "both"
    transfer: BytesPerSecond = np.inf
    kept: DimensionlessAxis | float = 0.0

    @cached_property
    def column(self) -> Column:
        """Watts and instances, infinite where the LLM does not fit or misses a target."""
        kept = np.maximum(self.kept, float(self.demand.least_instances))
        fewest = np.broadcast_to(kept, (len(self.configurations.names), len(self.classes.windows)))

        def more(block: _Block) -> tuple[BytesPerSecond, Instances]:
            return self.transfer, fewest[block.filled]

        return Column(*self._evaluated(block_columns, more))

    @cached_property
    def alone(self) -> Alone:
        """Latencies of one request alone."""
        return Alone(*self._evaluated(block_alone, lambda _: ()))

    @property
    def instances(self) -> np.ndarray:
        """Whole instances."""
        return self.column.instances

    @property
    def power(self) -> np.ndarray:
        """Watts of a pool."""
        return self.column.power

    @cached_property
    def gpus(self) -> np.ndarray:
        """GPUs of a pool."""
        return self.instances * self.configurations.gpus[:, None]

    @cached_property
    def rented(self) -> np.ndarray:
        """GPUs of a pool that are paid for: as many as those whose watts count."""
        return self.instances * rented(self.account, self.configurations.gpus[:, None])

    def repeated(self, configuration: int) -> Instance:
        """A block of one configuration, so that no other program has to be compiled for it."""
        return self._instances(np.full((GROUPS, MEMBERS), configuration))

    def _evaluated(
        self, function: Callable[..., tuple], more: Callable[["_Block"], tuple]
    ) -> Iterator[np.ndarray]:
        """A function of instances and classes, block by block on every core."""
        account = self.account.alike(OF_POOLS)
        shape = len(self.configurations.names), len(self.classes.windows)
        found = [np.full(shape, np.inf), np.full(shape, np.inf)]

        def fill(block: _Block) -> None:
            results = function(
                account, block.instances, block.traffic, block.windows, self.demand, *more(block)
            )
            for whole, result in zip(found, results, strict=True):
                whole[block.filled] = np.asarray(result)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fill, self._blocks()))
        return (np.where(self._started, whole, np.inf) for whole in found)

    def _instances(self, places: np.ndarray) -> Instance:
        """Instances of a block of configurations."""
        account = self.account.alike(OF_INSTANCES)
        return block_instances(account, self.configurations.stacked(places))

    @cached_property
    def _started(self) -> np.ndarray:
        """Whether an engine starts with the window of a class."""
        account = self.account.alike(OF_INSTANCES)
        places = np.arange(len(self.configurations.names))
        every = np.unique(self.classes.windows)
        windows = _filled(every, 0, -(-len(every) // WIDE) * WIDE)
        parts = []
        for first in range(0, len(places), WIDE):
            some = self.configurations.stacked(_filled(places, first, WIDE))
            parts.append(np.asarray(block_starts(account, some, windows)))
        fits = np.concatenate(parts)[: len(places)]
        return fits[:, np.searchsorted(every, self.classes.windows)]

    def _blocks(self) -> Iterator["_Block"]:
        """Blocks of one shape, the last ones filled up with what is there already."""
        chunks = self.configurations.chunks(self.account.assumed.prefill == "chunked")
        windows = self.classes.windows
        lanes = LANES[int(len(windows) > LANES[0])]
        for chunk in np.unique(chunks):
            traffic = self.classes.traffic(float(chunk), self.part)
            rows = np.flatnonzero((chunks == chunk) & np.any(self._started, axis=1))
            parts = []
            for start in range(0, len(windows), lanes):
                places = _filled(np.arange(len(windows)), start, lanes)
                some = jax.tree.map(lambda leaf, places=places: leaf[places], traffic)
                parts.append((*jax.device_put((some, windows[places])), places))
            groups = self.configurations.grouped(rows, MEMBERS)
            for first in range(0, len(groups), GROUPS):
                filled = _filled(groups, first, GROUPS)
                instances = self._instances(filled)
                for part in parts:
                    yield _Block(filled, instances, *part)


class _Block(NamedTuple):
    """Configurations and classes that are evaluated together, filled up to one shape.

    Attributes:
        rows: places of its configurations, shape (group, member).
        instances: of its configurations.
        traffic: of its classes.
        windows: of its classes.
        places: of its classes.
    """

    rows: np.ndarray
    instances: Instance
    traffic: Traffic
    windows: Tokens
    places: np.ndarray

    @property
    def filled(self) -> tuple[np.ndarray, ...]:
        """Places in an array of all configurations and classes, shape (group, member, class)."""
        return self.rows[:, :, None], self.places


def _filled(places: np.ndarray, start: int, size: int) -> np.ndarray:
    """Places of a block, filled up to its size with the same ones again."""
    return np.resize(places[start : start + size], (size, *places.shape[1:]))


def one_configuration(
    columns: PartColumns, configuration: int, edges: tuple[int, int], rates: np.ndarray
) -> Column:
    """What one configuration takes for one class at shares of its arrival rate, shape (rate,).

    Requests that are a share of all arrivals are a class of their own at the rate of that share.
    """
    own, demand = columns.configurations.deployments[configuration], columns.demand
    chunk = own.prefill_chunk(columns.account.assumed.prefill == "chunked")
    at = class_place(*edges, bins=columns.classes.bins)
    traffic = columns.classes.traffic(float(chunk), columns.part)
    places = np.arange(len(rates))
    lanes = np.resize(places, -(-len(rates) // LANES[0]) * LANES[0])
    several = at_rates(traffic, at, rates[lanes])
    several, windows = jax.device_put((several, np.full(len(lanes), columns.classes.windows[at])))
    found = block_columns(
        columns.account.alike(OF_POOLS),
        columns.repeated(configuration),
        several,
        windows,
        demand,
        columns.transfer,
        np.full((GROUPS, MEMBERS, len(lanes)), float(demand.least_instances)),
    )
    return Column(*(np.asarray(it)[0, 0, places] for it in found))
