"""A fleet, request by request."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.groups import (
    PoolOptions,
    RequestOptions,
    TargetOptions,
    asked,
    grouped,
    require_alone,
)
from tokwatt.commands.progress import bar
from tokwatt.commands.trace import show_with_trace
from tokwatt.output import write_files

if TYPE_CHECKING:
    import xarray as xr

Process = StrEnum("Process", ["poisson", "constant", "gamma", "daily"])
Rule = StrEnum("Rule", ["random", "round_robin", "least_loaded", "least_work", "by_prefix"])
Found = StrEnum("Found", ["again", "found"])
Behind = Annotated[
    Rule | None, typer.Option(help="Which instance of a pool; that of the account if left out.")
]
Sizes = Annotated[
    list[int] | None,
    typer.Option(
        help="Of each pool, once for each, prefill before decode; as `fleet` sizes it if left out."
    ),
]
Seeds = Annotated[int, typer.Option(min=1, max=1000, help="How many runs, each a seed.")]
Count = Annotated[
    int | None, typer.Option(min=1, help="Requests of a workload; 10000 if left out.")
]
File = Annotated[
    Path | None, typer.Option(help="Write requests and seconds as NetCDF to this file.")
]
Picture = Annotated[
    Path | None,
    typer.Option(callback=opt.drawing, help="Draw the first run to this file: .pdf, .svg, .png."),
]


@grouped
def ask_simulation(
    *,
    asked_for: RequestOptions,
    instance: PoolOptions,
    arrival_rate: opt.Rate = None,
    instances: Sizes = None,
    router: Behind = None,
    cached: Annotated[
        Found, typer.Option(help="Cached tokens of a trace: taken in again, or found in a cache.")
    ] = Found.again,
    process: Annotated[
        Process, typer.Option("--arrivals", help="How requests of a workload arrive.")
    ] = Process.poisson,
    requests: Count = None,
    seeds: Seeds = 1,
    split_length: opt.Lengths = None,
    context_window: opt.Window = None,
    targets: TargetOptions,
    output_share: opt.Share = None,
    account: opt.AccountName = "consistent",
    changes: opt.Changes = None,
    out: File = None,
    figure: Picture = None,
    params: opt.Params = opt.PARAMS,
    as_json: opt.Json = False,
) -> None:
    """Serve a workload or your own trace request by request: waits, latencies, power, tok/J.

    Of several seeds the mean is shown with its 90 % interval. A fleet that cannot keep up ends with
    what saturates first, and when.
    """
    from tokwatt.accounts import simulated
    from tokwatt.accounts.answers.simulated import answer_of
    from tokwatt.serving.catalogue import Catalogue

    catalogue = Catalogue(params)
    served, demand = asked(catalogue, asked_for, arrival_rate, targets, output_share=output_share)
    is_timed = not isinstance(served, str) and served.timed
    if is_timed:
        drawn = None if process == Process.poisson else process.value
        require_alone(requests=requests, arrivals=drawn)
    names = instance.pools
    total = requests or simulated.COUNT
    total = served.requests if not isinstance(served, str) else total
    with opt.named_as_options(), bar("requests", total * seeds) as advance:
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
            cached=cached.value,
            account=account,
            changes=opt.stated_changes(changes, output_share),
            progress=advance,
        )
    if out:
        _write(found, out)
    if figure:
        from tokwatt.reports.drawing.plotting import write_drawing
        from tokwatt.reports.drawing.simulated import draw_run

        write_drawing(lambda: draw_run(found.isel(seed=0)), figure)
    option = " (--cached found: found in a cache)" if is_timed else ""
    became = {Found.again: f"taken in again{option}", Found.found: "found in a cache"}
    show_with_trace(answer_of(found), served, as_json, became[cached])


def _write(found: "xr.Dataset", path: Path) -> None:
    """The whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        part = Path(folder) / "run.nc"
        found.to_netcdf(part)
        write_files({path: part.read_bytes()})
