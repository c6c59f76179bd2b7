"""A fleet, request by request."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands.asked import asked
from tokwatt.commands.options import (
    PARAMS,
    AccountName,
    Changes,
    Columns,
    Json,
    Lengths,
    Params,
    PerThousand,
    Quantile,
    Rate,
    Share,
    Target,
    Tokenizer,
    TraceFile,
    Window,
    WorkloadName,
    named_as_options,
    stated_changes,
)
from tokwatt.commands.progress import bar
from tokwatt.commands.selectors import (
    Apart,
    BoardLimit,
    DataRanks,
    EngineName,
    ExpertRanks,
    GpuName,
    Gpus,
    KvPrecision,
    LlmName,
    MemoryShare,
    PrecisionName,
    Profile,
    pool_names,
)
from tokwatt.commands.trace import show_with_trace
from tokwatt.output import write_files

if TYPE_CHECKING:
    import xarray as xr

Process = StrEnum("Process", ["poisson", "constant", "gamma", "daily"])
Rule = StrEnum("Rule", ["random", "round_robin", "least_loaded", "least_work", "by_prefix"])
Behind = Annotated[
    Rule | None,
    typer.Option("--router", help="Which instance of a pool; that of the account if left out."),
]
Sizes = Annotated[
    list[int] | None,
    typer.Option(
        "--instances",
        help="Of each pool, once for each, prefill before decode; as `fleet` sizes it if left out.",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, max=1000, help="How many runs, each a seed.")]
Count = Annotated[
    int | None, typer.Option("--requests", min=1, help="Requests of a workload; 10000 if left out.")
]
File = Annotated[
    Path | None, typer.Option("--out", help="Write requests and seconds as NetCDF to this file.")
]
Picture = Annotated[
    Path | None, typer.Option("--figure", help="Draw the first run to this file: .pdf, .svg, .png.")
]


def ask_simulation(
    context: typer.Context,
    workload: WorkloadName = None,
    trace: TraceFile = None,
    columns: Columns = None,
    tokenizer: Tokenizer = None,
    llm: LlmName = "llama-3.1-70b",
    gpu: GpuName = "H100",
    gpus: Gpus = 8,
    data_parallel: DataRanks = 1,
    expert_parallel: ExpertRanks = None,
    precision: PrecisionName = None,
    kv_precision: KvPrecision = None,
    engine: EngineName = "vllm",
    memory_utilization: MemoryShare = None,
    power_limit: BoardLimit = None,
    profile: Profile = None,
    disaggregated: Apart = False,
    arrival_rate: Rate = None,
    instances: Sizes = None,
    router: Behind = None,
    process: Annotated[
        Process, typer.Option("--arrivals", help="How requests of a workload arrive.")
    ] = Process.poisson,
    requests: Count = None,
    seeds: Seeds = 1,
    split_length: Lengths = None,
    context_window: Window = None,
    ttft: Target = None,
    ttft_quantile: Quantile = None,
    ttft_per_1k: PerThousand = None,
    itl: Target = None,
    itl_quantile: Quantile = None,
    output_share: Share = None,
    account: AccountName = "consistent",
    changes: Changes = None,
    out: File = None,
    figure: Picture = None,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """Serve a workload or your own trace request by request: waits, latencies, power, tok/J.

    Of several seeds the mean is shown with its 90 % interval. A fleet that cannot keep up ends with
    what saturates first, and when.
    """
    from tokwatt.accounts import simulated
    from tokwatt.accounts.answers.simulated import answer_of
    from tokwatt.serving.catalogue import Catalogue

    catalogue = Catalogue(params)
    served, demand = asked(
        catalogue,
        workload,
        trace,
        columns,
        tokenizer,
        arrival_rate,
        latency_target=ttft,
        ttft_quantile=ttft_quantile,
        ttft_per_token=ttft_per_1k,
        itl_target=itl,
        itl_quantile=itl_quantile,
        output_share=output_share,
    )
    names = pool_names(context)
    total = requests or simulated.COUNT
    total = served.requests if not isinstance(served, str) else total
    with named_as_options(), bar("requests", total * seeds) as advance:
        found = simulated.simulate(
            catalogue,
            served,
            demand,
            names,
            instances=instances or (),
            router=router.value if router else None,
            process=process.value,
            count=requests,
            seeds=range(seeds),
            split_lengths=split_length or (),
            context_window=context_window,
            account=account,
            changes=stated_changes(changes, output_share),
            progress=advance,
        )
    if out:
        _write(found, out)
    if figure:
        figure.parent.mkdir(parents=True, exist_ok=True)
        _draw(found, figure)
    show_with_trace(answer_of(found), served, as_json)


def _write(found: "xr.Dataset", path: Path) -> None:
    """The whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        part = Path(folder) / "run.nc"
        found.to_netcdf(part)
        write_files({path: part.read_bytes()})


def _draw(found: "xr.Dataset", path: Path) -> None:
    from tokwatt.reports.drawing.simulated import write_run

    write_run(found, path)
