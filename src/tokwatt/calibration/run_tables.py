"""Larger tables of runs: a CSV with the columns of ML.ENERGY's runs, or its gated data set."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

import pandas as pd

from tokwatt.calibration.model import ServingModel
from tokwatt.params.columns import listed, quoted
from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE, opened
from tokwatt.params.traces import csv_rows
from tokwatt.units import MOST_TOKENS, Dimensionless

LARGEST = 16 * MEBIBYTE
"""Bytes of a CSV of runs that are read."""
MOST_POWER = 2.0
"""Largest power of a GPU over its TDP that is believed; more is in another unit."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch


class Believed(NamedTuple):
    """The numbers that are believed in a column.

    Attributes:
        least: the smallest.
        most: the largest.
        whole: whether it must be a whole number.
    """

    least: float
    most: float
    whole: bool = False

    def number(self, cell: str) -> Dimensionless | None:
        """A cell as a number; None where it is none, or one that is not believed."""
        if not _NUMBER(cell):
            return None
        number = float(cell)
        inside = self.least <= number <= self.most and not (self.whole and number % 1)
        return number if inside else None

    @property
    def words(self) -> str:
        """What is wanted of a cell."""
        return f"a {'whole ' * self.whole}number from {self.least:g} to {self.most:.10g}"


NAMES = ("gpu_model", "model_id", "weight_precision", "task")
"""Columns of names that a table must have."""
NUMBERS = {
    "num_gpus": Believed(1, 1024, whole=True),
    "expert_parallel": Believed(1, 1024, whole=True),
    "avg_batch_size": Believed(0.1, 2**20),
    "avg_power_watts": Believed(1, 1e6),
    "output_throughput_tokens_per_sec": Believed(1e-3, 1e8),
    "median_itl_ms": Believed(1e-3, 1e6),
    "avg_output_len": Believed(1, MOST_TOKENS),
}
"""Columns of numbers that a table must have; power and throughput are those of the instance."""
Row = dict[str, str | float]


class RunTable(NamedTuple):
    """Runs of a table that a model can predict.

    Attributes:
        rows: the runs, with the columns of `runs.COLUMNS`.
        left_out: a sentence about runs that are left out; empty where none is.
    """

    rows: pd.DataFrame
    left_out: str


def read_runs(model: ServingModel, path: Path) -> RunTable:
    """Runs of a table whose GPU is calibrated and whose LLM, precision and task are known.

    Args:
        model: by which GPUs, LLMs, precisions and tasks are known.
        path: a CSV, at most `LARGEST` bytes in UTF-8, with the columns of `NAMES` and `NUMBERS`
            (others are skipped); or a folder that holds `runs/llm.parquet`, which wants the package
            `mlenergy-data`.

    Returns:
        The runs.

    Raises:
        ParameterError: where the table cannot be read, lacks a column, has a bad cell in any row
            (lines as an editor counts them), or no run that is known.
    """
    if path.is_dir():
        table, left_out = _benchmark(path)
    else:
        table, left_out = _csv(path), Counter[str]()
    reasons = [_unknown(model, row) for row in table]
    left_out.update(reason for reason in reasons if reason)
    rows = [_in_si(model, path, row) for row, no in zip(table, reasons, strict=True) if not no]
    text = listed([f"{count} {reason}" for reason, count in left_out.most_common()])
    if not rows:
        wanted = "one of a calibrated GPU and a known LLM, precision and task"
        raise ParameterError(
            f"{path}: has no run to use ({text or 'none at all'}), wanted {wanted}."
        )
    count = sum(left_out.values())
    sentence = f"Left out {count} of {len(rows) + count} runs: {text}." if count else ""
    return RunTable(pd.DataFrame(rows), sentence)


def _csv(path: Path) -> list[Row]:
    """Rows of a CSV, or one sentence about all that are bad."""
    with opened(path, "a CSV of runs", LARGEST) as file:
        names, lines = _header(path, file)
        _require_columns(path, names)
        places = {name: names.index(name) for name in (*NAMES, *NUMBERS)}
        rows: list[Row] = []
        bad: list[tuple[int, str]] = []
        for line, cells in lines:
            row, problem = _row(cells, places, len(names))
            if problem:
                bad.append((line, problem))
            rows.append(row | {"line": line})
    if not rows:
        raise ParameterError(f"{path}: holds column names and no runs, wanted a line for each run.")
    if bad:
        lines_of_bad = listed([str(line) for line, _ in bad])
        which = f"are bad (lines {lines_of_bad})" if bad[1:] else "is bad"
        line, problem = bad[0]
        raise ParameterError(
            f"{path}: {len(bad)} of {len(rows)} rows {which}: line {line} {problem}."
        )
    return rows


def _header(path: Path, file: TextIO) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Names of columns, and rows with the line that each begins on."""
    header = file.readline()
    if not header.strip():
        wanted = "a line of column names and a line for each run"
        raise ParameterError(f"{path}: begins with an empty line, wanted {wanted}.")
    rows = csv_rows(path, chain([header], file), max(",;\t", key=header.count))
    return [name.strip() for name in next(rows)[1]], rows


def _require_columns(path: Path, names: Sequence[str]) -> None:
    for name in (*NAMES, *NUMBERS):
        if name not in names:
            wanted = "the columns of ML.ENERGY's runs"
            raise ParameterError(f"{path}: the column {name} is missing, wanted {wanted}.")
        if (count := list(names).count(name)) > 1:
            raise ParameterError(f"{path}: has {count} columns {name}, wanted one.")


def _row(cells: Sequence[str], places: dict[str, int], width: int) -> tuple[Row, str]:
    """A row by column, and what is wrong with its first bad cell; empty where nothing is."""
    row: Row = {}
    if len(cells) != width:
        return row, f"has {len(cells)} cells, wanted {width} as there are column names"
    for name, place in places.items():
        cell = cells[place].strip()
        value = NUMBERS[name].number(cell) if name in NUMBERS else cell or None
        if value is None:
            wanted = NUMBERS[name].words if name in NUMBERS else "a name"
            return row, f"has {quoted(cell) if cell else 'nothing'} under {name}, wanted {wanted}"
        row[name] = value
    return row, ""


def _unknown(model: ServingModel, row: Row) -> str:
    """Why a run cannot be predicted; empty where it can."""
    measured = model.measured
    known = {
        "on GPU": ("gpu_model", model.records.gpus),
        "of precision": ("weight_precision", measured.parameters.precisions),
        "of task": ("task", measured.tasks),
    }
    for words, (column, names) in known.items():
        if row[column] not in names:
            return f"{words} {quoted(str(row[column]))}"
    return "" if _llm(model, row) else f"of LLM {quoted(str(row['model_id']))}"


def _llm(model: ServingModel, row: Row) -> str:
    """The LLM with the longest name or alias that an identifier contains; empty where none."""
    names = {name: name for name in model.parameters.llms} | model.measured.aliases
    contained = [name for name in names if name in str(row["model_id"]).lower()]
    return names[max(contained, key=len)] if contained else ""


def _in_si(model: ServingModel, path: Path, row: Row) -> Row:
    """A run with the columns of `runs.COLUMNS`; refused where its GPU cannot draw its power."""
    gpu = str(row["gpu_model"])
    power = float(row["avg_power_watts"]) / float(row["num_gpus"])
    most = MOST_POWER * float(model.parameters.gpus[gpu].tdp)
    if power > most:
        found = f"line {row['line']} has {power:.6g} W a GPU under avg_power_watts"
        raise ParameterError(f"{path}: {found}, wanted at most {most:g} W, twice the TDP of {gpu}.")
    return {
        "gpu": gpu,
        "llm": _llm(model, row),
        "precision": row["weight_precision"],
        "task": row["task"],
        "gpus": row["num_gpus"],
        "expert_parallel": float(float(row["expert_parallel"]) > 1),
        "batch": row["avg_batch_size"],
        "power": power,
        "throughput": row["output_throughput_tokens_per_sec"],
        "latency": float(row["median_itl_ms"]) * 1e-3,
        "output": row["avg_output_len"],
    }


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
    _require_columns(path, list(table))
    places = {name: place for place, name in enumerate([*NAMES, *NUMBERS])}
    cells = table[[*places]].astype(str).to_numpy()
    rows = [(_row(row, places, len(places)), line) for line, row in enumerate(cells, 1)]
    good = [row | {"line": line} for (row, problem), line in rows if not problem]
    incomplete = len(rows) - len(good)
    return good, Counter(
        {"with a number that is missing or not believed": incomplete} if incomplete else {}
    )
