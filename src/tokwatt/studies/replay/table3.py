"""Rows of the paper's Table 3: fleets under the set `paper` and their pools."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from tokwatt.equations.roofline import tokens_per_joule
from tokwatt.params.specs import Demand, Profile
from tokwatt.serving.account import Account
from tokwatt.serving.demand.routing import Routed
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.pool import Pool, size_pool
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import step
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


class FleetRow(NamedTuple):
    """A fleet of Table 3; watts are those of one GPU for each instance.

    Attributes:
        instances: of all pools.
        power: of all pools.
        throughput: output tokens per second that are credited.
        tokens_per_joule: credited tokens per joule; the paper's fleet tok/W.
        first_token_time: 99th percentile of the wait and the mean prefill, of the worst pool.
        dollars_per_million: rent of a million credited tokens.
    """

    instances: Instances
    power: Watts
    throughput: TokensPerSecond
    tokens_per_joule: TokensPerJoule
    first_token_time: Seconds
    dollars_per_million: Dollars


class PoolRow(NamedTuple):
    """A pool of a fleet of Table 3.

    Attributes:
        arrival_rate: requests per second.
        context_window: tokens reserved for each sequence.
        concurrency: running requests that an instance holds.
        service_rate: requests per second that an instance completes.
        service_scv: squared coefficient of variation of the service time.
        instances: whole instances.
        utilization: share of the concurrency that is taken.
        active: running requests of an instance.
        power: watts of one GPU.
        mean_output: output tokens credited to each request.
        wait: 99th percentile of the wait.
    """

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


NO_POOL = PoolRow(*[np.nan] * len(PoolRow._fields))


@jax.jit
def _sized(
    account: Account, instance: Instance, alone: Tokens, routed: Routed, demand: Demand
) -> tuple[list[Pool], Seconds]:
    """The pools of a fleet, and a step of one sequence of so many tokens alone."""
    pools = [
        size_pool(account, instance, traffic, window, demand)
        for traffic, window in zip(routed.pools, routed.windows, strict=True)
    ]
    return pools, step(account.assumed, instance, Load(1.0, alone, 0.0, 0.0)).latency


@dataclass(frozen=True)
class SizedFleet:
    """A fleet of one kind of instance, with the traffic of its pools.

    Attributes:
        profile: of an instance of every pool.
        routed: windows and traffic of the pools.
        pools: the pools, the one of the longest window last.
        lone_latency: duration of a step of one sequence.
    """

    profile: Profile
    routed: Routed
    pools: list[Pool]
    lone_latency: float

    @classmethod
    def of(
        cls, account: Account, profile: Profile, instance: Instance, routed: Routed, demand: Demand
    ) -> "SizedFleet":
        """The fleet that carries its traffic."""
        length = profile.calibration_length
        pools, latency = _sized(account, instance, length, routed, demand)
        return cls(profile, routed, pools, float(latency))

    @property
    def row(self) -> FleetRow:
        """What Table 3 shows of the fleet."""
        instances = [int(pool.instances) for pool in self.pools]
        power = sum(float(pool.power) for pool in self.pools)
        throughput = sum(float(pool.credited) for pool in self.pools)
        return FleetRow(
            instances=sum(instances),
            power=power,
            throughput=throughput,
            tokens_per_joule=tokens_per_joule(throughput, power),
            first_token_time=max(self.first_token_times()),
            dollars_per_million=1e6 * sum(instances) * float(self.profile.price) / throughput,
        )

    def first_token_times(self) -> list[float]:
        """The paper's times: each chunk of the mean prompt takes a step of one sequence."""
        return [
            float(pool.wait) + float(traffic.chunks) * self.lone_latency
            for pool, traffic in zip(self.pools, self.routed.pools, strict=True)
        ]

    def pool_row(self, place: int) -> PoolRow:
        """What the fleet does with a pool, counted from the one of the longest window."""
        if place >= len(self.pools):
            return NO_POOL
        pool = self.pools[-1 - place]
        return PoolRow(
            arrival_rate=float(pool.arrival_rate),
            context_window=self.routed.windows[-1 - place],
            concurrency=float(pool.concurrency),
            service_rate=float(pool.service_rate),
            service_scv=float(pool.service_scv),
            instances=float(pool.instances),
            utilization=float(pool.utilization),
            active=float(pool.utilization * pool.concurrency),
            power=float(pool.power / pool.instances),
            # The paper credits whole tokens; the division leaves a last digit.
            mean_output=round(float(pool.credited / pool.arrival_rate), 9),
            wait=float(pool.wait),
        )
