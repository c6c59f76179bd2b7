"""What fleet-sim's optimizer buys, beside the planner.

fleet-sim sizes two pools of one GPU for each factor of overflow at one split and takes the cheapest
that keeps its target. Its rules are a special case of the planner's columns: the short pool is the
class up to the split, its rate raised by the share of prompts that are compressed into it, the long
pool the class from the overflow on.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.timing import OURS, Row, rates
from benchmarks.workers import account, catalogue
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.specs import Demand
from tokwatt.planning.columns.classes import Classes, served_within
from tokwatt.planning.columns.configurations import Configurations
from tokwatt.planning.columns.part_columns import PartColumns
from tokwatt.planning.optimum.choice import class_place, cost_of
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.planning.plan import plan_of_columns
from tokwatt.planning.question import Question, columns_of
from tokwatt.serving.demand import sampling
from tokwatt.serving.demand.requests import lengths_of, split_of
from tokwatt.serving.demand.traffic import Part, Traffic, traffic_of

RATE, SPLITS = 1000.0, (1536, 4096)
FACTORS = tuple(round(1 + step / 10, 1) for step in range(11))
FLEETS = tuple(itertools.product(SPLITS, FACTORS))
CREDIT = "credited", "generated"
COMPRESSED = 0.75
"""Share of the requests between split and overflow that fleet-sim compresses into the short
pool."""
RULES = {"lengths": "exact", "long_pool": "from_split", "oversized": "reject"}
"""What changes the paper's account to requests as they are, and to exact means."""
PROFILE = DeploymentNames(profile="H100")
DEMAND = Demand(
    arrival_rate=RATE,
    latency_target=peers.TARGET,
    max_utilization=peers.MAX_UTILIZATION,
    output_share=peers.OUTPUT_SHARE,
)


@dataclass(frozen=True)
class FleetSimPools(Classes):
    """A short and a long pool for each split and factor, by fleet-sim's rules.

    Attributes:
        cuts: place of the split and of the overflow among the edges, for each fleet.
        laws: what fleet-sim draws lengths of the short and of the long pools from: knots, window
            and shortest length of each; none where every length is summed instead.
    """

    cuts: np.ndarray
    laws: tuple[tuple[sampling.Knots, int, int], ...]

    @classmethod
    def of(cls, workload: Any, drawn: bool) -> "FleetSimPools":
        """Pools for a request length distribution."""
        share, knots = np.array(peers.OUTPUT_SHARE), peers.law_of(workload)
        requests = lengths_of(np.array(workload.lengths), np.array(workload.fractions), share)
        pairs = [(split, int(factor * split)) for split, factor in FLEETS]
        edges = np.unique([0, *itertools.chain(*pairs), peers.LONGEST]).astype(float)
        short = [(peers.split_law(knots, split)[0], split, 1) for split, _ in pairs]
        long = [(peers.split_law(knots, cut)[1], peers.LONGEST, cut) for _, cut in pairs]
        served = served_within(requests, edges[-1])
        laws = (*short, *long) if drawn else ()
        return cls(account(RULES).assumed, served, edges, np.searchsorted(edges, pairs), laws)

    @property
    def windows(self) -> np.ndarray:
        """Context window of each pool, the short ones first."""
        short = self.edges[self.cuts[:, 0]]
        return np.append(short, np.full(len(short), self.edges[-1]))

    def traffic(self, chunk: float, part: Part = "both") -> Traffic:
        """What each pool asks of an instance."""
        every, bins = super().traffic(chunk, part), self.bins
        up_to, within = (
            np.array([class_place(0, end, bins) for end in ends]) for ends in self.cuts.T
        )
        beyond = np.array([class_place(cut, bins, bins) for _, cut in self.cuts])
        short = every.share[up_to] + COMPRESSED * (every.share[within] - every.share[up_to])
        means = Traffic(*(field[np.append(up_to, beyond)] for field in every))
        if self.laws:
            drawn = [self._drawn(chunk, *law) for law in self.laws]
            means = Traffic(*(np.array(field) for field in zip(*drawn, strict=True)))
        share = np.append(short, 1 - short)
        tokens = {name: share / means.share * getattr(means, name) for name in CREDIT}
        return means._replace(share=share, **tokens)

    def _drawn(self, chunk: float, knots: sampling.Knots, window: int, shortest: int) -> Traffic:
        """Means over the draws of a law."""
        lengths, weights = sampling.sampled(knots, window, shortest)
        requests = split_of(weights, lengths, np.array(1 - peers.OUTPUT_SHARE))
        return traffic_of(self.assumed, requests, requests, chunk)


def fleet_sim_rules(workload: Any, drawn: bool = False) -> np.ndarray:
    """Instances of the short and of the long pool of each fleet, by the planner's columns."""
    pools = FleetSimPools.of(workload, drawn)
    configurations = Configurations.of(catalogue(), [PROFILE])
    columns = PartColumns(account(RULES), configurations, pools, DEMAND)
    return columns.instances.reshape(2, -1)


def plan_of_splits(name: str) -> Any:
    """The plan of the least dollars for requests as they are: up to three pools at both splits."""
    own = Question(catalogue(), name, DEMAND, "dollars", Budget(), "paper", RULES)
    return plan_of_columns(own, columns_of(own, [PROFILE], [float(split) for split in SPLITS]))


def optimized(threads: int) -> list[Row]:
    """Fleets by fleet-sim's rules: the planner's and those of its own optimizer, each timed."""
    rows = []
    for name in ("azure", "lmsys"):
        what, workload = f"cheapest fleet, {name}", catalogue().workloads[name]
        ours, whole = fleet_sim_rules(workload), plan_of_splits(name)
        bins = whole.columns.classes.bins
        bought = {
            OURS: ours.sum(axis=0).min(),
            f"{OURS}, none compressed": cost_of(
                whole.partition, whole.columns.whole.instances, bins
            ),
        }
        programs: dict[str, tuple[Callable[[], Any], int]] = {
            OURS: (partial(fleet_sim_rules, workload), len(FLEETS))
        }
        for program, (run, drawn) in _fleet_sim(workload).items():
            twin = dict(zip(FLEETS, fleet_sim_rules(workload, drawn).T.tolist(), strict=True))
            found = run()
            assert all(twin[split, it.gamma] == [it.n_s, it.n_l] for split, it in found)
            bought[program] = found[0][1].total_gpus
            programs[program] = run, len(FLEETS)
        rows += rates(what, threads, "fleets/s", programs)
        rows += [
            Row(what, program, threads, "bought", [float(count)], "instances")
            for program, count in bought.items()
        ]
    return rows


def _fleet_sim(workload: Any) -> dict[str, tuple[Callable[[], Any], bool]]:
    """fleet-sim's optimizer as it is and with exact moments, and whether it draws lengths."""
    try:
        import fleet_sim.optimizer  # noqa: F401
    except ImportError:
        return {}
    chunk = float(catalogue().profiles[PROFILE.profile].prefill_chunk)
    plainly = partial(peers.fleet_sim_optimized, peers.law_of(workload), SPLITS, RATE)

    def exactly() -> list[Any]:
        with peers.ExactFleetSim(chunk):
            return plainly()

    return {"fleet-sim": (plainly, True), "fleet-sim, exact moments": (exactly, False)}


MEASURED = {"plans_optimized": optimized}
