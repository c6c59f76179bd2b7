"""What a plan is for, and the columns that it is chosen from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokwatt.accounts.answers.pools import LONGEST, case_of, require_splits
from tokwatt.accounts.deployments import DeploymentNames, fleet_account, require_limited
from tokwatt.accounts.energy import Energy
from tokwatt.accounts.parts import require_chunked
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.columns.classes import Classes, candidate_lengths, served_within
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.columns.configurations import Configurations
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.requests import smallest_window
from tokwatt.serving.pools.disaggregated import Disaggregation
from tokwatt.units import Tokens


@dataclass(frozen=True)
class Question:
    """What a plan is for.

    Attributes:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace.
        demand: arrival rate and targets.
        objective: what is least per output token: joules, dollars, carbon or gpus.
        budget: what all pools may use together.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.
    """

    catalogue: Catalogue
    requests: str | Trace
    demand: Demand
    objective: str
    budget: Budget
    account: str
    changes: Mapping[str, str]


def columns_of(
    own: Question,
    names: Sequence[DeploymentNames],
    candidates: int | Sequence[Tokens],
    between: Disaggregation | None = None,
) -> Columns:
    """Everything that a pool may be for every class of lengths."""
    account = fleet_account(own.catalogue, own.account, names[0], own.requests, own.changes)
    case = case_of(own.catalogue, own.requests, names[0], account, (), LONGEST)
    requests = case.requests(account.assumed, float(own.demand.output_share))
    if isinstance(candidates, int):
        edges = candidate_lengths(account.assumed, requests, candidates)
    else:
        last = smallest_window(requests) if account.assumed.baseline == "smallest" else LONGEST
        require_splits(candidates, last)
        edges = np.array([0.0, *candidates, last])
    require_chunked(account, between is not None)
    require_limited(account, names)
    return Columns.of(
        account,
        Configurations.of(own.catalogue, names),
        Classes(account.assumed, served_within(requests, edges[-1]), edges),
        own.demand,
        Energy.of(own.catalogue),
        between,
    )
