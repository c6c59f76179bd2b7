"""Columns of a plan: what each configuration takes to serve each class of requests."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tokwatt.accounts.energy import Energy
from tokwatt.params.specs import Demand
from tokwatt.planning.choice import class_place
from tokwatt.planning.classes import Classes, Part
from tokwatt.planning.configurations import Configurations
from tokwatt.serving.account import Account
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.fleet import least_latencies, size_pool
from tokwatt.serving.instance import Instance
from tokwatt.serving.share import held_bytes, memory_of
from tokwatt.serving.times import instance_of
from tokwatt.serving.traffic import Traffic
from tokwatt.units import BytesPerSecond, Instances, Seconds, Tokens, Watts

ROWS = 8
"""Configurations that are evaluated at once."""
LANES = 128, 512
"""Classes that are evaluated at once, so that one program serves every plan of few or of many."""
WIDE = 32
"""Windows that are evaluated at once."""
THREADS = 2
OBJECTIVES = ("joules", "dollars", "carbon", "gpus")


class Column(NamedTuple):
    """What one configuration takes for one class.

    Attributes:
        power: watts of its pool.
        instances: whole instances.
    """

    power: Watts
    instances: Instances


class Alone(NamedTuple):
    """Latencies of one request alone, at the quantiles of the targets."""

    itl: Seconds
    ttft: Seconds


@jax.jit
def _instances(account: Account, deployments: Deployment) -> Instance:
    """Instances of a block, in a program of their own: columns compile sooner without."""
    return jax.vmap(partial(instance_of, account))(deployments)


@jax.jit
def _fits(account: Account, deployments: Deployment, windows: Tokens) -> jax.Array:
    """Whether an engine starts with a window, shape (configuration, window)."""

    def starts(deployment: Deployment, window: Tokens) -> jax.Array:
        if account.assumed.memory != "measured":
            return jnp.array(True)
        return memory_of(deployment, deployment.llm.published, window).tokens >= window

    over_windows = jax.vmap(starts, in_axes=(None, 0))
    return jax.vmap(over_windows, in_axes=(0, None))(deployments, windows)


@jax.jit
def _columns(
    account: Account,
    instances: Instance,
    traffic: Traffic,
    windows: Tokens,
    demand: Demand,
    transfer: BytesPerSecond,
) -> Column:
    """Columns of a block, infinite where the LLM misses a target.

    What the cache of a prompt takes to leave a GPU is no time that the first token may take.
    """

    def of(instance: Instance) -> Column:
        def column(traffic: Traffic, window: Tokens) -> Column:
            left = demand.latency_target - held_bytes(instance, traffic.long_prompt) / transfer
            own = replace(demand, latency_target=left)
            pool = size_pool(account, instance, traffic, window, own)
            holds = jnp.isfinite(pool.power) & (left > 0)
            return Column(*(jnp.where(holds, it, jnp.inf) for it in (pool.power, pool.instances)))

        return jax.vmap(column)(traffic, windows)

    return jax.lax.map(of, instances)


@jax.jit
def _alone(
    account: Account, instances: Instance, traffic: Traffic, windows: Tokens, demand: Demand
) -> Alone:
    """Latencies of one request alone for a block, infinite where the LLM does not fit."""

    def of(instance: Instance, traffic: Traffic, window: Tokens) -> Alone:
        found = least_latencies(account, instance, traffic, demand)
        return Alone(*(jnp.where(instance.kv_budget >= 0, it, jnp.inf) for it in found))

    over_classes = jax.vmap(of, in_axes=(None, 0, 0))
    return jax.lax.map(lambda instance: over_classes(instance, traffic, windows), instances)


@dataclass(frozen=True, eq=False)
class Columns:
    """Every configuration for every class of requests; arrays have shape (configuration, class).

    Attributes:
        account: how tokens and joules are counted.
        configurations: what may be chosen.
        classes: requests by length.
        demand: arrival rate and targets.
        energy: what a joule costs and emits.
        part: what instances do for a request.
        transfer: bytes per second at which a cache leaves each GPU, where it has to.
    """

    account: Account
    configurations: Configurations
    classes: Classes
    demand: Demand
    energy: Energy
    part: Part = "both"
    transfer: BytesPerSecond = np.inf

    @cached_property
    def column(self) -> Column:
        """Watts and instances, infinite where the LLM does not fit or misses a target."""
        return Column(*self._evaluated(_columns, self.transfer))

    @cached_property
    def alone(self) -> Alone:
        """Latencies of one request alone."""
        return Alone(*self._evaluated(_alone))

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

    def cost(self, objective: str) -> np.ndarray:
        """What a pool costs a second: joules, dollars, kilograms, or its GPUs."""
        if objective == "joules":
            return self.power
        if objective == "carbon":
            return self.power * float(self.energy.grid_intensity)
        return self.gpus * (self.configurations.price[:, None] if objective == "dollars" else 1.0)

    @cached_property
    def generated(self) -> float:
        """Output tokens per second of all classes together."""
        own = self.classes.requests
        return float(self.demand.arrival_rate) * float(own.weight @ own.output)

    def at(self, **numbers: float) -> "Columns":
        """The same under another demand."""
        return replace(self, demand=replace(self.demand, **numbers))

    def repeated(self, configuration: int) -> Instance:
        """A block of one configuration, so that no other program has to be compiled for it."""
        same = np.full(ROWS, configuration)
        return _instances(self.account, self.configurations.stacked(same))

    def _evaluated(self, function: Callable[..., tuple], *more: float) -> Iterator[np.ndarray]:
        """A function of instances and classes, block by block on every core."""
        shape = len(self.configurations.names), len(self.classes.windows)
        found = [np.full(shape, np.inf), np.full(shape, np.inf)]

        def fill(block: _Block) -> None:
            results = function(
                self.account, block.instances, block.traffic, block.windows, self.demand, *more
            )
            for whole, result in zip(found, results, strict=True):
                part = np.asarray(result)[: len(block.rows), : len(block.places)]
                whole[np.ix_(block.rows, block.places)] = part

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fill, self._blocks()))
        return (np.where(self._started, whole, np.inf) for whole in found)

    @cached_property
    def _started(self) -> np.ndarray:
        """Whether an engine starts with the window of a class."""
        places = np.arange(len(self.configurations.names))
        windows, known = _filled(self.classes.edges[1:], 0, -(-self.classes.bins // WIDE) * WIDE)
        parts = []
        for first in range(0, len(places), ROWS):
            filled, own = _filled(places, first, ROWS)
            fits = _fits(self.account, self.configurations.stacked(filled), windows)
            parts.append(np.asarray(fits)[: len(own), : len(known)])
        return np.concatenate(parts)[:, self.classes.ends[1] - 1]

    def _blocks(self) -> Iterator["_Block"]:
        """Blocks of one shape, the last ones filled up with what is there already."""
        chunks = self.configurations.chunks(self.account.assumed.prefill == "chunked")
        windows = self.classes.windows
        lanes = LANES[int(len(windows) > LANES[0])]
        for chunk in np.unique(chunks):
            traffic = self.classes.traffic(float(chunk), self.part)
            rows = np.flatnonzero(chunks == chunk)
            parts = []
            for start in range(0, len(windows), lanes):
                places, known = _filled(np.arange(len(windows)), start, lanes)
                some = jax.tree.map(lambda leaf, places=places: leaf[places], traffic)
                parts.append((*jax.device_put((some, windows[places])), known))
            for first in range(0, len(rows), ROWS):
                filled, own = _filled(rows, first, ROWS)
                instances = _instances(self.account, self.configurations.stacked(filled))
                for part in parts:
                    yield _Block(own, instances, *part)


class _Block(NamedTuple):
    """Configurations and classes that are evaluated together, filled up to one shape.

    Attributes:
        rows: places of the configurations that it is for.
        instances: of its configurations.
        traffic: of its classes.
        windows: of its classes.
        places: of the classes that it is for.
    """

    rows: np.ndarray
    instances: Instance
    traffic: Traffic
    windows: Tokens
    places: np.ndarray


def _filled(places: np.ndarray, start: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of a block filled up to its size, and those that it is for."""
    own = places[start : start + size]
    return np.resize(own, size), own


def one_configuration(
    columns: Columns, configuration: int, edges: tuple[int, int], rates: np.ndarray
) -> Column:
    """What one configuration takes for one class at shares of its arrival rate, shape (rate,).

    Requests that are a share of all arrivals are a class of their own at the rate of that share.
    """
    own = columns.configurations.deployments[configuration]
    chunk = own.prefill_chunk(columns.account.assumed.prefill == "chunked")
    at = class_place(*edges, bins=columns.classes.bins)
    traffic = columns.classes.traffic(float(chunk))
    places = np.arange(len(rates))
    lanes = np.resize(places, -(-len(rates) // LANES[0]) * LANES[0])
    several = jax.tree.map(lambda leaf: np.full(len(lanes), leaf[at]), traffic)
    factors = rates[lanes]
    several = several._replace(
        share=several.share * factors,
        credited=several.credited * factors,
        generated=several.generated * factors,
    )
    several, windows = jax.device_put((several, np.full(len(lanes), columns.classes.windows[at])))
    found = _columns(
        columns.account, columns.repeated(configuration), several, windows, columns.demand, np.inf
    )
    return Column(*(np.asarray(it)[0, places] for it in found))
