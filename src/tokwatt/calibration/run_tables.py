"""Larger tables of runs: a CSV with the columns of ML.ENERGY's runs, or its gated data set."""

from pathlib import Path

import numpy as np
import pandas as pd

from tokwatt.calibration.runs import COLUMNS, Measured
from tokwatt.params.errors import ParameterError

PUBLISHED = (
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
"""Columns that a table must have."""


def read_runs(measured: Measured, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a table of runs.

    Args:
        measured: what GPUs, LLMs, tasks and precisions are known by.
        path: a file `*.csv`, or a folder that holds `runs/llm.parquet`, which wants the package
            `mlenergy-data`.

    Returns:
        The rows whose GPU, LLM, task and precision are known, and what is not, by name.

    Raises:
        ParameterError: where the table cannot be read or lacks a column.
    """
    table = _benchmark(path) if path.is_dir() else _csv(path)
    if missing := [name for name in PUBLISHED if name not in table]:
        raise ParameterError(
            f"{path}: the column {missing[0]} is missing, wanted the columns of ML.ENERGY's runs."
        )
    rows = pd.DataFrame(
        {
            "gpu": table.gpu_model,
            "llm": [_llm(measured, name) for name in table.model_id],
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
    catalogue = measured.parameters
    known = rows.gpu.isin(catalogue.gpus) & rows.llm.isin(catalogue.llms)
    known &= rows.task.isin(measured.tasks) & rows.precision.isin(measured.parameters.precisions)
    known &= np.isfinite(rows[COLUMNS[4:]]).all(axis=1)
    return rows[known].reset_index(drop=True), sorted(set(table.model_id[~known]))


def _llm(measured: Measured, identifier: str) -> str:
    """The LLM with the longest name or alias that an identifier contains; empty where none."""
    names = {name: name for name in measured.parameters.llms} | measured.aliases
    contained = [name for name in names if name in identifier.lower()]
    return names[max(contained, key=len)] if contained else ""


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
            f"{path}: needs the package mlenergy-data, "
            "wanted it installed: pip install 'tokwatt[mlenergy]'."
        ) from None
    try:
        return LLMRuns.from_directory(path).to_dataframe()
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({error}), wanted a folder with runs/llm.parquet."
        ) from None
