"""What was measured on real machines: the records of `params/measured/`, one run a row.

Rows are data frames in SI units with the columns of `COLUMNS`; `run_tables` reads larger ones.
"""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section
from tokwatt.units import (
    Dimensionless,
    SecondsAxis,
    SequencesAxis,
    Tokens,
    TokensAxis,
    TokensPerSecondAxis,
    WattsAxis,
)


@dataclass(frozen=True, kw_only=True)
class RunSeries:
    """Runs that differ in their batch size alone.

    Attributes:
        gpu: the GPU by name.
        llm: the LLM by name.
        precision: the precision of its weights by name.
        task: what the requests ask for, by name.
        gpus: GPUs of the instance.
        expert_parallel: 1 where each GPU holds whole experts, 0 where a slice of all.
        batch: mean batch size, seq.
        power: board power of one GPU, W.
        throughput: output tokens of the instance, tok/s.
        latency: median inter-token latency, s.
        output: mean output tokens of a request, tok.
    """

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


COLUMNS = [field.name for field in fields(RunSeries)]
"""Columns of rows: names first, then numbers in SI units."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the requests of a benchmark look like.

    Attributes:
        output_scv: squared coefficient of variation of the output tokens of a request.
        prompt: mean prompt tokens, tok; 0 where the benchmark publishes none.
    """

    output_scv: Dimensionless
    prompt: Tokens = 0.0


@dataclass(frozen=True, kw_only=True)
class WindowSweep:
    """One LLM at many context windows, each with as many sequences as fit.

    Attributes:
        gpu: the GPU by name.
        llm: the LLM by name.
        precision: the precision of its weights by name.
        gpus: GPUs of the instance.
        context_window: tokens that a sequence may hold, tok.
        residents: tokens that a sequence holds on average, tok.
        batch: batch size, seq.
        throughput: output tokens of the instance, tok/s.
        power: board power of one GPU, W.
    """

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
        self.section = parameters.section("measured/mlenergy").only(
            "source", "quality", "conditions", "tasks", "aliases", "runs"
        )
        self.tasks = self.section.child("tasks").specs(Task)
        self.aliases: dict[str, str] = self.section.child("aliases").convert(dict[str, str])

    def runs(self) -> pd.DataFrame:
        """Rows of the records, in their order, with the name of their series beside `COLUMNS`."""
        entries = self.section.child("runs")
        return pd.concat(
            [self._series(entries.child(name)).assign(series=name) for name in entries.raw],
            ignore_index=True,
        )

    def sweep(self) -> pd.DataFrame:
        """Rows of the sweep over context windows, with the tokens that a sequence holds."""
        section = self.parameters.section("measured/b200_sweep")
        sweep = section.spec(WindowSweep)
        self._require_known(section, sweep)
        return _frame(section, sweep).assign(expert_parallel=0.0)

    def _series(self, section: Section) -> pd.DataFrame:
        series = section.spec(RunSeries)
        self._require_known(section, series)
        section.pick("task", series.task, self.tasks)
        return _frame(section, series)

    def _require_known(self, section: Section, entry: RunSeries | WindowSweep) -> None:
        section.choose("gpu", entry.gpu, "gpus")
        section.choose("llm", entry.llm, "llms")
        section.choose("precision", entry.precision, "precisions")


def _frame(section: Section, entry: RunSeries | WindowSweep) -> pd.DataFrame:
    """A row for each batch size; every list must be as long as that of batch sizes."""
    columns = {field.name: getattr(entry, field.name) for field in fields(entry)}
    wanted = len(entry.batch)
    for name, values in columns.items():
        if np.ndim(values) and len(values) != wanted:
            found = f"has {len(values)} numbers"
            raise section.fail(found, f"{wanted}, as many as batch", f"{name}.value")
    return pd.DataFrame(columns)
