"""The site as files: whole, self-contained, the same each time, and depending on what it shows."""

import ast
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import html5lib
import pytest
import quick_yaml
import xarray as xr
from conftest import ROOT

from tokwatt.params.errors import ParameterError
from tokwatt.reports import site
from tokwatt.reports.audit import audit
from tokwatt.reports.audit import claims as published
from tokwatt.reports.datasets import dataset_path
from tokwatt.reports.drawing import gallery
from tokwatt.reports.site import markup, method
from tokwatt.reports.site.pages import pages as pages_of
from tokwatt.reports.site.panels import panels_in
from tokwatt.reports.site.renderer import Renderer
from tokwatt.reports.site.sources import Sources

SOURCE = ROOT / "src" / "tokwatt"
DRAWING = Renderer({}, {}).drawing


@pytest.fixture(scope="module")
def pages(built):
    """Every page as a tree; reading is strict, so that what is no HTML fails here."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return {
        path.name: parser.parse(path.read_text(encoding="utf-8"))
        for path in sorted(built.glob("*.html"))
    }


@pytest.fixture(scope="module")
def sources(params, results):
    return sources_in(params, results)


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sources_in(params, results):
    return Sources(params, results, ROOT / "figures", ROOT / "docs")


def differing(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def changed_pages(before, after, names):
    """Those of some pages that two sources write differently."""
    old, new = pages_of(before), pages_of(after)
    return {name for name in names if old[name]() != new[name]()}


def elements(tree, *tags):
    return [element for element in tree.iter() if element.tag in tags]


def text_of(tree):
    return " ".join("".join(tree.itertext()).split())


def test_there_is_a_page_for_every_table_figure_and_report(pages, params):
    paper = quick_yaml.load((params / "paper.yaml").read_text(encoding="utf-8"))
    wanted = {f"{name}.html" for name in paper["reports"]}
    wanted |= {f"table-{name}.html" for name in paper["tables"]} | {
        f"figure-{name}.html" for name in gallery.entries(params)
    }
    others = {
        f"{name}.html"
        for name in [
            "index",
            "explorer",
            "search",
            "tables",
            "figures",
            "audit",
            "docs",
            "docs-reference",
            "parameters",
            "method",
        ]
    }
    others |= {
        f"docs-{path.stem}.html" for path in (ROOT / "docs").glob("*.md") if path.stem != "README"
    }
    assert set(pages) == wanted | others


def test_every_link_leads_to_a_file_and_a_place_in_it(pages, built):
    places = {
        name: {element.get("id") for element in tree.iter() if element.get("id")}
        for name, tree in pages.items()
    }
    missing = []
    for name, tree in pages.items():
        for element in elements(tree, "a", "img", "link", "script"):
            link = urlsplit(element.get("href") or element.get("src") or "")
            if link.scheme or not (link.path or link.fragment):
                continue
            target = unquote(link.path) or name
            state = "=" in link.fragment  # the address of a filter or of the explorer
            if not (built / target).is_file() or (
                link.fragment and not state and link.fragment not in places[target]
            ):
                missing.append((name, element.get("href") or element.get("src")))
    assert missing == []


def test_nothing_is_loaded_from_another_host(pages, built):
    loaded = [
        element.get("src") or element.get("href")
        for tree in pages.values()
        for element in elements(tree, "img", "script", "link", "iframe")
    ]
    assert [link for link in loaded if link and urlsplit(link).scheme not in ("", "data")] == []
    for path in [*built.rglob("*.js"), *built.glob("*.css")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", text), path.name


def test_pages_have_one_heading_a_language_and_named_controls(pages):
    for name, tree in pages.items():
        assert len(list(tree.iter("h1"))) == 1, name
        assert tree.get("lang") == "en"
        assert all(image.get("alt") is not None for image in tree.iter("img")), name
        labelled = {
            id(control)
            for label in tree.iter("label")
            for control in elements(label, "input", "select")
        }
        controls = list(elements(tree, "input", "select"))
        assert [
            control.get("name")
            for control in controls
            if id(control) not in labelled and not control.get("aria-label")
        ] == [], name
        ids = [element.get("id") for element in tree.iter() if element.get("id")]
        assert len(ids) == len(set(ids)), name
    titles = [text_of(next(tree.iter("title"))) for tree in pages.values()]
    assert len(set(titles)) == len(titles)


def test_it_is_the_same_each_time_and_small(built, params, results, tmp_path):
    site.write_site(params, results, ROOT / "figures", ROOT / "docs", tmp_path)
    again = files_of(tmp_path)
    assert differing(files_of(built), again) == {".snakemake_timestamp"}
    assert sum(map(len, again.values())) < 17e6


def test_a_number_of_the_explorer_changes_its_data_and_the_parameters(
    sources, params, results, tmp_path
):
    changed = shutil.copytree(params, tmp_path / "params")
    views = changed / "views.yaml"
    views.write_text(
        views.read_text(encoding="utf-8").replace(
            "value: 0.08, unit: USD/kWh", "value: 0.09, unit: USD/kWh"
        ),
        encoding="utf-8",
    )
    other = tmp_path / "results"
    shutil.copytree(results, other, symlinks=True)
    data = json.loads((other / "explorer.json").read_text(encoding="utf-8"))
    data["energy"]["electricity_price"] *= 9 / 8
    (other / "explorer.json").write_text(json.dumps(data), encoding="utf-8")
    concerned = {"explorer-data.js", "parameters.html"}
    others = {"explorer.html", "figure-split.html", "method.html", "docs-explanation.html"}
    changed_sources = sources_in(changed, other)
    assert changed_pages(sources, changed_sources, concerned | others) == concerned


def test_another_dataset_changes_the_pages_that_read_it(sources, params, results, tmp_path):
    other = tmp_path / "results"
    shutil.copytree(results, other)
    path = dataset_path(other / "grids", "routing")
    dataset = xr.load_dataset(path)
    dataset["tokens_per_joule"] = dataset.tokens_per_joule * 1.1
    dataset.to_netcdf(path)
    audit.write_audit(params, other / "grids", other)
    concerned = {"audit.html", "index.html", "table-table4.html", "tables.html"}
    others = {"table-table3.html", "figure-split.html", "headlines.html", "parameters.html"}
    assert changed_pages(sources, sources_in(params, other), concerned | others) == concerned


def test_a_new_table_appears_by_itself(params, results, tmp_path):
    changed = shutil.copytree(params, tmp_path / "params")
    paper = quick_yaml.load((changed / "paper.yaml").read_text(encoding="utf-8"))
    columns = [{"label": "W", "variable": "tdp", "format": "{:.0f}"}]
    paper["tables"]["boards"] = {
        "title": "Boards by their power",
        "grid": "power_parameters",
        "rows": ["gpu"],
        "columns": columns,
    }
    (changed / "paper.yaml").write_text(quick_yaml.dump(paper), encoding="utf-8")
    pages = pages_of(sources_in(changed, results))
    assert "Boards by their power" in pages["table-boards.html"]()
    for name in ["index.html", "tables.html"]:
        assert 'href="table-boards.html"' in pages[name]()


def test_every_page_shows_a_figure_in_the_same_way(pages, sources):
    """All but thumbnails can be enlarged, and have their panels one below the other."""
    panelled = panels_in(sources.figures, sources.plots).keys()
    for name, tree in pages.items():
        links = [each for each in tree.iter("a") if "enlarge" in each.get("class", "")]
        stacked = {each.get("href") for each in links if "stacked" in each.get("class")}
        images = {each.get("src") for each in tree.iter("img") if not each.get("loading")}
        assert images == {each.get("href") for each in links}, name
        assert stacked == images & panelled, name


def test_every_page_says_on_which_account_and_basis_it_stands(pages):
    assert [
        name for name, tree in pages.items() if "Account and basis: " not in text_of(tree)
    ] == []


def menu_of(tree, name):
    """The links of a navigation by their texts, and which of them is current."""
    found = [each for each in tree.iter("nav") if each.get("aria-label") == name]
    links = [link for nav in found for link in elements(nav, "a")]
    current = [text_of(link) for link in links if link.get("aria-current")]
    return {text_of(link): link.get("href") for link in links}, current


def test_the_menu_is_the_same_on_every_page_and_has_six_entries(pages):
    names = ["What survives", "Explore", "The paper", "Measured", "Docs", "Data"]
    for page, tree in pages.items():
        menu, current = menu_of(tree, "Pages")
        assert list(menu) == names
        assert len(current) == (page != "search.html")
        within, chosen = menu_of(tree, current[0]) if current else ({}, [])
        assert len(chosen) == (len(within) > 1), page


def test_every_page_can_be_reached_by_links_from_the_start(pages):
    reached, ahead = set(), {"index.html"}
    while ahead:
        name = ahead.pop()
        reached.add(name)
        links = {each.get("href", "").partition("#")[0] for each in pages[name].iter("a")}
        ahead |= (links & set(pages)) - reached
    assert set(pages) - reached == {"search.html"}  # which the search box leads to


def lines_of(tree, kind):
    return [text_of(each) for each in elements(tree, "p") if each.get("class") == f"account {kind}"]


def test_every_table_and_figure_has_a_line_in_the_colour_of_each_account(pages, sources):
    shown = {f"table-{name}": [table.grid] for name, (_, table) in sources.tables.items()}
    shown |= {f"figure-{name}": figure.datasets for name, figure in sources.plots.items()}
    kinds = set()
    for name, datasets in shown.items():
        for account in sources.accounts(datasets):
            (line,) = lines_of(pages[f"{name}.html"], account.account)
            assert account.label in line and account.meaning in line, name
            kinds.add(account.account)
    assert kinds == {"paper", "both", "consistent", "measured"}


def test_reports_have_such_lines_too(pages):
    wanted = {"audit": "paper", "verdict": "consistent", "headlines": "both"}
    for name, kind in {**wanted, "validation": "measured"}.items():
        assert len(lines_of(pages[f"{name}.html"], kind)) == 1, name


def test_the_start_page_leads_with_what_survives(pages, sources):
    text = text_of(pages["index.html"])
    first, second = (
        text_of(each)
        for each in elements(pages["index.html"], "ul")
        if each.get("class") == "tiles"
    )
    survived = [headline.verdict for headline in sources.surviving.values()]
    for verdict in set(survived):
        assert f"{survived.count(verdict)} {verdict}" in first
    assert "exact" not in first and "exact" in second
    assert text.index(first) < text.index("consistent (90 % interval)") < text.index(second)


def test_headlines_the_verdict_and_the_audit_lead_to_each_other(pages, sources):
    for name in sources.surviving:
        for page, others in {
            "headlines": ["audit", "verdict"],
            "verdict": ["audit", "headlines"],
            "audit": ["headlines"],
        }.items():
            links = {each.get("href") for each in elements(pages[f"{page}.html"], "a")}
            assert {f"{other}.html#{name}" for other in others} <= links, page


def test_a_person_can_read_the_scripts_and_styles():
    for path in (SOURCE / "reports" / "site").rglob("*.*"):
        if path.suffix in (".js", ".css", ".html"):
            assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 100, path.name


def test_the_audit_shows_every_claim(pages, params):
    rows = list(
        next(
            table for table in pages["audit.html"].iter("table") if table.get("id") == "claims"
        ).iter("tr")
    )[1:]
    assert [next(row.iter("td")).text for row in rows] == sorted(
        placed.id for placed in published.claims(params)
    )
    assert {row.get("data-verdict") for row in rows} == set(published.VERDICTS)


@pytest.mark.parametrize("name", [f"table{number}" for number in range(1, 8)])
def test_a_table_holds_every_number_that_the_paper_prints_in_it(name, pages, sources):
    text = text_of(pages[f"table-{name}.html"])
    place = sources.tables[name][1].place
    claims = [
        each.placed.claim for each in sources.judged if each.placed.location.startswith(place)
    ]
    assert claims
    for claim in claims:
        printed = claim.printed if isinstance(claim.printed, str) else "; ".join(claim.printed)
        assert f"printed {printed}" in text or claim.claim in text


def test_most_of_what_a_table_prints_stands_in_its_cells(pages, sources):
    beside = elements(pages["table-table3.html"], "small")
    wanted = [
        each
        for each in sources.judged
        if each.placed.location == "Table 3" and len(each.lookups) == 1
    ]
    elsewhere = ["short window", "best overflow factor"]
    assert (
        len(beside)
        == len(
            [
                each
                for each in wanted
                if not any(words in each.placed.claim.claim for words in elsewhere)
            ]
        )
        == 46
    )


def test_parameters_have_every_record(pages, sources):
    rows = list(next(pages["parameters.html"].iter("tbody")).iter("tr"))
    assert len(rows) == sum(map(len, sources.records.values()))
    assert {row.get("data-file") for row in rows} == set(sources.records)


def test_the_method_has_every_function_with_a_source_and_all_its_mathematics(pages):
    ids = {element.get("id") for element in pages["method.html"].iter("article")}
    formulas = sum(
        element.get("class") == "formula" for element in pages["method.html"].iter("div")
    )
    wanted, displayed = set(), 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            document = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
            if "\nSource:" in document:
                wanted.add(f"{path.stem}.{node.name}")
                displayed += document.count(".. math::")
    assert ids == wanted
    assert formulas == displayed > 10
    assert "math::" not in text_of(pages["method.html"]) and ":math:" not in text_of(
        pages["method.html"]
    )


def test_a_docstring_becomes_an_equation():
    (module,) = [each for each in method.modules(SOURCE) if each.path == "equations/power.py"]
    law = next(each for each in module.equations if each.name == "logistic_power")
    assert law.arguments[0][:2] == ("batch", "Sequences")
    assert law.returned[0] == "Watts"
    assert "<mfrac>" in law.formulas[0] and 'href="https://arxiv.org/abs/2603.17280"' in law.source


def test_text_of_others_cannot_become_markup():
    assert markup.documentation("<b> & `<i>`") == "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"
    assert markup.references("<b> & `<i>`") == "&lt;b&gt; &amp; `&lt;i&gt;`"


def test_a_report_points_to_the_files_of_the_site_and_keeps_chosen_columns():
    text = (
        "# T\n\n![x](../figures/a.png)\n\n| a | verdict |\n| --- | --- |\n| 1 | not derivable |\n"
    )
    body = markup.Article(text).body("results", {"figures/a.png": "data/a.png"}, DRAWING)
    assert (
        f"<figure>{DRAWING('data/a.png', 'x')}</figure>" in body
        and '<td class="verdict not-derivable">' in body
        and "<h1>" not in body
    )
    part = markup.Article(text).body("results", {}, DRAWING, ["verdict"])
    assert "<th>a</th>" not in part and "not derivable" in part


def test_a_document_leads_to_other_pages_and_has_places_to_lead_to():
    text = (
        "# T\n\n## A head\n\n[b](b.md#c) `docs/b.md` [`docs/b.md`](b.md) `c.md` [out](https://a.b)"
        " $x^2$ costs $5\n"
    )
    body = markup.Article(text).body("docs", {"docs/b.md": "docs-b.html"}, DRAWING)
    assert markup.Article(text).places == [("a-head", "A head")]
    assert '<h2 id="a-head">' in body and '<a href="docs-b.html#c">b</a>' in body
    assert body.count('<a href="docs-b.html"><code>docs/b.md</code></a>') == 2
    assert "<code>c.md</code>" in body and 'href="https://a.b"' in body
    assert "<msup>" in body and "costs $5" in body


def test_no_page_knows_where_it_was_made(built):
    for name, content in files_of(built).items():
        if Path(name).suffix in (".html", ".js", ".css", ".csv"):
            assert str(ROOT).encode() not in content and b"/tmp/" not in content, name


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            ["reports", "headlines", "start"],
            ["headline", "colour"],
            "paper.yaml: reports.headlines.start names 'colour'",
        ),
        (["reports", "headlines", "title"], 3, "paper.yaml: reports.headlines.title"),
        (
            ["reports", "headlines", "menu"],
            "Data ",
            "paper.yaml: reports.headlines.menu is 'Data '",
        ),
        (
            ["reports", "audit"],
            {"title": "Audit", "menu": "Data"},
            "paper.yaml: reports.audit is a page of the site already",
        ),
    ],
)
def test_what_is_wrong_with_a_report_is_said_in_one_sentence(
    path, value, sentence, damaged, results, tmp_path
):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        site.write_site(
            damaged("paper", path, value),
            results,
            ROOT / "figures",
            ROOT / "docs",
            tmp_path / "site",
        )
    assert not (tmp_path / "site").exists()
