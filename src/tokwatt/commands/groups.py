"""Options that several commands have together, as groups, and the requests that they name."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.trace import trace_of_options
from tokwatt.params.errors import ParameterError, shown

if TYPE_CHECKING:
    from tokwatt.accounts.deployments import DeploymentNames
    from tokwatt.accounts.parts import PoolNames
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces.traces import Trace
    from tokwatt.serving.catalogue import Catalogue


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command as Typer reads it: each field of a group is an option, at the place of the group.

    Args:
        command: takes groups (dataclasses whose fields are options), and other options, by name.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters
    groups = {name: hints[name] for name in parameters if is_dataclass(hints[name])}

    @wraps(command)
    def flat(**options: object) -> None:
        for name, group in groups.items():
            options[name] = group(
                **{field.name: options.pop(field.name) for field in fields(group)}
            )
        command(**options)

    def options_of(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
        if parameter.name not in groups:
            yield parameter.replace(annotation=hints[parameter.name])
            return
        kinds = get_type_hints(groups[parameter.name], include_extras=True)
        for option in inspect.signature(groups[parameter.name]).parameters.values():
            yield option.replace(annotation=kinds[option.name], kind=parameter.kind)

    options = [option for parameter in parameters.values() for option in options_of(parameter)]
    flat.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    flat.__annotations__ = {option.name: option.annotation for option in options}
    return flat


@dataclass(frozen=True)
class RequestOptions:
    """The requests of a fleet: a workload by name, or a trace and how it is read."""

    workload: Annotated[
        str | None, typer.Option(help="A workload by name; azure where there is no trace.")
    ] = None
    trace: opt.TraceFile = None
    columns: opt.Columns = None
    tokenizer: opt.Tokenizer = None


Target = Annotated[float | None, opt.text_option(opt.seconds, "SECONDS", "Target: 1s, 50ms.")]
Quantile = Annotated[
    float | None, typer.Option(callback=opt.finite, help="Of the target before it: 0.5 or 0.99.")
]


@dataclass(frozen=True)
class TargetOptions:
    """What the latencies of a fleet must keep."""

    ttft: Target = None
    ttft_quantile: Quantile = None
    ttft_per_1k: Annotated[
        float | None,
        opt.text_option(
            opt.per_thousand,
            "SECONDS",
            "How much longer a first token may take for 1,000 tokens of its prompt.",
        ),
    ] = None
    itl: Target = None
    itl_quantile: Quantile = None

    @property
    def bounds(self) -> dict[str, float | None]:
        """The same by the names that a demand has for them."""
        names = ("latency_target", "ttft_quantile", "ttft_per_token", "itl_target", "itl_quantile")
        return {name: getattr(self, opt.OPTIONS.get(name, name)) for name in names}


@dataclass(frozen=True)
class DeploymentOptions:
    """What an instance runs on: an LLM, GPUs and how they share it."""

    llm: opt.LlmName = "llama-3.1-70b"
    gpu: Annotated[str, typer.Option(help="A GPU by name.")] = "H100"
    gpus: Annotated[int, typer.Option(help="GPUs that share the LLM (tensor parallel).")] = 8
    data_parallel: Annotated[
        int,
        typer.Option(help="Ranks of attention with requests of their own, of so many GPUs each."),
    ] = 1
    expert_parallel: Annotated[
        int | None, typer.Option(help="GPUs that hold whole experts: 1, or all of them.")
    ] = None
    precision: Annotated[
        str | None, typer.Option(help="A precision by name; that of the checkpoint if left out.")
    ] = None
    kv_precision: Annotated[
        str | None, typer.Option(help="A precision whose KV cache is as wide.")
    ] = None
    engine: opt.EngineName = "vllm"
    memory_utilization: Annotated[
        float | None,
        typer.Option(callback=opt.finite, help="Share of the memory the engine may use."),
    ] = None
    power_limit: Annotated[
        float | None,
        opt.text_option(
            opt.watts, "WATTS", "Limit of each board, such as 500W; its own if left out."
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(help="A hand-calibrated instance of the paper, instead of GPU and LLM."),
    ] = None

    @property
    def names(self) -> "DeploymentNames":
        """The deployment that they name."""
        from tokwatt.accounts.deployments import DeploymentNames

        own = {option.name: getattr(self, option.name) for option in fields(DeploymentOptions)}
        return DeploymentNames(**own)


@dataclass(frozen=True)
class PoolOptions(DeploymentOptions):
    """What the instances of a pool run on."""

    disaggregated: Annotated[
        bool, typer.Option("--disaggregated", help="Prefill and decode on instances of their own.")
    ] = False

    @property
    def pools(self) -> "PoolNames":
        """The instances that they name, with prefill apart where it is asked."""
        from tokwatt.accounts.parts import Disaggregated

        own = self.names
        return Disaggregated(prefill=own, decode=own) if self.disaggregated else own


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
    if not options.trace:
        require_trace(columns=options.columns, tokenizer=options.tokenizer)
    else:
        require_alone(workload=options.workload, output_share=bounds["output_share"])
        requests = trace_of_options(options.trace, options.columns, options.tokenizer)
        rate = rate_of(requests, options.trace, arrival_rate)
    return requests, demanded(catalogue, arrival_rate=rate, **targets.bounds, **bounds)


def require_alone(given: str = "trace", **options: object) -> None:
    """Refuse what a trace, or a plan, has of its own."""
    with opt.named_as_options():
        for name, value in options.items():
            if value is not None:
                found = f"is {shown(value)} beside --{given}"
                wanted = f"one of the two, as a {given} has its own"
                raise ParameterError(f"{name}: {found}, wanted {wanted}.")


def require_trace(**options: object) -> None:
    """Refuse what says how a trace is read where there is none."""
    for name, value in options.items():
        if value:
            raise ParameterError(f"--{name}: is given alone, wanted --trace beside it.")


def rate_of(trace: "Trace", path: object, arrival_rate: float | None) -> float:
    """Requests per second: those asked for, or the trace's own."""
    rate = trace.arrival_rate if arrival_rate is None else arrival_rate
    if rate is None:
        at_once = "has all requests arrive at one time"
        found = "has no arrival times of a known unit" if trace.arrivals is None else at_once
        raise ParameterError(f"{path}: {found}, wanted the option --arrival-rate.")
    return rate
