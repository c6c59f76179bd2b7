"""Tables as the paper lays them out, printed from datasets by layouts in `params/paper.yaml`."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd
import xarray as xr

from tokwatt.output import write_files
from tokwatt.params.folder import Folder
from tokwatt.params.records.section import Section, refusing
from tokwatt.reports.datasets import dataset_path, with_units
from tokwatt.reports.labels import Labels, context_window, read_labels
from tokwatt.reports.markdown import escaped, pipe_table
from tokwatt.reports.pages.accounts import lines_of

Entry = str | float | bool
"""What stands in a cell of a dataset or names a place along a dimension."""
Place = dict[str, Entry | None]
"""The entry of each dimension."""


class TableColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column: a variable, and how it is printed.

    Attributes:
        label: what stands at its head.
        variable: the variable of the dataset.
        format: how a value is printed, as Python's `format` has it.
        from_10: the format of values from ten on, where that is another.
        factor: what a value is multiplied with first.
        offset: what is added then.
        once: whether it stands once beside the groups of columns, and not in each.
        blank: the place at which nothing is printed.
    """

    label: str
    variable: str
    format: str
    from_10: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    once: bool = False
    blank: dict[str, str] = {}

    def text(self, value: Entry, place: Place, label: Labels) -> str:
        """A value as printed; blank where there is none or the entry says so."""
        if value != value or (self.blank and self.blank.items() <= place.items()):
            return "-"
        if isinstance(value, str):
            return label(value)
        scaled = value * self.factor + self.offset
        return (self.from_10 if self.from_10 and scaled >= 10 else self.format).format(scaled)


class TableLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The layout of one table.

    Attributes:
        title: what it is called.
        grid: the dataset that it prints.
        rows: the dimensions that make rows.
        columns: the columns.
        across: the dimension that repeats the columns.
        place: what the paper calls it.
        names: names that it prints otherwise than other tables.
    """

    title: str
    grid: str
    rows: list[str]
    columns: list[TableColumn]
    across: str | None = None
    place: str = ""
    names: dict[str, str] = {}

    @property
    def dimensions(self) -> list[str]:
        """Every dimension of the table."""
        return [*self.rows, *([self.across] if self.across else [])]


class Cell(NamedTuple):
    """One number of a table.

    Attributes:
        column: its column.
        place: the entries of its row and group.
        text: how it is printed.
    """

    column: TableColumn
    place: Place
    text: str


TableRow = tuple[list[str], list[Cell]]
"""What stands before the cells of a row, and its cells."""


def check_tables(params: Path) -> None:
    """Refuse a layout that cannot be read or names no grid."""
    paper = Folder(params).section("paper")
    read_labels(params)
    for name in paper.child("tables").raw:
        entry(paper, name)


def entry(paper: Section, name: str) -> tuple[Section, TableLayout]:
    """The layout of a table, from `paper.yaml`."""
    section = paper.child("tables").child(name)
    table = section.convert(TableLayout)
    section.pick("grid", table.grid, paper.child("grids").raw)
    return section, table


def write_table(name: str, params: Path, grids: Path, out: Path) -> None:
    """Write `NAME.csv`, tidy and at full precision, and `NAME.md`, as printed."""
    section, table = entry(Folder(params).section("paper"), name)
    dataset = xr.load_dataset(dataset_path(grids, table.grid))
    require_dimensions(table, dataset, section)
    with refusing(section, "printed"):
        account = lines_of(params, [table.grid])
        body = printed(table, dataset, read_labels(params))
        texts = {
            "csv": tidy(table, dataset).to_csv(index=False),
            "md": f"# {escaped(table.title)}\n\n{account}\n\n{body}\n",
        }
    write_files({out / f"{name}.{kind}": text for kind, text in texts.items()})


def require_dimensions(table: TableLayout, dataset: xr.Dataset, section: Section) -> None:
    """Refuse a layout that asks for what its grid does not have."""
    for name in table.dimensions:
        _pick(section, "rows", name, map(str, dataset.dims))
    for column in table.columns:
        _pick(section, "columns", column.variable, map(str, dataset.data_vars))


def _pick(section: Section, key: str, name: str, names: Iterator[str]) -> None:
    options = list(names)
    if name not in options:
        raise section.fail(f"names {name!r}", f"one of {', '.join(options)}", key)


def tidy(table: TableLayout, dataset: xr.Dataset) -> pd.DataFrame:
    """One row per point of the table, one column per variable, in the units of the dataset."""
    inside = [
        name
        for name, variable in dataset.data_vars.items()
        if variable.dims and set(variable.dims) <= set(table.dimensions)
    ]
    frame = dataset[inside].to_dataframe(dim_order=table.dimensions).dropna(how="all")
    return with_units(frame.reset_index(), dataset)


def printed_table(
    table: TableLayout, dataset: xr.Dataset, label: Labels
) -> tuple[list[str], list[TableRow]]:
    """Heads of the columns, and rows with every cell's place."""
    label = label.updated({**_labels(dataset), **table.names})
    columns = list(_columns(table, dataset))
    heads = [
        f"{_printed(group, label)} {column.label}" if group and not column.once else column.label
        for group, column in columns
    ]
    points = product(*(dataset[dimension].values.tolist() for dimension in table.rows))
    rows = [_row(table, dataset, columns, point, label) for point in points]
    rows = [(labels, cells) for labels, cells in rows if any(cell.text != "-" for cell in cells)]
    return [*(row.replace("_", " ") for row in table.rows), *heads], rows


def _columns(table: TableLayout, dataset: xr.Dataset) -> Iterator[tuple[Entry | None, TableColumn]]:
    """Each column with its group: first those that stand once, then the others in every group."""
    groups = dataset[table.across].values.tolist() if table.across else [None]
    yield from ((groups[0], column) for column in table.columns if column.once)
    for group in groups:
        yield from ((group, column) for column in table.columns if not column.once)


def _row(
    table: TableLayout,
    dataset: xr.Dataset,
    columns: Sequence[tuple[Entry | None, TableColumn]],
    point: Sequence[Entry],
    label: Labels,
) -> TableRow:
    cells = []
    for group, column in columns:
        place = dict(zip(table.dimensions, (*point, group), strict=False))
        value = dataset[column.variable].sel(place).item()
        cells.append(Cell(column, place, column.text(value, place, label)))
    return [_printed(entry, label) for entry in point], cells


def printed(table: TableLayout, dataset: xr.Dataset, label: Labels) -> str:
    """The table in Markdown."""
    heads, rows = printed_table(table, dataset, label)
    return pipe_table(heads, [labels + [cell.text for cell in cells] for labels, cells in rows])


def _labels(dataset: xr.Dataset) -> Mapping[str, str]:
    """Entries that the grid itself has a label for."""
    if "label" not in dataset.coords:
        return {}
    (dimension,) = dataset.label.dims
    return dict(zip(dataset[dimension].values.tolist(), dataset.label.values.tolist(), strict=True))


def _printed(entry: Entry, label: Labels) -> str:
    """How a coordinate is printed: by its name, or a number as a context window."""
    if isinstance(entry, str):
        return label(entry)
    return context_window(entry) if entry % 1024 == 0 else f"{entry:g}"
