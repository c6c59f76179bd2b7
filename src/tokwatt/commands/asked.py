"""The requests that options name, and what a fleet must carry of them."""

from typing import TYPE_CHECKING

from tokwatt.commands.groups import RequestOptions, TargetOptions
from tokwatt.commands.trace import trace_of_options
from tokwatt.params.errors import ParameterError, shown

if TYPE_CHECKING:
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces.traces import Trace
    from tokwatt.serving.catalogue import Catalogue


def asked(
    catalogue: "Catalogue",
    options: RequestOptions,
    arrival_rate: float | None,
    targets: TargetOptions,
    **bounds: float | None,
) -> tuple["str | Trace", "Demand"]:
    """A workload by name or a trace, and what a fleet must carry of it."""
    from tokwatt.accounts.answers import demanded

    requests: str | Trace = options.workload or "azure"
    rate = arrival_rate
    if options.trace:
        require_alone(workload=options.workload, output_share=bounds["output_share"])
        requests = trace_of_options(options.trace, options.columns, options.tokenizer)
        rate = rate_of(requests, options.trace, arrival_rate)
    return requests, demanded(catalogue, arrival_rate=rate, **targets.bounds, **bounds)


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
