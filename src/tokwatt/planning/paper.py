"""The paper as a special case: fleets as its own rules buy them, split and overflow factor free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from tokwatt.accounts.answers.pools import LONGEST, case_of
from tokwatt.accounts.deployments import PAPER, DeploymentNames, account_of
from tokwatt.params.specs import Demand
from tokwatt.planning.columns.classes import Classes
from tokwatt.planning.columns.configurations import Configurations
from tokwatt.planning.columns.part_columns import PartColumns
from tokwatt.planning.optimum.choice import TIE
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.traffic import Part, Traffic
from tokwatt.units import Dimensionless, Instances, Tokens, TokensPerJoule, Watts

PROFILED = DeploymentNames(profile="H100")
"""An instance of the paper, whose steps take in prompts as all of its do."""
HOMOGENEOUS = 0.0
"""Split length of a fleet that has one pool only."""


class Bought(NamedTuple):
    """A fleet that the paper's rules may buy.

    Attributes:
        split_length: longest request of the short pool; 0 for one pool only.
        overflow_factor: how much longer a request may be that it serves as one of that length.
        names: deployment of each pool, the short one first.
        instances: of all pools.
        power: watts, of one GPU of each instance.
        tokens_per_joule: output tokens that are credited, for each of these joules.
    """

    split_length: Tokens
    overflow_factor: Dimensionless
    names: tuple[DeploymentNames, ...]
    instances: Instances
    power: Watts
    tokens_per_joule: TokensPerJoule


@dataclass(frozen=True)
class PaperPools(Classes):
    """Pools of several topologies as classes of their own.

    Attributes:
        shapes: split length and overflow factor of each topology.
        held: window of each pool.
        asked: traffic of each pool.
        places: pools of each topology.
    """

    shapes: tuple[tuple[Tokens, Dimensionless], ...]
    held: tuple[Tokens, ...]
    asked: tuple[Traffic, ...]
    places: tuple[range, ...]

    @property
    def windows(self) -> np.ndarray:
        """Context window of each pool."""
        return np.array(self.held)

    def traffic(self, chunk: Tokens, part: Part = "both") -> Traffic:
        """What each pool asks of an instance; every instance of the paper takes prompts alike."""
        return Traffic(*(np.array(it, float) for it in zip(*self.asked, strict=True)))


def paper_pools(
    catalogue: Catalogue,
    workload: str,
    demand: Demand,
    splits: Sequence[Tokens],
    overflow_factors: Sequence[Dimensionless],
    changes: Mapping[str, str] | None = None,
) -> PaperPools:
    """The pools of one homogeneous fleet, then of every split with every overflow factor.

    Args:
        catalogue: the parameter folder.
        workload: a workload by name.
        demand: arrival rate and output share.
        splits: candidate lengths of the short pool.
        overflow_factors: candidates of FleetOpt's factor; 1 is the paper's pool routing.
        changes: other alternatives than those of the set `paper`.
    """
    account = account_of(catalogue, PAPER, PROFILED, changes)
    case = case_of(catalogue, workload, PROFILED, account, (), LONGEST)
    shapes = ((HOMOGENEOUS, 1.0), *product(splits, overflow_factors))
    held: list[Tokens] = []
    asked: list[Traffic] = []
    places = []
    for split, factor in shapes:
        lengths = (split,) if split else ()
        own = replace(case, topology="two_pools", splits=lengths, overflow_factor=factor)
        routed = own.traffic(account, demand)
        assert routed is not None
        places.append(range(len(held), len(held) + len(routed.pools)))
        held += routed.windows
        asked += routed.pools
    requests = case.requests(account.assumed, float(demand.output_share))
    edges = np.array([0.0, case.window])
    parts = shapes, tuple(held), tuple(asked), tuple(places)
    return PaperPools(account.assumed, requests, edges, *parts)


def bought(
    catalogue: Catalogue,
    pools: PaperPools,
    demand: Demand,
    names: Sequence[DeploymentNames],
    changes: Mapping[str, str] | None = None,
) -> list[Bought]:
    """Every fleet of the paper's account, the most tokens per joule first.

    Args:
        catalogue: the parameter folder.
        pools: of its topologies.
        demand: arrival rate and bounds.
        names: what a pool may run on: profiles only, or deployments without one.
        changes: other alternatives than those of the set `paper`.

    Returns:
        Each topology, each of its pools on what costs it least: the paper's topologies are columns
        of the planner like any others. A request beyond the split is credited in full and served
        as one that just fits, so that more overflow looks ever better.

    Source: arXiv:2603.17280, Section 4; arXiv:2603.16054 for the factor.
    """
    account = account_of(catalogue, PAPER, names[0], changes)
    columns = PartColumns(account, Configurations.of(catalogue, names), pools, demand)
    found = [_bought(columns, pools, place) for place in range(len(pools.shapes))]
    return sorted(found, key=lambda it: -it.tokens_per_joule)


def _bought(columns: PartColumns, pools: PaperPools, topology: int) -> Bought:
    """A topology, each of its pools on the configuration of the least watts."""
    places = list(pools.places[topology])
    power = columns.power[:, places]
    best = (power <= power.min(axis=0) * (1 + TIE)).argmax(axis=0)
    credited = sum(float(pools.asked[place].credited) for place in places)
    watts = float(power.min(axis=0).sum())
    return Bought(
        *pools.shapes[topology],
        tuple(columns.configurations.names[own] for own in best),
        float(columns.instances[best, places].sum()),
        watts,
        float(columns.demand.arrival_rate) * credited / watts,
    )
