"""Tables as the paper lays them out, printed from datasets by the layouts in `params/paper.yaml`."""

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import xarray as xr

from tokwatt.output import write_files
from tokwatt.params.reading import read
from tokwatt.params.section import Section, refusing
from tokwatt.reports.datasets import dataset_path
from tokwatt.reports.markdown import escaped, pipe_table


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column: a variable, and how it is printed."""

    label: str
    variable: str
    format: str
    from_10: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    once: bool = False
    blank: dict[str, str] = {}

    def text(self, value: Any, place: dict[str, Any], names: dict[Any, str]) -> str:
        """A value as printed; blank where there is none or the entry says so."""
        if value != value or (self.blank and self.blank.items() <= place.items()):
            return "-"
        if isinstance(value, str):
            return names.get(value, value)
        scaled = value * self.factor + self.offset
        return (self.from_10 if self.from_10 and scaled >= 10 else self.format).format(scaled)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table: its grid, which dimensions make rows, which one repeats the columns, and what the paper calls it."""

    title: str
    grid: str
    rows: list[str]
    columns: list[Column]
    across: str | None = None
    place: str = ""

    @property
    def dimensions(self) -> list[str]:
        """Every dimension of the table."""
        return [*self.rows, *([self.across] if self.across else [])]


def check(params: Path) -> None:
    """Refuse a layout that cannot be read or names no grid."""
    paper = _paper(params)
    _names(paper)
    for name in paper.child("tables").raw:
        entry(paper, name)


def entry(paper: Section, name: str) -> tuple[Section, Table]:
    """The layout of a table, from `paper.yaml`."""
    section = paper.child("tables").child(name)
    table = section.convert(Table)
    if table.grid not in paper.child("grids").raw:
        raise section.fail(
            f"is {table.grid!r}", f"one of {', '.join(paper.child('grids').raw)}", "grid"
        )
    return section, table


def write(name: str, params: Path, grids: Path, out: Path) -> None:
    """Write `NAME.csv`, tidy and at full precision, and `NAME.md`, as printed."""
    paper = _paper(params)
    section, table = entry(paper, name)
    with xr.open_dataset(dataset_path(grids, table.grid)) as dataset:
        fit(table, dataset, section)
        with refusing(section, "printed"):
            texts = {
                "csv": tidy(table, dataset).to_csv(index=False),
                "md": printed(table, dataset, _names(paper)),
            }
    write_files({out / f"{name}.{kind}": text for kind, text in texts.items()})


def fit(table: Table, dataset: xr.Dataset, section: Section) -> None:
    """Refuse a layout that asks for what its grid does not have."""
    for key, asked, known in (
        ("rows", table.dimensions, dataset.dims),
        ("columns", [column.variable for column in table.columns], dataset.data_vars),
    ):
        for name in asked:
            if name not in known:
                raise section.fail(f"names {name!r}", f"one of {', '.join(map(str, known))}", key)


def tidy(table: Table, dataset: xr.Dataset) -> Any:
    """One row per point of the table, one column per variable, in the units of the dataset."""
    own = [
        name
        for name, variable in dataset.data_vars.items()
        if variable.dims and set(variable.dims) <= set(table.dimensions)
    ]
    frame = dataset[own].to_dataframe(dim_order=table.dimensions).dropna(how="all").reset_index()
    units = {name: dataset[name].attrs.get("units") for name in frame.columns}
    return frame.rename(columns={name: f"{name} [{unit}]" for name, unit in units.items() if unit})


class Cell(NamedTuple):
    """One number of a table: its column, the labels of its row and group, and how it is printed."""

    column: Column
    place: dict[str, Any]
    text: str


class Layout(NamedTuple):
    """A table ready to be shown: the heads of its columns, and for each row its labels and its cells."""

    heads: list[str]
    rows: list[tuple[list[str], list[Cell]]]


def laid_out(table: Table, dataset: xr.Dataset, names: dict[Any, str]) -> Layout:
    """The table with every cell's place."""
    names = names | _labels(dataset)
    groups = dataset[table.across].values.tolist() if table.across else [None]
    columns = [(groups[0], column, column.label) for column in table.columns if column.once]
    columns += [
        (group, column, f"{label(group, names)} {column.label}" if group else column.label)
        for group in groups
        for column in table.columns
        if not column.once
    ]
    rows = []
    for point in product(*(dataset[dimension].values.tolist() for dimension in table.rows)):
        cells = []
        for group, column, _ in columns:
            place = dict(zip(table.dimensions, (*point, group), strict=False))
            cells.append(
                Cell(
                    column,
                    place,
                    column.text(dataset[column.variable].sel(place).item(), place, names),
                )
            )
        if any(cell.text != "-" for cell in cells):
            rows.append(([label(value, names) for value in point], cells))
    return Layout(
        [*(row.replace("_", " ") for row in table.rows), *(head for _, _, head in columns)], rows
    )


def printed(table: Table, dataset: xr.Dataset, names: dict[Any, str]) -> str:
    """The table in Markdown."""
    layout = laid_out(table, dataset, names)
    lines = [labels + [cell.text for cell in cells] for labels, cells in layout.rows]
    return f"# {escaped(table.title)}\n\n{pipe_table(layout.heads, lines)}\n"


def _labels(dataset: xr.Dataset) -> dict[Any, str]:
    """Entries that the grid itself has a label for."""
    if "label" not in dataset.coords:
        return {}
    (dimension,) = dataset.label.dims
    return dict(zip(dataset[dimension].values.tolist(), dataset.label.values.tolist(), strict=True))


def label(value: Any, names: dict[Any, str]) -> str:
    """How a coordinate is printed: by its given name, in binary thousands, or as it is."""
    if value in names:
        return names[value]
    if isinstance(value, float):
        return f"{value / 1024:g}K" if value % 1024 == 0 else f"{value:g}"
    return str(value)


def _names(paper: Section) -> dict[Any, str]:
    return paper.child("names").convert(dict[str, str])


def _paper(params: Path) -> Section:
    return Section(params / "paper.yaml", read(params / "paper.yaml"))
