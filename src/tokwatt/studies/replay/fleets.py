"""Pools and fleets of the paper: service by 3,000 draws, sizing by the paper's search, power at a whole batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import jax
import numpy as np

from tokwatt.equations.queueing import erlang_c, wait_quantile
from tokwatt.params.specs import Demand
from tokwatt.serving import sampling
from tokwatt.serving.sampling import Knots
from tokwatt.studies.replay.instances import Instance
from tokwatt.units import (
    Dimensionless,
    Dollars,
    Instances,
    RequestsPerSecond,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)

Law = Callable[..., tuple[np.ndarray, np.ndarray]]
_erlang_c, _wait_quantile = jax.jit(erlang_c), jax.jit(wait_quantile)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a pool's requests ask of one instance."""

    concurrency: int
    service_rate: float
    service_scv: float
    mean_prefill: float


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A sized pool of identical instances."""

    arrival_rate: float
    context_window: float
    service: Service
    instances: int
    utilization: float
    power: float
    mean_output: int
    wait: float
    price: float

    @property
    def active(self) -> float:
        """Sequences in flight on one instance."""
        return self.utilization * self.service.concurrency

    @property
    def total_power(self) -> float:
        """Watts, one GPU for each instance."""
        return self.instances * self.power

    @property
    def throughput(self) -> float:
        """Output tokens per second credited to the pool."""
        return self.arrival_rate * self.mean_output

    @property
    def tokens_per_joule(self) -> float:
        """Output tokens of the requests served per joule."""
        return self.service.service_rate * self.utilization * self.mean_output / self.power

    @property
    def first_token_time(self) -> float:
        """99th percentile of the wait plus the mean prefill, in seconds."""
        return self.wait + self.service.mean_prefill

    @property
    def dollars_per_million(self) -> float:
        """Rent of a million output tokens."""
        return self.instances * self.price / self.throughput * 1e6


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Pools side by side."""

    pools: Sequence[Pool]

    @property
    def instances(self) -> int:
        """Instances of all pools."""
        return sum(pool.instances for pool in self.pools)

    @property
    def power(self) -> float:
        """Watts of all pools."""
        return sum(pool.total_power for pool in self.pools)

    @property
    def throughput(self) -> float:
        """Output tokens per second credited to all pools."""
        return sum(pool.throughput for pool in self.pools)

    @property
    def tokens_per_joule(self) -> float:
        """Tokens credited per joule; the paper's fleet tok/W."""
        return self.throughput / self.power

    @property
    def first_token_time(self) -> float:
        """The worst pool's, in seconds."""
        return max(pool.first_token_time for pool in self.pools)

    @property
    def dollars_per_million(self) -> float:
        """Rent of a million output tokens."""
        return sum(pool.instances * pool.price for pool in self.pools) / self.throughput * 1e6


class FleetRow(NamedTuple):
    """A fleet of Table 3: credited tokens, watts of one GPU for each instance."""

    instances: Instances
    power: Watts
    throughput: TokensPerSecond
    tokens_per_joule: TokensPerJoule
    first_token_time: Seconds
    dollars_per_million: Dollars


class PoolRow(NamedTuple):
    """A pool of a fleet of Table 3."""

    arrival_rate: RequestsPerSecond
    context_window: Tokens
    concurrency: Sequences
    service_rate: RequestsPerSecond
    service_scv: Dimensionless
    instances: Instances
    utilization: Dimensionless
    active: Sequences
    power: Watts
    mean_output: Tokens
    wait: Seconds


def fleet_row(fleet: Fleet) -> FleetRow:
    """What Table 3 shows of a fleet."""
    return FleetRow(*(getattr(fleet, field) for field in FleetRow._fields))


def pool_row(pool: Pool) -> PoolRow:
    """What the fleet does with a pool."""
    return PoolRow(
        *(
            getattr(pool if hasattr(pool, field) else pool.service, field)
            for field in PoolRow._fields
        )
    )


def serve(
    knots: Knots,
    instance: Instance,
    window: float,
    prompt_share: float,
    law: Law = sampling.sampled,
) -> Service:
    """Moments of the service time of a pool."""
    lengths, weights = law(knots, window)
    prompt = np.maximum(1.0, np.trunc(prompt_share * lengths))
    output = np.maximum(1.0, lengths - prompt)
    times = instance.service_time(prompt, output, window)
    mean, square = _in_order(times, weights), _in_order(times**2, weights)
    chunks = np.ceil(prompt / instance.prefill_chunk)
    concurrency = instance.concurrency(window)
    return Service(
        concurrency=concurrency,
        service_rate=concurrency / mean,
        service_scv=max(0.01, square / mean**2 - 1),
        mean_prefill=_in_order(chunks, weights) * float(instance.latency(1)),
    )


def wait_99(servers: float, arrival_rate: float, service_rate: float, scv: float) -> float:
    """99th percentile of the wait; infinite where an argument is not positive."""
    if min(servers, arrival_rate, service_rate) <= 0:
        return np.inf
    return float(
        _wait_quantile(float(servers), float(arrival_rate), float(service_rate), float(scv))
    )


def delay_probability(servers: float, offered_load: float) -> float:
    """Erlang C, with 0 where there are no servers or no load."""
    return (
        float(_erlang_c(float(servers), float(offered_load)))
        if min(servers, offered_load) > 0
        else 0.0
    )


MOST_TRIED = 5000
"""Instances beyond which the search gives up, and the utilization is not looked at either."""


def instances_by_wait(
    arrival_rate: float, service: Service, latency_target: float
) -> tuple[int, int]:
    """Where the search begins, one above the load, and the first count from there that meets the target or is too large."""
    first = max(1, ceil(arrival_rate / service.service_rate) + 1)
    count, slots = first, service.concurrency
    while (
        wait_99(count * slots, arrival_rate, service.service_rate / slots, service.service_scv)
        > latency_target
    ):
        count += 1
        if count > MOST_TRIED:
            break
    return first, count


def instances_by_utilization(
    arrival_rate: float, service_rate: float, max_utilization: float
) -> int:
    """Instances that keep utilization within its bound; 0 where the bound is 1 or more and binds nowhere."""
    return ceil(arrival_rate / (service_rate * max_utilization)) if max_utilization < 1 else 0


def instances_at(arrival_rate: float, service_rate: float, utilization: float) -> int:
    """Instances for a utilization that is wished for, held between 5 and 95 %."""
    return max(1, ceil(arrival_rate / (service_rate * min(max(utilization, 0.05), 0.95))))


def instances_required(arrival_rate: float, service: Service, demand: Demand) -> int:
    """Instances that meet the target for the wait and the bound on utilization."""
    if arrival_rate <= 0:
        return 1
    first, by_wait = instances_by_wait(arrival_rate, service, float(demand.latency_target))
    if by_wait > max(first, MOST_TRIED):
        return by_wait
    return max(
        by_wait,
        instances_by_utilization(arrival_rate, service.service_rate, float(demand.max_utilization)),
    )


def size(
    knots: Knots,
    arrival_rate: float,
    instance: Instance,
    window: float,
    demand: Demand,
    law: Law = sampling.sampled,
    forced_utilization: float | None = None,
) -> Pool:
    """Size one pool, by the demand or at a forced utilization."""
    service = serve(knots, instance, window, 1 - float(demand.output_share), law)
    if forced_utilization is None:
        instances = instances_required(arrival_rate, service, demand)
    else:
        instances = instances_at(arrival_rate, service.service_rate, forced_utilization)
    slots = service.concurrency
    utilization = arrival_rate / (instances * service.service_rate)
    return Pool(
        arrival_rate=arrival_rate,
        context_window=window,
        service=service,
        instances=instances,
        utilization=utilization,
        power=instance.power(max(1, int(utilization * slots))),
        mean_output=sampling.mean_output(knots, float(demand.output_share)),
        wait=wait_99(
            instances * slots, arrival_rate, service.service_rate / slots, service.service_scv
        ),
        price=instance.price,
    )


def one_pool(
    knots: Knots, instance: Instance, window: float, demand: Demand, law: Law = sampling.sampled
) -> Fleet:
    """Every request in one pool."""
    return Fleet(pools=[size(knots, float(demand.arrival_rate), instance, window, demand, law)])


def two_pools(
    knots: Knots,
    instance: Instance,
    short_window: float,
    long_window: float,
    demand: Demand,
    overflow_factor: float = 1.0,
    law: Law = sampling.sampled,
) -> Fleet:
    """Requests up to `overflow_factor` short windows in a pool of short windows, the rest in one of long windows."""
    cut = int(overflow_factor * short_window)
    share, rate = min(1.0, sampling.fraction_within(knots, cut)), float(demand.arrival_rate)
    lower, upper = sampling.split(knots, cut)
    short = size(lower, share * rate, instance, short_window, demand, law)
    return Fleet(pools=[short, size(upper, (1 - share) * rate, instance, long_window, demand, law)])


def _in_order(values: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean, summed from left to right as the paper's program does."""
    return float(np.cumsum(values * weights)[-1])
