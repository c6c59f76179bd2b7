"""Pages of results and the site, as the rules of the Snakefile call them."""

from pathlib import Path

from tokwatt.commands import options as opt


def site(
    params: opt.Params = opt.PARAMS,
    results: opt.Results = opt.RESULTS,
    figures: opt.Figures = Path("figures"),
    docs: opt.Docs = Path("docs"),
    out: opt.Out = Path("results/site"),
) -> None:
    """Make the site from what the other rules have written."""
    from tokwatt.reports import site

    site.write_site(params, results, figures, docs, out)


def verdict(
    params: opt.Params = opt.PARAMS, grids: opt.Grids = opt.GRIDS, out: opt.Out = opt.RESULTS
) -> None:
    """Say which headlines survive, for whom, and what to plan with."""
    from tokwatt.reports.pages import verdict

    verdict.write_verdict(params, grids, out)


def validation(grids: opt.Grids = opt.GRIDS, out: opt.Out = opt.RESULTS) -> None:
    """Write the page that holds predictions against measured runs."""
    from tokwatt.reports.pages import validation

    validation.write_validation(grids, out)


def planning(
    params: opt.Params = opt.PARAMS, grids: opt.Grids = opt.GRIDS, out: opt.Out = opt.RESULTS
) -> None:
    """Write the page of the best fleets and of what would change them."""
    from tokwatt.reports.pages import planning

    planning.write_planning(params, grids, out)


def simulation(
    params: opt.Params = opt.PARAMS, grids: opt.Grids = opt.GRIDS, out: opt.Out = opt.RESULTS
) -> None:
    """Write the page that holds simulated servers against real ones."""
    from tokwatt.reports.pages import simulation

    simulation.write_simulation(params, grids, out)


PAGES = (site, verdict, validation, planning, simulation)
"""In the order of the help."""
