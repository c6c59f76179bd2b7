"""What was measured on real machines: the records of `params/measured/`, one run a row.

Rows are data frames in SI units with the columns of `COLUMNS`; `tables` reads larger ones.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

from tokwatt.calibration.runs import tables
from tokwatt.calibration.runs.clients import Reading
from tokwatt.calibration.runs.columns import COLUMNS
from tokwatt.params.folder import Checked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.records.section import Section
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
    """Runs of ML.ENERGY that differ in their batch size alone.

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
        engine: the engine by the name of its deviations.
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

    engine: str
    gpu: str
    llm: str
    precision: str
    gpus: Dimensionless
    context_window: TokensAxis
    residents: TokensAxis
    batch: SequencesAxis
    throughput: TokensPerSecondAxis
    power: WattsAxis


class Measured(Checked):
    """The measured records of a parameter folder, looked up and checked."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.parameters = parameters
        self.section = parameters.section("measured/mlenergy").only(
            "source", "quality", "conditions", "engine", "tasks", "aliases", "runs"
        )
        self.engine = str(self.section.raw.get("engine"))
        self.tasks = self.section.child("tasks").specs(Task)
        self.aliases: dict[str, str] = self.section.child("aliases").convert(dict[str, str])

    @cached_property
    def reading(self) -> Reading:
        """How tables of load generators are read."""
        return self._clients.child("reading").convert(Reading)

    @property
    def _clients(self) -> Section:
        return self.parameters.section("measured/inferencex").only(
            "source", "quality", "reading", "published", "columns", "rows"
        )

    def runs(self) -> pd.DataFrame:
        """Rows of ML.ENERGY's records, in their order, with the name of their series beside."""
        entries = self.section.child("runs")
        return pd.concat(
            [self._series(entries.child(name)).assign(series=name) for name in entries.raw],
            ignore_index=True,
        )

    @cached_property
    def client_runs(self) -> pd.DataFrame:
        """Rows of the selection of InferenceX's runs, which is written as its table is."""
        section = self._clients
        lines = [",".join(section.texts("columns")), *section.texts("rows")]
        return tables.read_lines(self, section.path, lines).rows

    def sweep(self) -> pd.DataFrame:
        """Rows of the sweep over context windows, with the tokens that a sequence holds."""
        section = self.parameters.section("measured/b200_sweep")
        sweep = section.spec(WindowSweep)
        self._require_known(section, sweep)
        frame = _frame(section, sweep)
        measured = {"tensor_parallel": frame.gpus, "latency": frame.batch / frame.throughput}
        names = {"engine": sweep.engine, "release": sweep.engine, "task": ""}
        return frame.assign(**{**self._fixed(), **names, **measured})

    def llm_of(self, identifier: str) -> str:
        """The LLM with the longest name or alias that an identifier contains; empty where none."""
        names = {name: name for name in self.parameters.llms} | self.aliases
        contained = [name for name in names if name in identifier.lower()]
        return names[max(contained, key=len)] if contained else ""

    def of_benchmark(self, **known: object) -> dict[str, object]:
        """A run of ML.ENERGY from what its table says."""
        task = self.tasks[str(known["task"])]
        return {**self._fixed(), "output_scv": task.output_scv, **known}

    def _fixed(self) -> dict[str, object]:
        """What every run of ML.ENERGY has."""
        none = {"prompt": np.nan, "first_token": np.nan, "client": 0.0, "odd": 0.0}
        layout = {"data_parallel": 1.0, "expert_parallel": 1.0, "kv_width": 2.0, "output_scv": 0.0}
        names = {"source": "mlenergy", "engine": self.engine, "release": self.engine}
        return {**none, **layout, **names}

    def _series(self, section: Section) -> pd.DataFrame:
        series = section.spec(RunSeries)
        self._require_known(section, series)
        section.pick("task", series.task, self.tasks)
        frame = _frame(section, series)
        ranks = series.gpus if series.expert_parallel else 1.0
        known = {name: frame[name] for name in frame if name in COLUMNS}
        known |= {"expert_parallel": ranks, "tensor_parallel": frame.gpus, "task": series.task}
        return pd.DataFrame(self.of_benchmark(**known))[COLUMNS]

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
