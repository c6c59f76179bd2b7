"""How far the paper's 3,000 draws of a length law lie from the law itself, summed."""

from functools import cache, partial
from typing import Annotated, NamedTuple

import xarray as xr

from tokwatt import grid
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.sampling import sampled, summed
from tokwatt.studies.fleets.topologies import (
    TOPOLOGIES,
    PaperFleetInputs,
    PaperFleets,
    TrafficEntry,
)
from tokwatt.studies.replay.table3 import FleetRow
from tokwatt.units import Dimensionless, Domain, Instances, Scalar, TokensPerJoule

Seeds = Annotated[Scalar, "1", Domain(most=1e4)]
"""How many seeds: fleets are drawn anew for each."""


class DrawnFleet(NamedTuple):
    """A fleet sized by the draws of one seed."""

    instances: Instances
    tokens_per_joule: TokensPerJoule


class Exact(NamedTuple):
    """A fleet sized by its law, beside the one that the paper prints."""

    exact_instances: Instances
    exact_tokens_per_joule: TokensPerJoule
    published_instances: Instances
    published_tokens_per_joule: TokensPerJoule
    survives: bool


def sampling_error(
    catalogue: Catalogue, common: PaperFleetInputs, traffic: dict[str, TrafficEntry], seeds: Seeds
) -> xr.Dataset:
    """Fleets of Table 3 by seed, from 0 on, and by exact sums; counts that agree survive."""
    printed = PaperFleets(catalogue, common)
    samplers = [partial(sampled, seed=seed) for seed in range(int(seeds))]

    @cache
    def rows(workload: str, topology: str, gpu: str) -> list[FleetRow]:
        fleets = printed.fleets(traffic[workload], topology, gpu, samplers)
        return [fleet.row for fleet in fleets]

    def drawn(workload: str, topology: str, gpu: str, seed: Dimensionless) -> DrawnFleet:
        row = rows(workload, topology, gpu)[int(seed)]
        return DrawnFleet(row.instances, row.tokens_per_joule)

    def exact(workload: str, topology: str, gpu: str) -> Exact:
        ours = printed.fleet(traffic[workload], topology, gpu, summed).row
        paper = printed.fleet(traffic[workload], topology, gpu).row
        return Exact(
            exact_instances=ours.instances,
            exact_tokens_per_joule=ours.tokens_per_joule,
            published_instances=paper.instances,
            published_tokens_per_joule=paper.tokens_per_joule,
            survives=ours.instances == paper.instances,
        )

    axes = {"workload": list(traffic), "topology": TOPOLOGIES, "gpu": list(common.profiles)}
    table = grid.tabulate(drawn, **axes, seed=range(int(seeds)))
    spread = table.tokens_per_joule.std("seed", ddof=1) / table.tokens_per_joule.mean("seed")
    described = "relative standard deviation of tokens per joule over seeds"
    spread = spread.assign_attrs(grid.describe(described, "1"))
    return table.assign(tokens_per_joule_spread=spread).merge(grid.tabulate(exact, **axes))
