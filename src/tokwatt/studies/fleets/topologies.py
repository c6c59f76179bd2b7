"""Fleets of the paper's topologies: Table 3, and the split of one workload."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, NamedTuple

import xarray as xr

from tokwatt import grid
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import Case, Sampler
from tokwatt.params.specs import Demand, Profile, Workload, spec
from tokwatt.serving import sampling
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.times import instance_of
from tokwatt.studies.instances import Profiles
from tokwatt.studies.replay.table3 import FleetRow, PoolRow, SizedFleet
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    In,
    RequestsPerSecond,
    Seconds,
    Tokens,
    TokensAxis,
)

TOPOLOGIES = ("homogeneous", "pool", "fleetopt")
POOLS = ("long", "short")
"""Pools of a fleet, counted from the one of the longest window."""


@spec
class TrafficEntry:
    """A workload and how its requests are split.

    Attributes:
        workload: request length distribution.
        short_window: window of the short pool.
        stretch: a factor on all lengths.
    """

    workload: Annotated[Workload, In("workloads")]
    short_window: Tokens
    stretch: Dimensionless = 1.0


@dataclass(frozen=True)
class PaperFleets:
    """Fleets of the paper's topologies for one demand.

    Attributes:
        catalogue: the parameter folder.
        profiles: instances by GPU.
        long_window: window of the only pool, or of the long one.
        overflow_factor: how much longer a request may be that FleetOpt's short pool takes.
        demand: what a fleet must carry.
    """

    catalogue: Catalogue
    profiles: dict[str, Profile]
    long_window: Tokens
    overflow_factor: Dimensionless
    demand: Demand

    @cached_property
    def account(self) -> Account:
        """The paper's account."""
        return AssumptionSets(self.catalogue).account("paper")

    def fleet(
        self,
        traffic: TrafficEntry,
        topology: str,
        gpu: str,
        sampler: Sampler = sampling.sampled,
    ) -> SizedFleet:
        """The fleet of a topology on a GPU."""
        return self.fleets(traffic, topology, gpu, [sampler])[0]

    def fleets(
        self, traffic: TrafficEntry, topology: str, gpu: str, samplers: Sequence[Sampler]
    ) -> list[SizedFleet]:
        """The fleets of a topology on a GPU by each of several samplers."""
        account, profile, demand = self.account, self.profiles[gpu], self.demand
        case = self._case(traffic, topology, gpu)
        instance = instance_of(account, case.deployment)
        exact = case.exact_traffic(account, demand)
        drawn = (case.sampled_traffic(exact, account, demand, sampler) for sampler in samplers)
        return [SizedFleet.of(account, profile, instance, routed, demand) for routed in drawn]

    def _case(self, traffic: TrafficEntry, topology: str, gpu: str) -> Case:
        lengths = traffic.workload.lengths * traffic.stretch
        return Case(
            gpu=gpu,
            deployment=self.catalogue.profiled(self.profiles[gpu]),
            workload=Workload(lengths=lengths, fractions=traffic.workload.fractions),
            shares=None,
            window=float(self.long_window * traffic.stretch),
            topology=topology,
            splits=() if topology == "homogeneous" else (float(traffic.short_window),),
            overflow_factor=float(self.overflow_factor) if topology == "fleetopt" else 1.0,
            paper=self.account.assumed,
        )


class FleetInputs(NamedTuple):
    """What the fleets of Table 3 have in common.

    Attributes:
        arrival_rate: requests per second.
        latency_target: longest wait.
        max_utilization: highest utilization.
        output_share: output as a share of all tokens.
        long_window: window of the only pool, or of the long one.
        overflow_factor: how much longer a request may be that FleetOpt's short pool takes.
    """

    arrival_rate: RequestsPerSecond
    latency_target: Seconds
    max_utilization: Dimensionless
    output_share: Dimensionless
    long_window: Tokens
    overflow_factor: Dimensionless


def paper_fleets(
    catalogue: Catalogue,
    traffic: dict[str, TrafficEntry],
    profiles: Profiles,
    long_window: Tokens,
    overflow_factor: Dimensionless,
    demand: Demand,
) -> xr.Dataset:
    """Table 3: fleets over workload x topology x GPU, and their pools."""
    common = PaperFleets(catalogue, profiles, long_window, overflow_factor, demand)

    @cache
    def sized(workload: str, topology: str, gpu: str) -> SizedFleet:
        return common.fleet(traffic[workload], topology, gpu)

    def fleet(workload: str, topology: str, gpu: str) -> FleetRow:
        return sized(workload, topology, gpu).row

    def pool(workload: str, topology: str, gpu: str, pool: str) -> PoolRow:
        return sized(workload, topology, gpu).pool_row(POOLS.index(pool))

    axes = {"workload": list(traffic), "topology": TOPOLOGIES, "gpu": list(profiles)}
    table = grid.tabulate(fleet, **axes)
    pools = grid.tabulate(pool, **axes, pool=POOLS[::-1])
    gain = table.tokens_per_joule / table.tokens_per_joule.isel(topology=0, gpu=0, drop=True)
    described = grid.describe("gain over the homogeneous fleet of the first GPU", "1")
    asked = {name: value for name, value in vars(demand).items() if name in FleetInputs._fields}
    inputs = FleetInputs(**asked, long_window=long_window, overflow_factor=overflow_factor)
    windows = xr.DataArray([row.short_window for row in traffic.values()], dims="workload")
    return xr.merge(
        [
            table.assign(gain=gain.assign_attrs(described)),
            pools.rename({name: f"pool_{name}" for name in pools.data_vars}),
            grid.dataset({}, inputs),
            windows.rename("short_window").assign_attrs(grid.describe("short_window", "tok")),
        ]
    )


def splits(
    catalogue: Catalogue,
    workload: Annotated[Workload, In("workloads")],
    profiles: Profiles,
    split_length: TokensAxis,
    overflow_factor: DimensionlessAxis,
    long_window: Tokens,
    demand: Demand,
) -> xr.Dataset:
    """Two-pool fleets as in Table 3 over GPU x overflow factor x split length."""

    @cache
    def overflowing(overflow_factor: Dimensionless) -> PaperFleets:
        return PaperFleets(catalogue, profiles, long_window, overflow_factor, demand)

    def fleet(gpu: str, overflow_factor: Dimensionless, split_length: Tokens) -> FleetRow:
        traffic = TrafficEntry(workload=workload, short_window=split_length)
        return overflowing(overflow_factor).fleet(traffic, "fleetopt", gpu).row

    return grid.tabulate(
        fleet,
        gpu=list(profiles),
        overflow_factor=overflow_factor.tolist(),
        split_length=split_length.tolist(),
    )
