"""Whether a plan keeps its targets when it is served request by request, and one that does."""

from dataclasses import dataclass
from math import isfinite, isnan
from typing import Generic, TypeVar

from tokwatt.accounts.answers.answer import Answer, Estimate
from tokwatt.accounts.answers.simulated import ALLOWED, beside
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.planning.plan import Plan
from tokwatt.planning.shared.shared_plan import SharedPlan
from tokwatt.serving.pools.targets import MEDIAN
from tokwatt.units import Dimensionless, Seconds

ROUNDS = 6
"""Plans that are simulated at most."""
SURPLUS = 1.01
"""How much more than by what it was missed a target is shortened."""
HALVED = 2
"""How often targets are tried half way between those that hold and those that were missed."""
SEEDS = (0, 1, 2)
"""Runs of each plan, whose mean counts."""
Planned = TypeVar("Planned", Plan, SharedPlan)


@dataclass(frozen=True)
class Verified(Generic[Planned]):
    """A plan beside its simulation.

    Attributes:
        plan: the one that keeps the targets, or the last that was tried.
        answers: its fleet with the simulated numbers beside, under each trace.
        simulated: simulated latencies by the target that they are under, means over seeds; of
            several traces the latest.
        errors: half of their 90 % intervals over seeds; 0 for a trace with times of its own.
        targets: what was asked for.
        planned: what the plan was made for: shorter, where the formula is too hopeful.
    """

    plan: Planned
    answers: tuple[Answer, ...]
    simulated: dict[str, Seconds]
    errors: dict[str, Seconds]
    targets: dict[str, Seconds]
    planned: dict[str, Seconds]

    @property
    def holds(self) -> bool:
        """Whether every simulated latency is within its target."""
        return all(self.simulated[name] <= target for name, target in self.targets.items())

    @property
    def numbers(self) -> dict[str, object]:
        """What the simulation says, for a program that reads it."""
        names = ("simulated", "errors", "targets", "planned")
        return {"holds": self.holds, **{name: getattr(self, name) for name in names}}

    @property
    def margin(self) -> Dimensionless:
        """By how much shorter than asked the most tightened target was planned for, as a share."""
        return 1 - min(self.planned[name] / target for name, target in self.targets.items())


def verified(plan: Planned) -> Verified[Planned]:
    """Simulate a plan, and plan for shorter targets by as much as they are missed until they hold.

    Args:
        plan: a plan, of which each trace is served by the same fleet.

    Returns:
        A plan whose simulation keeps both targets: where they had to be shortened, the one of the
        longest that were tried half way to those that were missed. The last that there is, if none.

    Raises:
        ParameterError: where the fleet cannot keep up with its requests, with what saturates first.
    """
    targets = _targets(plan.question.demand)
    last, found = None, _simulated(plan, targets)
    for _ in range(ROUNDS - 1):
        if found.holds:
            break
        over = {name: found.simulated[name] / target for name, target in targets.items()}
        shorter = {name: SURPLUS * it if it > 1 else 1.0 for name, it in over.items()}
        planned = {name: found.planned[name] / shorter[name] for name in targets}
        if (tighter := _replanned(plan, planned, targets)) is None:
            return found
        last, found = found, tighter
    if last is None or not found.holds:
        return found
    missed = last.planned
    for _ in range(HALVED):
        half = {name: (missed[name] * found.planned[name]) ** 0.5 for name in targets}
        between = _replanned(plan, half, targets)
        if between is not None and between.holds:
            found = between
        else:
            missed = half
    return found


def _replanned(
    plan: Planned, planned: dict[str, Seconds], targets: dict[str, Seconds]
) -> Verified[Planned] | None:
    """The plan for other targets, simulated; None where there is no plan for them."""
    try:
        return _simulated(plan.at(**planned), targets)
    except ParameterError:
        return None


def _ending(quantile: Dimensionless) -> str:
    """How the name of a latency in an answer ends, by its quantile."""
    return "_p99" if float(quantile) > MEDIAN else ""


def _targets(demand: Demand) -> dict[str, Seconds]:
    """Targets that there are, by their names in a demand."""
    asked = {name: float(getattr(demand, name)) for name in ("latency_target", "itl_target")}
    return {name: target for name, target in asked.items() if isfinite(target)}


def latencies_of_targets(demand: Demand) -> dict[str, str]:
    """Simulated latencies of an answer, by the targets that they are under."""
    first, between = map(_ending, (demand.ttft_quantile, demand.itl_quantile))
    first_token = ALLOWED if demand.ttft_per_token else f"simulated_first_token{first}"
    return {"latency_target": first_token, "itl_target": f"simulated_inter_token_latency{between}"}


def _latency(answer: Answer, name: str) -> Estimate:
    """A simulated latency; 0 where no request has one, as of one output token."""
    found = answer.quantities[name]
    return Estimate(0.0, 0.0, 0.0, found.unit) if isnan(found.value) else found


def _simulated(plan: Planned, targets: dict[str, Seconds]) -> Verified[Planned]:
    demand, seen = plan.question.demand, plan.each if isinstance(plan, SharedPlan) else (plan,)
    answers = tuple(beside(own.fleet, seeds=SEEDS, **own.asked) for own in seen)
    names = latencies_of_targets(demand)
    found = {
        name: max((_latency(it, names[name]) for it in answers), key=lambda it: it.value)
        for name in targets
    }
    return Verified(
        plan,
        answers,
        {name: it.value for name, it in found.items()},
        {name: (it.high or it.value) - it.value for name, it in found.items()},
        targets,
        _targets(demand),
    )
