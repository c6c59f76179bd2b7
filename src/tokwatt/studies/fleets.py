"""Studies of fleets: Tables 3 and 6, the split of one workload, and the length laws they rest on."""

from functools import cache, partial
from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.params.specs import Demand, Gpu, Profile, Workload, spec
from tokwatt.serving import sampling
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.sampling import Knots
from tokwatt.studies.replay import fleets as replay
from tokwatt.studies.replay.instances import Calibrated, Instance
from tokwatt.studies.replay.points import Served, roofline_point
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    In,
    Tokens,
    TokensAxis,
    TokensPerJoule,
    units_of,
)

Gpus = Annotated[dict[str, Gpu], In("gpus")]
Profiles = Annotated[dict[str, Profile], In("profiles")]

TOPOLOGIES = ("homogeneous", "pool", "fleetopt")
POOLS = ("short", "long")


@spec
class Traffic:
    """A workload, the window of its short pool, and a factor on all of its lengths."""

    workload: Annotated[Workload, In("workloads")]
    short_window: Tokens
    stretch: Dimensionless = 1.0

    def fleet(
        self,
        topology: str,
        instance: Instance,
        long_window: Tokens,
        overflow_factor: Dimensionless,
        demand: Demand,
        law: replay.Law = sampling.sampled,
    ) -> replay.Fleet:
        """The replayed fleet of a topology that serves this traffic."""
        knots, long_window = _knots(self.workload, self.stretch), long_window * self.stretch
        if topology == "homogeneous":
            return replay.one_pool(knots, instance, long_window, demand, law)
        factor = overflow_factor if topology == "fleetopt" else 1.0
        return replay.two_pools(
            knots, instance, self.short_window, long_window, demand, factor, law
        )


@spec
class Recommendation:
    """What the paper advises for a kind of traffic."""

    workload: str
    topologies: list[str]
    gpus: list[str]


def workload_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Share of requests within each knot, and the 99th percentile of their lengths, by workload."""
    laws = catalogue.workloads
    knots = np.unique(np.concatenate([law.lengths for law in laws.values()]))
    within = [np.interp(knots, [0, *law.lengths], [0, *law.fractions]) for law in laws.values()]
    quantile = [np.interp(0.99, [0, *law.fractions], [0, *law.lengths]) for law in laws.values()]
    longest = [law.lengths[-1] for law in laws.values()]
    return xr.Dataset(
        {
            "fraction_within": (
                ("workload", "length"),
                within,
                grid.describe("share_of_requests_within_a_length", "1"),
            ),
            "length_quantile_99": (
                ("workload",),
                quantile,
                grid.describe("99th_percentile_of_length", "tok"),
            ),
            "longest": (("workload",), longest, grid.describe("longest_request", "tok")),
        },
        {
            "workload": (("workload",), list(laws), grid.describe("workload", None)),
            "length": (("length",), knots, grid.describe("total_tokens", "tok")),
        },
    )


def fleets(
    catalogue: Catalogue,
    traffic: dict[str, Traffic],
    profiles: Profiles,
    long_window: Tokens,
    overflow_factor: Dimensionless,
    demand: Demand,
) -> xr.Dataset:
    """Table 3: replayed fleets over workload x topology x GPU, and their pools."""

    @cache
    def sized(workload: str, topology: str, gpu: str) -> replay.Fleet:
        return traffic[workload].fleet(
            topology, Calibrated(profiles[gpu]), long_window, overflow_factor, demand
        )

    def fleet(workload: str, topology: str, gpu: str) -> replay.FleetRow:
        return replay.fleet_row(sized(workload, topology, gpu))

    def pool(workload: str, topology: str, gpu: str, pool: str) -> replay.PoolRow:
        pools = dict(
            zip(reversed(POOLS), reversed(sized(workload, topology, gpu).pools), strict=False)
        )
        return (
            replay.pool_row(pools[pool])
            if pool in pools
            else replay.PoolRow(*[np.nan] * len(replay.PoolRow._fields))
        )

    axes = {"workload": list(traffic), "topology": TOPOLOGIES, "gpu": list(profiles)}
    table = grid.tabulate(fleet, **axes)
    pools = grid.tabulate(pool, **axes, pool=POOLS)
    gain = table.tokens_per_joule / table.tokens_per_joule.isel(topology=0, gpu=0, drop=True)
    scalars = vars(demand) | {"long_window": long_window, "overflow_factor": overflow_factor}
    units = units_of(Demand) | {"long_window": "tok", "overflow_factor": "1"}
    inputs = xr.Dataset(
        {name: ((), value, grid.describe(name, units[name])) for name, value in scalars.items()}
    )
    inputs["short_window"] = (
        "workload",
        [row.short_window for row in traffic.values()],
        grid.describe("short_window", "tok"),
    )
    table["gain"] = gain.assign_attrs(
        grid.describe("gain_over_the_homogeneous_fleet_of_the_first_gpu", "1")
    )
    return xr.merge(
        [table, pools.rename({name: f"pool_{name}" for name in pools.data_vars}), inputs]
    )


def guidance(
    catalogue: Catalogue,
    traffic: dict[str, Traffic],
    profiles: Profiles,
    long_window: Tokens,
    overflow_factor: Dimensionless,
    demand: Demand,
    short_limit: Tokens,
    recommended: dict[str, Recommendation],
    mixture: Served,
    mixture_gpus: Gpus,
    context_window: Tokens,
) -> xr.Dataset:
    """Table 6: fleets for each kind of traffic, the best of them, and what the paper recommends.

    A kind without a workload is judged by single instances of a mixture of experts, as no fleet of
    one is defined.
    """
    table = fleets(
        catalogue, traffic, profiles, long_window, overflow_factor, demand
    ).tokens_per_joule.to_dataset()
    short = [
        np.interp(
            short_limit, [0, *(row.workload.lengths * row.stretch)], [0, *row.workload.fractions]
        )
        for row in traffic.values()
    ]
    table["short_share"] = ("workload", short, grid.describe("share_of_short_requests", "1"))
    rows = table.tokens_per_joule.assign_coords(short_share=table.short_share)
    point = partial(
        roofline_point,
        served=mixture,
        curve=catalogue.power_fractions,
        context_window=context_window,
    )
    single = grid.sweep(point, gpu=mixture_gpus).tokens_per_joule.expand_dims(
        topology=["undefined"], workload=["any"]
    )
    single = single.assign_coords(short_share=("workload", [np.nan]))

    def advice(kind: str) -> Advice:
        return _advice(rows if recommended[kind].workload in traffic else single, recommended[kind])

    return table.merge(grid.tabulate(advice, kind=list(recommended)))


class Advice(NamedTuple):
    """The best fleet for a kind of traffic against the recommended ones."""

    workload_of_kind: str
    short_share_of_kind: Dimensionless
    recommended_topology: str
    best_topology: str
    topology_agrees: bool
    recommended_gpu: str
    best_gpu: str
    gpu_agrees: bool
    recommended_tokens_per_joule: TokensPerJoule
    best_tokens_per_joule: TokensPerJoule


def _advice(fleets: xr.DataArray, recommendation: Recommendation) -> Advice:
    own = fleets.sel(workload=recommendation.workload)
    topologies = own.topology.isin([*recommendation.topologies, "undefined"])
    advised = own.where(topologies & own.gpu.isin(recommendation.gpus))
    best = own.stack(row=("topology", "gpu")).idxmax("row").item()
    return Advice(
        workload_of_kind=recommendation.workload,
        short_share_of_kind=fleets.short_share.sel(workload=recommendation.workload).item(),
        recommended_topology=" or ".join(recommendation.topologies),
        best_topology=best[0],
        topology_agrees=best[0] in recommendation.topologies,
        recommended_gpu=" or ".join(recommendation.gpus),
        best_gpu=best[1],
        gpu_agrees=best[1] in recommendation.gpus,
        recommended_tokens_per_joule=float(advised.max()),
        best_tokens_per_joule=float(own.max()),
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
    """Replayed two-pool fleets over GPU x overflow factor x split length; the split length is the short window."""
    knots = _knots(workload)
    instances = {gpu: Calibrated(profile) for gpu, profile in profiles.items()}

    def fleet(gpu: str, overflow_factor: Dimensionless, split_length: Tokens) -> replay.FleetRow:
        return replay.fleet_row(
            replay.two_pools(
                knots, instances[gpu], split_length, long_window, demand, overflow_factor
            )
        )

    return grid.tabulate(
        fleet,
        gpu=list(profiles),
        overflow_factor=overflow_factor.tolist(),
        split_length=split_length.tolist(),
    )


def _knots(workload: Workload, stretch: float = 1.0) -> Knots:
    return list(
        zip((workload.lengths * stretch).tolist(), workload.fractions.tolist(), strict=True)
    )
