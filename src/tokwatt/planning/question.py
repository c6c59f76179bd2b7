"""What a plan is for, and the columns that it is chosen from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from tokwatt.accounts.answers.demand import require_demand, require_share, require_targets
from tokwatt.accounts.answers.pools import LONGEST, case_of, require_splits
from tokwatt.accounts.deployments import (
    PAIRED,
    DeploymentNames,
    conserving,
    fleet_account,
    require_limited,
)
from tokwatt.accounts.energy import Energy
from tokwatt.accounts.parts import require_chunked
from tokwatt.params.errors import ParameterError, pick
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.columns.classes import Classes, candidate_lengths, served_within
from tokwatt.planning.columns.columns import OBJECTIVES, Columns
from tokwatt.planning.columns.configurations import Configurations, Options
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.requests import Requests, smallest_window
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
        context_window: window of the last pool; the account's own if left out.
    """

    catalogue: Catalogue
    requests: str | Trace
    demand: Demand
    objective: str
    budget: Budget
    account: str
    changes: Mapping[str, str]
    context_window: Tokens | None = None


class PlanOptions(TypedDict, total=False):
    """What a plan may be asked beside its requests, demand and LLM; see `plan`."""

    options: Options | None
    objective: str
    budget: Budget | None
    candidates: int | Sequence[Tokens]
    account: str
    changes: Mapping[str, str] | None


def questions_of(
    catalogue: Catalogue,
    requests: str | Trace | Sequence[str | Trace],
    demand: Demand | Sequence[Demand],
    objective: str,
    budget: Budget,
    account: str,
    changes: Mapping[str, str],
) -> list[Question]:
    """A question for each trace, of which only the requests and their rates differ.

    Classes of a plan share its requests, which the paper's pools do not: its changes are said.

    Raises:
        ParameterError: for numbers outside their domain, and targets that differ between traces.
    """
    pick("objective", objective, dict.fromkeys(OBJECTIVES))
    budget.check(catalogue)
    each = [requests] if isinstance(requests, str | Trace) else [*requests]
    asked = [demand] * len(each) if isinstance(demand, Demand) else [*demand]
    _require_alike(len(each), asked)
    rules = conserving(account)
    rules_of_trace = {choice: rules[choice] for choice in rules if choice not in PAIRED}
    return [
        Question(catalogue, own, it, objective, budget, account, {**kept, **changes})
        for own, it in zip(each, asked, strict=True)
        for kept in [rules_of_trace if isinstance(own, Trace) else rules]
    ]


def _require_alike(traces: int, asked: Sequence[Demand]) -> None:
    """Refuse demands that are not one for each trace, or that differ in more than their rate."""
    if not traces or len(asked) != traces:
        found = f"has {len(asked)} demands for {traces} traces"
        raise ParameterError(f"demand: {found}, wanted one for each of one trace or more.")
    for own in asked:
        require_demand(own)
        for name, value in vars(replace(asked[0], arrival_rate=own.arrival_rate)).items():
            if (other := getattr(own, name)) != value:
                found = f"is {value:g} for one trace and {other:g} for another"
                raise ParameterError(f"{name}: {found}, wanted one for all.")


def columns_of(
    own: Question, names: Sequence[DeploymentNames], candidates: int | Sequence[Tokens]
) -> Columns:
    """Everything that a pool may be for every class of lengths."""
    return columns_of_each([own], names, candidates)[0]


def columns_of_each(
    each: Sequence[Question],
    names: Sequence[DeploymentNames],
    candidates: int | Sequence[Tokens],
    between: Disaggregation | None = None,
) -> list[Columns]:
    """Everything that a pool may be, under each question, between the same candidate lengths."""
    each[0].budget.check_gpus([own.gpu for own in names])
    asked = [_asked(own, names) for own in each]
    for account, _ in asked:
        require_chunked(account, between is not None)
        require_limited(account, names)
        require_targets(each[0].catalogue, account, each[0].demand)
    edges = _edges(asked[0][0].assumed, _together([requests for _, requests in asked]), candidates)
    return [
        Columns.of(
            account,
            Configurations.of(own.catalogue, names),
            Classes(account.assumed, served_within(requests, edges[-1]), edges),
            own.demand,
            Energy.of(own.catalogue),
            between,
        )
        for own, (account, requests) in zip(each, asked, strict=True)
    ]


def _asked(own: Question, names: Sequence[DeploymentNames]) -> tuple[Account, Requests]:
    """The account of a question, and the requests that arrive."""
    account = fleet_account(own.catalogue, own.account, names[0], own.requests, own.changes)
    require_share(own.catalogue, account, own.demand)
    case = case_of(own.catalogue, own.requests, names[0], account, (), LONGEST)
    return account, case.requests(account.assumed, float(own.demand.output_share))


def _edges(
    assumed: Assumptions, requests: Requests, candidates: int | Sequence[Tokens]
) -> np.ndarray:
    """Candidate lengths, from 0 to the longest window."""
    last = smallest_window(requests) if assumed.baseline == "smallest" else LONGEST
    if not len(served_within(requests, last).weight):
        found = f"is {last:g}, which holds none of the requests"
        raise ParameterError(f"context_window: {found}, wanted baseline=smallest.")
    if isinstance(candidates, int):
        return candidate_lengths(assumed, requests, candidates, last)
    require_splits(candidates, last)
    return np.array([0.0, *candidates, last])


def _together(each: Sequence[Requests]) -> Requests:
    """Requests of several traces as one, of which each has the same share."""
    several = [vars(own.scaled(np.array(1 / len(each)))) for own in each]
    return Requests(*(np.concatenate(own) for own in zip(*map(dict.values, several), strict=True)))
