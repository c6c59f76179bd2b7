"""Table 6: the best fleet for each kind of traffic, and what the paper recommends."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.params.specs import spec
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.fleets.topologies import PaperFleetInputs, TrafficEntry, paper_fleets
from tokwatt.studies.instances import Boards, roofline_points
from tokwatt.studies.replay.points import LlmLayout
from tokwatt.units import Dimensionless, Tokens, TokensPerJoule


@spec
class Recommendation:
    """What the paper advises for a kind of traffic."""

    workload: str
    topologies: list[str]
    gpus: list[str]


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


def guidance(
    catalogue: Catalogue,
    common: PaperFleetInputs,
    traffic: dict[str, TrafficEntry],
    short_limit: Tokens,
    recommended: dict[str, Recommendation],
    mixture: LlmLayout,
    mixture_gpus: Boards,
    context_window: Tokens,
) -> xr.Dataset:
    """Table 6: fleets for each kind of traffic, the best of them, and what the paper recommends.

    A kind without a workload is judged by single instances of a mixture of experts, as no fleet of
    one is defined.
    """
    table = paper_fleets(catalogue, common, traffic)
    table = table.tokens_per_joule.to_dataset()
    short = [_share_within(row, short_limit) for row in traffic.values()]
    table["short_share"] = ("workload", short, grid.describe("share_of_short_requests", "1"))
    rows = table.tokens_per_joule.assign_coords(short_share=table.short_share)
    points = roofline_points(catalogue, mixture_gpus, {"any": mixture}, context_window)
    single = points.tokens_per_joule.rename(llm="workload").expand_dims(topology=["undefined"])
    single = single.assign_coords(short_share=("workload", [np.nan]))

    def advice(kind: str) -> Advice:
        judged = rows if recommended[kind].workload in traffic else single
        return _advice(judged, recommended[kind])

    return table.merge(grid.tabulate(advice, kind=list(recommended)))


def _share_within(traffic: TrafficEntry, limit: Tokens) -> Dimensionless:
    lengths = traffic.workload.lengths * traffic.stretch
    return np.interp(limit, [0, *lengths], [0, *traffic.workload.fractions])


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
