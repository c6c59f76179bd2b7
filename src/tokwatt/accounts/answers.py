"""One point and one fleet for a question in names and numbers: what Python and the commands ask."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import MEAN_FILL, Case
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.params.section import Section
from tokwatt.params.specs import Demand
from tokwatt.params.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.fleet import Fleet
from tokwatt.serving.requests import pairs_of
from tokwatt.serving.results import plain
from tokwatt.serving.step import OperatingPoint, operating_point
from tokwatt.units import MOST_TOKENS, Dimensionless, Sequences, Tokens

PROGRAM = {"step": "program", "power": "activity"}
"""What the set `paper` changes where it computes an instance from data sheets."""
CONSERVING = {
    "lengths": "exact",
    "long_pool": "from_split",
    "oversized": "fitting_window",
    "output_rounding": "none",
    "batch_rounding": "none",
    "search_start": "fewest",
}
"""What makes fleets of the set `paper` conserve requests and tokens."""
PAPER = "paper"
PROMPT_RATIO = 4.0
"""Prompt tokens for each output token, from the paper's fifth of output."""
MOST_SEQUENCES = 2.0**20


@dataclass(frozen=True, kw_only=True)
class DeploymentNames:
    """A deployment by the names of its parts.

    Attributes:
        llm: an LLM.
        gpu: a GPU.
        gpus: GPUs that share the LLM (tensor parallel); each holds whole experts of a mixture.
        precision: a precision.
        profile: a hand-calibrated instance, which replaces all of these.
    """

    llm: str = "llama-3.1-70b"
    gpu: str = "H100"
    gpus: int = 8
    precision: str = "bfloat16"
    profile: str | None = None

    def deployment(self, catalogue: Catalogue) -> Deployment:
        """What they name.

        Raises:
            ParameterError: for a name that the catalogue lacks.
        """
        names = Section(catalogue.folder, {}, catalogue.catalogue)
        if self.profile:
            return catalogue.profiled(names.choose("profile", self.profile, "profiles"))
        ranks = float(require("gpus", self.gpus, 1, MOST_SEQUENCES))
        return catalogue.deployment(
            names.choose("gpu", self.gpu, "boards"),
            names.choose("llm", self.llm, "llms"),
            names.choose("precision", self.precision, "precisions"),
            ranks,
            ranks,
        )


def require(name: str, value: Dimensionless, least: float, most: float) -> Dimensionless:
    """A number inside its domain.

    Raises:
        ParameterError: with one sentence, for what lies outside or is no number.
    """
    if not least <= value <= most:
        wanted = f"a number from {least:g} to {most:.8g}"
        raise ParameterError(f"{name}: is {value:g}, wanted {wanted}.")
    return value


def account_of(
    catalogue: Catalogue,
    preset: str,
    names: DeploymentNames,
    changes: Mapping[str, str] | None = None,
) -> Account:
    """An account for a deployment: the paper computes what has no profile from data sheets."""
    sets = AssumptionSets(catalogue)
    program = PROGRAM if preset == PAPER and not names.profile else {}
    feasible = {"misfit": "infeasible"}  # nothing that does not fit gets a price
    section = Section(catalogue.folder, {}, catalogue.catalogue)
    section.pick("account", preset, sets.presets)
    return sets.account(preset, {**feasible, **program, **sets.switches(changes or {})})


def fleet_account(
    catalogue: Catalogue,
    preset: str,
    names: DeploymentNames,
    requests: str | Trace,
    changes: Mapping[str, str] | None = None,
) -> Account:
    """An account for fleets: the paper's conserves requests, and a trace's rows count in pairs."""
    rules = CONSERVING if preset == PAPER else {}
    pairs = {"lengths": "pairs", "output_share": "trace"} if isinstance(requests, Trace) else {}
    return account_of(catalogue, preset, names, {**rules, **pairs, **(changes or {})})


def point(
    catalogue: Catalogue,
    names: DeploymentNames | None = None,
    *,
    context_window: Tokens = 8192.0,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = MEAN_FILL,
    prompt_ratio: Dimensionless = PROMPT_RATIO,
    batch: Sequences | None = None,
    account: str = PAPER,
    changes: Mapping[str, str] | None = None,
) -> OperatingPoint:
    """An operating point of one instance.

    Args:
        catalogue: the parameter folder.
        names: the deployment; eight H100 with Llama-3.1-70B if left out.
        context_window: tokens that a sequence may take, from 1.
        utilization: share of the concurrency that runs, 0 to 1.
        mean_fill: mean length of a sequence as a share of the window, above 0 and at most 1.
        prompt_ratio: prompt tokens for each output token, at least 0.
        batch: running requests; a share of what the memory holds if left out.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The point, in plain numbers.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, and what
            does not fit.
    """
    names = names or DeploymentNames()
    require("context_window", context_window, 1, MOST_TOKENS)
    require("utilization", utilization, 0, 1)
    require("mean_fill", mean_fill, 1 / MOST_TOKENS, 1)
    require("prompt_ratio", prompt_ratio, 0, MOST_TOKENS)
    if batch is not None:
        require("batch", batch, 1, MOST_SEQUENCES)
    chosen, deployment = account_of(catalogue, account, names, changes), names.deployment(catalogue)
    result = operating_point(
        chosen, deployment, context_window, mean_fill, prompt_ratio, batch, utilization
    )
    _require_fit(names, result, context_window, batch)
    return result


def _require_fit(
    names: DeploymentNames, result: OperatingPoint, window: Tokens, batch: Sequences | None
) -> None:
    if result.missing > 0:
        raise ParameterError(
            f"{names.llm} on {names.gpus} {names.gpu}: does not fit,"
            f" {float(result.missing) / 1e9:.1f} GB are missing on each GPU,"
            " wanted more GPUs, more memory or a narrower precision."
        )
    held = float(result.concurrency)
    if held < 1 or (batch is not None and batch > held):
        wanted = "a shorter window, a smaller batch or more memory"
        raise ParameterError(
            f"context_window: at {window:g} tokens the KV cache holds {held:.4g} sequences,"
            f" wanted {wanted}."
        )


def fleet(
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    names: DeploymentNames | None = None,
    *,
    split_length: Tokens = 0.0,
    context_window: Tokens = 65536.0,
    account: str = PAPER,
    changes: Mapping[str, str] | None = None,
) -> Fleet:
    """The smallest fleet of one or two pools that carries requests within bounds.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace with prompts and outputs.
        demand: arrival rate and bounds; its output share stands for a workload without a measured
            one.
        names: an instance; eight H100 with Llama-3.1-70B if left out.
        split_length: longest request of the short pool; 0 for one pool.
        context_window: window of the only pool, or of the long one.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The fleet, in plain numbers.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, what
            does not fit, and where no fleet meets the target.
    """
    names = names or DeploymentNames()
    _require_demand(demand)
    require("context_window", context_window, 1, MOST_TOKENS)
    require("split_length", split_length, 0, context_window)
    chosen = fleet_account(catalogue, account, names, requests, changes)
    case = _case(catalogue, requests, names, chosen, split_length, context_window)
    return plain(_sized(case, chosen, demand))


def _require_demand(demand: Demand) -> None:
    require("arrival_rate", demand.arrival_rate, 1e-9, 1e12)
    require("latency_target", demand.latency_target, 1e-9, 1e9)
    require("max_utilization", demand.max_utilization, 1e-6, 1)
    require("output_share", demand.output_share, 0, 1)


def _case(
    catalogue: Catalogue,
    requests: str | Trace,
    names: DeploymentNames,
    account: Account,
    split_length: Tokens,
    context_window: Tokens,
) -> Case:
    headlines, traced = Headlines(catalogue), isinstance(requests, Trace)
    workload_name = next(iter(catalogue.workloads)) if isinstance(requests, Trace) else requests
    section = Section(catalogue.folder, {}, catalogue.catalogue)
    workload = section.choose("workload", workload_name, "workloads")
    return Case(
        gpu=names.gpu,
        deployment=names.deployment(catalogue),
        workload=workload,
        shares=None if traced else headlines.shares(workload_name, workload),
        window=float(context_window),
        topology="two_pools" if split_length else "homogeneous",
        split_length=float(split_length),
        overflow_factor=1.0,
        paper=account.assumed,
        workload_name=workload_name,
        pairs=pairs_of(requests.prompt, requests.output) if isinstance(requests, Trace) else None,
    )


def _sized(case: Case, account: Account, demand: Demand) -> Fleet:
    """The fleet of a case, refused where it does not exist."""
    result = case.evaluate(account, demand, case.traffic(account, demand))
    if not (math.isfinite(result.power) and 0 < result.tokens_per_joule < math.inf):
        found = "does not fit or is too slow for the target at any number of instances"
        wanted = "more GPUs an instance, a narrower precision or a longer latency_target"
        raise ParameterError(f"fleet: an instance {found}, wanted {wanted}.")
    return result


def demanded(catalogue: Catalogue, **numbers: Dimensionless | None) -> Demand:
    """The demand of `params/assumptions.yaml` with other numbers; None leaves one as it is."""
    given = {name: number for name, number in numbers.items() if number is not None}
    return replace(AssumptionSets(catalogue).demand, **given)
