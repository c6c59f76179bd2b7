"""What stands on each page of the site."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from posixpath import dirname
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import tokwatt
from tokwatt.reports import audit
from tokwatt.reports.site import markup, method
from tokwatt.reports.site.comparison import Comparison, compare
from tokwatt.reports.site.sources import Sources

PREVIEW = 40
"""Rows of a figure's data that its page shows; the file has all of them."""
MANY = 24
"""Numbers of a record that are written out."""


def write(params: Path, results: Path, figures: Path, docs: Path, out: Path) -> None:
    """Write the site.

    Args:
        params: the parameter folder.
        results: what the other rules have written.
        figures: the published figures.
        docs: the documents.
        out: the folder of the site.

    Raises:
        ParameterError: with one sentence, where an entry of `params/` is wrong.
    """
    sources = Sources(params, results, figures, docs)
    made = dict(pages(sources))
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    for name, path in sources.files().items():
        shutil.copyfile(path, data / name)
    _write_explorer(results / "explorer.json", out)
    with as_file(files("tokwatt.reports.site") / "static") as static:
        for path in sorted(static.iterdir()):
            shutil.copyfile(path, out / path.name)


def pages(sources: Sources) -> Iterator[tuple[str, str]]:
    """Every page by the name of its file."""
    render = _Renderer(sources)
    yield render("index", "Tokens per watt", **_start(sources))
    yield render("explorer", "Explorer")
    yield from _tables(sources, render)
    yield from _figures(sources, render)
    yield render(
        "audit", "Audit", claims=sources.judged, sections=_sections(sources), order=audit.ORDER
    )
    modules = method.modules(Path(tokwatt.__file__).parent)
    addresses = sources.addresses() | method.addresses(modules)
    for name, report in sources.reports.items():
        yield render(
            "report",
            report.title,
            f"{name}.html",
            **_written(sources.report(name), "results", addresses),
        )
    for path, file in sources.documents.items():
        text = sources.document(path)
        yield render(
            "report",
            markup.title(text),
            file,
            "docs.html",
            **_written(text, dirname(path), addresses),
        )
    yield render("parameters", "Parameters", records=sources.records)
    yield render("method", "Method", modules=modules)


def _written(text: str, folder: str, addresses: Mapping[str, str]) -> dict[str, Any]:
    return {"body": markup.page(text, folder, addresses), "places": markup.places(text)}


class _Renderer:
    """Fills templates; every page has the same way to the others."""

    def __init__(self, sources: Sources) -> None:
        self._environment = Environment(
            loader=PackageLoader("tokwatt.reports.site"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "linked": markup.linked,
            "verdict_class": markup.verdict_class,
            "as_yaml": markup.as_yaml,
            "printed": audit.printed,
            "shown": audit.shown,
            "number": _number,
            "listed": _listed,
        }
        reports = [(f"{name}.html", report.title) for name, report in sources.reports.items()]
        ends = [("docs.html", "Docs"), ("parameters.html", "Parameters"), ("method.html", "Method")]
        starts = [
            ("index.html", "Start"),
            ("explorer.html", "Explorer"),
            ("tables.html", "Tables"),
            ("figures.html", "Figures"),
            ("audit.html", "Audit"),
        ]
        self._ways = [*starts, *reports, *ends]

    def __call__(
        self, template: str, title: str, file: str = "", within: str = "", **content: Any
    ) -> tuple[str, str]:
        file = file or f"{template}.html"
        filled = self._environment.get_template(f"{template}.html")
        return file, filled.render(title=title, ways=self._ways, here=within or file, **content)


def _start(sources: Sources) -> dict[str, Any]:
    addresses = sources.addresses()
    shown = {name: report for name, report in sources.reports.items() if report.start}
    bodies = {
        name: markup.page(sources.report(name), "results", addresses, sources.columns(name))
        for name in shown
    }
    return {
        "counts": [(verdict, _count(sources, verdict)) for verdict in reversed(audit.ORDER)],
        "reports": [(name, report.title, bodies[name]) for name, report in shown.items()],
        "tables": sources.tables,
        "plots": sources.plots,
    }


def _count(sources: Sources, verdict: str) -> int:
    return sum(each.verdict == verdict for each in sources.judged)


def _sections(sources: Sources) -> list[str]:
    return list(dict.fromkeys(each.placed.section for each in sources.judged))


def _tables(sources: Sources, render: _Renderer) -> Iterator[tuple[str, str]]:
    names = sources.paper.child("names").raw
    compared = {
        name: compare(table, section, sources.grids, names, sources.judged)
        for name, (section, table) in sources.tables.items()
    }
    rows = [(name, sources.tables[name][1], _verdicts(each)) for name, each in compared.items()]
    yield render("tables", "Tables", tables=rows, order=audit.ORDER)
    for name, (_, table) in sources.tables.items():
        made = [sources.grid(table.grid)]
        yield render(
            "table",
            table.title,
            f"table-{name}.html",
            "tables.html",
            name=name,
            table=table,
            comparison=compared[name],
            made=made,
        )


def _verdicts(comparison: Comparison) -> Counter[str]:
    cells = [cell.claim for _, cells in comparison.rows for cell in cells if cell.claim]
    return Counter(claim.verdict for claim in [*cells, *comparison.others])


def _figures(sources: Sources, render: _Renderer) -> Iterator[tuple[str, str]]:
    categories = dict.fromkeys(figure.entry.category for figure in sources.plots.values())
    yield render("figures", "Figures", categories=categories, plots=sources.plots)
    for name, figure in sources.plots.items():
        heads, *rows = sources.rows(name)
        made = [
            *map(sources.grid, figure.entry.grids),
            *map(sources.study, filter(None, [figure.study])),
        ]
        shown = {"heads": heads, "rows": rows[:PREVIEW], "total": len(rows)}
        yield render(
            "figure",
            figure.entry.title,
            f"figure-{name}.html",
            "figures.html",
            name=name,
            figure=figure,
            made=made,
            **shown,
        )


def _number(text: str) -> str:
    """A number of a CSV file, short enough to read."""
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _listed(value: float | list[float]) -> str:
    """The numbers of a record, or what they range over where they are many."""
    numbers = value if isinstance(value, list) else [value]
    many = len(numbers) > MANY
    return (
        f"{len(numbers)} numbers from {min(numbers)} to {max(numbers)}"
        if many
        else ", ".join(map(str, numbers))
    )


def _write_explorer(published: Path, out: Path) -> None:
    """The explorer's numbers as a script, since pages from disk may load scripts but no data."""
    (out / "explorer-data.js").write_text(
        f'"use strict";\nconst EXPLORER = {published.read_text(encoding="utf-8").strip()};\n',
        encoding="utf-8",
    )
