"""Parquet, by pyarrow."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from tokwatt.params.errors import ParameterError
from tokwatt.params.tables.nested import Json
from tokwatt.params.tables.opening import extra, opened_bytes
from tokwatt.params.tables.table import SAMPLE, Cell, Cells, Chunk, Table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile


def table_of_parquet(path: Path) -> Table:
    """The table in a Parquet file, fields of structures with dots."""
    arrow = extra(path, "pyarrow")
    extra(path, "pyarrow.parquet")
    with opened_bytes(path) as file:
        try:
            names, first = _first(arrow, arrow.parquet.ParquetFile(file))
        except (arrow.ArrowInvalid, OSError) as error:
            why = " ".join(str(error).split())
            raise ParameterError(
                f"{path}: is no whole Parquet file ({why:.100}), wanted one that can be read."
            ) from None
    if not first:
        raise ParameterError(f"{path}: holds no rows, wanted a row for each request.")

    def chunks(places: Sequence[int], exactly: bool) -> Iterator[Chunk]:
        with opened_bytes(path) as file:
            yield from _chunks(arrow, arrow.parquet.ParquetFile(file), [names[p] for p in places])

    return Table(names, first, chunks)


def rows_of_parquet(path: Path) -> Iterator[Json]:
    """Rows with all that is nested in them, as JSON has it: lists of texts, maps of attributes."""
    arrow = extra(path, "pyarrow")
    extra(path, "pyarrow.parquet")
    with opened_bytes(path) as file:
        for batch in arrow.parquet.ParquetFile(file).iter_batches():
            yield msgspec.to_builtins(batch.to_pylist(maps_as_pydicts="lossy"))


def _first(arrow: ModuleType, file: "ParquetFile") -> tuple[list[str], list[Sequence[Cell]]]:
    batch = next(file.iter_batches(batch_size=SAMPLE), None)
    table = _flat(arrow, [] if batch is None else [batch], file.schema_arrow)
    return table.column_names, list(zip(*(column.to_pylist() for column in table), strict=True))


def _flat(
    arrow: ModuleType, batches: Sequence["pa.RecordBatch"], schema: "pa.Schema | None"
) -> "pa.Table":
    table = arrow.Table.from_batches(batches, schema=schema if not batches else None)
    while any(arrow.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _chunks(arrow: ModuleType, file: "ParquetFile", names: Sequence[str]) -> Iterator[Chunk]:
    row = 1
    top = list(dict.fromkeys(_top(file.schema_arrow.names, name) for name in names))
    for batch in file.iter_batches(columns=top):
        table = _flat(arrow, [batch], None)
        columns: list[Cells] = [
            table[name].combine_chunks().to_numpy(zero_copy_only=False) for name in names
        ]
        yield Chunk(range(row, row + len(table)), columns, [])
        row += len(table)


def _top(columns: Sequence[str], name: str) -> str:
    """The column that a field belongs to."""
    return next(column for column in columns if name == column or name.startswith(f"{column}."))
