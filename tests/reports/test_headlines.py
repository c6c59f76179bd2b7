"""The headlines: what is printed beside what survives, and the way from each to the other pages."""

import math
import re

import pytest
from conftest import ROOT

from tokwatt.params.errors import ParameterError
from tokwatt.reports.audit.claims import claims, headlines_of, judged
from tokwatt.reports.pages import headlines
from tokwatt.reports.pages.verdict import survivals

PARAMS = ROOT / "params"


@pytest.fixture(scope="module")
def page(grids, tmp_path_factory):
    folder = tmp_path_factory.mktemp("headlines")
    headlines.write_headlines(PARAMS, grids, folder)
    return (folder / "headlines.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def beside(page):
    """Cells of the first table by id and head."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.partition("\n## ")[0].splitlines()
        if line.startswith("| ")
    ]
    heads, _, *rows = lines
    return {row[0]: dict(zip(heads, row, strict=True)) for row in rows}


def test_every_headline_is_there_once_with_what_the_audit_makes_of_it(beside, grids):
    rows = {row.placed.id: row for row in judged(PARAMS, grids) if row.placed.claim.headline}
    assert list(beside) == list(rows)
    for name, cells in beside.items():
        assert cells["as printed"].split()[0] == rows[name].placed.claim.printed
        assert cells["audit"] == f"[{rows[name].verdict}](audit.md#{name})"


def test_what_survives_stands_beside_what_is_printed(beside, grids):
    surviving = survivals(PARAMS, grids)
    for name, cells in beside.items():
        shown = [cells[head] for head in ("what survives", "90 % interval", "verdict")]
        if name not in surviving:
            assert shown == ["", "", ""]
            continue
        headline = surviving[name]
        assert shown[2] == f"[{headline.verdict}](verdict.md#{name})"
        numbers = [float(number) for number in re.findall(r"[\d.]+", " ".join(shown[:2]))]
        ends = [end for end in (headline.low, headline.high) if 0 < end < math.inf]
        wanted = [headline.value, *ends]
        assert numbers == pytest.approx(wanted, rel=5e-3)


def test_a_claim_and_its_headline_publish_the_same_number(parameters, grids):
    printed = {placed.id: placed.claim.printed for placed in claims(PARAMS)}
    surviving = survivals(PARAMS, grids)
    assert {name: float(printed[name]) for name in surviving} == {
        name: headline.published for name, headline in surviving.items()
    }
    known = parameters.section("assumptions").child("headlines").raw
    assert sorted(headlines_of(PARAMS).values()) == sorted(known)


def test_formulas_and_rows_are_shown(page):
    formula = "tokens_per_joule(azure, fleetopt, B200) / tokens_per_joule(azure, homogeneous, H100)"
    assert f"`{formula}`" in page
    assert "`context_window` at H100, 4096: 17.622 tok/J" in page
    assert page.count("upper bound") == 2


def test_a_claim_of_a_headline_that_is_not_there_is_refused(damaged):
    place = ["claims", "Abstract", "prose", "C001", "consistent"]
    with pytest.raises(ParameterError, match=r"C001\.consistent is 'law_4x', wanted one of"):
        headlines_of(damaged("published", place, "law_4x"))
