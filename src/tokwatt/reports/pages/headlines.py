"""The headlines on one page: each as the paper prints it, and beside it what survives of it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokwatt.output import write_files
from tokwatt.reports.audit.audit import computed_values, formula_of, printed_value
from tokwatt.reports.audit.claims import Judged, judged
from tokwatt.reports.audit.expressions import Lookup
from tokwatt.reports.markdown import Markdown, code, joined, link, pipe_table
from tokwatt.reports.pages.accounts import lines_of
from tokwatt.reports.pages.verdict import Survival, survivals

PAGE = """# Headlines

What the paper is known for, as printed and as it survives. *As printed*: the paper's number, ours
by the paper's own account, and whether the two agree. *What survives*: the value under the
consistent account, its 90 % interval, and what that leaves of the headline; empty where a headline
is neither tokens per joule nor a ratio of them. The audit judges every number of the paper, the
verdict says what to plan with.

{accounts}

{beside}

## How they are computed

Formulas name variables of the datasets in `results/grids/`; the rows are what a formula reads
there.

{formulas}
"""
BESIDE = ("id", "headline", "as printed", "recomputed", "audit")
SURVIVING = ("what survives", "90 % interval", "verdict")


def write_headlines(params: Path, grids: Path, out: Path) -> None:
    """Write `headlines.md`: the claims of `published.yaml` that are headlines, and what survives.

    Raises:
        ParameterError: with one sentence, where a claim or its expression is wrong.
    """
    rows = [row for row in judged(params, grids) if row.placed.claim.headline]
    surviving = survivals(params, grids)
    datasets = [lookup.dataset for row in rows for lookup in row.lookups]
    text = PAGE.format(
        accounts=lines_of(params, [*datasets, "uncertainty"]),
        beside=_beside(rows, surviving),
        formulas=pipe_table(("headline", "formula", "rows", "note"), map(_formula, rows)),
    )
    write_files({out / "headlines.md": text})


def _beside(rows: Iterable[Judged], surviving: Mapping[str, Survival]) -> Markdown:
    lines = (
        [*_printed(row), *_surviving(row.placed.id, surviving.get(row.placed.id))] for row in rows
    )
    return pipe_table([*BESIDE, *SURVIVING], lines)


def _printed(row: Judged) -> list[str]:
    placed = row.placed
    return [
        placed.id,
        placed.claim.headline or "",
        printed_value(placed.claim),
        computed_values(row.computed),
        link(row.verdict, "audit.md", placed.id),
    ]


def _surviving(claim: str, survival: Survival | None) -> list[str]:
    if survival is None:
        return [""] * len(SURVIVING)
    return [survival.text, survival.interval, link(survival.verdict, "verdict.md", claim)]


def _formula(row: Judged) -> list[str]:
    claim = row.placed.claim
    formulas = [claim.computed] if isinstance(claim.computed, str) else claim.computed or []
    return [
        claim.headline or "",
        joined((code(formula_of(formula)) for formula in formulas), "; "),
        joined(dict.fromkeys(map(_read, row.lookups)), "; "),
        claim.note or "",
    ]


def _read(lookup: Lookup) -> Markdown:
    """What an expression read: the dataset, the labels, the value there and its unit."""
    values = computed_values(lookup.values.values.ravel().tolist())
    unit = lookup.values.attrs.get("units", "")
    labels = joined(lookup.labels)
    return joined([code(lookup.dataset), Markdown(f"at {labels}:"), values, unit], " ")
