"""Tables in files: rows of cells under names, whatever the format.

A format is told by what a file begins with, not by its name: gzip and zstd are unpacked on the way,
then comes Parquet, JSON (lines, or one document) or separated text.
"""

from pathlib import Path

from tokwatt.params.tables import documents, parquet, separated
from tokwatt.params.tables.embedded import with_fields
from tokwatt.params.tables.nested import rows_of
from tokwatt.params.tables.opening import opened_bytes
from tokwatt.params.tables.table import Complete, Count, Table


def table_of(path: Path, complete: Complete, count: Count | None) -> Table:
    """The table in a file.

    Args:
        path: CSV, JSON lines, a JSON document or Parquet, packed or not.
        complete: what a row needs; JSON is searched for such rows.
        count: tokens of a text, for conversations; they are refused without it.

    Raises:
        ParameterError: where it cannot be read, or holds no row.
    """
    with opened_bytes(path) as file:
        start = file.peek(2**16).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"PAR1"):
        table = with_fields(parquet.table_of_parquet(path), complete)
        trees = [] if complete(table.names) else parquet.rows_of_parquet(path)
        rows = [row for tree in trees for row in rows_of(tree, complete, count)]
        return documents.table_of_rows(path, rows, complete) if rows else table
    if start.startswith((b"{", b"[")):
        return with_fields(documents.table_of_json(path, complete, count), complete)
    return with_fields(separated.table_of_text(path), complete)
