"""`params/calibrated.yaml`: what the calibration found, and how far off it was.

Errors and intervals are those of LLMs that the fit did not see.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from tokwatt.calibration import intervals
from tokwatt.calibration.model import QUANTITIES, Fitted, ServingModel
from tokwatt.params.calibrated import TERMS
from tokwatt.params.folder import Checked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section
from tokwatt.units import MANY, Dimensionless, DimensionlessAxis, Scalar, SignedAxis

FILE = "calibrated"
ALL = "all"
"""Stands for every GPU, or every kind of LLM, in the name of a cell."""


class RunCell(NamedTuple):
    """Runs of one kind of LLM on one GPU.

    Attributes:
        gpu: the GPU by name, or `ALL`.
        kind: the kind of LLM, or `ALL`.
    """

    gpu: str
    kind: str

    @property
    def key(self) -> str:
        """How the cell is called in a file."""
        return f"{self.gpu}-{self.kind}"


def cell_of(key: str) -> RunCell:
    """The cell that a key of a file names; `all` alone stands for every run."""
    gpu, _, kind = key.rpartition("-")
    return RunCell(gpu or ALL, kind)


class FittedTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table that was fitted.

    Attributes:
        runs: its rows.
        digest: of its numbers.
    """

    runs: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class CellErrors:
    """Relative errors over the runs of a cell, each number by quantity.

    Attributes:
        runs: how many there are.
        signed: median with its sign.
        median: median of what is left without sign.
        percentile_90: 90th percentile without sign.
    """

    runs: Dimensionless
    signed: SignedAxis
    median: DimensionlessAxis
    percentile_90: DimensionlessAxis


class Calibrated(Checked):
    """The records of the calibration, and predictions with intervals."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.model = ServingModel(parameters)
        parts = ("value", "low", "high", "held_out", "half_widths", "coverage", "errors")
        self.section = parameters.section(FILE).only(
            "source", "quality", "table", "quantities", *parts
        )
        self.table = self.section.at("table", self.section.raw.get("table")).convert(FittedTable)
        written = self.section.raw.get("quantities")
        if written != list(QUANTITIES):
            raise self.section.fail(f"is {written!r:.60}", str(list(QUANTITIES)), "quantities")

    @cached_property
    def fitted(self) -> Fitted:
        """Parameters as fitted to every run."""
        return self._fitted("value")[0]

    @cached_property
    def bounds(self) -> tuple[Fitted, Fitted]:
        """Fifth and ninety-fifth percentile of the parameters over draws of LLMs."""
        return self._fitted("low")[0], self._fitted("high")[0]

    @cached_property
    def held_out(self) -> dict[str, Fitted]:
        """Parameters as fitted to the runs of every other LLM, by the LLM that was left out."""
        section = self.section.child("held_out")
        llms = section.raw.get("llms")
        if not (isinstance(llms, list) and all(isinstance(llm, str) for llm in llms)):
            raise section.fail(f"is {llms!r:.60}", "a list of LLMs", "llms")
        return dict(zip(llms, self._fitted("held_out", len(llms)), strict=True))

    @cached_property
    def half_widths(self) -> pd.DataFrame:
        """Half-widths of intervals on the logarithmic scale, a column a quantity, by cell."""
        return self._cells("half_widths")

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """Share of runs of held-out LLMs within their intervals, as `half_widths`."""
        return self._cells("coverage")

    @cached_property
    def errors(self) -> dict[str, dict[RunCell, CellErrors]]:
        """Errors over all runs, `in_sample` and `held_out`, by cell."""
        section = self.section.child("errors")
        return {
            fit: {
                cell_of(key): errors for key, errors in section.child(fit).specs(CellErrors).items()
            }
            for fit in section.raw
        }

    def check(self) -> None:
        """Read what is measured too, so that what is wrong comes up now."""
        super().check()
        for rows in (self.model.measured.runs(), self.model.measured.sweep()):
            self.model.arrays(rows.assign(task=self.model.records.tasks[0], output=1.0))

    def widths(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Half-widths of the intervals of runs, a column for each quantity."""
        kinds = intervals.interval_kinds(intervals.kinds(self.model.parameters, rows.llm))
        cells = pd.MultiIndex.from_arrays([rows.gpu, kinds])
        for cell in set(cells) - set(self.half_widths.index):
            section = self.section.child("half_widths")
            raise section.fail("is missing", "half-widths of runs of its kind", RunCell(*cell).key)
        return self.half_widths.loc[cells].set_axis(rows.index)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predictions of runs with the ends of their intervals.

        Args:
            rows: runs with the columns of `runs.COLUMNS` but for what is measured; `prompt` where
                it is known.

        Returns:
            For each quantity its prediction, by parameters that did not see the LLM, and in
            `NAME_low` and `NAME_high` what holds 90 % of held-out runs like it.
        """
        predicted = intervals.held_out_predictions(
            self.model, rows, self.model.arrays(rows), self.held_out, self.fitted
        )
        factors = np.exp(self.widths(rows))
        columns = {}
        for name, middle in predicted._asdict().items():
            factor = factors[name].to_numpy()
            columns[name] = middle
            columns[f"{name}_low"] = middle / factor
            columns[f"{name}_high"] = middle * factor
        tdp = rows.gpu.map(lambda gpu: self.model.parameters.gpus[gpu].tdp)
        columns["power_high"] = np.minimum(columns["power_high"], tdp.to_numpy())
        return pd.DataFrame(columns, rows.index)

    def score(self, rows: pd.DataFrame) -> pd.DataFrame:
        """How far predictions of runs are off.

        Args:
            rows: measured runs; of LLMs that the calibration saw, each is predicted without its
                own.

        Returns:
            By GPU and kind of LLM the number of runs, and for each quantity the median error and
            in `NAME_inside` the share within intervals.
        """
        predicted, measured = self.predict(rows), intervals.observed(rows)
        columns = {"runs": np.ones(len(rows))}
        for name, actual in measured._asdict().items():
            low, high = predicted[f"{name}_low"], predicted[f"{name}_high"]
            columns[name] = (predicted[name] / actual - 1).abs()
            columns[f"{name}_inside"] = (low <= actual) & (actual <= high)
        kinds = intervals.kinds(self.model.parameters, rows.llm).rename("kind")
        cells = pd.DataFrame(columns, rows.index).groupby([rows.gpu, kinds])
        merged = {name: "mean" if name.endswith("_inside") else "median" for name in columns}
        return cells.agg(merged | {"runs": "sum"})

    def _cells(self, name: str) -> pd.DataFrame:
        """A list of numbers, one for each quantity, by cell."""
        section = self.section.child(name)
        numbers = {key: section.quantity(key, DimensionlessAxis) for key in section.raw}
        for key, row in numbers.items():
            if len(row) != len(QUANTITIES):
                wanted = f"{len(QUANTITIES)}, as many as quantities"
                raise section.fail(f"has {len(row)} numbers", wanted, key)
        cells = pd.MultiIndex.from_tuples([cell_of(key) for key in numbers], names=["gpu", "kind"])
        return pd.DataFrame(np.array(list(numbers.values())), cells, QUANTITIES)

    def _fitted(self, name: str, count: int = 0) -> list[Fitted]:
        """Parameters of a part of the file, each a number, or a list of `count` of them."""
        section, records = self.section.child(name), self.model.records
        steps = [
            _numbers(section.child(parameter.part), parameter.name, parameter.unit, count)
            for parameter in records.names
        ]
        boards = np.zeros((len(records.gpus), len(TERMS), max(1, count)))
        for place, (gpu, board) in enumerate(records.boards.items()):
            coefficients = section.child("boards").child(gpu)
            for term in board.terms:
                boards[place, TERMS.index(term)] = _numbers(coefficients, term, "1", count)
        pairs = zip(np.array(steps).T, np.moveaxis(boards, -1, 0), strict=True)
        return [Fitted(records.unravel(numbers), board) for numbers, board in pairs]


def _numbers(section: Section, name: str, unit: str, count: int) -> DimensionlessAxis:
    """One number, or as many as there are LLMs left out."""
    hint = Annotated[(Scalar, unit, MANY)] if count else Annotated[Scalar, unit]
    numbers = np.atleast_1d(section.quantity(name, hint, positive=False))
    if len(numbers) != max(1, count):
        wanted = f"{count}, one for each LLM left out"
        raise section.fail(f"has {len(numbers)} numbers", wanted, name)
    return numbers
