"""A table of ours with what the paper prints in each of its cells."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from tokwatt.params.section import Section
from tokwatt.reports.claims import Judged
from tokwatt.reports.expressions import Lookup
from tokwatt.reports.site.markup import verdict_class
from tokwatt.reports.tables import Cell, Table, fit, laid_out


@dataclass(frozen=True)
class Compared:
    """A cell as we print it, and the claim that says what the paper prints there."""

    text: str
    claim: Judged | None

    @property
    def looks(self) -> str:
        """How style sheets know the cell: as a number or text, and by its verdict."""
        kind = "number" if re.match(r"[-+$×]?\d|-$", self.text) else ""
        return f"{kind} {verdict_class(self.claim.verdict) if self.claim else ''}".strip()


@dataclass(frozen=True)
class Comparison:
    """A table, cell by cell, and the claims of its place that stand in none of its cells."""

    heads: list[str]
    rows: list[tuple[list[str], list[Compared]]]
    others: list[Judged]


def compare(
    table: Table, section: Section, grids: Path, names: dict[Any, str], judged: Iterable[Judged]
) -> Comparison:
    """Put the claims about a table beside its cells: those that read nothing but the cell's own variable and place."""
    own = [each for each in judged if table.place and each.placed.location.startswith(table.place)]
    with xr.open_dataset(grids / f"{table.grid}.nc") as dataset:
        fit(table, dataset, section)
        layout = laid_out(table, dataset, names)
        rows = [
            (labels, [_compared(cell, dataset, table.grid, own) for cell in cells])
            for labels, cells in layout.rows
        ]
    return Comparison(layout.heads, rows, _others(own, rows))


def _others(own: Sequence[Judged], rows: list[tuple[list[str], list[Compared]]]) -> list[Judged]:
    shown = {cell.claim.placed.id for _, cells in rows for cell in cells if cell.claim}
    return [each for each in own if each.placed.id not in shown]


def _compared(cell: Cell, dataset: xr.Dataset, grid: str, own: Sequence[Judged]) -> Compared:
    variable = cell.column.variable
    place = [cell.place[str(dimension)] for dimension in dataset[variable].dims]
    found = (
        each for each in own if len(each.lookups) == 1 and _reads(each.lookups[0], variable, place)
    )
    claims = sorted(found, key=lambda each: each.lookups[0].dataset != grid)
    return Compared(cell.text, claims[0] if claims else None)


def _reads(lookup: Lookup, variable: str, place: Sequence[Any]) -> bool:
    return (
        lookup.variable == variable
        and not lookup.values.ndim
        and {*map(str, map(_plain, lookup.labels))} == {*map(str, map(_plain, place))}
    )


def _plain(label: Any) -> Any:
    return float(label) if isinstance(label, int | float) else label
