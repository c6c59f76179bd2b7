"""The best fleet for requests: pools by length, a configuration for each, whole instances."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np

from tokwatt.accounts.answers import fleet
from tokwatt.accounts.answers.answer import Answer
from tokwatt.accounts.deployments import CONSISTENT
from tokwatt.accounts.parts import PoolNames, PoolPart, parts_of
from tokwatt.params.errors import ParameterError, require_kind, shown
from tokwatt.params.specs import Demand
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.optimum.best import best
from tokwatt.planning.optimum.choice import Partition, shortest
from tokwatt.planning.optimum.constrained import Budget, Proved
from tokwatt.planning.optimum.infeasible import infeasible_error
from tokwatt.planning.part import PlannedPart
from tokwatt.planning.question import PlanOptions, Question, columns_of_each, questions_of
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.pools.disaggregated import Disaggregation
from tokwatt.units import Dimensionless, Instances, Tokens

if TYPE_CHECKING:
    from tokwatt.planning.shared.shared_plan import SharedPlan

CANDIDATES = 32
"""Candidate lengths of a plan that is asked for no other number."""
MOST_CANDIDATES = 128


@dataclass(frozen=True, eq=False)
class Plan:
    """The best fleet, and the columns that it was chosen from.

    Attributes:
        question: what it is for.
        columns: every configuration for every class of lengths.
        proved: the choice, and how far it may be from the best.
        least_instances: of each of its parts, where there are more than its requests need.
    """

    question: Question
    columns: Columns
    proved: Proved
    least_instances: tuple[Instances, ...] = ()

    def __repr__(self) -> str:
        """Its pools, and the fleet that they are."""
        from tokwatt.planning.summary import described_pools

        return f"{described_pools(self.longest, self.names)}\n{self.fleet!r}"

    @property
    def llm(self) -> str:
        """The LLM by name."""
        return self.columns.whole.configurations.names[0].llm

    @property
    def partition(self) -> Partition:
        """Edges and configurations of its pools."""
        return self.proved.partition

    @property
    def cost(self) -> np.ndarray:
        """What each row costs for each class, by the objective."""
        return self.columns.cost(self.question.objective)

    @property
    def names(self) -> list[PoolNames]:
        """What each pool is."""
        return [self.columns.names[place] for place in self.partition.configurations]

    @property
    def parts(self) -> list[PlannedPart]:
        """Instances by kind, as the fleet has them: prefill before decode."""
        columns, edges = self.columns, self.partition.edges
        rows = [columns.rows[place] for place in self.partition.configurations]
        places = [place for row in rows for place in row.places]
        return [
            PlannedPart(own, columns.parts[own.part], place, (edges[own.pool], edges[own.pool + 1]))
            for own, place in zip(parts_of(self.names), places, strict=True)
        ]

    @property
    def longest(self) -> list[Tokens]:
        """Longest request of each pool, or its longest prompt where pools go by prompts."""
        return [float(self.columns.classes.edges[place]) for place in self.partition.edges[1:]]

    @property
    def split_lengths(self) -> list[Tokens]:
        """Longest request, or prompt, of each pool but the last."""
        return self.longest[:-1]

    @property
    def cost_per_token(self) -> Dimensionless:
        """The objective for each output token; GPUs for each output token a second."""
        return self.partition.cost / self.columns.generated

    @property
    def asked(self) -> dict[str, Any]:
        """The same fleet as a question to `accounts.answers.fleet`."""
        own = self.question
        return {
            "catalogue": own.catalogue,
            "requests": own.requests,
            "demand": own.demand,
            "names": self.names,
            "split_lengths": self.split_lengths,
            "context_window": own.context_window,
            "account": own.account,
            "changes": own.changes,
        }

    @cached_property
    def fleet(self) -> Answer:
        """The same fleet as `accounts.answers.fleet` answers."""
        return fleet(**self.asked, least_instances=self.least_instances)

    @cached_property
    def one_pool(self) -> Partition:
        """The best plan of a single pool, without a budget."""
        return shortest(self.cost, self.columns.classes.bins, 1)

    def at(self, **numbers: float) -> "Plan":
        """The plan of the same question under another demand, chosen anew.

        Raises:
            ParameterError: where there is none.
        """
        own = replace(self.question, demand=replace(self.question.demand, **numbers))
        return plan_of_columns(own, self.columns.at(**numbers))


@overload
def plan(
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    llm: str = ...,
    **more: Unpack[PlanOptions],
) -> Plan: ...
@overload
def plan(
    catalogue: Catalogue,
    requests: list[str] | list[Trace] | list[str | Trace],
    demand: Demand | Sequence[Demand],
    llm: str = ...,
    **more: Unpack[PlanOptions],
) -> "SharedPlan": ...


def plan(
    catalogue: Catalogue,
    requests: str | Trace | list[str] | list[Trace] | list[str | Trace],
    demand: Demand | Sequence[Demand],
    llm: str = "llama-3.1-70b",
    *,
    options: Options | None = None,
    objective: str = "joules",
    budget: Budget | None = None,
    candidates: int | Sequence[Tokens] = CANDIDATES,
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
) -> "Plan | SharedPlan":
    """The fleet that serves requests at the least cost within targets and budgets.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace with prompts and outputs; or a list of them, of
            which one fleet has to serve each at the least cost in the worst of them.
        demand: arrival rate and bounds; see `accounts.answers.demanded`. One for each of a list, of
            which only the rates differ, or one for all.
        llm: an LLM by name.
        options: what may be chosen from.
        objective: what is least per output token: joules, dollars, carbon or gpus.
        budget: what all pools may use together: watts, GPUs by name, pools.
        candidates: how many lengths may split requests, both ends among them, or which ones.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The plan; without a power cap or an inventory it is the best of all, with one it is within
        its proved gap. For a list a `SharedPlan`.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, and
            where no fleet is feasible: which target or budget, and the smallest that would do.
    """
    wanted = "a workload, a trace as tokwatt.read_trace reads it, or a list of them"
    require_kind("requests", requests, str | Trace | list | tuple, wanted)
    options, budget = options or Options(), budget or Budget()
    require_kind("options", options, Options, "tokwatt.Options(gpu=..., gpus=...)")
    require_kind("budget", budget, Budget, "tokwatt.Budget(power=..., inventory=...)")
    count = candidates if isinstance(candidates, int | float) else len(candidates) + 2
    if not (2 <= count <= MOST_CANDIDATES and count == int(count)):
        wanted = f"a whole number from 2 to {MOST_CANDIDATES}"
        raise ParameterError(f"split_candidates: is {shown(count)}, wanted {wanted}.")
    each = questions_of(catalogue, requests, demand, objective, budget, account, changes or {})
    between = Disaggregation.of(catalogue) if options.disaggregated else None
    names = options.names(catalogue, llm)
    columns = columns_of_each(each, names, candidates, between)
    if isinstance(requests, str | Trace):
        # What sizes the fleet of a plan compiles on one core, what evaluates columns on the other.
        with ThreadPoolExecutor(1) as ahead:
            ahead.submit(lambda: _any_part(columns[0]).pool)
            return plan_of_columns(each[0], columns[0])
    from tokwatt.planning.shared.shared_plan import shared_plan

    return shared_plan(each, columns)


def _any_part(columns: Columns) -> PlannedPart:
    """All requests on the largest configuration, whether it is of any use or not."""
    whole = columns.whole
    place = int(np.argmax(whole.configurations.gpus))
    own = PoolPart(0, "both", whole.configurations.names[place])
    return PlannedPart(own, whole, place, (0, whole.classes.bins))


def plan_of_columns(own: Question, columns: Columns) -> Plan:
    """The best plan among columns.

    Raises:
        ParameterError: where none is feasible.
    """
    proved = best(columns, columns.cost(own.objective), own.budget)
    if not np.isfinite(proved.partition.cost):
        raise infeasible_error(columns, own.budget)
    return Plan(own, columns, proved)
