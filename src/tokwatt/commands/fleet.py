"""The smallest fleet for a workload or for a trace of one's own."""

from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands.options import (
    PARAMS,
    AccountName,
    Changes,
    GpuName,
    Gpus,
    Json,
    LlmName,
    Params,
    PrecisionName,
    Profile,
    TraceFile,
    Window,
    changes_of,
    finite,
)
from tokwatt.commands.point import heading
from tokwatt.commands.printing import show_result
from tokwatt.params.errors import ParameterError

if TYPE_CHECKING:
    from tokwatt.params.traces import Trace

Rate = Annotated[
    float | None,
    typer.Option(callback=finite, help="Requests per second; a trace's own where it has times."),
]
Split = Annotated[
    float, typer.Option(callback=finite, help="Longest request of the short pool; 0 for one pool.")
]
Target = Annotated[
    float | None, typer.Option(callback=finite, help="99th percentile of the wait, in seconds.")
]
Bound = Annotated[float | None, typer.Option(callback=finite, help="Highest utilization.")]
Share = Annotated[
    float | None,
    typer.Option(callback=finite, help="One output share of all requests, for a measured one."),
]


def ask_fleet(
    workload: Annotated[str, typer.Option(help="A workload by name.")] = "azure",
    trace: TraceFile = None,
    profile: Profile = None,
    gpu: GpuName = "H100",
    llm: LlmName = "llama-3.1-70b",
    gpus: Gpus = 8,
    precision: PrecisionName = "bfloat16",
    arrival_rate: Rate = None,
    split_length: Split = 0,
    context_window: Window = 65536,
    latency_target: Target = None,
    max_utilization: Bound = None,
    output_share: Share = None,
    account: AccountName = "paper",
    changes: Changes = None,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """Size a fleet for a workload or for your own trace; bounds left out are the paper's."""
    from tokwatt.accounts.answers import DeploymentNames, demanded, fleet, fleet_account
    from tokwatt.params.traces import read_trace
    from tokwatt.serving.catalogue import load

    stated = {} if output_share is None else {"output_share": "fifth"}
    catalogue, alternatives = load(params), stated | changes_of(changes)
    names = DeploymentNames(llm=llm, gpu=gpu, gpus=gpus, precision=precision, profile=profile)
    requests = read_trace(trace) if trace else workload
    rate = arrival_rate if isinstance(requests, str) else _rate_of(requests, trace, arrival_rate)
    demand = demanded(
        catalogue,
        arrival_rate=rate,
        latency_target=latency_target,
        max_utilization=max_utilization,
        output_share=output_share,
    )
    result = fleet(
        catalogue,
        requests,
        demand,
        names,
        split_length=split_length,
        context_window=context_window,
        account=account,
        changes=alternatives,
    )
    chosen = fleet_account(catalogue, account, names, requests, alternatives)
    said = heading(account, chosen)
    show_result(result, as_json, f"{said}, {demand.arrival_rate:g} requests per second")


def _rate_of(trace: "Trace", path: object, arrival_rate: float | None) -> float:
    """Requests per second: those asked for, or the trace's own."""
    rate = trace.arrival_rate if arrival_rate is None else arrival_rate
    if rate is None:
        wanted = "the option --arrival-rate"
        raise ParameterError(f"{path}: has no arrival times of a known unit, wanted {wanted}.")
    return rate
