"""Datasets of what survives: levers at draws, rents at which GPUs swap, FleetOpt beside levers."""

from itertools import product
from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.answers import demanded
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.specs import Workload, spec
from tokwatt.planning.changes.break_even import break_even_prices
from tokwatt.planning.changes.decisions import OTHER, OTHER_GPU, decisions
from tokwatt.planning.changes.draws import Contender, contest
from tokwatt.planning.changes.levers import LEVERS, cost_without, plain_names
from tokwatt.planning.paper import HOMOGENEOUS, Bought, bought, paper_pools
from tokwatt.planning.plan import Plan
from tokwatt.planning.question import columns_of
from tokwatt.planning.summary import described_pools
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.instances import Boards
from tokwatt.studies.plans.common import PlanInputs, Workloads
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    DollarsPerSecond,
    In,
    JoulesPerToken,
    Tokens,
    TokensAxis,
    TokensPerJoule,
)


class LeverDecision(NamedTuple):
    """A lever of the plan of the least expected cost, against the best plan without it.

    Attributes:
        gain: median over draws of what the plan without it costs more, as a share.
        high_regret: 95th percentile of what the plan with it costs more.
        undecided: 1 where there is as much to regret as to gain.
    """

    gain: Dimensionless
    high_regret: Dimensionless
    undecided: Dimensionless


class Fared(NamedTuple):
    """Plans at joint draws of the calibration.

    Attributes:
        expected_regret: of the plan of the least expected cost.
        planned_regret: of the best plan at the calibration's own values.
        planned_missed: share of draws at which that one misses a target.
    """

    expected_regret: Dimensionless
    planned_regret: Dimensionless
    planned_missed: Dimensionless


def plan_decisions(catalogue: Catalogue, common: PlanInputs, workloads: Workloads) -> xr.Dataset:
    """Whether each lever gains more than there is to regret; plans and rivals in words."""
    plans = {key: own for key, own in common.plans(catalogue, workloads).items() if own}
    found = {key: contest(own, catalogue) for key, own in plans.items()}
    decided = {key: decisions(it) for key, it in found.items()}
    axes = common.axes(workloads)
    levers = [*LEVERS, OTHER_GPU, OTHER]

    def decision(workload: str, llm: str, lever: str) -> LeverDecision:
        own = decided.get((workload, llm), {}).get(lever)
        return LeverDecision(*((own.gain, own.high_regret, own.undecided) if own else NONE))

    def fared(workload: str, llm: str) -> Fared:
        own = found.get((workload, llm))
        if own is None:
            return Fared(*NONE)
        best = own.contenders[0]
        return Fared(best.expected_regret, own.own.expected_regret, own.own.missed)

    named = [
        _words(found[key].contenders[0]) if key in found else ""
        for key in product(workloads, common.llms)
    ]
    rivals = [
        _words(decided[key][lever].rival) if lever in decided.get(key, {}) else ""
        for key in product(workloads, common.llms)
        for lever in levers
    ]
    table = grid.tabulate(decision, **axes, lever=levers)
    shape = table.gain.shape
    table = table.assign(draws=((), float(catalogue.draws), grid.describe("joint_draws", "1")))
    return table.merge(grid.tabulate(fared, **axes)).assign_coords(
        named=(tuple(axes), np.reshape(named, shape[:2])),
        rival=((*axes, "lever"), np.reshape(rivals, shape)),
    )


NONE = (np.nan,) * 3


def _words(own: Contender) -> str:
    return described_pools(own.longest, own.names)


class Rent(NamedTuple):
    """The rent of a GPU.

    Attributes:
        price: what it is.
        break_even_price: below which the plan of the least dollars uses it.
    """

    price: DollarsPerSecond
    break_even_price: DollarsPerSecond


def plan_rents(catalogue: Catalogue, common: PlanInputs, workloads: Workloads) -> xr.Dataset:
    """The rent below which the plan of the least dollars uses each GPU."""
    plans = common.plans(catalogue, workloads)
    prices = {key: break_even_prices(own) for key, own in plans.items() if own}

    def rent(workload: str, llm: str, gpu: str) -> Rent:
        own = prices.get((workload, llm), {}).get(gpu)
        return Rent(own.now, own.break_even) if own else Rent(np.nan, np.nan)

    return grid.tabulate(rent, **common.axes(workloads), gpu=list(common.gpus))


@spec
class SplitTraffic:
    """A workload and where the paper, or its kind of advice, splits it.

    Attributes:
        workload: request length distribution.
        split_length: longest request of the short pool.
    """

    workload: Annotated[Workload, In("workloads")]
    split_length: Tokens


class FleetOptWorth(NamedTuple):
    """What FleetOpt is worth beside all other levers, under either account.

    Gains are of tokens per joule.

    Attributes:
        paper_homogeneous: of one pool on the first GPU, as the paper counts tokens and joules.
        paper_fleetopt_gain: over it, of the paper's split and its overflow factor.
        paper_best_gain: of the best that its rules may buy: any split, any factor, a GPU for each
            pool.
        homogeneous: joules of a token of one pool of eight H100 an instance in 16 bits, consistent.
        split_gain: over it, of a second pool at the paper's split; NaN where no such fleet keeps
            the targets.
        best_gain: of the plan.
    """

    paper_homogeneous: TokensPerJoule
    paper_fleetopt_gain: Dimensionless
    paper_best_gain: Dimensionless
    homogeneous: JoulesPerToken
    split_gain: Dimensionless
    best_gain: Dimensionless


def plan_fleetopt(
    catalogue: Catalogue,
    common: PlanInputs,
    traffic: dict[str, SplitTraffic],
    paper_gpus: Boards,
    overflow_factor: Dimensionless,
    split_lengths: TokensAxis,
    overflow_factors: DimensionlessAxis,
) -> xr.Dataset:
    """FleetOpt under the paper's rules and the consistent account; what the rules buy, in words."""
    plans = common.plans(catalogue, traffic)
    demand = demanded(catalogue, arrival_rate=common.arrival_rate)
    pools = {
        workload: paper_pools(
            catalogue,
            workload,
            demand,
            [own.split_length, *split_lengths.tolist()],
            [overflow_factor, *overflow_factors.tolist()],
        )
        for workload, own in traffic.items()
    }
    best: dict[tuple[str, str], Bought] = {}

    def worth(workload: str, llm: str) -> FleetOptWorth:
        split, names = traffic[workload].split_length, _paper_names(catalogue, llm, paper_gpus)
        known = {it[:2]: it for it in bought(catalogue, pools[workload], demand, names[:1])}
        free = bought(catalogue, pools[workload], demand, names)[0]
        best[workload, llm] = free
        papers = known[HOMOGENEOUS, 1.0], known[split, overflow_factor], free
        homogeneous, fleetopt, most = (it.tokens_per_joule for it in papers)
        consistent = _consistent(plans[workload, llm], split)
        gains = fleetopt / homogeneous, most / homogeneous
        return FleetOptWorth(homogeneous, *gains, *consistent)

    table = grid.tabulate(worth, **common.axes(traffic))
    texts = [[_bought_words(best[workload, llm]) for llm in common.llms] for workload in traffic]
    return table.assign_coords(paper_pools=(("workload", "llm"), texts))


def _paper_names(catalogue: Catalogue, llm: str, gpus: Boards) -> list[DeploymentNames]:
    """The paper's instances: its profiles, or eight GPUs in 16 bits for other LLMs."""
    return [
        DeploymentNames(profile=gpu)
        if gpu in catalogue.profiles and catalogue.profiles[gpu].llm == catalogue.llms[llm]
        else DeploymentNames(llm=llm, gpu=gpu, precision="bfloat16")
        for gpu in gpus
    ]


def _consistent(own: Plan | None, split: Tokens) -> tuple[float, float, float]:
    """Joules of a token of one plain pool, and the gains of two at a split and of the plan."""
    if own is None:
        return NONE
    plain = columns_of(own.question, [plain_names(own)], [split])
    short, _, long = plain.power[0]
    one, both = cost_without(own, list(LEVERS)), short + long
    split = one * plain.generated / both if np.isfinite(both) else np.nan
    return one, split, one / own.cost_per_token


def _bought_words(own: Bought) -> str:
    gpus = [names.profile or names.gpu for names in own.names]
    if not own.split_length:
        return f"{own.instances:g} x {gpus[0]}"
    return (
        f"{own.instances:g} x {' and '.join(dict.fromkeys(gpus))}, split at {own.split_length:g},"
        f" overflow factor {own.overflow_factor:g}"
    )
