"""JSON: a line for each request, or one document that holds requests somewhere."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE
from tokwatt.params.tables.nested import (
    BROKEN,
    Json,
    Row,
    Where,
    cell,
    is_row,
    paths_of,
    rows_of,
    structure,
    summed_lists,
    turns_of,
)
from tokwatt.params.tables.opening import opened_bytes
from tokwatt.params.tables.table import SAMPLE, Cell, Chunk, Complete, Count, Table

AT_ONCE = 2**22
"""Bytes of lines that are read at once."""
LARGEST_DOCUMENT = 1536 * MEBIBYTE
"""Bytes of one document, which is read as a whole."""
FIELDS = 5
"""Keys that a sentence lists."""
BETWEEN = (" ", "\t", "\r", "\n", ",")
"""What stands between documents that follow each other."""
_ANY = msgspec.json.Decoder()


def table_of_json(path: Path, complete: Complete, count: Count | None) -> Table:
    """The table in JSON lines or a JSON document, whose rows stand at any depth."""
    search = partial(rows_of, complete=complete, count=count)
    if not _is_lines(path):
        document = _document(path)
        return table_of_rows(path, list(search(document)), complete, document)
    with opened_bytes(path) as file:
        first, problems = _decoded(1, b"".join(islice(file, SAMPLE)))
    if not first:
        raise _bad(path, problems)
    trees = [tree for _, tree in first]
    plain = any(is_row(tree, complete) for tree in trees)
    if not plain or any(summed_lists(tree, complete) for tree in trees):
        rows = [row for _, tree in _lines(path) for row in search(tree)]
        return table_of_rows(path, rows, complete, trees[0])
    paths = paths_of(trees)
    return Table(list(paths), _sample(paths, trees), partial(_chunks, path, list(paths.values())))


def _is_lines(path: Path) -> bool:
    """Whether the first line is an object of its own."""
    with opened_bytes(path) as file:
        line = next((line for line in file if line.strip()), b"")
        more = any(line.strip() for line in islice(file, 2))
    try:
        tree = _ANY.decode(line)
    except BROKEN:
        return False
    if not isinstance(tree, dict):
        return False
    return more or not any(isinstance(value, list | dict) for value in tree.values())


def _document(path: Path) -> Json:
    with opened_bytes(path) as file:
        content = file.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        wanted = "one of at most that, or a line for each request"
        most = f"{LARGEST_DOCUMENT / MEBIBYTE:.0f} MiB"
        raise ParameterError(f"{path}: is a JSON document of more than {most}, wanted {wanted}.")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return _ANY.decode(content)
    except BROKEN as error:
        if several := _one_by_one(content):
            return several
        raise ParameterError(f"{path}: is no JSON ({error}), wanted valid JSON.") from None


def _one_by_one(content: bytes) -> list[Json]:
    """Documents that follow each other, over lines or not; none where any of them is broken."""
    decoder, documents, place = json.JSONDecoder(), list[Json](), 0
    try:
        text = content.decode().strip()
        while place < len(text):
            document, place = decoder.raw_decode(text, place)
            documents.append(document)
            while text[place : place + 1] in BETWEEN:
                place += 1
    except (ValueError, RecursionError):
        return []
    return documents


def table_of_rows(path: Path, rows: Sequence[Row], complete: Complete, tree: Json = None) -> Table:
    """A table of rows that are at hand; without a request, what there is in a tree is told."""
    if not any(is_row(row, complete) for row in rows):
        if any(map(turns_of, rows)):
            wanted = "the option --tokenizer with a tokenizer.json to count them by"
            raise ParameterError(f"{path}: holds texts and no token counts, wanted {wanted}.")
        there = ", ".join(map(repr, islice(_keys(tree), FIELDS))) or "no field"
        option = "the option --columns prompt=NAME,output=NAME"
        wanted = f"objects with prompt and output tokens (vLLM: --save-detailed), or {option}"
        raise ParameterError(f"{path}: holds no requests but {there}, wanted {wanted}.")
    paths = paths_of(rows)
    sample = _sample(paths, rows[:SAMPLE])

    def chunks(places: Sequence[int], exactly: bool) -> Iterator[Chunk]:
        wanted = [list(paths.values())[place] for place in places]
        columns = [[cell(row, where) for row in rows] for where in wanted]
        yield Chunk(range(1, len(rows) + 1), list(columns), [])

    return Table(list(paths), sample, chunks)


def _keys(tree: Json) -> Iterator[str]:
    """Keys of plain values in a tree, outermost first."""
    entries = tree.items() if isinstance(tree, dict) else []
    yield from (key[:40] for key, value in entries if not isinstance(value, list | dict))
    inner = tree if isinstance(tree, list) else [value for _, value in entries]
    for value in inner:
        if isinstance(value, list | dict):
            yield from _keys(value)


def _sample(paths: Mapping[str, Where], rows: Sequence[Row]) -> list[Sequence[Cell]]:
    return [[cell(row, where) for where in paths.values()] for row in rows]


def _chunks(
    path: Path, paths: Sequence[tuple[str, ...]], places: Sequence[int], exactly: bool
) -> Iterator[Chunk]:
    """Lines, of which only the cells that are asked for are built."""
    wanted = [paths[place] for place in places]
    decoder, getters = structure(wanted)
    line = 1
    with opened_bytes(path) as file:
        for block in _blocks(file):
            count = block.count(b"\n") + (not block.endswith(b"\n"))
            try:
                rows = decoder.decode_lines(block)
                lines: Sequence[int] = range(line, line + len(rows))
                if exactly or len(rows) != count:
                    raise msgspec.DecodeError
                yield Chunk(lines, [list(map(get, rows)) for get in getters], [])
            except BROKEN:
                trees, problems = _decoded(line, block)
                columns = [[cell(tree, where) for _, tree in trees] for where in wanted]
                yield Chunk([number for number, _ in trees], list(columns), problems)
            line += count


def _lines(path: Path) -> Iterator[tuple[int, Row]]:
    """Every line that is not blank, refused where one is no JSON."""
    line = 1
    with opened_bytes(path) as file:
        for block in _blocks(file):
            trees, problems = _decoded(line, block)
            if problems:
                raise _bad(path, problems)
            yield from trees
            line += block.count(b"\n")


def _blocks(file: io.BufferedReader) -> Iterator[bytes]:
    """Whole lines, about so many bytes at once."""
    while block := file.read(AT_ONCE):
        yield block + file.readline()


def _decoded(line: int, block: bytes) -> tuple[list[tuple[int, Row]], list[tuple[int, str]]]:
    """Objects with their lines, and the lines that are none."""
    trees: list[tuple[int, Row]] = []
    problems: list[tuple[int, str]] = []
    for number, text in enumerate(block.removeprefix(b"\xef\xbb\xbf").splitlines(), line):
        if not text.strip():
            continue
        try:
            tree = _ANY.decode(text)
        except BROKEN:
            tree = None
        if isinstance(tree, dict):
            trees.append((number, tree))
        else:
            problems.append((number, "no JSON object, wanted one on each line"))
    return trees, problems


def _bad(path: Path, problems: Sequence[tuple[int, str]]) -> ParameterError:
    line, problem = problems[0] if problems else (1, "nothing, wanted requests")
    return ParameterError(f"{path}: line {line} has {problem}.")
