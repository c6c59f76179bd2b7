"""Command line: what users ask, and below it what the rules of the Snakefile call."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import tokwatt
from tokwatt.commands import options as opt
from tokwatt.commands.calibration import COMMANDS as CALIBRATED
from tokwatt.commands.fleet import ask_fleet
from tokwatt.commands.headline import headline
from tokwatt.commands.llm import LLM
from tokwatt.commands.pages import PAGES
from tokwatt.commands.plan import ask_plan
from tokwatt.commands.point import ask_point
from tokwatt.commands.printing import show_json
from tokwatt.commands.simulate import ask_simulation
from tokwatt.commands.studies import studies, study
from tokwatt.commands.trace import ask_trace
from tokwatt.commands.values import Commands
from tokwatt.params.errors import ParameterError, StoreError, printable
from tokwatt.params.files import READ
from tokwatt.text import visible

OBJECTS = 200_000
"""New objects after which unreachable ones are looked for: by Python's 700 a question, for which
JAX makes millions that stay, takes a sixth longer."""

app = typer.Typer(cls=Commands, no_args_is_help=True)
for command in (studies, study, headline, *CALIBRATED):
    app.command()(command)
app.command("point")(ask_point)
app.command("fleet")(ask_fleet)
app.command("trace")(ask_trace)
app.command("plan")(ask_plan)
app.command("simulate")(ask_simulation)
app.add_typer(LLM, name="llm")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tokwatt {tokwatt.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and end."
    ),
]


def _print_read(context: typer.Context, wanted: bool) -> None:
    """Print, when the command ends, the files of parameters that it has read."""
    if wanted:
        context.call_on_close(lambda: print("read:", *(sorted(map(str, READ)) or ["nothing"])))


Read = Annotated[
    bool,
    typer.Option("--read", callback=_print_read, help="Print the parameter files that are read."),
]


@app.callback()
def whole(version: Version = False, read: Read = False) -> None:
    """How many tokens a watt buys, and what would change it."""


@app.command(rich_help_panel="Workflow")
def check(params: opt.Params = opt.PARAMS) -> None:
    """Read every parameter file and say what is wrong with the first one that is."""
    from tokwatt import studies
    from tokwatt.accounts.explorer import Explorer
    from tokwatt.accounts.headlines import Headlines
    from tokwatt.calibration.kernels import Kernels
    from tokwatt.calibration.records import Calibrated
    from tokwatt.reports import site, tables
    from tokwatt.reports.audit import claims
    from tokwatt.reports.drawing import gallery
    from tokwatt.serving import catalogue
    from tokwatt.studies import study

    everything = catalogue.load(params)
    studies.check_grids(everything)
    study.check_studies(everything)
    for looked_up in (Headlines, Calibrated, Kernels, Explorer):
        looked_up(everything).check()
    tables.check_tables(params)
    gallery.entries(params)
    claims.headlines_of(params)
    site.check_site(params)


@app.command(rich_help_panel="Workflow")
def grids(job: str, params: opt.Params = opt.PARAMS, out: opt.Out = opt.GRIDS) -> None:
    """Compute the grids of a job."""
    from tokwatt import studies

    studies.run(job, params, out)


@app.command(rich_help_panel="Workflow")
def table(
    name: Annotated[str | None, typer.Argument(help="All of them where not given.")] = None,
    params: opt.Params = opt.PARAMS,
    grids: opt.Grids = opt.GRIDS,
    out: opt.Out = Path("results/tables"),
) -> None:
    """Print a table from its grid, as CSV and as Markdown."""
    from tokwatt.params.folder import Folder
    from tokwatt.reports import tables

    layouts = Folder(params).section("paper").child("tables")
    for table_name in [name] if name else layouts.raw:
        tables.write_table(table_name, params, grids, out)


@app.command(rich_help_panel="Workflow")
def figure(
    name: str,
    params: opt.Params = opt.PARAMS,
    grids: opt.Grids = opt.GRIDS,
    stores: opt.Stores = opt.STORES,
    out: opt.Out = Path("figures"),
) -> None:
    """Draw a figure from its datasets, as PDF, SVG and PNG, with the numbers drawn as CSV."""
    from tokwatt.reports.drawing import plotting

    plotting.write_figure(name, params, plotting.Data(grids, stores), out)


@app.command()
def export(
    name: str,
    kinds: opt.Kinds,
    width: opt.Width = None,
    height: opt.Height = None,
    dpi: opt.Dpi = None,
    params: opt.Params = opt.PARAMS,
    grids: opt.Grids = opt.GRIDS,
    stores: opt.Stores = opt.STORES,
    out: opt.Out = Path("print"),
) -> None:
    """Print a figure at a journal's size, in chosen formats, with the hash of its parameters."""
    from tokwatt.reports.drawing import plotting

    form = plotting.Print(width=width, height=height, dpi=dpi, kinds=kinds)
    plotting.write_figure(name, params, plotting.Data(grids, stores), out, form)


@app.command(rich_help_panel="Workflow")
def audit(
    params: opt.Params = opt.PARAMS, grids: opt.Grids = opt.GRIDS, out: opt.Out = opt.RESULTS
) -> None:
    """Judge every published number against ours, and set the headlines beside what survives."""
    from tokwatt.reports.audit import audit
    from tokwatt.reports.pages import headlines

    audit.write_audit(params, grids, out)
    headlines.write_headlines(params, grids, out)


@app.command(rich_help_panel="Workflow")
def explorer(
    params: opt.Params = opt.PARAMS, out: opt.OutFile = Path("results/explorer.json")
) -> None:
    """Compute what the explorer of the site stands on."""
    from tokwatt.accounts import explorer

    explorer.write_explorer(params, out)


for page in PAGES:
    app.command(rich_help_panel="Workflow")(page)


@app.command(rich_help_panel="Workflow")
def reference(
    params: opt.Params = opt.PARAMS,
    grids: opt.Grids = opt.GRIDS,
    out: opt.Out = Path("results/reference.md"),
) -> None:
    """Write the reference of commands, parameters, choices, models and datasets, as Markdown."""
    from tokwatt.commands import reference

    reference.write_reference(typer.main.get_command(app), params, grids, out)


@app.command(rich_help_panel="Workflow")
def record(outputs: list[Path], params: opt.Params = opt.PARAMS) -> None:
    """Record what a run read, which versions it used and what came out, as an RO-Crate."""
    from tokwatt.reports import provenance

    provenance.write_record(outputs, params)


@app.command()
def verify(
    record: Annotated[Path, typer.Option(help="The record of a run.")] = Path(
        "ro-crate-metadata.json"
    ),
    as_json: opt.Json = False,
) -> None:
    """Compare with the record of the last run; exit code 1 where files differ."""
    from tokwatt.reports import provenance

    differences = provenance.differences_from(record)
    if as_json:
        show_json(differences)
    else:
        for kind, names in vars(differences).items():
            print("".join(f"{kind} {visible(name)}\n" for name in names), end="")
    raise typer.Exit(1 if differences.any else 0)


def main() -> None:
    """Run the command line; what is wrong is said in one sentence, with exit code 1."""
    gc.set_threshold(OBJECTS)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
            gc.freeze()  # what is there goes with the process
    except (ParameterError, StoreError) as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        wanted = "what belongs to it: pip install 'tokwatt[workflow]'"
        sys.exit(printable(f"{error.name}: is not installed, wanted {wanted}."))
    except OSError as error:
        if error.filename is None:  # what is printed does not get out: nothing is tried again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        wanted = "what `snakemake` makes or a place to write to"
        name = error.filename or "standard output"
        reason = error.strerror or error
        sys.exit(printable(f"{name}: cannot be used ({reason}), wanted {wanted}."))
