"""How each page of the site is written."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from posixpath import dirname

import tokwatt
from tokwatt.output import write_files
from tokwatt.reports.audit import audit
from tokwatt.reports.audit.claims import Judged
from tokwatt.reports.drawing.gallery import Figure
from tokwatt.reports.pages.accounts import AccountEntry
from tokwatt.reports.pages.verdict import VERDICTS
from tokwatt.reports.site import method, search
from tokwatt.reports.site.comparison import Comparison
from tokwatt.reports.site.palette import in_both_palettes
from tokwatt.reports.site.panels import panels_in
from tokwatt.reports.site.renderer import Renderer
from tokwatt.reports.site.sources import Sources
from tokwatt.text import visible

PREVIEW = 40
"""Rows of a figure's data that its page shows; the file has all of them."""
SCRIPT = '"use strict";\nconst {} = JSON.parse({});\n'
"""Data as a script: pages opened from disk may load scripts but no data."""
DOCUMENTED = AccountEntry(
    "consistent", "watts of every GPU of the instance, where no other account is named"
)
"""What the numbers of documents stand on."""

Page = Callable[[], str]


def write_site(params: Path, results: Path, figures: Path, docs: Path, out: Path) -> None:
    """Write the site.

    Raises:
        ParameterError: with one sentence, where an entry of `params/` is wrong.
    """
    sources = Sources(params, results, figures, docs)
    written = {name: page() for name, page in pages(sources).items()}
    html = {name: text for name, text in written.items() if name.endswith(".html")}
    written["search-data.js"] = _as_script("PAGES", search.pieces(html))
    texts = {out / name: text for name, text in written.items()}
    data = {out / "data" / name: _shown(path) for name, path in sources.files().items()}
    with as_file(files("tokwatt.reports.site") / "static") as static:
        found = sorted(static.rglob("*.*"))
        scripts = {out / path.relative_to(static): path.read_bytes() for path in found}
    write_files({**texts, **data, **scripts})


def _shown(path: Path) -> str | bytes:
    """A file as pages show it or offer it for download: drawings in both palettes."""
    if path.suffix == ".svg":
        return in_both_palettes(path.read_text(encoding="utf-8"))
    return path.read_bytes()


def pages(sources: Sources) -> dict[str, Page]:
    """How each page, and the script of the explorer's numbers, is written, by its file."""
    render = Renderer(sources.menu(), panels_in(sources.figures, sources.plots))
    modules = method.modules(Path(tokwatt.__file__).parent)
    addresses = sources.addresses() | method.addresses(modules)
    return {
        "index.html": partial(_start, sources, render),
        "search.html": partial(render, "search", "Search", "search"),
        "explorer.html": partial(render, "explorer", "Explorer", "explorer"),
        "explorer-data.js": partial(_explorer_data, sources.results / "explorer.json"),
        "tables.html": partial(_tables, sources, render),
        **{f"table-{name}.html": partial(_table, sources, render, name) for name in sources.tables},
        "figures.html": partial(_figures, sources, render),
        **{
            f"figure-{name}.html": partial(_figure, sources, render, name, figure)
            for name, figure in sources.plots.items()
        },
        "audit.html": partial(_audit, sources, render),
        **{
            f"{name}.html": partial(_report, sources, render, name, addresses)
            for name in sources.reports
        },
        **{
            file: partial(_document, sources, render, path, addresses)
            for path, file in sources.documents.items()
        },
        "parameters.html": partial(
            render, "parameters", "Parameters", "parameters", records=sources.records
        ),
        "method.html": partial(render, "method", "Method", "method", modules=modules),
    }


def _start(sources: Sources, render: Renderer) -> str:
    counts = Counter(row.verdict for row in sources.judged)
    surviving = Counter(headline.verdict for headline in sources.surviving.values())
    addresses = sources.addresses()
    excerpts = [
        (name, report.title, sources.excerpt(name, addresses, render.drawing))
        for name, report in sources.reports.items()
        if report.start
    ]
    return render(
        "index",
        "Tokens per watt",
        "index",
        headline_accounts=sources.accounts(["uncertainty"]),
        surviving=[(verdict, surviving[verdict]) for verdict in VERDICTS if surviving[verdict]],
        claim_accounts=_accounts_of(sources, sources.judged),
        figure_accounts=_figure_accounts(sources),
        counts=[(verdict, counts[verdict]) for verdict in reversed(audit.ORDER)],
        excerpts=excerpts,
        tables=sources.tables,
        plots=sources.plots,
    )


def _accounts_of(sources: Sources, rows: Iterable[Judged]) -> list[AccountEntry]:
    return sources.accounts(lookup.dataset for row in rows for lookup in row.lookups)


def _figure_accounts(sources: Sources) -> dict[str, list[AccountEntry]]:
    return {name: sources.accounts(figure.datasets) for name, figure in sources.plots.items()}


def _tables(sources: Sources, render: Renderer) -> str:
    rows = [
        (name, table, sources.accounts([table.grid]), _verdicts(sources.comparisons[name]))
        for name, (_, table) in sources.tables.items()
    ]
    return render("tables", "Tables", "tables", tables=rows, order=audit.ORDER)


def _verdicts(comparison: Comparison) -> Counter[str]:
    cells = [cell.claim for _, cells in comparison.rows for cell in cells if cell.claim]
    return Counter(claim.verdict for claim in [*cells, *comparison.others])


def _table(sources: Sources, render: Renderer, name: str) -> str:
    _, table = sources.tables[name]
    return render(
        "table",
        table.title,
        "tables",
        accounts=sources.accounts([table.grid]),
        name=name,
        table=table,
        comparison=sources.comparisons[name],
        made=[sources.grid(table.grid)],
    )


def _figures(sources: Sources, render: Renderer) -> str:
    categories = dict.fromkeys(figure.entry.category for figure in sources.plots.values())
    return render(
        "figures",
        "Figures",
        "figures",
        categories=categories,
        plots=sources.plots,
        figure_accounts=_figure_accounts(sources),
    )


def _figure(sources: Sources, render: Renderer, name: str, figure: Figure) -> str:
    heads, *rows = sources.rows(name)
    made = [sources.grid(grid) for grid in figure.entry.grids]
    if study := figure.entry.study:
        made.append(sources.study(study))
    return render(
        "figure",
        figure.entry.title,
        "figures",
        accounts=sources.accounts(figure.datasets),
        name=name,
        figure=figure,
        made=made,
        heads=heads,
        rows=rows[:PREVIEW],
        total=len(rows),
    )


def _audit(sources: Sources, render: Renderer) -> str:
    return render(
        "audit",
        "Audit",
        "audit",
        accounts=_accounts_of(sources, sources.judged),
        claims=sources.judged,
        surviving=sources.surviving,
        sections=dict.fromkeys(row.placed.section for row in sources.judged),
        order=audit.ORDER,
    )


def _report(sources: Sources, render: Renderer, name: str, addresses: Mapping[str, str]) -> str:
    article = sources.report(name)
    title = sources.reports[name].title
    body = article.body("results", addresses, render.drawing)
    return render("report", title, name, body=body, places=article.places)


def _document(sources: Sources, render: Renderer, path: str, addresses: Mapping[str, str]) -> str:
    article = sources.document(path)
    body = article.body(dirname(path), addresses, render.drawing)
    active = sources.documents[path].removesuffix(".html")
    content = {"accounts": [DOCUMENTED], "body": body, "places": article.places}
    return render("report", article.title, active, **content)


def _explorer_data(path: Path) -> str:
    data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_visible_pairs)
    return _as_script("EXPLORER", data)


def _as_script(name: str, data: object) -> str:
    text = json.dumps(json.dumps(data, allow_nan=False))
    return SCRIPT.format(name, text.replace("<", "\\u003c"))


def _visible_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {visible(key): _visible(value) for key, value in pairs}


def _visible(value: object) -> object:
    if isinstance(value, list):
        return [_visible(item) for item in value]
    return visible(value) if isinstance(value, str) else value
