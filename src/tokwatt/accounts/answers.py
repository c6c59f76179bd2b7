"""One point and one fleet for a question in names and numbers: what Python and the commands ask."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import jax

from tokwatt.accounts.answer import Answer, Basis, Quantity
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import MEAN_FILL, Case
from tokwatt.accounts.deployments import (
    CONSISTENT,
    DeploymentNames,
    account_of,
    fleet_account,
    pick,
    require,
)
from tokwatt.accounts.energy import Energy
from tokwatt.accounts.headlines import Headlines
from tokwatt.accounts.support import Support
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.params.traces import Trace
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.chunked import Load
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.fleet import Fleet, Pool, fleet_of, least_latencies, sized_pools
from tokwatt.serving.requests import pairs_of
from tokwatt.serving.results import plain
from tokwatt.serving.routing import Routed
from tokwatt.serving.share import Memory, memory_of
from tokwatt.serving.step import OperatingPoint, first_token, operating_point
from tokwatt.serving.times import instance_of
from tokwatt.units import MOST_TOKENS, Bytes, Dimensionless, Seconds, Sequences, Tokens, units_of

_POINT, _MEMORY = jax.jit(operating_point), jax.jit(memory_of)
"""Compiled, as one program starts sooner than a hundred operations."""
PROMPT_RATIO = 4.0
"""Prompt tokens for each output token, from the paper's fifth of output."""
MOST_SEQUENCES = 2.0**20
WATTS = {
    "gpu": "watts of one GPU",
    "instance": "watts of every GPU",
    "server": "watts of servers",
    "facility": "watts of the facility",
}
"""Whose watts a basis counts, in words."""
WINDOW = 8192.0
"""Context window of a point that is asked for no other, and for no requests, tok."""


def point(
    catalogue: Catalogue,
    names: DeploymentNames | None = None,
    *,
    context_window: Tokens | None = None,
    prompt: Tokens | None = None,
    output: Tokens | None = None,
    batch: Sequences | None = None,
    utilization: Dimensionless = 1.0,
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
) -> Answer:
    """An operating point of one instance.

    Args:
        catalogue: the parameter folder.
        names: the deployment; eight H100 with Llama-3.1-70B if left out.
        context_window: tokens that a sequence may take, from 1; those of the requests, or `WINDOW`,
            if left out.
        prompt: prompt tokens of a request; with `output` left out too, four times the output.
        output: output tokens of a request; both left out, sequences fill half of their window on
            the average.
        batch: running requests; a share of what the memory holds if left out.
        utilization: that share, above 0 and at most 1.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The point with 90 % intervals, where measured runs say how wide they are.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, and what
            does not fit.
    """
    names = names or DeploymentNames()
    window, prompt, output = _request(context_window, prompt, output)
    require("utilization", utilization, 1e-6, 1)
    if batch is not None:
        require("batch", batch, 1, MOST_SEQUENCES)
        if utilization != 1:
            found = f"is {utilization:g} beside a batch of {batch:g}"
            raise ParameterError(f"utilization: {found}, wanted one of the two.")
    chosen, deployment = account_of(catalogue, account, names, changes), names.deployment(catalogue)
    length = prompt + output / 2
    held = _held(names, chosen, deployment, window, length)
    result = plain(
        _POINT(chosen, deployment, window, length / window, prompt / output, batch, utilization)
    )
    _require_fit(names, result.missing)
    _require_room(result.concurrency, window, batch)
    support = _support(catalogue, names, chosen, result.batch, prompt, output, window)
    rent = float(deployment.gpu.price) * _rented(chosen, names.gpus * names.data_parallel)
    numbers = {
        "missing": result.missing,
        **held,
        "concurrency": result.concurrency,
        "batch": result.batch,
        "inter_token_latency": result.median_latency,
        "inter_token_latency_p99": result.late_latency,
        "iteration_latency": result.iteration_latency,
        **_answered(chosen, deployment, result, length, prompt, output),
        "throughput": result.throughput,
        "power": result.power,
        "tokens_per_joule": result.tokens_per_joule,
        **_views(catalogue, result.tokens_per_joule, result.throughput, rent),
    }
    quantities = _quantities(numbers, support)
    most = on_basis(chosen, deployment.gpu, names.gpus * names.data_parallel, deployment.gpu.tdp)
    if support:
        quantities["power"] = _at_most(quantities["power"], float(most))
    return Answer(
        quantities, _basis(account, changes, chosen, support, names.precision_in(catalogue))
    )


def _at_most(quantity: Quantity, most: float) -> Quantity:
    """A quantity whose interval ends where it must."""
    return quantity._replace(high=min(quantity.high or most, max(most, quantity.value)))


def _answered(
    account: Account,
    deployment: Deployment,
    result: OperatingPoint,
    length: Tokens,
    prompt: Tokens,
    output: Tokens,
) -> dict[str, float]:
    """Time to first token without a wait; the paper's account has none for a single instance."""
    if account.assumed.prefill != "chunked":
        return {}
    load = Load(result.batch, length, result.batch * prompt / output, result.batch / output)
    return {"first_token": float(_first_token(account, deployment, load, prompt))}


@jax.jit
def _first_token(account: Account, deployment: Deployment, load: Load, prompt: Tokens) -> Seconds:
    return first_token(account.assumed, instance_of(account, deployment), load, prompt)


def _request(
    window: Tokens | None, prompt: Tokens | None, output: Tokens | None
) -> tuple[Tokens, Tokens, Tokens]:
    """Window, prompt and output, those that are left out from the others."""
    if window is not None:
        require("context_window", window, 1, MOST_TOKENS)
    if prompt is None and output is None:
        length = MEAN_FILL * (window or WINDOW)
        output = length / (PROMPT_RATIO + 0.5)
        return window or WINDOW, PROMPT_RATIO * output, output
    if output is None:
        output = prompt / PROMPT_RATIO if prompt else 1.0
    if prompt is None:
        prompt = PROMPT_RATIO * output
    require("prompt", prompt, 0, MOST_TOKENS)
    require("output", output, 1e-3, MOST_TOKENS)
    if window is not None and prompt + output > window:
        wanted = f"at least {prompt + output:g}, the prompt and the output of a request"
        raise ParameterError(f"context_window: is {window:g}, wanted {wanted}.")
    return window or prompt + output, prompt, output


def _require_fit(names: DeploymentNames, missing: Bytes) -> None:
    if missing > 0:
        raise ParameterError(
            f"llm: {names.llm} does not fit on {names.gpus} {names.gpu},"
            f" {missing / 2**30:.1f} GiB are missing on each GPU,"
            " wanted more GPUs, more memory or a narrower precision."
        )


def _require_room(held: Sequences, window: Tokens, batch: Sequences | None) -> None:
    found = f"the KV cache holds {held:.4g} sequences in windows of {window:g} tokens"
    if held < 1:
        raise ParameterError(f"context_window: {found}, wanted a shorter window or more memory.")
    if batch is not None and batch > held:
        raise ParameterError(f"batch: is {batch:g}, but {found}, wanted at most as many.")


def _held(
    names: DeploymentNames,
    account: Account,
    deployment: Deployment,
    window: Tokens,
    length: Tokens,
) -> dict[str, float]:
    """What the memory holds of sequences of a length; an engine does not start without a window."""
    if account.assumed.memory != "measured":
        return {}
    memory = plain(_MEMORY(deployment, deployment.llm.published, window))
    _require_fit(names, memory.missing)
    if memory.tokens < window:
        wanted = "a shorter window, more GPUs or more memory"
        raise ParameterError(
            f"context_window: is {window:.8g}, but the KV cache holds {memory.tokens:.8g} tokens,"
            f" wanted {wanted}."
        )
    return plain(_MEMORY(deployment, deployment.llm.published, length))._asdict()


def fleet(
    catalogue: Catalogue,
    requests: str | Trace,
    demand: Demand,
    names: DeploymentNames | Sequence[DeploymentNames] | None = None,
    *,
    split_lengths: Sequence[Tokens] = (),
    context_window: Tokens | None = None,
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
) -> Answer:
    """The smallest fleet that carries requests within bounds, its pools by the length of requests.

    Args:
        catalogue: the parameter folder.
        requests: a workload by name, or a trace with prompts and outputs.
        demand: arrival rate and bounds; its output share stands for a workload without a measured
            one.
        names: an instance, or one for each pool; eight H100 with Llama-3.1-70B if left out.
        split_lengths: longest request of each pool but the last, rising; one pool if there is none.
        context_window: window of the last pool; the account's own if left out: the paper's 64K, or
            the smallest power of two that holds every request.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The fleet with 90 % intervals, where measured runs say how wide they are, and its pools.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, what
            does not fit, and where no fleet meets a target: which one, and by how much.
    """
    each = each_pool(names or DeploymentNames(), len(split_lengths) + 1)
    _require_demand(demand)
    alternatives = changes_of_window(changes, context_window)
    chosen = fleet_account(catalogue, account, each[0], requests, alternatives)
    layouts = {
        own: laid_out(catalogue, requests, own, chosen, split_lengths, context_window, demand)
        for own in dict.fromkeys(each)
    }
    windows = layouts[each[0]].routed.windows
    require_splits(split_lengths, windows[-1])
    held = [
        _held(own, chosen, layout.case.deployment, window, window)
        for own, layout in layouts.items()
        for window in [max(w for w, other in zip(windows, each, strict=True) if other == own)]
    ]
    pools = [
        pool
        for place, own in enumerate(each)
        for pool in _sized(chosen, layouts[own], demand, place)
    ]
    result = plain(fleet_of(pools, 1.0, layouts[each[0]].routed.rejected))
    gpus = [float(layouts[own].gpus) for own in each]
    result = result._replace(gpus=sum(p.instances * n for p, n in zip(pools, gpus, strict=True)))
    most = max(range(len(pools)), key=lambda place: pools[place].instances)
    busy, traffic = pools[most], layouts[each[most]].routed.pools[most]
    outputs = traffic.generated / traffic.share
    support = _support(
        catalogue, each[most], chosen, busy.batch, traffic.prompts, outputs, windows[most]
    )
    rent = sum(
        pool.instances * float(_rented(chosen, n)) * float(layouts[own].case.deployment.gpu.price)
        for pool, n, own in zip(pools, gpus, each, strict=True)
    )
    numbers = {
        "missing": max(found.get("missing", 0.0) for found in held),
        "instances": result.instances,
        "gpus": result.gpus,
        "power": result.power,
        "throughput": result.throughput,
        "tokens_per_joule": result.tokens_per_joule,
        **_views(catalogue, result.tokens_per_joule, result.throughput, rent),
        **_latencies(result),
        "rejected": result.rejected,
    }
    precisions = dict.fromkeys(own.precision_in(catalogue) for own in each)
    return Answer(
        _quantities(numbers, support),
        _basis(account, alternatives, chosen, support, " and ".join(precisions)),
        tuple(
            _quantities(_of_pool(pool, window, n), support)
            for pool, window, n in zip(pools, windows, gpus, strict=True)
        ),
    )


def changes_of_window(
    changes: Mapping[str, str] | None, context_window: Tokens | None
) -> dict[str, str]:
    """Changes of a fleet's account: a window that is asked for is not chosen by the account."""
    given = {} if context_window is None else {"baseline": "given"}
    return {**given, **(changes or {})}


class LaidOut(NamedTuple):
    """Requests as they are shared out over pools of one deployment.

    Attributes:
        case: the deployment and what it is asked for.
        routed: the pools, their windows and their traffic.
    """

    case: Case
    routed: Routed

    @property
    def gpus(self) -> Dimensionless:
        layout = self.case.deployment.parallelism
        return layout.tensor_parallel * layout.data_parallel


def each_pool(
    names: DeploymentNames | Sequence[DeploymentNames], pools: int
) -> Sequence[DeploymentNames]:
    """A deployment for each pool."""
    if isinstance(names, DeploymentNames):
        return [names] * pools
    if len(names) != pools:
        wanted = f"one for each of {pools} pools"
        raise ParameterError(f"names: has {len(names)} deployments, wanted {wanted}.")
    return names


def laid_out(
    catalogue: Catalogue,
    requests: str | Trace,
    names: DeploymentNames,
    account: Account,
    splits: Sequence[Tokens],
    context_window: Tokens | None,
    demand: Demand,
) -> LaidOut:
    """Requests as pools of a deployment share them; the last has a window, or the account's own."""
    case = case_of(catalogue, requests, names, account, splits, context_window or LONGEST)
    routed = case.traffic(account, demand)
    assert routed is not None
    return LaidOut(case, routed)


def _sized(account: Account, laid: LaidOut, demand: Demand, place: int) -> list[Pool]:
    """One pool of a deployment, where it exists."""
    routed = laid.routed
    own = Routed(
        routed.windows[place : place + 1], routed.pools[place : place + 1], routed.rejected
    )
    pools = [plain(pool) for pool in sized_pools(account, laid.case.deployment, own, demand)]
    _require_served(account, laid.case, own, pools, demand)
    return pools


LONGEST = 65536.0
"""Window of the last pool in the paper, tok."""


def _latencies(found: Fleet | Pool) -> dict[str, float]:
    return {
        "first_token": found.median_first_token,
        "first_token_p99": found.late_first_token,
        "inter_token_latency": found.median_latency,
        "inter_token_latency_p99": found.late_latency,
    }


def _of_pool(pool: Pool, window: Tokens, gpus: Dimensionless) -> dict[str, float]:
    """What is said of one pool."""
    return {
        "context_window": float(window),
        "instances": pool.instances,
        "gpus": pool.instances * float(gpus),
        "arrival_rate": pool.arrival_rate,
        "batch": pool.batch,
        "utilization": pool.utilization,
        "power": pool.power,
        **_latencies(pool),
    }


def _require_demand(demand: Demand) -> None:
    require("arrival_rate", demand.arrival_rate, 1e-9, 1e12)
    require("latency_target", demand.latency_target, 1e-9, 1e9)
    require("itl_target", min(demand.itl_target, 1e9), 1e-9, 1e9)
    require("max_utilization", demand.max_utilization, 1e-6, 1)
    require("output_share", demand.output_share, 0, 1)
    if demand.itl_quantile not in (0.5, 0.99):
        raise ParameterError(f"itl_quantile: is {demand.itl_quantile:g}, wanted 0.5 or 0.99.")


def require_splits(splits: Sequence[Tokens], window: Tokens) -> None:
    """Refuse lengths that do not rise to the longest window."""
    for below, split in pairwise([0.0, *splits]):
        if not below < split < window:
            wanted = f"numbers that rise from above 0 to below {window:g}, the longest window"
            raise ParameterError(f"split_lengths: has {split:g}, wanted {wanted}.")


def case_of(
    catalogue: Catalogue,
    requests: str | Trace,
    names: DeploymentNames,
    account: Account,
    splits: Sequence[Tokens],
    context_window: Tokens,
) -> Case:
    """Requests of a workload or a trace in pools of a deployment."""
    require("context_window", context_window, 1, MOST_TOKENS)
    headlines, trace = Headlines(catalogue), requests if isinstance(requests, Trace) else None
    workload_name = next(iter(catalogue.workloads)) if isinstance(requests, Trace) else requests
    workload = pick("workload", workload_name, catalogue.workloads)
    return Case(
        gpu=names.gpu,
        deployment=names.deployment(catalogue),
        workload=workload,
        workload_name=workload_name,
        shares=None if trace else headlines.shares(workload_name, workload),
        window=float(context_window),
        topology="two_pools" if splits else "homogeneous",
        splits=tuple(map(float, splits)),
        overflow_factor=1.0,
        paper=account.assumed,
        pairs=pairs_of(trace.prompt, trace.output, trace.weights) if trace else None,
    )


def _require_served(
    account: Account, case: Case, routed: Routed, pools: Sequence[Pool], demand: Demand
) -> None:
    """Refuse a fleet that does not exist, with the target that it misses and by how much."""
    for pool, traffic, window in zip(pools, routed.pools, routed.windows, strict=True):
        if math.isfinite(pool.power) and not math.isnan(pool.batch):
            continue
        if math.isnan(pool.concurrency):
            wanted = "more GPUs an instance, more memory or a narrower precision"
            raise ParameterError(f"llm: does not fit on an instance, wanted {wanted}.")
        instance = instance_of(account, case.deployment)
        itl, ttft = least_latencies(account, instance, traffic, demand)
        targets = {"itl": (itl, demand.itl_target), "ttft": (ttft, demand.latency_target)}
        missed = [name for name, (least, target) in targets.items() if least > target]
        name = missed[0] if missed else "ttft"
        least, target = targets[name]
        raise ParameterError(
            f"{name}: is {target:g} s, but one request alone in the pool of {window:g} tokens takes"
            f" {least:.4g} s, wanted a longer target, more GPUs an instance or a faster GPU."
        )


def _support(
    catalogue: Catalogue,
    names: DeploymentNames,
    account: Account,
    batch: Sequences,
    prompt: Tokens,
    output: Tokens,
    window: Tokens,
) -> Support | None:
    """The measured runs behind an answer; the paper's program has none."""
    if account.assumed.step != "measured":
        return None
    return Support(catalogue, names, *map(float, (batch, prompt, output, window)))


def _rented(account: Account, gpus: Dimensionless) -> Dimensionless:
    """GPUs that are paid for where an instance counts: as many as those whose watts count."""
    return 1.0 if account.assumed.basis == "gpu" else gpus


def _views(
    catalogue: Catalogue, tokens_per_joule: float, throughput: float, rent: float
) -> dict[str, float]:
    """Joules, dollars and grams of a token."""
    energy = Energy.of(catalogue)
    return {
        "joules_per_token": 1 / tokens_per_joule,
        "dollars_per_token": rent / throughput,
        "grams_per_token": 1e3 * float(energy.grid_intensity) / tokens_per_joule,
    }


UNITS = {
    "joules_per_token": "J/tok",
    "dollars_per_token": "USD/tok",
    "grams_per_token": "g/tok",
    "first_token": "s",
    "first_token_p99": "s",
    "inter_token_latency": "s",
    "inter_token_latency_p99": "s",
    "context_window": "tok",
    **units_of(Memory),
    **units_of(OperatingPoint),
    **units_of(Pool),
    **units_of(Fleet),
}
"""Units of the numbers of answers."""
WIDTHS = {
    "inter_token_latency": "latency",
    "inter_token_latency_p99": "latency",
    "iteration_latency": "throughput",
    "first_token": "first_token",
    "first_token_p99": "first_token",
    "throughput": "throughput",
    "dollars_per_token": "throughput",
    "power": "power",
    "tokens_per_joule": "tokens_per_joule",
    "joules_per_token": "tokens_per_joule",
    "grams_per_token": "tokens_per_joule",
}
"""Which interval of the calibration a number of a point has."""
CARRIED = {"instances": "throughput", "gpus": "throughput", "power": "tokens_per_joule"}
"""The same for numbers of a fleet, whose throughput is what is asked of it."""


def _quantities(numbers: Mapping[str, float], support: Support | None) -> dict[str, Quantity]:
    """Numbers with their units and intervals."""
    widths: dict[str, Any] = dict(support.half_widths) if support else {}
    kinds = WIDTHS | CARRIED if "instances" in numbers else WIDTHS
    found = {}
    for name, value in numbers.items():
        kind = kinds.get(name)
        if "instances" in numbers and name == "throughput":
            kind = None
        factor = math.exp(widths[kind]) if kind in widths else None
        low, high = (value / factor, value * factor) if factor else (None, None)
        found[name] = Quantity(value, low, high, UNITS[name] or "1")
    return found


def _basis(
    account: str,
    changes: Mapping[str, str] | None,
    chosen: Account,
    support: Support | None,
    precision: str,
) -> Basis:
    return Basis(
        account=named_account(account, changes),
        basis=WATTS[chosen.assumed.basis],
        engine=support.names.engine if support else "",
        precision=precision,
        calibrated_on=support.calibrated_on if support else "",
        extrapolated=support.extrapolated if support else (),
    )


def named_account(account: str, changes: Mapping[str, str] | None) -> str:
    """An account in words: its assumption set, and what was changed in it."""
    return account + "".join(f", {name} {value}" for name, value in (changes or {}).items())


def demanded(catalogue: Catalogue, **numbers: Dimensionless | None) -> Demand:
    """The demand of `params/assumptions.yaml` with other numbers; None leaves one as it is."""
    given = {name: number for name, number in numbers.items() if number is not None}
    return replace(AssumptionSets(catalogue).demand, **given)
