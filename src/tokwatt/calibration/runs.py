"""What was measured on real machines: the records of `params/measured/`, and larger tables of the same kind.

Every reader returns rows: a data frame with one run each, in SI units; `runs` says which columns.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section
from tokwatt.units import (
    BytesPerParameter,
    Dimensionless,
    SecondsAxis,
    SequencesAxis,
    Tokens,
    TokensAxis,
    TokensPerSecondAxis,
    WattsAxis,
)

TABLE = "measured/mlenergy"
"""The parameter file of the runs; `measured/b200_sweep` holds the sweep over context windows."""
COLUMNS = (
    "gpu",
    "llm",
    "precision",
    "task",
    "gpus",
    "expert_parallel",
    "batch",
    "power",
    "throughput",
    "latency",
    "output",
)
"""Columns of rows: names, then numbers in SI units; power is that of one GPU, latency the median between two tokens."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that differ in their batch alone; power is that of one GPU, latency the median time between two tokens."""

    gpu: str
    llm: str
    precision: str
    task: str
    gpus: Dimensionless
    expert_parallel: Dimensionless = 0.0
    batch: SequencesAxis
    power: WattsAxis
    throughput: TokensPerSecondAxis
    latency: SecondsAxis
    output: TokensAxis


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the requests of a benchmark look like; `output_scv` is the squared coefficient of variation of their outputs."""

    output_scv: Dimensionless
    prompt: Tokens = 0.0


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bytes of a parameter: of a routed expert, and of everything else."""

    dense: BytesPerParameter
    routed: BytesPerParameter


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One LLM at many context windows, each with as many sequences as fit; `residents` is what a sequence holds on the average."""

    gpu: str
    llm: str
    precision: str
    gpus: Dimensionless
    context_window: TokensAxis
    residents: TokensAxis
    batch: SequencesAxis
    throughput: TokensPerSecondAxis
    power: WattsAxis


class Measured:
    """The measured records of a parameter folder, looked up and checked."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.parameters = parameters
        self.section = parameters.section(TABLE).only(
            "source", "quality", "conditions", "precisions", "tasks", "aliases", "runs"
        )
        self.tasks = self.section.child("tasks").specs(Task)
        self.precisions = self.section.child("precisions").specs(Widths)
        self.aliases: dict[str, str] = self.section.child("aliases").convert(dict[str, str])

    def runs(self) -> pd.DataFrame:
        """Rows of the records, in their order, with the name of their series beside what `COLUMNS` says."""
        entries = self.section.child("runs")
        return pd.concat(
            [self._series(entries.child(name)).assign(series=name) for name in entries.raw],
            ignore_index=True,
        )

    def sweep(self) -> pd.DataFrame:
        """The sweep over context windows, with rows as `runs` has them and what a sequence holds."""
        section = self.parameters.section("measured/b200_sweep")
        sweep = section.spec(Sweep)
        self._known(section, sweep)
        return _frame(section, sweep, [each.name for each in fields(Sweep)]).assign(
            expert_parallel=0.0
        )

    def read(self, path: Path) -> tuple[pd.DataFrame, list[str]]:
        """Rows of a larger table: a CSV with the columns of ML.ENERGY's runs, or the folder of its gated data set.

        Args:
            path: a file `*.csv`, or a folder that holds `runs/llm.parquet`, which wants the package
                `mlenergy-data`.

        Returns:
            The rows whose GPU, LLM, task and precision are known, and what is not, by name.

        Raises:
            ParameterError: where the table cannot be read or lacks a column.
        """
        table = _benchmark(path) if path.is_dir() else _csv(path)
        if missing := [name for name in _PUBLISHED if name not in table]:
            raise ParameterError(
                f"{path}: the column {missing[0]} is missing, wanted the columns of ML.ENERGY's runs."
            )
        rows = pd.DataFrame(
            {
                "gpu": table.gpu_model,
                "llm": [self._llm(name) for name in table.model_id],
                "precision": table.weight_precision,
                "task": table.task,
                "gpus": table.num_gpus.astype(float),
                "expert_parallel": (table.expert_parallel > 1).astype(float),
                "batch": table.avg_batch_size.astype(float),
                "power": table.avg_power_watts / table.num_gpus,
                "throughput": table.output_throughput_tokens_per_sec.astype(float),
                "latency": table.median_itl_ms * 1e-3,
                "output": table.avg_output_len.astype(float),
            }
        )
        catalogue = self.parameters
        known = rows.gpu.isin(catalogue.gpus) & rows.llm.isin(catalogue.architectures)
        known &= (
            rows.task.isin(self.tasks)
            & rows.precision.isin(self.precisions)
            & np.isfinite(rows[list(COLUMNS[4:])]).all(axis=1)
        )
        return rows[known].reset_index(drop=True), sorted(set(table.model_id[~known]))

    def _llm(self, identifier: str) -> str:
        """The LLM that a model's identifier speaks of: the longest name, or alias, that it contains; empty where none does."""
        names = {name: name for name in self.parameters.architectures} | self.aliases
        found = [name for name in names if name in identifier.lower()]
        return names[max(found, key=len)] if found else ""

    def _series(self, section: Section) -> pd.DataFrame:
        series = section.spec(Series)
        self._known(section, series)
        section.pick("task", series.task, self.tasks)
        return _frame(section, series, list(COLUMNS))

    def _known(self, section: Section, entry: Series | Sweep) -> None:
        section.choose("gpu", entry.gpu, "gpus")
        section.choose("llm", entry.llm, "architectures")
        section.pick("precision", entry.precision, self.precisions)


_PUBLISHED = (
    "gpu_model",
    "model_id",
    "weight_precision",
    "task",
    "num_gpus",
    "expert_parallel",
    "avg_batch_size",
    "avg_power_watts",
    "output_throughput_tokens_per_sec",
    "median_itl_ms",
    "avg_output_len",
)


def _frame(section: Section, entry: Series | Sweep, names: list[str]) -> pd.DataFrame:
    columns = {name: getattr(entry, name) for name in names}
    lengths = {name: len(values) for name, values in columns.items() if np.ndim(values)}
    for name, length in lengths.items():
        if length != lengths["batch"]:
            raise section.fail(
                f"has {length} numbers", f"{lengths['batch']}, as many as batch", f"{name}.value"
            )
    return pd.DataFrame(columns)


def _csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path}: cannot be read ({error}), wanted a CSV of runs.") from None


def _benchmark(path: Path) -> pd.DataFrame:
    try:
        from mlenergy.data.records import LLMRuns
    except ImportError:
        raise ParameterError(
            f"{path}: needs the package mlenergy-data, wanted it installed: pip install 'tokwatt[mlenergy]'."
        ) from None
    try:
        return LLMRuns.from_directory(path).to_dataframe()
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({error}), wanted a folder with runs/llm.parquet."
        ) from None
