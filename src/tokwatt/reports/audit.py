"""The audit and the headlines, as files: what the paper prints beside what our datasets give."""

import ast
import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokwatt.reports.claims import Claim, Judged, Verdict, claims, judged
from tokwatt.reports.expressions import Lookup, Value

COLUMNS = ("id", "section", "location", "claim", "printed", "unit", "computed", "verdict", "reason")
ORDER: tuple[Verdict, ...] = ("inconsistent", "approximate", "not derivable", "exact")

AUDIT = """# What the paper prints, and what it comes to

Each claim is computed from the datasets that reproduce the paper's tables, and compared with what is printed. *Exact* agrees to half a
unit of the last printed digit, *approximate* within 2 %, *inconsistent* does not; for *not derivable* the paper gives no way to compute it.
A statement in words is exact where it holds and inconsistent where it does not. Exact means that the paper's own calculation gives the
number, not that the calculation is right."""

HEADLINES = """# Headlines

What the paper is known for, recomputed. A formula names variables of the datasets in `results/grids/`; the rows are what it reads there."""


def check(params: Path) -> None:
    """Read every claim and say what is wrong with the first one that is."""
    for _ in claims(params):
        pass


def write(params: Path, grids: Path, out: Path) -> None:
    """Judge every claim of `published.yaml`; write `audit.csv`, `audit.md` and `headlines.md`.

    Args:
        params: the parameter folder.
        grids: the folder that holds the datasets.
        out: the folder to write to.

    Raises:
        ParameterError: with one sentence, where a claim or its expression is wrong; nothing is
            written then.
    """
    rows = judged(params, grids)
    pages = {
        "audit.csv": audit_csv(rows),
        "audit.md": audit_page(rows),
        "headlines.md": headline_page(rows),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (out / name).write_text(text, encoding="utf-8")


def audit_csv(rows: Iterable[Judged]) -> str:
    """One line a claim, computed values at full precision."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        place, claim = row.placed, row.placed.claim
        cells = (
            claim.claim,
            _listed(claim.printed),
            claim.unit,
            "; ".join(map(_full, row.computed)),
            row.verdict,
            row.reason,
        )
        lines.writerow((place.id, place.section, place.location, *cells))
    return text.getvalue()


def audit_page(rows: Sequence[Judged]) -> str:
    """Counts by section, then every claim by verdict, the surprising ones first."""
    parts = [AUDIT, _counts(rows)]
    for verdict in ORDER:
        chosen = [row for row in rows if row.verdict == verdict]
        header = ["id", "place", "claim", "printed", "computed", "why"]
        lines = [_line(row) for row in chosen]
        if verdict == "exact":
            header, lines = header[:-1], [line[:-1] for line in lines]
        parts += [f"## {verdict.capitalize()} ({len(chosen)})", _table(header, lines)]
    return "\n\n".join(parts) + "\n"


def headline_page(rows: Iterable[Judged]) -> str:
    """What the paper is known for, each with its formula and the rows it comes from."""
    header = ["headline", "claim", "printed", "computed", "verdict", "formula", "rows", "note"]
    return f"{HEADLINES}\n\n{_table(header, [_headline(row) for row in rows if row.placed.claim.headline])}\n"


def _counts(rows: Iterable[Judged]) -> str:
    counts: Counter[tuple[str, Verdict]] = Counter(
        (row.placed.section, row.verdict) for row in rows
    )
    sections = dict.fromkeys(section for section, _ in counts)
    lines: list[list[object]] = [
        [section, *[counts[section, verdict] or "" for verdict in ORDER]] for section in sections
    ]
    lines.append(
        ["all", *[sum(counts[section, verdict] for section in sections) for verdict in ORDER]]
    )
    return _table(["section", *ORDER], lines)


def _line(row: Judged) -> list[str]:
    place = row.placed
    return [
        place.id,
        f"{place.section}, {place.location}",
        place.claim.claim,
        printed(place.claim),
        shown(row.computed),
        row.reason,
    ]


def _headline(row: Judged) -> list[str]:
    claim = row.placed.claim
    formula = "; ".join(
        f"`{formula_of(text)}`"
        for text in ([claim.computed] if isinstance(claim.computed, str) else claim.computed or [])
    )
    rows = "<br>".join(dict.fromkeys(_read(lookup) for lookup in row.lookups))
    return [
        claim.headline or "",
        row.placed.id,
        printed(claim),
        shown(row.computed),
        row.verdict,
        formula,
        rows,
        claim.note or "",
    ]


def formula_of(expression: str) -> str:
    """An expression to read: `fleets('power', 'azure', 'H100')` becomes `power(azure, H100)`."""
    return ast.unparse(_Readable().visit(ast.parse(expression, mode="eval")))


class _Readable(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        first, *labels = node.args
        if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
            return self.generic_visit(node)
        names: list[ast.expr] = [
            ast.Name(str(label.value)) for label in labels if isinstance(label, ast.Constant)
        ]
        return ast.Call(ast.Name(first.value), names, [])


def _read(lookup: Lookup) -> str:
    labels = ", ".join(map(str, lookup.labels))
    return f"`{lookup.dataset}` at {labels}: {shown(lookup.values.values.ravel().tolist())} {lookup.values.attrs.get('units', '')}"


def printed(claim: Claim) -> str:
    """What the paper prints, with its unit."""
    return _listed(claim.printed) + ("" if claim.unit in ("1", "-") else f" {claim.unit}")


def _listed(printed: str | list[str]) -> str:
    return printed if isinstance(printed, str) else "; ".join(printed)


def shown(values: Iterable[Value]) -> str:
    """What a claim comes to, at five digits."""
    return "; ".join(
        f"{value:.5g}" if isinstance(value, float) and abs(value) < 1e5 else _full(value)
        for value in values
    )


def _full(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        "none" if isinstance(value, float) and math.isnan(value) else str(value).removesuffix(".0")
    )


def _table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows
    )
