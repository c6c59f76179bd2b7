"""Command line: what users ask, and below it what the rules of the Snakefile call."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tokwatt.commands.ask import COMMANDS, LLM, inches
from tokwatt.commands.predict import COMMANDS as MEASURED
from tokwatt.params.errors import ParameterError, StoreError, printable

app = typer.Typer(
    help="How many tokens a watt buys, and what would change it.", no_args_is_help=True
)
for command in (*COMMANDS, *MEASURED):
    app.command()(command)
app.add_typer(LLM, name="llm")

Params = Annotated[Path, typer.Option(help="Folder of parameter files.")]
Grids = Annotated[Path, typer.Option(help="Folder of computed grids.")]
Results = Annotated[Path, typer.Option(help="Folder of results.")]
Docs = Annotated[Path, typer.Option(help="Folder of documents.")]
Figures = Annotated[Path, typer.Option(help="Folder of figures.")]
OutFile = Annotated[Path, typer.Option(help="File to write.")]
Out = Annotated[Path, typer.Option(help="Folder to write to.")]

Stores = Annotated[Path, typer.Option(help="Folder of stores of studies.")]
Width = Annotated[
    float | None,
    typer.Option(parser=inches, help="single or double column, or a length such as 89mm, 3.5in."),
]
Height = Annotated[float | None, typer.Option(parser=inches, help="A length such as 60mm.")]
Dpi = Annotated[
    int | None, typer.Option(min=30, max=2400, help="Dots per inch of the bitmap; 300 if left out.")
]
Kind = StrEnum("Kind", ["pdf", "svg", "png"])
Kinds = Annotated[
    list[Kind],
    typer.Option("--format", default_factory=lambda: list(Kind), help="Once for each format."),
]

PARAMS, GRIDS, STORES = Path("params"), Path("results/grids"), Path("results/studies")


@app.command(rich_help_panel="Workflow")
def check(params: Params = PARAMS) -> None:
    """Read every parameter file and say what is wrong with the first one that is."""
    from tokwatt import studies
    from tokwatt.accounts.explorer import Explorer
    from tokwatt.accounts.headlines import Headlines
    from tokwatt.calibration.kernels import Kernels
    from tokwatt.calibration.records import Calibrated
    from tokwatt.reports import audit, gallery, site, tables
    from tokwatt.serving import catalogue
    from tokwatt.studies import study

    everything = catalogue.load(params)
    for computing in (studies, study):
        computing.check(everything)
    for looked_up in (Headlines, Calibrated, Kernels, Explorer):
        looked_up(everything).check()
    for reading in (tables.check, gallery.check, audit.check_claims, site.check_site):
        reading(params)


@app.command(rich_help_panel="Workflow")
def grids(job: str, params: Params = PARAMS, out: Out = GRIDS) -> None:
    """Compute the grids of a job."""
    from tokwatt import studies

    studies.run(job, params, out)


@app.command(rich_help_panel="Workflow")
def table(
    name: Annotated[str | None, typer.Argument(help="All of them where not given.")] = None,
    params: Params = PARAMS,
    grids: Grids = GRIDS,
    out: Out = Path("results/tables"),
) -> None:
    """Print a table from its grid, as CSV and as Markdown."""
    from tokwatt.params.reading import read
    from tokwatt.reports import tables

    for table_name in [name] if name else read(params / "paper.yaml")["tables"]:
        tables.write(table_name, params, grids, out)


@app.command(rich_help_panel="Workflow")
def figure(
    name: str,
    params: Params = PARAMS,
    grids: Grids = GRIDS,
    stores: Stores = STORES,
    out: Out = Path("figures"),
) -> None:
    """Draw a figure from its datasets, as PDF, SVG and PNG, with the numbers drawn as CSV."""
    from tokwatt.reports import plotting

    plotting.write(name, params, plotting.Data(grids, stores), out)


@app.command()
def export(
    name: str,
    kinds: Kinds,
    width: Width = None,
    height: Height = None,
    dpi: Dpi = None,
    params: Params = PARAMS,
    grids: Grids = GRIDS,
    stores: Stores = STORES,
    out: Out = Path("print"),
) -> None:
    """Print a figure for elsewhere: at a journal's size, in chosen formats."""
    from tokwatt.reports import plotting

    form = plotting.Print(width=width, height=height, dpi=dpi, kinds=kinds)
    plotting.write(name, params, plotting.Data(grids, stores), out, form)


@app.command(rich_help_panel="Workflow")
def audit(params: Params = PARAMS, grids: Grids = GRIDS, out: Out = Path("results")) -> None:
    """Judge every published number against ours."""
    from tokwatt.reports import audit

    audit.write_audit(params, grids, out)


@app.command(rich_help_panel="Workflow")
def explorer(params: Params = PARAMS, out: OutFile = Path("results/explorer.json")) -> None:
    """Compute what the explorer of the site stands on."""
    from tokwatt.accounts import explorer

    explorer.write(params, out)


@app.command(rich_help_panel="Workflow")
def site(
    params: Params = PARAMS,
    results: Results = Path("results"),
    figures: Figures = Path("figures"),
    docs: Docs = Path("docs"),
    out: Out = Path("results/site"),
) -> None:
    """Make the site from what the other rules have written."""
    from tokwatt.reports import site

    site.write_site(params, results, figures, docs, out)


@app.command(rich_help_panel="Workflow")
def verdict(grids: Grids = GRIDS, out: Out = Path("results")) -> None:
    """Say which headlines survive, for whom, and what to plan with."""
    from tokwatt.reports import verdict

    verdict.write_verdict(grids, out)


@app.command(rich_help_panel="Workflow")
def validation(grids: Grids = GRIDS, out: Out = Path("results")) -> None:
    """Write the page that holds predictions against measured runs."""
    from tokwatt.reports import validation

    validation.write_validation(grids, out)


@app.command(rich_help_panel="Workflow")
def reference(
    params: Params = PARAMS, grids: Grids = GRIDS, out: Out = Path("results/reference.md")
) -> None:
    """Write the reference of commands, parameters, choices, models and datasets, as Markdown."""
    from tokwatt.commands import reference

    reference.write_reference(typer.main.get_command(app), params, grids, out)


@app.command(rich_help_panel="Workflow")
def record(outputs: list[Path], params: Params = PARAMS) -> None:
    """Record what a run read, which versions it used and what came out, as an RO-Crate."""
    from tokwatt.reports import provenance

    provenance.write_record(outputs, params)


def main() -> None:
    """Run the command line; what is wrong is said in one sentence, with exit code 1."""
    try:
        app()
    except (ParameterError, StoreError) as error:
        sys.exit(str(error))
    except OSError as error:
        wanted = "what `snakemake` makes or a place to write to"
        name = error.filename or "standard output"
        reason = error.strerror or error
        sys.exit(printable(f"{name}: cannot be used ({reason}), wanted {wanted}."))


if __name__ == "__main__":
    main()
