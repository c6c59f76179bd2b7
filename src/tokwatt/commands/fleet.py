"""The smallest fleet for a workload or for a trace of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokwatt.commands.options import (
    PARAMS,
    AccountName,
    Changes,
    DataRanks,
    EngineName,
    ExpertRanks,
    GpuName,
    Gpus,
    Json,
    KvPrecision,
    Lengths,
    LlmName,
    MemoryShare,
    Params,
    PrecisionName,
    Profile,
    Rate,
    Target,
    TraceFile,
    Window,
    changes_of,
    finite,
    named,
)
from tokwatt.commands.printing import show_answer
from tokwatt.params.errors import ParameterError, shown

if TYPE_CHECKING:
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces import Trace
    from tokwatt.serving.catalogue import Catalogue

Bound = Annotated[float | None, typer.Option(callback=finite, help="Highest utilization.")]
Quantile = Annotated[
    float | None,
    typer.Option(callback=finite, help="Of the inter-token latency: 0.5 or 0.99."),
]
Share = Annotated[
    float | None,
    typer.Option(callback=finite, help="One output share of all requests, for a measured one."),
]


def ask_fleet(
    workload: Annotated[
        str | None, typer.Option(help="A workload by name; azure where there is no trace.")
    ] = None,
    trace: TraceFile = None,
    llm: LlmName = "llama-3.1-70b",
    gpu: GpuName = "H100",
    gpus: Gpus = 8,
    data_parallel: DataRanks = 1,
    expert_parallel: ExpertRanks = None,
    precision: PrecisionName = "bfloat16",
    kv_precision: KvPrecision = None,
    engine: EngineName = "vllm",
    memory_utilization: MemoryShare = None,
    profile: Profile = None,
    arrival_rate: Rate = None,
    split_length: Lengths = None,
    context_window: Window = None,
    ttft: Target = None,
    itl: Target = None,
    itl_quantile: Quantile = None,
    max_utilization: Bound = None,
    output_share: Share = None,
    account: AccountName = "consistent",
    changes: Changes = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Also serve 10000 requests one by one.")
    ] = False,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """GPUs, power, cost and latencies of a fleet for a workload or for your own trace.

    --ttft is a target on the 99th percentile of the time to first token, --itl on a percentile of
    the inter-token latency. What is left out stands under demand in assumptions.yaml.
    """
    from tokwatt.accounts.answers import fleet
    from tokwatt.accounts.deployments import DeploymentNames
    from tokwatt.serving.catalogue import Catalogue

    catalogue = Catalogue(params)
    stated = {} if output_share is None else {"output_share": "fifth"}
    requests, demand = asked(
        catalogue,
        workload,
        trace,
        arrival_rate,
        latency_target=ttft,
        itl_target=itl,
        itl_quantile=itl_quantile,
        max_utilization=max_utilization,
        output_share=output_share,
    )
    names = DeploymentNames(
        llm=llm,
        gpu=gpu,
        gpus=gpus,
        data_parallel=data_parallel,
        expert_parallel=expert_parallel,
        precision=precision,
        kv_precision=kv_precision,
        engine=engine,
        memory_utilization=memory_utilization,
        profile=profile,
    )
    question: dict[str, Any] = {
        "split_lengths": split_length or (),
        "context_window": context_window,
        "account": account,
        "changes": stated | changes_of(changes),
    }
    with named():
        answer = fleet(catalogue, requests, demand, names, **question)
        if simulate:
            from tokwatt.accounts.simulated import beside

            answer = beside(answer, catalogue, requests, demand, names, **question)
    show_answer(answer, as_json, arrival_rate=demand.arrival_rate)


def asked(
    catalogue: "Catalogue",
    workload: str | None,
    trace: Path | None,
    arrival_rate: float | None,
    **bounds: float | None,
) -> tuple["str | Trace", "Demand"]:
    """A workload by name or a trace, and what a fleet must carry of it."""
    from tokwatt.accounts.answers import demanded
    from tokwatt.params.traces import read_trace

    if trace:
        _require_alone(workload=workload, output_share=bounds["output_share"])
    requests = read_trace(trace) if trace else workload or "azure"
    rate = arrival_rate if isinstance(requests, str) else _rate_of(requests, trace, arrival_rate)
    return requests, demanded(catalogue, arrival_rate=rate, **bounds)


def _require_alone(**options: object) -> None:
    """Refuse what a trace has of its own."""
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            wanted = "one of the two, as a trace has its own"
            raise ParameterError(f"{option}: is {shown(value)} beside --trace, wanted {wanted}.")


def _rate_of(trace: "Trace", path: object, arrival_rate: float | None) -> float:
    """Requests per second: those asked for, or the trace's own."""
    rate = trace.arrival_rate if arrival_rate is None else arrival_rate
    if rate is None:
        wanted = "the option --arrival-rate"
        raise ParameterError(f"{path}: has no arrival times of a known unit, wanted {wanted}.")
    return rate
