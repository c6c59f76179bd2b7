"""Columns of runs: those of a data frame, and of tables, and which cells there are believed."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tokwatt.calibration.runs import clients
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.columns import quoted
from tokwatt.units import (
    MOST_TOKENS,
    BytesPerParameter,
    Dimensionless,
    Domain,
    Seconds,
    Sequences,
    Tokens,
    TokensPerSecond,
    Watts,
)


class MeasuredRun(NamedTuple):
    """One run; a number that was not measured is NaN.

    Attributes:
        source: who measured it.
        engine: the engine by the name of its deviations.
        release: its version, or the month where none is known, behind the name of the engine.
        llm: the LLM by name.
        gpu: the GPU by name.
        precision: the precision of its weights by name, before the recipe of its checkpoint.
        task: what the requests ask for, by name; empty where lengths are known.
        kv_width: bytes of an element of the KV cache.
        tensor_parallel: GPUs that share every layer.
        data_parallel: ranks of attention that each have requests of their own.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
        client: 1 where `batch` is what a client keeps in flight and `latency` the mean time per
            output token; 0 where it is running requests and the median inter-token latency.
        odd: 1 where the layout or the workers are not recorded as they were.
        batch: requests in flight.
        prompt: mean prompt tokens of a request; NaN where its task decides.
        output: mean output tokens of a request.
        output_scv: squared coefficient of variation of them.
        latency: between two output tokens of a request.
        throughput: output tokens per second of the instance.
        first_token: time to first token.
        power: board power of one GPU.
    """

    source: str
    engine: str
    release: str
    llm: str
    gpu: str
    precision: str
    task: str
    kv_width: BytesPerParameter
    tensor_parallel: Dimensionless
    data_parallel: Dimensionless
    expert_parallel: Dimensionless
    client: Dimensionless
    odd: Dimensionless
    batch: Sequences
    prompt: Tokens
    output: Tokens
    output_scv: Dimensionless
    latency: Seconds
    throughput: TokensPerSecond
    first_token: Seconds
    power: Watts


COLUMNS = list(MeasuredRun._fields)
"""Columns of rows: names first, then numbers in SI units."""


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch


def _number_in(cell: str, domain: Domain) -> Dimensionless | None:
    """A cell as a number; None where it is none, or one that is not believed."""
    number = float(cell) if _NUMBER(cell) else math.nan
    return number if domain.contains(number, zero=True) else None


class ColumnLayout(NamedTuple):
    """Columns that a kind of table has; others are skipped.

    Attributes:
        name: whose runs they are.
        names: columns of names that it must have.
        numbers: columns of numbers that it must have.
        optional: what stands for an empty cell or a missing column.
    """

    name: str
    names: tuple[str, ...]
    numbers: Mapping[str, Domain]
    optional: Mapping[str, str | float]

    @property
    def required(self) -> list[str]:
        """Columns that must be there."""
        return [name for name in (*self.names, *self.numbers) if name not in self.optional]


_GPUS, _TOKENS, _TIME = Domain(1, 1024, whole=True), Domain(1, MOST_TOKENS), Domain(1e-3, 1e6)
MLENERGY = ColumnLayout(
    "ML.ENERGY's",
    ("gpu_model", "model_id", "weight_precision", "task"),
    {
        "num_gpus": _GPUS,
        "expert_parallel": _GPUS,
        "avg_batch_size": Domain(0.1, 2**20),
        "avg_power_watts": Domain(1, 1e6),
        "output_throughput_tokens_per_sec": Domain(1e-3, 1e8),
        "median_itl_ms": _TIME,
        "avg_output_len": _TOKENS,
    },
    {},
)
CLIENT = ColumnLayout(
    "InferenceX's",
    (
        *("engine", "llm", "gpu", "engine_version", "measured"),
        *("gemm_precision", "mode", "suspect", clients.EXACT),
    ),
    {
        "prompt_max": _TOKENS,
        "output_max": _TOKENS,
        "concurrency": Domain(1, 2**20),
        "tensor_parallel": _GPUS,
        "attention_data_parallel": _GPUS,
        "expert_parallel": Domain(0, 1024, whole=True),
        "ttft_ms": Domain(1e-3, 1e7),
        "tpot_ms": _TIME,
    },
    {
        **dict.fromkeys(("engine_version", "measured", "gemm_precision", "mode", "suspect"), ""),
        clients.EXACT: "",
        "concurrency": float("nan"),
        "attention_data_parallel": 1.0,
        "expert_parallel": 1.0,
    },
)
Row = dict[str, str | Dimensionless]


def require_columns(path: Path, names: Sequence[str], layout: ColumnLayout) -> None:
    """Refuse a table that lacks a column, or has one of them twice."""
    for name in layout.required:
        if name not in names:
            wanted = f"the columns of {layout.name} runs"
            raise ParameterError(f"{path}: the column {name} is missing, wanted {wanted}.")
    for name in (*layout.names, *layout.numbers):
        if (count := list(names).count(name)) > 1:
            raise ParameterError(f"{path}: has {count} columns {name}, wanted one.")


def row_of(
    cells: Sequence[str],
    places: Mapping[str, Dimensionless],
    width: Dimensionless,
    layout: ColumnLayout,
) -> tuple[Row, str]:
    """A row by column, and what is wrong with its first bad cell; empty where nothing is."""
    row: Row = {}
    if len(cells) != width:
        return row, f"has {len(cells)} cells, wanted {width} as there are column names"
    for name, place in places.items():
        cell = cells[place].strip()
        if not cell and name in layout.optional:
            continue
        value = _number_in(cell, layout.numbers[name]) if name in layout.numbers else cell or None
        if value is None:
            wanted = layout.numbers[name].between if name in layout.numbers else "a name"
            return row, f"has {quoted(cell) if cell else 'nothing'} under {name}, wanted {wanted}"
        row[name] = value
    return row, ""
