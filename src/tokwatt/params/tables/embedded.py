"""Objects written as text in the cells of a table: their fields become columns."""

from collections.abc import Iterator, Sequence

from tokwatt.params.tables.nested import Row, Where, cell, object_in, paths_of
from tokwatt.params.tables.table import Cell, Chunk, Complete, Table


def with_fields(table: Table, complete: Complete) -> Table:
    """A table with a column more for each field of objects in cells, where counts are in them."""
    fields = {
        place: paths
        for place, name in enumerate(table.names)
        if (paths := _fields(name, [row[place] for row in table.sample]))
    }
    if complete(table.names):
        fields = {place: paths for place, paths in fields.items() if complete(list(paths))}
    if not fields:
        return table
    origins = [(place, where) for place, paths in fields.items() for where in paths.values()]
    width = len(table.names)

    def chunks(places: Sequence[int], exactly: bool) -> Iterator[Chunk]:
        wanted = [origins[place - width] if place >= width else (place, ()) for place in places]
        sources = list(dict.fromkeys(source for source, _ in wanted))
        for chunk in table.chunks(sources, exactly):
            found = dict(zip(sources, chunk.columns, strict=True))
            trees = {
                source: list(map(object_in, found[source])) for source in fields if source in found
            }
            columns = [
                [cell(tree, where) for tree in trees[source]] if where else found[source]
                for source, where in wanted
            ]
            yield Chunk(chunk.lines, columns, chunk.problems)

    trees = [{place: object_in(row[place]) for place in fields} for row in table.sample]
    sample: list[Sequence[Cell]] = [
        [*row, *(cell(tree[place], where) for place, where in origins)]
        for row, tree in zip(table.sample, trees, strict=True)
    ]
    return Table(
        [*table.names, *(name for paths in fields.values() for name in paths)], sample, chunks
    )


def _fields(name: str, cells: Sequence[Cell]) -> dict[str, Where]:
    """Paths of the fields of objects in some cells, by names that begin with their column's."""
    trees: list[Row] = [tree for tree in map(object_in, cells) if isinstance(tree, dict)]
    return {f"{name}.{field}": where for field, where in paths_of(trees).items()}
