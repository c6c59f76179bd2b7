"""The fleet that serves each of several traces, at the least cost in the worst of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tokwatt.params.traces.traces import Trace
from tokwatt.planning.binding import binding
from tokwatt.planning.columns.columns import Columns, shared_columns
from tokwatt.planning.optimum.best import least_worst
from tokwatt.planning.optimum.choice import class_place, cost_of
from tokwatt.planning.optimum.constrained import Proved
from tokwatt.planning.optimum.infeasible import shared_error
from tokwatt.planning.part import PlannedPart
from tokwatt.planning.plan import Plan, plan_of_columns
from tokwatt.planning.question import Question
from tokwatt.units import Instances


@dataclass(frozen=True, eq=False)
class SharedPlan:
    """One fleet for several traces, and what each of them sees of it.

    Attributes:
        each: the fleet as a plan of each trace, with the instances that all of them need.
        alone: columns of each trace with the instances that it needs itself.
        proved: the choice, its cost in the worst trace for each output token, and how far it may be
            from the best.
    """

    each: tuple[Plan, ...]
    alone: tuple[Columns, ...]
    proved: Proved

    @property
    def question(self) -> Question:
        """What it is for, under the first of the traces."""
        return self.each[0].question

    @property
    def worst(self) -> Plan:
        """The fleet under the trace in which an output token costs most."""
        return max(self.each, key=lambda own: own.cost_per_token)

    @property
    def names(self) -> list[str]:
        """What each trace is called, another number behind each of those called alike."""
        return _named([own.question.requests for own in self.each])

    @cached_property
    def plans_alone(self) -> list[Plan]:
        """The plan of each trace alone, between the same candidate lengths."""
        pairs = zip(self.each, self.alone, strict=True)
        return [plan_of_columns(own.question, columns) for own, columns in pairs]

    @property
    def instances(self) -> list[list[Instances]]:
        """Instances that each trace needs itself, by trace and part."""
        return [[_instances(part) for part in own.parts] for own in self._views]

    @property
    def busiest(self) -> list[int]:
        """Place of the trace that needs most instances of each part, the first of equals."""
        return [int(np.argmax(counts)) for counts in zip(*self.instances, strict=True)]

    @cached_property
    def binds(self) -> list[list[str]]:
        """What binds the batch and the instances of each part, under the trace that needs most."""
        views = self._views
        return [binding(views[at].parts[part]) for part, at in enumerate(self.busiest)]

    def at(self, **numbers: float) -> "SharedPlan":
        """The plan of the same traces under another demand, chosen anew.

        Raises:
            ParameterError: where there is none.
        """
        each = [
            replace(own.question, demand=replace(own.question.demand, **numbers))
            for own in self.each
        ]
        return shared_plan(each, [columns.at(**numbers) for columns in self.alone])

    @property
    def _views(self) -> list[Plan]:
        """The same fleet, under each trace with the instances that it needs itself."""
        rows = self.each[0].columns.rows
        return [
            replace(own, columns=replace(columns, rows=rows), least_instances=())
            for own, columns in zip(self.each, self.alone, strict=True)
        ]


def shared_plan(each: Sequence[Question], columns: Sequence[Columns]) -> SharedPlan:
    r"""The fleet of the least cost in the worst of several traces.

    .. math:: \min_{\text{partitions}} \max_t \frac{1}{g_t} \sum_k c_{tk}(\max_s n_{sk})

    Args:
        each: a question for each trace, alike but for its requests and their rate.
        columns: of each, between the same candidate lengths.

    Returns:
        The fleet of whose pools each has the instances that the neediest trace wants, and whose
        output token costs least in the trace in which it costs most: c are the watts, dollars,
        carbon or GPUs a second of a pool with those instances, idle ones among them, and g the
        output tokens a second of the trace.

    Raises:
        ParameterError: where no fleet serves all of them, with what would do.
    """
    kept = shared_columns(columns)
    objective, budget = each[0].objective, each[0].budget
    costs = np.array([own.cost(objective) / own.generated for own in kept])
    proved = least_worst(kept, costs, budget)
    if not np.isfinite(proved.partition.cost):
        names = _named([own.requests for own in each])
        raise shared_error(dict(zip(names, columns, strict=True)), kept, budget)
    plans = [_seen(own, it, proved) for own, it in zip(each, kept, strict=True)]
    return SharedPlan(tuple(plans), tuple(columns), proved)


def _seen(own: Question, columns: Columns, proved: Proved) -> Plan:
    """The fleet as a plan of one trace."""
    partition, bins = proved.partition, columns.classes.bins
    cost = cost_of(partition, columns.cost(own.objective), bins)
    asked = replace(own, context_window=float(columns.classes.edges[-1]))
    found = Plan(asked, columns, proved._replace(partition=partition._replace(cost=cost)))
    return replace(found, least_instances=tuple(map(_instances, found.parts)))


def _instances(part: PlannedPart) -> Instances:
    """Instances of a part of a plan."""
    at = class_place(*part.edges, bins=part.columns.classes.bins)
    return float(part.columns.instances[part.configuration, at])


def _named(each: Sequence[str | Trace]) -> list[str]:
    """What requests are called, a number behind each of those called alike."""
    names = [own.name if isinstance(own, Trace) else own for own in each]
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]
