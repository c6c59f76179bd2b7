"""`params/calibrated.yaml`: what the calibration found, and how far off it was."""

from collections.abc import Mapping
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd

from tokwatt.calibration import intervals
from tokwatt.calibration.evidence import QUANTITIES, Evidence
from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.model import ServingModel
from tokwatt.calibration.fit.numbers import LEVEL_NAMES, Numbers
from tokwatt.params.calibrated import HELD_OUT, POWER_TERMS, deviations, fitted_numbers
from tokwatt.params.specs import StepParameters
from tokwatt.units import Dimensionless, SignedAxis, Tokens, hints_of


class FittedTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table that was fitted: its rows that counted, and a digest of its numbers."""

    runs: int
    digest: str


class Calibrated(Evidence):
    """The records of the calibration, and predictions with intervals."""

    @cached_property
    def model(self) -> ServingModel:
        """What predicts runs."""
        return ServingModel(self.parameters)

    @cached_property
    def table(self) -> FittedTable:
        """The table that was fitted."""
        return self.section.at("table", self.section.raw.get("table")).convert(FittedTable)

    @cached_property
    def fitted(self) -> Numbers:
        """Numbers as fitted to every run."""
        section = self.section.child("value")
        common = section.child("common").bind(hints_of(StepParameters))
        power, boards = section.child("power"), section.child("boards")
        shared = {name: power.quantity(name, Dimensionless) for name in power.raw}
        own = {
            board: {
                name: boards.child(board).quantity(name, Dimensionless)
                for name in ("idle", "scale")
            }
            for board in boards.raw
        }
        prompts = section.child("prompts")
        priors = self.model.records.prompts
        return Numbers(
            {name: float(np.log(value)) for name, value in common.items()},
            {level: deviations(section, part) for level, part in LEVEL_NAMES.items()},
            {
                task: float(np.log(prompts.quantity(task, Tokens) / prior.prompt))
                for task, prior in priors.items()
            },
            {board: {**shared, **numbers} for board, numbers in own.items()},
        )

    @cached_property
    def held_out(self) -> dict[str, Numbers]:
        """Numbers as fitted to the runs of every other LLM, by the LLM that was left out."""
        file = self.parameters.section(HELD_OUT)
        section, llms = file.child("value"), file.texts("llms")
        moved, boards = fitted_numbers(section.child("common"), llms), section.child("boards")
        lists = {level: deviations(section, part, llms) for level, part in LEVEL_NAMES.items()}
        laws = {
            board: fitted_numbers(boards.child(board), llms, POWER_TERMS) for board in boards.raw
        }
        return {
            llm: Numbers(
                {name: self.fitted.common[name] + own[place] for name, own in moved.items()},
                {level: _at(tree, place) for level, tree in lists.items()},
                self.fitted.prompts,
                _at(laws, place),
            )
            for place, llm in enumerate(llms)
        }

    @cached_property
    def coverage(self) -> dict[str, dict[str, dict[str, Dimensionless]]]:
        """Share of left-out runs within their intervals, as `widths`."""
        return self._cells("coverage")

    @cached_property
    def errors(self) -> dict[str, dict[str, dict[str, Dimensionless]]]:
        """Median errors over all runs, by fit, by `source.what.name` and by quantity."""
        return self.section.child("errors").convert(dict[str, dict[str, dict[str, float]]])

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predictions of runs, each by numbers that did not see its LLM, with interval ends.

        Args:
            rows: runs with the columns of `runs.COLUMNS`.

        Returns:
            For each quantity its prediction, and in `NAME_low` and `NAME_high` what holds 90 % of
            left-out runs like it.
        """
        runs = WeightedRuns(self.model, rows)

        def predicted(numbers: Numbers) -> pd.DataFrame:
            logs = numbers.logs(self.model.records, rows)
            return intervals.predicted_runs(runs, logs, numbers.law)

        made = predicted(self.fitted)
        for llm in set(rows.llm) & set(self.held_out):
            own = (rows.llm == llm).to_numpy()
            made[own] = predicted(self.held_out[llm])[own]
        return self.with_ends(rows, made)

    def with_ends(self, rows: pd.DataFrame, made: pd.DataFrame) -> pd.DataFrame:
        """Predictions with the ends of their intervals, as of LLMs that no run knows."""
        factors, columns = np.exp(self.widths_of(rows)), dict(made.items())
        tdp = rows.gpu.map({gpu: spec.tdp for gpu, spec in self.parameters.gpus.items()})
        for name in QUANTITIES:
            columns[f"{name}_low"] = made[name] / factors[name]
            columns[f"{name}_high"] = made[name] * factors[name]
        columns["power_high"] = np.minimum(columns["power_high"], tdp)
        return pd.DataFrame(columns)

    def widths_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Half-widths of the intervals of runs whose LLM no run knows, a column a quantity."""
        kinds = self.model.kinds(rows.llm)
        table = [
            self.half_widths(kind, self.unknown("", gpu, engine), engine, gpu)
            for kind, gpu, engine in zip(kinds, rows.gpu, rows.engine, strict=True)
        ]
        return pd.DataFrame(table, rows.index)[[*QUANTITIES]]

    def score(self, rows: pd.DataFrame) -> pd.DataFrame:
        """How far predictions of runs are off.

        Args:
            rows: measured runs; of LLMs that the calibration saw, each is predicted without its
                own. Odd ones do not count where there are others, first tokens at low load alone.

        Returns:
            By engine, GPU and kind of LLM the number of runs, and for each quantity the median
            error and in `NAME_inside` the share within intervals; NaN of what was not measured.
        """
        rows = rows[(rows.odd == 0) | (rows.odd == 1).all()].reset_index(drop=True)
        predicted, measured = self.predict(rows), intervals.observed(rows)
        measured["first_token"] = measured.first_token.where(self.model.at_low_load(rows))
        columns: dict[str, object] = {"runs": np.ones(len(rows))}
        for name in QUANTITIES:
            actual = measured[name]
            low, high = predicted[f"{name}_low"], predicted[f"{name}_high"]
            inside = ((low <= actual) & (actual <= high)).astype(float)
            columns[name] = (predicted[name] / actual - 1).abs()
            columns[f"{name}_inside"] = inside.where(actual.notna())
        kinds = self.model.kinds(rows.llm).rename("kind")
        cells = pd.DataFrame(columns, rows.index).groupby([rows.engine, rows.gpu, kinds])
        merged = {name: "mean" if name.endswith("_inside") else "median" for name in columns}
        return cells.agg(merged | {"runs": "sum"})

    def check(self) -> None:
        """Read what is measured too, so that what is wrong comes up now."""
        super().check()
        self.model.measured.check()
        self.model.measured.runs()
        self.model.measured.sweep()


def _at(tree: Mapping[str, Mapping[str, SignedAxis]], place: int) -> dict[str, dict[str, float]]:
    """The numbers at one place of lists."""
    return {
        label: {name: float(values[place]) for name, values in numbers.items()}
        for label, numbers in tree.items()
    }
