"""What a user asks: one point, one fleet, one study, and where a number comes from."""

import json
import math
import re
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokwatt.commands.deployments import PLAIN, PROMPT_RATIO, DeploymentNames
from tokwatt.params.errors import ParameterError
from tokwatt.params.section import Section
from tokwatt.text import visible

if TYPE_CHECKING:
    from tokwatt.serving.account import Account

PARAMS, STORES = Path("params"), Path("results/studies")
SHORTEST, LONGEST = 1.0, 40.0
"""Inches that a figure may be wide or high."""
Params = Annotated[Path, typer.Option(help="Folder of parameter files.")]
Stores = Annotated[Path, typer.Option(help="Folder of stores.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="A profile by name, instead of GPU, LLM and layout.")
]
GpuName = Annotated[str, typer.Option("--gpu", help="A GPU by name.")]
LlmName = Annotated[str, typer.Option("--llm", help="An LLM by name.")]
TensorParallel = Annotated[int, typer.Option(min=1, help="GPUs that share the LLM.")]
PrecisionName = Annotated[str, typer.Option("--precision", help="A precision by name.")]
AccountOption = Annotated[str, typer.Option("--account", help="An assumption set by name.")]
Window = Annotated[float, typer.Option(min=1, help="Context window in tokens.")]
Utilization = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the concurrency in flight.")
]
Fill = Annotated[float, typer.Option(min=0, max=1, help="Mean length as a share of the window.")]


def inches(text: str) -> float:
    """A length on paper: a journal's column by name, or a number with mm, cm or in."""
    from tokwatt.reports.figures.common.looks import DOUBLE, SINGLE

    if text in ("single", "double"):
        return SINGLE if text == "single" else DOUBLE
    number = re.fullmatch(r"([0-9.]+)(mm|cm|in)", text)
    try:
        length = (
            float(number[1]) / {"mm": 25.4, "cm": 2.54, "in": 1.0}[number[2]]
            if number
            else math.nan
        )
    except ValueError:
        length = math.nan
    if not SHORTEST <= length <= LONGEST:
        raise typer.BadParameter(
            f"{text!r} is not single, double or a length of {SHORTEST} to {LONGEST} inches,"
            " such as 89mm or 3.5in"
        )
    return length


def studies(params: Params = PARAMS, as_json: Json = False) -> None:
    """List the studies of the parameter folder."""
    from tokwatt.serving.catalogue import load
    from tokwatt.studies import study

    catalogue = load(params)
    known = [study.load(params, name, catalogue) for name in study.names(params)]
    rows = [
        {"study": each.name, "points": each.points, "axes": list(each.axes), "title": each.title}
        for each in known
    ]
    show(rows, as_json)


def study(
    name: str,
    params: Params = PARAMS,
    out: Stores = STORES,
    part: Annotated[
        int | None, typer.Option(min=0, help="Compute only this share of the blocks, from 0.")
    ] = None,
    parts: Annotated[int, typer.Option(min=1, help="How many shares there are.")] = 1,
    every_byte: Annotated[
        bool, typer.Option("--check", help="Read every byte of a finished store to verify it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute a study into OUT/NAME.zarr; a run that was stopped goes on where it was.

    With --part, one share of the blocks is computed beside others; a run without it then finishes
    the store. A finished store is verified, and what is damaged in it is computed again.
    """
    from tokwatt.commands.progress import bar
    from tokwatt.stores import listed
    from tokwatt.studies import stream
    from tokwatt.studies import study as files

    if part is not None and part >= parts:
        raise typer.BadParameter(f"part is {part}, wanted less than parts, which is {parts}")
    chosen = files.load(params, name)
    store = out / f"{name}.zarr"
    with bar(chosen.name, chosen.points // parts) as advance:
        share = None if part is None else (part, parts)
        healed = stream.stream(chosen, store, share, advance, every_byte)
    if healed:
        typer.echo(f"{store}: {listed(healed)} missing or damaged, made anew.", err=True)
    if as_json:
        _json(
            {
                "study": name,
                "points": chosen.points,
                "store": str(store),
                "finished": store.exists(),
            }
        )


def point(
    profile: ProfileName = None,
    gpu: GpuName = "H100",
    llm: LlmName = "llama-3.1-70b",
    tensor_parallel: TensorParallel = 8,
    precision: PrecisionName = "bfloat16",
    context_window: Window = 8192,
    utilization: Utilization = 1.0,
    mean_fill: Fill = 0.5,
    account: AccountOption = "paper",
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """One operating point of an instance."""
    from tokwatt.serving.catalogue import load
    from tokwatt.serving.step import operating_point

    parts = DeploymentNames(profile, gpu, llm, tensor_parallel, precision)
    chosen, deployment = parts.deployed(load(params), account)
    result = operating_point(
        chosen, deployment, context_window, mean_fill, PROMPT_RATIO, utilization=utilization
    )
    if result.missing > 0:
        raise ParameterError(
            f"--llm {llm}: does not fit, {float(result.missing) / 1e9:.1f} GB are missing on each"
            " GPU, wanted more GPUs, a GPU with more memory or a narrower precision."
        )
    _show_result(result, as_json, {}, _said(account, chosen))


def fleet(
    workload: Annotated[str, typer.Option(help="A workload by name.")] = "azure",
    trace: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of requests with prompt and output tokens, instead of a workload."
        ),
    ] = None,
    profile: ProfileName = None,
    gpu: GpuName = "H100",
    llm: LlmName = "llama-3.1-70b",
    tensor_parallel: TensorParallel = 8,
    precision: PrecisionName = "bfloat16",
    arrival_rate: Annotated[
        float | None, typer.Option(min=0, help="Requests per second; a trace's own, else 1000.")
    ] = None,
    split_length: Annotated[
        int, typer.Option(min=0, help="Longest request of the short pool; 0 for one pool.")
    ] = 0,
    context_window: Window = 65536,
    latency_target: Annotated[
        float, typer.Option(min=0, help="99th percentile of the wait, in seconds.")
    ] = 0.5,
    max_utilization: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Highest utilization.")
    ] = 0.85,
    output_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Output share of a workload's tokens; a trace has its own."
        ),
    ] = 0.2,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """Size a fleet for a workload or for your own trace."""
    from tokwatt.params import traces
    from tokwatt.params.specs import Demand
    from tokwatt.serving.catalogue import load
    from tokwatt.serving.fleet import split_fleet
    from tokwatt.serving.times import instance_of
    from tokwatt.serving.traffic import law_table, trace_table

    catalogue = load(params)
    parts = DeploymentNames(profile, gpu, llm, tensor_parallel, precision)
    account, deployment = parts.deployed(catalogue, "paper", PLAIN)
    rate = arrival_rate
    if trace:
        requests = traces.read_trace(trace)
        longest = int(min(requests.longest, max(split_length, context_window)))
        table = trace_table(requests, deployment.prefill_chunk, longest)
        rate = requests.arrival_rate if rate is None else rate
        if rate is None:
            raise ParameterError(
                f"{trace}: has no arrival times of a known unit, wanted the option --arrival-rate."
            )
    else:
        law = _pick(params, "workloads", workload, catalogue.workloads)
        longest = int(law.lengths[-1])
        table = law_table(law, output_share, deployment.prefill_chunk, longest)
        rate = 1000.0 if rate is None else rate
    demand = Demand(
        arrival_rate=rate,
        latency_target=latency_target,
        max_utilization=max_utilization,
        output_share=output_share,
    )
    instance = instance_of(account, deployment)
    result = split_fleet(account, instance, table, demand, float(split_length), context_window)
    _show_result(result, as_json, {"arrival_rate [req/s]": rate}, _said("paper", account))


def explain(
    profile: ProfileName = None,
    gpu: GpuName = "H100",
    llm: LlmName = "llama-3.1-70b",
    tensor_parallel: TensorParallel = 8,
    precision: PrecisionName = "bfloat16",
    context_window: Window = 8192,
    utilization: Utilization = 1.0,
    mean_fill: Fill = 0.5,
    account: AccountOption = "paper",
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """Where tokens per watt come from: parameters, then every equation with its values."""
    from tokwatt.commands.explain import explain as trace
    from tokwatt.commands.explain import of_entry
    from tokwatt.serving.catalogue import load
    from tokwatt.serving.step import OperatingPoint, operating_point

    catalogue = load(params)
    parts = DeploymentNames(profile, gpu, llm, tensor_parallel, precision)

    def chain() -> OperatingPoint:
        chosen, deployment = parts.deployed(catalogue, account)
        return operating_point(
            chosen, deployment, context_window, mean_fill, PROMPT_RATIO, utilization=utilization
        )

    point, steps = trace(chain)
    records = catalogue.records()
    used = [record for prefix in parts.keys(catalogue) for record in of_entry(records, prefix)]
    if as_json:
        _json({"parameters": used, "steps": steps, "result": point._asdict()})
        return
    show(
        [
            {
                "parameter": record.key,
                "value": f"{record.value} {record.unit}",
                "quality": record.quality,
                "source": record.source,
            }
            for record in used
        ],
        False,
    )
    for number, step in enumerate(steps, 1):
        arguments = ", ".join(
            f"{name} = {digits(value)} {unit}" for name, (value, unit) in step.arguments.items()
        )
        print(f"{number}. {step.equation}({arguments})")
        print(f"   = {digits(step.result)} {step.unit}")
        print(f"   {step.meaning} [{step.source}]")
    print(f"\ntokens_per_joule = {digits(float(point.tokens_per_joule))} tok/J")


def verify(
    record: Annotated[Path, typer.Option(help="The record of a run.")] = Path(
        "ro-crate-metadata.json"
    ),
    as_json: Json = False,
) -> None:
    """Compare with the record of the last run; exit code 1 where files differ."""
    from tokwatt.reports import provenance

    differences = provenance.differences_from(record)
    if as_json:
        _json(differences)
    else:
        for kind, names in vars(differences).items():
            print("".join(f"{kind} {visible(name)}\n" for name in names), end="")
    raise typer.Exit(1 if differences.any else 0)


def headline(
    name: Annotated[
        str | None,
        typer.Argument(help="A headline of assumptions.yaml; all of them where not given."),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(help="The account to start from; with paper, the one its number stands on."),
    ] = "consistent",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="CHOICE=ALTERNATIVE", help="Another alternative; may be repeated."
        ),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="A CSV of requests, for `--set lengths=pairs`.")
    ] = None,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """What the paper concludes, as published and under any mixture of assumptions."""
    from tokwatt.accounts.headlines import Headlines
    from tokwatt.params import traces
    from tokwatt.serving.catalogue import load

    known = Headlines(load(params), traces.read_trace(trace) if trace else None)
    chosen = (
        [_pick(params, "assumptions", name, known.headlines)]
        if name
        else list(known.headlines.values())
    )
    start = {} if preset == "paper" else vars(_pick(params, "assumptions", preset, known.presets))
    switches = dict(change.partition("=")[::2] for change in changes or [])
    wanted = {**start, **known.switches(switches)}
    # What does not fit is NaN; a fleet that misses its latency target has no end of instances, and
    # a ratio with one is 0 or NaN.
    values = [
        value if value > 0 else math.nan for value in (known.value(each, wanted) for each in chosen)
    ]
    shown: list[Any] = (
        values
        if as_json
        else ["cannot be served" if math.isnan(value) else digits(value) for value in values]
    )
    show(
        [
            {"claim": each.claim, "published": each.published, "value": value}
            for each, value in zip(chosen, shown, strict=True)
        ],
        as_json,
    )


LLM = typer.Typer(help="Records of language models.", no_args_is_help=True)


@LLM.command("import")
def import_llm(
    config: Annotated[Path, typer.Argument(help="A Hugging Face config.json.")],
    name: Annotated[
        str | None, typer.Option(help="What to call the LLM; its folder's name, else the file's.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the file comes from, such as the repository.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a published configuration into an entry of llms.yaml."""
    from tokwatt.params import huggingface

    beside = config.resolve().parent.name if config.name == "config.json" else config.stem
    called = beside if name is None else name
    entry = huggingface.llm_entry(config, called, source or f"{called} config.json")
    if as_json:
        _json(entry)
    else:
        print(huggingface.to_yaml(entry), end="")


def _said(name: str, account: "Account") -> str:
    """Which account an answer stands on, and whose watts it counts."""
    watts = {"gpu": "watts of one GPU", "instance": "watts of every GPU"}
    basis = account.assumed.basis
    return f"account {name}, {watts.get(basis, f'basis {basis}')}"


def _pick(params: Path, file: str, name: str, known: Any) -> Any:
    return Section(params / f"{file}.yaml", dict(known)).pick("the name asked for", name, known)


def _show_result(result: Any, as_json: bool, more: dict[str, float], said: str) -> None:
    from tokwatt.units import units_of

    units = units_of(type(result))
    values = {
        f"{name} [{units[name]}]": float(value) for name, value in result._asdict().items()
    } | more
    if as_json:
        _json({"account": said} | values)
    else:
        print(said)
        show([{"quantity": name, "value": digits(value)} for name, value in values.items()], False)


def show(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows as a table, or as JSON."""
    if as_json:
        _json(rows)
        return
    table = Table(*rows[0], box=None, header_style="bold") if rows else Table()
    for row in rows:
        table.add_row(
            *(
                Text(visible(", ".join(cell) if isinstance(cell, list) else str(cell)))
                for cell in row.values()
            )
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _json(value: Any) -> None:
    text = json.dumps(
        value, default=lambda other: vars(other) if is_dataclass(other) else float(other)
    )
    print(
        json.dumps(json.loads(text, parse_constant=lambda name: None), indent=2)
    )  # JSON has no word for NaN and infinity


def digits(value: float) -> str:
    """A number as it is shown: six digits."""
    return f"{value:.6g}"


COMMANDS = (studies, study, point, fleet, headline, explain, verify)
