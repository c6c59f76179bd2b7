"""A table of ours with what the paper prints in each of its cells."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import xarray as xr

from tokwatt.params.records.section import Section
from tokwatt.reports.audit.claims import Judged
from tokwatt.reports.audit.expressions import Lookup
from tokwatt.reports.labels import Labels
from tokwatt.reports.site.markup import verdict_class
from tokwatt.reports.tables import Cell, TableLayout, printed_table, require_dimensions


@dataclass(frozen=True)
class ComparedCell:
    """A cell as we print it.

    Attributes:
        text: the cell.
        claim: what the paper prints there, if anything.
    """

    text: str
    claim: Judged | None

    @property
    def looks(self) -> str:
        """How style sheets know the cell: as a number or text, and by its verdict."""
        kind = "number" if re.match(r"[-+$×]?\d|-$", self.text) else ""
        return f"{kind} {verdict_class(self.claim.verdict) if self.claim else ''}".strip()


Row = tuple[list[str], list[ComparedCell]]
"""The labels of a row, and its cells."""


@dataclass(frozen=True)
class Comparison:
    """A table, cell by cell.

    Attributes:
        heads: heads of its columns.
        rows: its rows.
        others: claims about the table that belong to none of its cells.
    """

    heads: list[str]
    rows: list[Row]
    others: list[Judged]


def compare(
    table: TableLayout,
    section: Section,
    dataset: xr.Dataset,
    label: Labels,
    judged: Iterable[Judged],
) -> Comparison:
    """Put the claims about a table beside its cells.

    A claim belongs to a cell if its expression reads nothing but the cell's variable and place.
    """
    claims = [row for row in judged if table.place and row.placed.location.startswith(table.place)]
    require_dimensions(table, dataset, section)
    heads, printed = printed_table(table, dataset, label)
    rows = [
        (labels, [_compared(cell, dataset, table.grid, claims) for cell in cells])
        for labels, cells in printed
    ]
    shown = {cell.claim.placed.id for _, cells in rows for cell in cells if cell.claim}
    others = [claim for claim in claims if claim.placed.id not in shown]
    return Comparison(heads, rows, others)


def _compared(cell: Cell, dataset: xr.Dataset, grid: str, claims: Sequence[Judged]) -> ComparedCell:
    variable = cell.column.variable
    place = [cell.place[str(dimension)] for dimension in dataset[variable].dims]
    candidates = [
        claim
        for claim in claims
        if len(claim.lookups) == 1 and _reads(claim.lookups[0], variable, place)
    ]
    candidates.sort(key=lambda claim: claim.lookups[0].dataset != grid)
    return ComparedCell(cell.text, candidates[0] if candidates else None)


def _reads(lookup: Lookup, variable: str, place: Sequence[object]) -> bool:
    return (
        lookup.variable == variable
        and not lookup.values.ndim
        and {*map(_plain, lookup.labels)} == {*map(_plain, place)}
    )


def _plain(label: object) -> str:
    return str(float(label) if isinstance(label, int | float) else label)
