"""The smallest fleet for a workload or for a trace of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.groups import (
    PoolOptions,
    RequestOptions,
    TargetOptions,
    asked,
    grouped,
    rate_of,
    require_alone,
)
from tokwatt.commands.trace import show_with_trace, trace_of_options
from tokwatt.params.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from tokwatt.accounts.answers.fleets import FleetQuestion
    from tokwatt.accounts.parts import PoolNames
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces.traces import Trace
    from tokwatt.planning.record import PlanRecord
    from tokwatt.serving.catalogue import Catalogue
    from tokwatt.units import Instances

PlanFile = Annotated[Path | None, typer.Option(help="A plan that `tokwatt plan --out` wrote.")]


@grouped
def ask_fleet(
    *,
    context: typer.Context,
    served: RequestOptions,
    instance: PoolOptions,
    arrival_rate: opt.Rate = None,
    split_length: opt.Lengths = None,
    context_window: opt.Window = None,
    targets: TargetOptions,
    max_utilization: opt.Bound = None,
    output_share: opt.Share = None,
    account: opt.AccountName = "consistent",
    changes: opt.Changes = None,
    plan: PlanFile = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Also serve requests one by one.")
    ] = False,
    params: opt.Params = opt.PARAMS,
    as_json: opt.Json = False,
) -> None:
    """GPUs, power, cost and latencies of a fleet for a workload or for your own trace.

    --ttft is a target on a percentile of the time to first token, the 99th if --ttft-quantile says
    nothing else, --itl on one of the inter-token latency, the median if --itl-quantile says nothing
    else. --ttft-per-1k lets long prompts take longer. What is left out stands under demand in
    assumptions.yaml.
    """
    from tokwatt.serving.catalogue import Catalogue

    catalogue = Catalogue(params)
    if plan:
        _require_of_plan(context)
        return _show_planned(catalogue, plan, served, arrival_rate, simulate, as_json)
    bounds = {"max_utilization": max_utilization, "output_share": output_share}
    requests, demand = asked(catalogue, served, arrival_rate, targets, **bounds)
    names = instance.pools
    question: FleetQuestion = {
        "split_lengths": split_length or (),
        "context_window": context_window,
        "account": account,
        "changes": opt.stated_changes(changes, output_share),
    }
    with opt.named_as_options():
        _show_fleet(simulate, as_json, catalogue, requests, demand, names, (), **question)


BESIDE_PLAN = (
    "context",
    "plan",
    "trace",
    "columns",
    "tokenizer",
    "workload",
    "arrival_rate",
    "simulate",
    "params",
    "as_json",
)
"""Options that may stand beside a plan, which has all others of its own."""


def _require_of_plan(context: typer.Context) -> None:
    """Refuse what a plan has of its own."""
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name not in BESIDE_PLAN and source is not None and source.name == "COMMANDLINE":
            require_alone("plan", **{name: value})


def _show_planned(
    catalogue: "Catalogue",
    path: Path,
    served: RequestOptions,
    arrival_rate: float | None,
    simulate: bool,
    as_json: bool,
) -> None:
    """The fleet of a plan, for its own requests or for others."""
    from tokwatt.accounts.answers import demanded
    from tokwatt.accounts.answers.demand import require_demand
    from tokwatt.planning.record import named_as_keys, read_plan

    record, workload, trace = read_plan(path), served.workload, served.trace
    with opt.named_as_options():
        require_demand(demanded(catalogue, arrival_rate=arrival_rate))
    if trace or not (workload or record.workload):
        if not (trace or record.trace):
            raise ParameterError(f"{path}: {_unnamed(record)}.")
        requests: str | Trace = trace_of_options(
            trace or Path(str(record.trace)), served.columns, served.tokenizer
        )
    else:
        requests = workload or str(record.workload)
    rate = record.rate_of(workload, trace) if arrival_rate is None else arrival_rate
    if record.traces and isinstance(requests, str) and rate is None:
        raise ParameterError(f"{requests}: is not of the plan, wanted the option --arrival-rate.")
    if record.traces and not isinstance(requests, str):
        rate = rate_of(requests, trace, rate)
    bounds = record.demand | ({} if rate is None else {"arrival_rate": rate})
    question: FleetQuestion = {
        "split_lengths": record.split_lengths,
        "context_window": record.last_window,
        "account": record.account,
        "changes": record.changes,
    }
    least = record.least_instances
    with named_as_keys(record, path):
        demand = demanded(catalogue, **bounds)
        _show_fleet(simulate, as_json, catalogue, requests, demand, record.names, least, **question)


def _unnamed(record: "PlanRecord") -> str:
    """Why the requests of a plan must be named."""
    if names := [own.name for own in record.traces]:
        return (
            f"is for {len(names)} traces, wanted one of {', '.join(names)} as --trace or --workload"
        )
    return "names no requests, wanted the option --workload or --trace"


def _show_fleet(
    simulate: bool,
    as_json: bool,
    catalogue: "Catalogue",
    requests: "str | Trace",
    demand: "Demand",
    names: "PoolNames | Sequence[PoolNames]",
    least: "Sequence[Instances]",
    **question: "Unpack[FleetQuestion]",
) -> None:
    """A fleet, its simulation where that is asked for, and what was read of a trace."""
    from tokwatt.accounts.answers import fleet

    answer = fleet(catalogue, requests, demand, names, least_instances=least, **question)
    if simulate:
        from tokwatt.accounts.answers.simulated import beside

        answer = beside(answer, catalogue, requests, demand, names, **question)
    if not as_json:
        print(f"targets: {answer.basis.targets}")
    show_with_trace(answer, requests, as_json, arrival_rate=demand.arrival_rate)
