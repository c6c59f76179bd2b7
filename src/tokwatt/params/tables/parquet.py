"""Parquet, by pyarrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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
    with _opened(path) as file:
        batch = next(file.iter_batches(batch_size=SAMPLE), None)
        table = _flat([] if batch is None else [batch], file.schema_arrow)
    names = table.column_names
    sample: list[Sequence[Cell]] = list(zip(*(column.to_pylist() for column in table), strict=True))
    if not sample:
        raise ParameterError(f"{path}: holds no rows, wanted a row for each request.")

    def chunks(places: Sequence[int], exactly: bool) -> Iterator[Chunk]:
        with _opened(path) as file:
            yield from _chunks(file, [names[place] for place in places])

    return Table(names, sample, chunks)


def rows_of_parquet(path: Path) -> Iterator[Json]:
    """Rows with all that is nested in them, as JSON has it: lists of texts, maps of attributes."""
    with _opened(path) as file:
        for batch in file.iter_batches():
            yield msgspec.to_builtins(batch.to_pylist(maps_as_pydicts="lossy"))


@contextmanager
def _opened(path: Path) -> Iterator["ParquetFile"]:
    """A Parquet file, open; refused where any of it cannot be read."""
    arrow, parquet = extra(path, "pyarrow"), extra(path, "pyarrow.parquet")
    with opened_bytes(path) as file:
        try:
            yield parquet.ParquetFile(file)
        except (arrow.ArrowInvalid, OSError) as error:
            why = " ".join(str(error).split())
            raise ParameterError(
                f"{path}: is no whole Parquet file ({why:.100}), wanted one that can be read."
            ) from None


def _flat(batches: Sequence["pa.RecordBatch"], schema: "pa.Schema | None" = None) -> "pa.Table":
    """Batches as one table, a column for each field of structures."""
    import pyarrow as pa

    table = pa.Table.from_batches(batches, schema=schema if not batches else None)
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _chunks(file: "ParquetFile", names: Sequence[str]) -> Iterator[Chunk]:
    row = 1
    top = list(dict.fromkeys(_top(file.schema_arrow.names, name) for name in names))
    for batch in file.iter_batches(columns=top):
        table = _flat([batch])
        columns: list[Cells] = [
            table[name].combine_chunks().to_numpy(zero_copy_only=False) for name in names
        ]
        yield Chunk(range(row, row + len(table)), columns, [])
        row += len(table)


def _top(columns: Sequence[str], name: str) -> str:
    """The column that a field belongs to."""
    return next(column for column in columns if name == column or name.startswith(f"{column}."))
