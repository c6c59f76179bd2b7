"""No text of a record, a claim, a label or a dataset becomes anything but text."""

import json
import re

import html5lib
import pytest
from hostile import KEY, PAYLOAD

from tokwatt.params.folder import Folder
from tokwatt.reports.markdown import code, escaped, pipe_table
from tokwatt.reports.site import markup
from tokwatt.reports.site.renderer import Renderer
from tokwatt.text import visible

py_mini_racer = pytest.importorskip("py_mini_racer")
DRAWING = Renderer({}, {}).drawing
TEXTUAL = {"alt", "aria-label", "content", "data-section", "data-sort", "value"}
"""Attributes that hold text to read or to compare."""


def elements(path):
    """Tags of a page and their attributes, save the text in them; reading is strict."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree = parser.parse(path.read_text(encoding="utf-8"))
    return [
        (element.tag, {key: text for key, text in element.items() if key not in TEXTUAL})
        for element in tree.iter()
    ]


def cells(text):
    """Cells of a Markdown page as a browser shows them."""
    page = markup.Article(text).body("results", {}, DRAWING)
    tree = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False).parseFragment(page)
    tags = {element.tag for element in tree.iter() if element.tag != "DOCUMENT_FRAGMENT"}
    assert tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "code"}
    return ["".join(cell.itertext()) for cell in tree.iter("td")]


@pytest.mark.slow
def test_hundreds_of_texts_are_tried_and_all_of_them_are_read(infected):
    assert int((infected / "count").read_text()) > 1000
    sources = [record.source for record in Folder(infected / "params").records()]
    assert sources and all(source.endswith(PAYLOAD) for source in sources)


@pytest.mark.slow
def test_every_page_has_the_elements_that_it_has_without_hostile_text(infected, built):
    pages = sorted(path.name for path in built.glob("*.html"))
    assert pages == sorted(path.name for path in (infected / "site").glob("*.html"))
    for name in pages:
        assert elements(infected / "site" / name) == elements(built / name), name


@pytest.mark.slow
def test_hostile_text_is_there_to_be_read(infected):
    shown = "".join(PAYLOAD.split())[:40]
    pages = ["index", "verdict", "headlines", "audit", "parameters", "docs-reference", "figures"]
    for name in [*pages, "table-table1", "table-waterfall", "figure-split"]:
        path = infected / "site" / f"{name}.html"
        tree = html5lib.parse(path.read_text(encoding="utf-8"), namespaceHTMLElements=False)
        assert shown in "".join("".join(tree.itertext()).split()), name


def test_the_policy_of_every_page_forbids_inline_scripts_objects_and_other_hosts(built):
    for path in built.glob("*.html"):
        parser = html5lib.HTMLParser(namespaceHTMLElements=False)
        tree = parser.parse(path.read_text(encoding="utf-8"))
        (policy,) = (
            meta.get("content")
            for meta in tree.iter("meta")
            if meta.get("http-equiv") == "Content-Security-Policy"
        )
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
        sources = {source for rule in rules.values() for source in rule.split()}
        assert sources == {"'none'", "'self'", "file:", "data:"}
        assert "data:" not in rules["script-src"] + rules["style-src"]
        assert [script for script in tree.iter("script") if script.text] == []
        assert list(tree.iter("style")) == []
        assert [element for element in tree.iter() if element.get("style")] == []


@pytest.mark.slow
def test_nothing_unseen_reaches_a_page(infected):
    for path in [*(infected / "site").glob("*.html"), *(infected / "site").rglob("*.js")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u202a-\\u202e]", text
        )


@pytest.mark.slow
def test_what_the_search_looks_through_is_data(infected):
    script = (infected / "site" / "search-data.js").read_text(encoding="utf-8")
    assert "<" not in script
    read = py_mini_racer.MiniRacer().eval(f"{script}; JSON.stringify(PAGES)")
    assert "".join(PAYLOAD.split())[:40] in "".join(read.split())


@pytest.mark.slow
def test_the_data_of_the_explorer_are_data(infected):
    script = (infected / "site" / "explorer-data.js").read_text(encoding="utf-8")
    assert "<" not in script
    read = json.loads(py_mini_racer.MiniRacer().eval(f"{script}; JSON.stringify(EXPLORER)"))
    names = [name for entry in read["llms"].values() for name in [entry] if isinstance(name, str)]
    assert names and all("<script>window.pwned=1</script>" in name for name in names)


@pytest.mark.parametrize(
    "text",
    [
        PAYLOAD,
        KEY,
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://a.b/c.png)",
        "<https://a.b>",
        "*a* **b** _c_ __d__ `e` ~~f~~",
        "a_b_c a__b __init__ _x",
        "a|b \\|c \\\\| `d|e` `f\\|g`",
        "&lt;b&gt; &amp; &#60;i> &copy",
        "$x^2$ $$y$$ costs $5",
        "ends with a backslash \\",
        "`` ` ``` `` `",
        "5 < 6 > 4, AT&T",
        "[a]: javascript:alert(1)",
    ],
)
def test_a_cell_shows_any_text_as_it_is(text):
    words = " ".join(visible(text).split())
    assert cells(pipe_table(["h"], [[text], [code(text)]])) == [words, words]
    assert len(escaped(text).splitlines()) == 1


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#10;script:alert(1)",
        "&#x6A;avascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//a.b/c",
    ],
)
@pytest.mark.parametrize("form", ["[x]({})", "![x]({})", "[x][y]\n\n[y]: {}", "<{}>"])
def test_an_address_that_is_neither_of_the_web_nor_relative_is_no_link(form, address):
    page = markup.Article(form.format(address)).body("docs", {}, DRAWING)
    assert "<a " not in page and "<img " not in page


@pytest.mark.parametrize(
    "address", ["https://a.b/c", "http://a.b", "mailto:a@b.c", "d.md#e", "#f", "./a:b", "a?b:c"]
)
def test_an_address_of_the_web_or_a_relative_one_is_a_link(address):
    assert f'href="{address}"' in markup.Article(f"[x]({address})").body("docs", {}, DRAWING)


def test_mathematics_is_mathematics_alone():
    latex = r"\text{<script>alert(1)</script>} < \href{javascript:alert(1)}{x} \frac{a}{b}"
    page = markup.mathematics(latex)
    tree = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False).parseFragment(page)
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert {"mfrac", "mtext"} <= tags and not {"script", "a"} & tags
    assert "javascript" not in "".join(tree.itertext()) or "href=" not in page
    assert markup.mathematics(r"x^2^3<i>") == r"<code>x^2^3&lt;i&gt;</code>"


def test_every_control_is_spelt_out_and_every_letter_kept():
    assert visible("a\x1b[31m\x9bm\u202eb\u200bc\ufeff\x00\r") == (
        r"a\x1b[31m\x9bm\u202eb\u200bc\ufeff\x00\r"
    )
    kept = "Grüße, 漢字 العربية עברית 👍 ×−±µ\n\t"
    assert visible(kept) == kept
