"""The audit as files: what the paper prints beside what our datasets give."""

import ast
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from tokwatt.output import write_files
from tokwatt.reports.audit.claims import Claim, Judged, Verdict, judged
from tokwatt.reports.audit.expressions import Value
from tokwatt.reports.markdown import pipe_table
from tokwatt.reports.pages.accounts import lines_of

COLUMNS = ("id", "section", "location", "claim", "printed", "unit", "computed", "verdict", "reason")
ORDER: tuple[Verdict, ...] = ("inconsistent", "approximate", "not derivable", "exact")

AUDIT = """# What the paper prints, and what we compute

Each claim is computed from the datasets that reproduce the paper's tables, and compared with
what is printed. *Exact* agrees to half a unit of the last printed digit, *approximate* within
2 % or the error that the paper itself states, *inconsistent* does not; for *not derivable* the
paper gives no way to compute it. A statement in words is exact where it holds and inconsistent
where it does not. Exact means that the paper's own calculation gives the number, not that the
calculation is right; where a note stands beside it, read it."""


def write_audit(params: Path, grids: Path, out: Path) -> None:
    """Judge every claim of `published.yaml`; write `audit.csv` and `audit.md`.

    Raises:
        ParameterError: with one sentence, where a claim or its expression is wrong; nothing is
            written then.
    """
    rows = judged(params, grids)
    account = lines_of(params, (lookup.dataset for row in rows for lookup in row.lookups))
    pages = {
        "audit.csv": audit_csv(rows),
        "audit.md": "\n\n".join([AUDIT, account, *_by_verdict(rows)]) + "\n",
    }
    write_files({out / name: text for name, text in pages.items()})


def audit_csv(rows: Iterable[Judged]) -> str:
    """One line a claim, computed values at full precision."""
    lines = [
        (
            row.placed.id,
            row.placed.section,
            row.placed.location,
            row.placed.claim.claim,
            _listed(row.placed.claim.printed),
            row.placed.claim.unit,
            "; ".join(map(_full, row.computed)),
            row.verdict,
            row.reason,
        )
        for row in rows
    ]
    return pd.DataFrame(lines, columns=COLUMNS).to_csv(index=False, lineterminator="\n")


def _by_verdict(rows: Sequence[Judged]) -> list[str]:
    """Counts by section, then every claim by verdict, the surprising ones first."""
    parts: list[str] = [_counts(rows)]
    for verdict in ORDER:
        heads = ["id", "place", "claim", "printed", "computed", "why"]
        lines = [_line(row) for row in rows if row.verdict == verdict]
        parts += [f"## {verdict.capitalize()} ({len(lines)})", pipe_table(heads, lines)]
    return parts


def _counts(rows: Iterable[Judged]) -> str:
    counts: Counter[tuple[str, Verdict]] = Counter(
        (row.placed.section, row.verdict) for row in rows
    )
    sections = dict.fromkeys(section for section, _ in counts)
    lines = [
        [section, *(counts[section, verdict] or "" for verdict in ORDER)] for section in sections
    ]
    total = [sum(counts[section, verdict] for section in sections) for verdict in ORDER]
    return pipe_table(["section", *ORDER], [*lines, ["all", *total]])


def _line(row: Judged) -> list[str]:
    place = row.placed
    return [
        place.id,
        f"{place.section}, {place.location}",
        place.claim.claim,
        printed_value(place.claim),
        computed_values(row.computed),
        row.reason,
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


def printed_value(claim: Claim) -> str:
    """What the paper prints, with its unit."""
    return _listed(claim.printed) + ("" if claim.unit in ("1", "-") else f" {claim.unit}")


def _listed(printed: str | list[str]) -> str:
    return printed if isinstance(printed, str) else "; ".join(printed)


def computed_values(values: Iterable[Value]) -> str:
    """What a claim comes to, at five digits."""
    return "; ".join(
        f"{value:.5g}" if isinstance(value, float) and abs(value) < 1e5 else _full(value)
        for value in values
    )


def _full(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isnan(value):
        return "none"
    return str(value).removesuffix(".0")
