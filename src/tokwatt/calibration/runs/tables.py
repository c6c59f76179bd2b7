"""Tables of runs: a CSV with the columns of ML.ENERGY's or of InferenceX's runs, and others."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from tokwatt.calibration.runs import clients
from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE, contents, plain_text
from tokwatt.params.tables.separated import csv_rows
from tokwatt.params.traces.columns import listed, quoted

if TYPE_CHECKING:
    from tokwatt.calibration.runs.runs import Measured
from tokwatt.calibration.runs.columns import (
    CLIENT,
    COLUMNS,
    MLENERGY,
    ColumnLayout,
    Row,
    require_columns,
    row_of,
)

LARGEST = 16 * MEBIBYTE
"""Bytes of a table of runs that are read."""
MOST_POWER = 2.0
"""Largest power of a GPU over its TDP that is believed; more is in another unit."""


class RunTable(NamedTuple):
    """Runs of a table that can be predicted.

    Attributes:
        rows: the runs, with the columns of `runs.COLUMNS`.
        dropped: a sentence about runs that are left out; empty where none is.
    """

    rows: pd.DataFrame
    dropped: str


def read_runs(measured: "Measured", paths: Sequence[Path]) -> RunTable:
    """Runs of tables whose GPU, LLM, engine, precision and task are known.

    Args:
        measured: by which they are known.
        paths: CSVs of at most `LARGEST` bytes in UTF-8 with the columns of `MLENERGY` or `CLIENT`;
            JSON of vLLM's `benchmark_serving`, with the missing columns of `CLIENT` under their
            names; or folders that hold `runs/llm.parquet`, which want `mlenergy-data`.

    Returns:
        The runs.

    Raises:
        ParameterError: where a table cannot be read, lacks a column, has a bad cell in any row
            (lines as an editor counts them), or no run that is known.
    """
    read = [_read(measured, path) for path in paths]
    rows = pd.concat([table.rows for table in read], ignore_index=True)
    return RunTable(rows, " ".join(table.dropped for table in read if table.dropped))


def _read(measured: "Measured", path: Path) -> RunTable:
    if path.is_dir():
        return _used(measured, path, MLENERGY, *_benchmark(path))
    if path.suffix == ".json":
        return read_lines(measured, path, _report(path))
    with plain_text(path, "a CSV of runs", LARGEST) as file:
        return read_lines(measured, path, file)


def read_lines(measured: "Measured", path: Path, lines: Iterable[str]) -> RunTable:
    """Runs of the lines of a CSV, the names of columns first, or one sentence about bad rows."""
    names, rows = _header(path, iter(lines))
    client = "gpu_model" not in names and {"llm", clients.EXACT} & set(names)
    layout = CLIENT if client else MLENERGY
    require_columns(path, names, layout)
    places = {name: names.index(name) for name in (*layout.names, *layout.numbers) if name in names}
    found: list[Row] = []
    bad: list[tuple[int, str]] = []
    for line, cells in rows:
        row, problem = row_of(cells, places, len(names), layout)
        if problem and not clients.is_disaggregated(row):
            bad.append((line, problem))
        found.append({**layout.optional, **row, "line": float(line)})
    if not found:
        raise ParameterError(f"{path}: holds column names and no runs, wanted a line for each run.")
    if bad:
        lines_of_bad = listed([str(line) for line, _ in bad])
        which = f"are bad (lines {lines_of_bad})" if bad[1:] else "is bad"
        line, problem = bad[0]
        raise ParameterError(
            f"{path}: {len(bad)} of {len(found)} rows {which}: line {line} {problem}."
        )
    return _used(measured, path, layout, found, Counter())


def _used(
    measured: "Measured", path: Path, layout: ColumnLayout, table: list[Row], dropped: Counter[str]
) -> RunTable:
    """The rows that are known, as runs, and a sentence about the others."""
    client = layout is CLIENT
    unknown = _unknown_client if client else _unknown_benchmark
    reasons = [unknown(measured, row) for row in table]
    dropped.update(reason for reason in reasons if reason)
    rows = [
        clients.run_of(measured.reading, row, measured.llm_of(str(row["llm"])))
        if client
        else _benchmark_run(measured, path, row)
        for row, reason in zip(table, reasons, strict=True)
        if not reason
    ]
    text = listed([f"{count} {reason}" for reason, count in dropped.most_common()])
    if not rows:
        wanted = "one of a known GPU, LLM, precision and " + ("engine" if client else "task")
        raise ParameterError(
            f"{path}: has no run to use ({text or 'none at all'}), wanted {wanted}."
        )
    count = sum(dropped.values())
    sentence = f"Left out {count} of {len(rows) + count} runs: {text}." if count else ""
    return RunTable(pd.DataFrame(rows)[COLUMNS], sentence)


def _header(path: Path, lines: Iterator[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Names of columns, and rows with the line that each begins on."""
    header = next(lines, "")
    if not header.strip():
        wanted = "a line of column names and a line for each run"
        raise ParameterError(f"{path}: begins with an empty line, wanted {wanted}.")
    rows = csv_rows(path, chain([header], lines), max(",;\t", key=header.count))
    return [name.strip() for name in next(rows)[1]], rows


def _unknown_benchmark(measured: "Measured", row: Row) -> str:
    """Why a run of ML.ENERGY cannot be predicted; empty where it can."""
    parameters = measured.parameters
    known: dict[str, tuple[str, Mapping[str, object]]] = {
        "on GPU": ("gpu_model", parameters.gpus),
        "of precision": ("weight_precision", parameters.precisions),
        "of task": ("task", measured.tasks),
    }
    for words, (column, names) in known.items():
        if row[column] not in names:
            return f"{words} {quoted(str(row[column]))}"
    return _unknown_llm(measured, str(row["model_id"]))


def _unknown_client(measured: "Measured", row: Row) -> str:
    """Why a run of a load generator cannot be predicted; empty where it can."""
    words = clients.reason_dropped(row) or clients.unknown(measured.reading, row)
    return words or _unknown_llm(measured, str(row["llm"]))


def _unknown_llm(measured: "Measured", identifier: str) -> str:
    return "" if measured.llm_of(identifier) else f"of LLM {quoted(identifier)}"


def _benchmark_run(measured: "Measured", path: Path, row: Row) -> dict[str, object]:
    """A run of ML.ENERGY; refused where its GPU cannot draw its power."""
    gpu, gpus = str(row["gpu_model"]), float(row["num_gpus"])
    power = float(row["avg_power_watts"]) / gpus
    most = MOST_POWER * float(measured.parameters.gpus[gpu].tdp)
    if power > most:
        found = f"line {row['line']:.0f} has {power:.6g} W a GPU under avg_power_watts"
        raise ParameterError(f"{path}: {found}, wanted at most {most:g} W, twice the TDP of {gpu}.")
    return measured.of_benchmark(
        gpu=gpu,
        llm=measured.llm_of(str(row["model_id"])),
        precision=row["weight_precision"],
        task=row["task"],
        tensor_parallel=gpus,
        expert_parallel=gpus if float(row["expert_parallel"]) > 1 else 1.0,
        batch=row["avg_batch_size"],
        power=power,
        throughput=row["output_throughput_tokens_per_sec"],
        latency=float(row["median_itl_ms"]) * 1e-3,
        output=row["avg_output_len"],
    )


def _report(path: Path) -> list[str]:
    """The lines of a CSV that a report of vLLM's `benchmark_serving` amounts to."""
    try:
        report = json.loads(contents(path, "a report of vLLM's benchmark", LARGEST))
        columns = clients.of_benchmark(report)
    except (ValueError, TypeError, AttributeError, ZeroDivisionError, RecursionError) as error:
        wanted = "the JSON that vLLM's benchmark_serving writes"
        raise ParameterError(f"{path}: cannot be read ({error}), wanted {wanted}.") from None
    used = [name for name in (*CLIENT.names, *CLIENT.numbers) if name in columns]
    cells = [json.dumps(str(columns[name])) for name in used]
    return [",".join(used), ",".join(cells)]


def _benchmark(path: Path) -> tuple[list[Row], Counter[str]]:
    """Rows of the gated data set whose numbers are believed, and how many others there are."""
    try:
        from mlenergy.data.records import LLMRuns
    except ImportError:
        wanted = "it installed: pip install 'tokwatt[mlenergy]'"
        raise ParameterError(f"{path}: needs the package mlenergy-data, wanted {wanted}.") from None
    try:
        table = LLMRuns.from_directory(path).to_dataframe()
    except Exception as error:  # the package raises whatever it meets
        wanted = "a folder with runs/llm.parquet"
        raise ParameterError(f"{path}: cannot be read ({error}), wanted {wanted}.") from None
    require_columns(path, list(table), MLENERGY)
    names = MLENERGY.required
    places = {name: place for place, name in enumerate(names)}
    cells = table[names].to_numpy(object).tolist()
    rows = [
        (row_of([*map(str, row)], places, len(row), MLENERGY), line)
        for line, row in enumerate(cells, 1)
    ]
    good = [row | {"line": float(line)} for (row, problem), line in rows if not problem]
    incomplete = len(rows) - len(good)
    return good, Counter(
        {"with a number that is missing or not believed": incomplete} if incomplete else {}
    )
