"""Fleets of the paper's topologies: Table 3, and the split of one workload."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Annotated

import xarray as xr

from tokwatt import grid
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import Case, Sampler
from tokwatt.params.specs import Demand, Workload, spec
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand import sampling
from tokwatt.serving.steps.times import instance_of
from tokwatt.studies.instances import Profiles
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.studies.replay.table3 import FleetRow, PoolRow, SizedFleet
from tokwatt.units import Dimensionless, DimensionlessAxis, In, Tokens, TokensAxis

TOPOLOGIES = ("homogeneous", "pool", "fleetopt")
INPUTS = {
    "arrival_rate": "req/s",
    "latency_target": "s",
    "max_utilization": "1",
    "output_share": "1",
    "long_window": "tok",
    "overflow_factor": "1",
}
"""What the fleets of Table 3 have in common, as the dataset repeats it, and its unit."""
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


@spec
class PaperFleetInputs:
    """What fleets of the paper's topologies have in common.

    Attributes:
        profiles: instances by GPU.
        long_window: window of the only pool, or of the long one.
        overflow_factor: how much longer a request may be that FleetOpt's short pool takes.
        demand: what a fleet must carry.
    """

    profiles: Profiles
    long_window: Tokens
    overflow_factor: Dimensionless
    demand: Demand


@dataclass(frozen=True)
class PaperFleets:
    """Fleets of the paper's topologies for one demand.

    Attributes:
        catalogue: the parameter folder.
        common: what they have in common.
    """

    catalogue: Catalogue
    common: PaperFleetInputs

    @cached_property
    def account(self) -> Account:
        """The paper's account."""
        return AssumptionSets(self.catalogue).account("paper")

    def fleet(
        self, traffic: TrafficEntry, topology: str, gpu: str, sampler: Sampler = sampling.sampled
    ) -> SizedFleet:
        """The fleet of a topology on a GPU."""
        return self.fleets(traffic, topology, gpu, [sampler])[0]

    def fleets(
        self, traffic: TrafficEntry, topology: str, gpu: str, samplers: Sequence[Sampler]
    ) -> list[SizedFleet]:
        """The fleets of a topology on a GPU by each of several samplers."""
        account, profile, demand = self.account, self.common.profiles[gpu], self.common.demand
        case = self._case(traffic, topology, gpu)
        instance = instance_of(account, case.deployment)
        exact = case.exact_traffic(account, demand)
        drawn = (case.sampled_traffic(exact, account, demand, sampler) for sampler in samplers)
        return [SizedFleet.of(account, profile, instance, routed, demand) for routed in drawn]

    def _case(self, traffic: TrafficEntry, topology: str, gpu: str) -> Case:
        lengths = traffic.workload.lengths * traffic.stretch
        return Case(
            gpu=gpu,
            deployment=self.catalogue.profiled(self.common.profiles[gpu]),
            workload=Workload(lengths=lengths, fractions=traffic.workload.fractions),
            shares=None,
            window=float(self.common.long_window * traffic.stretch),
            topology=topology,
            splits=() if topology == "homogeneous" else (float(traffic.short_window),),
            overflow_factor=float(self.common.overflow_factor) if topology == "fleetopt" else 1.0,
            paper=self.account.assumed,
        )


def paper_fleets(
    catalogue: Catalogue, common: PaperFleetInputs, traffic: dict[str, TrafficEntry]
) -> xr.Dataset:
    """Table 3: fleets over workload x topology x GPU, and their pools."""
    fleets = PaperFleets(catalogue, common)

    @cache
    def sized(workload: str, topology: str, gpu: str) -> SizedFleet:
        return fleets.fleet(traffic[workload], topology, gpu)

    def fleet(workload: str, topology: str, gpu: str) -> FleetRow:
        return sized(workload, topology, gpu).row

    def pool(workload: str, topology: str, gpu: str, pool: str) -> PoolRow:
        return sized(workload, topology, gpu).pool_row(POOLS.index(pool))

    axes = {"workload": list(traffic), "topology": TOPOLOGIES, "gpu": list(common.profiles)}
    table = grid.tabulate(fleet, **axes)
    pools = grid.tabulate(pool, **axes, pool=POOLS[::-1])
    gain = table.tokens_per_joule / table.tokens_per_joule.isel(topology=0, gpu=0, drop=True)
    described = grid.describe("gain over the homogeneous fleet of the first GPU", "1")
    given = vars(common) | vars(common.demand)
    inputs = {name: Variable((), given[name], unit) for name, unit in INPUTS.items()}
    windows = [row.short_window for row in traffic.values()]
    return xr.merge(
        [
            table.assign(gain=gain.assign_attrs(described)),
            pools.rename({name: f"pool_{name}" for name in pools.data_vars}),
            labelled({**inputs, "short_window": Variable("workload", windows, "tok")}, {}),
        ]
    )


def splits(
    catalogue: Catalogue,
    common: PaperFleetInputs,
    workload: Annotated[Workload, In("workloads")],
    split_length: TokensAxis,
    overflow_factor: DimensionlessAxis,
) -> xr.Dataset:
    """Two-pool fleets over GPU x overflow factor x split length, in place of those of Table 3."""

    @cache
    def overflowing(overflow_factor: Dimensionless) -> PaperFleets:
        return PaperFleets(catalogue, replace(common, overflow_factor=overflow_factor))

    def fleet(gpu: str, overflow_factor: Dimensionless, split_length: Tokens) -> FleetRow:
        traffic = TrafficEntry(workload=workload, short_window=split_length)
        return overflowing(overflow_factor).fleet(traffic, "fleetopt", gpu).row

    return grid.tabulate(
        fleet,
        gpu=list(common.profiles),
        overflow_factor=overflow_factor.tolist(),
        split_length=split_length.tolist(),
    )
