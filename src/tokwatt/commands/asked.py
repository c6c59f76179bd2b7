"""The requests that options name, and what a fleet must carry of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from tokwatt.commands.trace import trace_of_options
from tokwatt.params.errors import ParameterError, shown

if TYPE_CHECKING:
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces.traces import Trace
    from tokwatt.serving.catalogue import Catalogue


def asked(
    catalogue: "Catalogue",
    workload: str | None,
    trace: Path | None,
    columns: list[str] | None,
    tokenizer: Path | None,
    arrival_rate: float | None,
    **bounds: float | None,
) -> tuple["str | Trace", "Demand"]:
    """A workload by name or a trace, and what a fleet must carry of it."""
    from tokwatt.accounts.answers import demanded

    if trace:
        require_alone(workload=workload, output_share=bounds["output_share"])
    requests = trace_of_options(trace, columns, tokenizer) if trace else workload or "azure"
    rate = arrival_rate if isinstance(requests, str) else rate_of(requests, trace, arrival_rate)
    return requests, demanded(catalogue, arrival_rate=rate, **bounds)


def asked_each(
    catalogue: "Catalogue",
    workloads: list[str] | None,
    traces: list[Path] | None,
    columns: list[str] | None,
    tokenizer: Path | None,
    arrival_rate: float | None,
    **bounds: float | None,
) -> list[tuple["str | Trace", "Demand"]]:
    """Workloads or traces, each with what a fleet must carry of it."""
    if traces and workloads:
        require_alone(workload=workloads[0])
    pairs: list[tuple[str | None, Path | None]] = [
        *((own, None) for own in workloads or ()),
        *((None, trace) for trace in traces or ()),
    ]
    return [
        asked(catalogue, workload, trace, columns, tokenizer, arrival_rate, **bounds)
        for workload, trace in pairs or [(None, None)]
    ]


def require_alone(**options: object) -> None:
    """Refuse what a trace has of its own."""
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            wanted = "one of the two, as a trace has its own"
            raise ParameterError(f"{option}: is {shown(value)} beside --trace, wanted {wanted}.")


def rate_of(trace: "Trace", path: object, arrival_rate: float | None) -> float:
    """Requests per second: those asked for, or the trace's own."""
    rate = trace.arrival_rate if arrival_rate is None else arrival_rate
    if rate is None:
        at_once = "has all requests arrive at one time"
        found = "has no arrival times of a known unit" if trace.arrivals is None else at_once
        raise ParameterError(f"{path}: {found}, wanted the option --arrival-rate.")
    return rate
