"""The cases that headlines are made of: an instance or a fleet under any assumption set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand, Workload
from tokwatt.serving.account import Account
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand import routing, sampling
from tokwatt.serving.demand.requests import Requests, lengths_of, smallest_window, split_of
from tokwatt.serving.demand.routing import Routed, Topology
from tokwatt.serving.demand.traffic import Part, traffic_of
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.point import operating_point
from tokwatt.serving.pools.fleet import Fleet, fleet_of, sized_pools
from tokwatt.units import Dimensionless, In, Parameters, Tokens

Sampler = Callable[[sampling.Knots, float], tuple[np.ndarray, np.ndarray]]
"""Lengths of a distribution that a window cuts, and their weights."""
MEAN_FILL = 0.5
"""Mean length of a sequence as a share of the window, in every instance of the paper."""


@dataclass(frozen=True, kw_only=True)
class DeploymentEntry:
    """A deployment by the names of its parts.

    Attributes:
        gpu: a GPU.
        llm: an LLM.
        tensor_parallel: GPUs that share it.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
        precision: a precision.
        profile: a hand-calibrated instance; empty for none.
        active_parameters: parameters of one token as the paper prints them.
    """

    gpu: str
    llm: str
    tensor_parallel: Dimensionless
    expert_parallel: Dimensionless = 1.0
    precision: Annotated[str, In("precisions")]
    profile: str = ""
    active_parameters: Parameters = 0.0


@dataclass(frozen=True, kw_only=True)
class CaseEntry:
    """A case as a file gives it.

    Attributes:
        subject: the deployment.
        workload: a request length distribution.
        window: context window of an instance, of the only pool, or of the long one.
        topology: an instance, one pool, or two.
        split_length: longest request of the short pool.
        overflow_factor: how much longer a request may be that it takes nevertheless.
        changes: what differs from the set `paper`.
    """

    subject: DeploymentEntry
    workload: str
    window: Tokens
    topology: Literal["instance", "homogeneous", "two_pools"] = "instance"
    split_length: Tokens = 0.0
    overflow_factor: Dimensionless = 1.0
    changes: dict = field(default_factory=dict)


class Filled(NamedTuple):
    """What an instance runs that is full to its window.

    Attributes:
        window: its context window.
        prompt_ratio: prompt tokens for each output token.
    """

    window: Tokens
    prompt_ratio: Dimensionless


def evaluated(
    account: Account, deployment: Deployment, asked: Routed | Filled, demand: Demand
) -> Fleet:
    """A fleet for the traffic of its pools, or an instance full to its window."""
    gpus = deployment.parallelism.tensor_parallel
    if isinstance(asked, Routed):
        return fleet_of(sized_pools(account, deployment, asked, demand), gpus, asked.rejected)
    point = operating_point(account, deployment, asked.window, MEAN_FILL, asked.prompt_ratio)
    return Fleet(
        instances=1.0,
        gpus=gpus,
        throughput=point.throughput,
        generated=point.throughput,
        power=point.power,
        tokens_per_joule=point.tokens_per_joule,
        concurrency=point.concurrency,
        rejected=0.0,
        median_latency=point.median_latency,
        late_latency=point.late_latency,
        median_first_token=jnp.nan,
        late_first_token=jnp.nan,
    )


@dataclass(frozen=True)
class Case:
    """An instance or a fleet, ready to be evaluated.

    Attributes:
        gpu: name of its GPU.
        deployment: the LLM and its GPUs.
        workload: request length distribution.
        shares: output as a share of all tokens in each bin, where it was measured.
        window: context window of an instance, of the only pool, or of the long one.
        topology: an instance, one pool, or two.
        splits: longest request of each pool but the last.
        overflow_factor: how much longer a request may be that the short pool takes nevertheless.
        paper: the assumption set that the paper's own number stands on.
        pairs: requests of a trace, which replace the workload where pairs are assumed.
        workload_name: what the workload is called.
    """

    gpu: str
    deployment: Deployment
    workload: Workload
    shares: np.ndarray | None
    window: float
    topology: str
    splits: tuple[float, ...]
    overflow_factor: float
    paper: Assumptions
    pairs: Requests | None = None
    workload_name: str = "the workload"

    def evaluate(
        self,
        account: Account,
        demand: Demand,
        routed: Routed | None,
        deployment: Deployment | None = None,
    ) -> Fleet:
        """The case under an account.

        Args:
            account: how tokens and joules are counted.
            demand: what a fleet must carry.
            routed: traffic of a fleet's pools under the same assumptions; None for an instance.
            deployment: the case's own, or one with other numbers.
        """
        asked = routed or self.filled(account.assumed, demand)
        return evaluated(account, deployment or self.deployment, asked, demand)

    def filled(self, assumed: Assumptions, demand: Demand) -> Filled:
        """What an instance of the case runs."""
        return Filled(self.window, self.prompt_ratio(assumed, float(demand.output_share)))

    def traffic(self, account: Account, demand: Demand, part: Part = "both") -> Routed | None:
        """The pools of a fleet and their traffic; None for an instance."""
        if self.topology == "instance":
            return None
        exact = self.exact_traffic(account, demand, part)
        drawn = account.assumed.lengths == "sampled"
        return self.sampled_traffic(exact, account, demand) if drawn else exact

    def exact_traffic(self, account: Account, demand: Demand, part: Part = "both") -> Routed:
        """The pools of a fleet and their traffic, by every request."""
        assumed = account.assumed
        requests = self.requests(assumed, float(demand.output_share))
        smallest = assumed.baseline == "smallest"
        window = smallest_window(requests) if smallest else self.window
        topology = Topology(window, self.splits, self.overflow_factor)
        compressible = float(account.constants.compressible)
        knots, chunk = self.workload.lengths, self._chunk(assumed)
        return routing.route(assumed, requests, knots, topology, chunk, compressible, part)

    def _chunk(self, assumed: Assumptions) -> float:
        return float(self.deployment.prefill_chunk(assumed.prefill == "chunked"))

    def requests(self, assumed: Assumptions, share: float) -> Requests:
        """The rows of a trace, or the workload with the output share that is assumed.

        Raises:
            ParameterError: where the measured share of a workload is asked for that has none.
        """
        if assumed.lengths == "pairs" and self.pairs:
            return self.pairs
        known = self.shares if assumed.output_share == "trace" else share
        if known is None:
            raise ParameterError(
                f"workload: is {self.workload_name}, which has no measured output share,"
                " wanted one that is stated (--output-share, or output_share=fifth)."
            )
        return lengths_of(self.workload.lengths, self.workload.fractions, known)

    def prompt_ratio(self, assumed: Assumptions, share: float) -> float:
        """Prompt tokens for each output token of the workload."""
        if assumed.output_share == "fifth":
            return (1 - share) / share
        requests = self.requests(assumed, share)
        return float(requests.weight @ requests.prompt / (requests.weight @ requests.output))

    def sampled_traffic(
        self, exact: Routed, account: Account, demand: Demand, sampler: Sampler = sampling.sampled
    ) -> Routed:
        """The same pools with service averaged over the draws of the paper's program.

        Shares and credit stay those of the distribution, as the program computes them from it.

        Raises:
            ParameterError: for more than two pools, which the program does not know.
        """
        if len(self.splits) > 1:
            found = f"are {len(self.splits)} beside lengths=sampled"
            raise ParameterError(f"split_lengths: {found}, wanted one, or lengths=exact.")
        assumed, share = account.assumed, float(demand.output_share)
        lengths, fractions = self.workload.lengths.tolist(), self.workload.fractions.tolist()
        knots = list(zip(lengths, fractions, strict=True))
        cut = int(self.overflow_factor * sum(self.splits))
        laws = [knots] if len(exact.pools) == 1 else sampling.split(knots, cut)
        pools = []
        for law, window, pool in zip(laws, exact.windows, exact.pools, strict=True):
            drawn, weights = sampler(law, window)
            requests = split_of(weights, drawn, 1 - share)
            service = traffic_of(assumed, requests, requests, self._chunk(assumed))
            pools.append(
                service._replace(share=pool.share, credited=pool.credited, generated=pool.generated)
            )
        return Routed(exact.windows, tuple(pools), exact.rejected)
