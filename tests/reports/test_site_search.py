"""The search: pages cut where one can be led to, and what a word or a question finds."""

import json
from html import escape

import pytest

from tokwatt.reports.site import search

PAGE = """<html><head><title>T</title></head><body><nav><a href="a.html">menu</a></nav>
<main id="content"><h1>A page</h1><form><label>Words</label></form><p>Of <b>w</b>atts &lt;b&gt;.</p>
<h2 id="one">One</h2><p>A joule.</p><p>A joule.</p><table><tr><th>head</th></tr>
<tr><td id="C1">C1</td><td>Abstract</td><th>It holds</th><td>12</td></tr>
<tr data-file="gpus"><td>gpus</td><th>H100.tdp</th><td>700</td><td>W</td></tr></table></main>
<footer><p>made</p></footer></body></html>"""


def test_a_page_is_cut_at_heads_and_rows_and_says_each_text_once():
    assert search.pieces({"a.html": PAGE}) == [
        [
            "a.html",
            "A page",
            [
                ("", "A page", "Of watts <b>."),
                ("one", "One", "A joule. head"),
                ("C1", "C1: It holds", "Abstract"),
                ("file=gpus&words=", "gpus: H100.tdp", "W"),
            ],
        ]
    ]


@pytest.fixture(scope="module")
def parts(built):
    """What the search looks through on each page, by its address."""
    script = (built / "search-data.js").read_text(encoding="utf-8")
    read = json.loads(json.loads(script.partition("JSON.parse(")[2].rpartition(");")[0]))
    return {address: parts for address, _, parts in read}


def test_every_page_can_be_found(parts, built):
    assert set(parts) == {path.name for path in built.glob("*.html")}


def test_every_place_that_can_be_found_exists(parts, built):
    for address, found in parts.items():
        text = (built / address).read_text(encoding="utf-8")
        places = [place for place, _, _ in found if place and not place.endswith("&words=")]
        assert [place for place in places if f'id="{escape(place)}"' not in text] == [], address


def test_every_record_claim_and_equation_is_a_place_of_its_own(parts):
    titles = {address: [title for _, title, _ in found] for address, found in parts.items()}
    assert "gpus: H100.tdp" in titles["parameters.html"]
    assert "C259: H100: TDP" in titles["audit.html"]
    assert "logistic_power" in titles["method.html"]
