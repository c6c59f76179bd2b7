"""Whether a plan keeps its targets when it is served request by request, and one that does."""

from dataclasses import dataclass
from math import isfinite

from tokwatt.accounts.answers.answer import Answer
from tokwatt.accounts.answers.simulated import beside
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.planning.plan import Plan
from tokwatt.serving.targets import MEDIAN
from tokwatt.units import Dimensionless, Seconds

ROUNDS = 6
"""Plans that are simulated at most."""


@dataclass(frozen=True)
class Verified:
    """A plan beside its simulation.

    Attributes:
        plan: the one that keeps the targets, or the last that was tried.
        answer: its fleet with the simulated numbers beside.
        simulated: simulated latencies by the target that they are under.
        targets: what was asked for.
        planned: what the plan was made for: shorter, where the formula is too hopeful.
    """

    plan: Plan
    answer: Answer
    simulated: dict[str, Seconds]
    targets: dict[str, Seconds]
    planned: dict[str, Seconds]

    @property
    def holds(self) -> bool:
        """Whether every simulated latency is within its target."""
        return all(self.simulated[name] <= target for name, target in self.targets.items())

    @property
    def numbers(self) -> dict[str, object]:
        """What the simulation says, for a program that reads it."""
        latencies = {"simulated": self.simulated, "targets": self.targets, "planned": self.planned}
        return {"holds": self.holds, **latencies}

    @property
    def margin(self) -> Dimensionless:
        """By how much shorter than asked the most tightened target was planned for, as a share."""
        return 1 - min(self.planned[name] / target for name, target in self.targets.items())


def verified(plan: Plan) -> Verified:
    """Simulate a plan, and plan for shorter targets by as much as they are missed until they hold.

    Args:
        plan: a plan.

    Returns:
        The first plan whose simulation keeps both targets; the last one that there is, if none.

    Raises:
        ParameterError: where the fleet cannot keep up with its requests, with what saturates first.
    """
    targets = _targets(plan.question.demand)
    found = _simulated(plan, targets)
    for _ in range(ROUNDS - 1):
        if found.holds:
            return found
        over = {name: found.simulated[name] / target for name, target in targets.items()}
        shorter = {name: found.planned[name] / max(1.0, over[name]) for name in targets}
        try:
            found = _simulated(found.plan.at(**shorter), targets)
        except ParameterError:
            return found
    return found


def ending(quantile: Dimensionless) -> str:
    """How the name of a latency in an answer ends, by its quantile."""
    return "_p99" if float(quantile) > MEDIAN else ""


def _targets(demand: Demand) -> dict[str, Seconds]:
    """Targets that there are, by their names in a demand."""
    asked = {name: float(getattr(demand, name)) for name in ("latency_target", "itl_target")}
    return {name: target for name, target in asked.items() if isfinite(target)}


def _simulated(plan: Plan, targets: dict[str, Seconds]) -> Verified:
    demand, answer = plan.question.demand, beside(plan.fleet, **plan.asked)
    first, between = map(ending, (demand.ttft_quantile, demand.itl_quantile))
    measured = {
        "latency_target": float(getattr(answer, f"simulated_first_token{first}")),
        "itl_target": float(getattr(answer, f"simulated_inter_token_latency{between}")),
    }
    simulated = {name: measured[name] for name in targets}
    return Verified(plan, answer, simulated, targets, _targets(demand))
