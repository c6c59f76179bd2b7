"""Partial pooling: numbers of a step from common values and deviations that lean on each other."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from tokwatt.calibration.fit.start import FitRecords
from tokwatt.units import DimensionlessAxis

Labels = Mapping[str, pd.Series]
"""What rows may deviate by, by level: names, empty where a level does not apply."""
BETWEEN = "/"
"""Stands between a GPU and an engine."""


class Deviation(NamedTuple):
    """A number that is fitted: how far the logarithm of a parameter deviates for some rows."""

    parameter: str
    level: str
    label: str


class Pooling:
    """Deviations of the runs of a table, in units of their prior spreads.

    Attributes:
        records: priors.
        deviations: what is fitted, in order.
        spread: prior standard deviation of each.
        slices: places of the deviations of each parameter.
        design: by parameter which rows have which of its deviations, shape (row, deviation).
        start: logarithms before anything is measured, shape (parameter + 1, row).
    """

    def __init__(self, records: FitRecords, rows: pd.DataFrame) -> None:
        self.records = records
        self.deviations: list[Deviation] = []
        self.slices: dict[str, slice] = {}
        self.design: dict[str, np.ndarray] = {}
        spread: list[float] = []
        for name, found in self._by_parameter(rows):
            begin = len(self.deviations)
            self.deviations += [deviation for deviation, _, _ in found]
            spread += [width for _, width, _ in found]
            self.slices[name] = slice(begin, len(self.deviations))
            self.design[name] = np.array([column for _, _, column in found], float).T
        self.spread = np.array(spread)
        starts = [records.priors[name].start for name in records.names]
        self.start = np.repeat([[start] for start in [*starts, 0.0]], len(rows), 1)

    @property
    def prompts(self) -> slice:
        """Places of the factors on prompts."""
        return self.slices["prompt"]

    def logs(self, scaled: DimensionlessAxis) -> DimensionlessAxis:
        """Logarithms of parameters, then of the factor on prompts, shape (parameter + 1, row)."""
        moved = scaled * self.spread
        return self.start + [self.design[name] @ moved[at] for name, at in self.slices.items()]

    def gradient(self, by_row: DimensionlessAxis) -> DimensionlessAxis:
        """Derivatives by what is fitted, shape (row, deviation), from those by `logs`."""
        parts = [
            column[:, None] * self.design[name]
            for column, name in zip(by_row, self.slices, strict=True)
        ]
        return np.concatenate(parts, 1) * self.spread

    def values(self, scaled: DimensionlessAxis) -> dict[str, dict[str, dict[str, float]]]:
        """Fitted numbers by level, label and parameter: common ones in SI, others as logarithms."""
        tree: dict[str, dict[str, dict[str, float]]] = {}
        for deviation, moved in zip(self.deviations, scaled * self.spread, strict=True):
            labels = tree.setdefault(deviation.level, {})
            labels.setdefault(deviation.label, {})[deviation.parameter] = float(moved)
        common = tree["common"][""]
        for name in self.records.names:
            common[name] = float(np.exp(common[name] + self.records.priors[name].start))
        for engine, family in self.records.families.items():
            own, others = tree["engine"].get(engine, {}), tree["engine"].get(family, {})
            if own:
                names = {**own, **others}
                total = {name: own.get(name, 0.0) + others.get(name, 0.0) for name in names}
                tree["engine"][engine] = total
        return tree

    def _by_parameter(
        self, rows: pd.DataFrame
    ) -> Iterator[tuple[str, list[tuple[Deviation, float, np.ndarray]]]]:
        masks = self._masks(rows)
        for name in self.records.names:
            spread = self.records.priors[name].spread
            yield (
                name,
                [
                    (Deviation(name, level, label), width, mask)
                    for (level, entries), width in zip(masks.items(), spread, strict=True)
                    if width > 0
                    for label, mask in entries.items()
                ],
            )
        priors = self.records.prompts.items()
        yield (
            "prompt",
            [
                (Deviation("prompt", "task", task), prior.spread, (rows.task == task).to_numpy())
                for task, prior in priors
            ],
        )

    def _masks(self, rows: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
        """By level and label which rows deviate; an engine has the deviations of its family too."""
        families = rows.engine.map(self.records.family)
        both = rows.gpu + BETWEEN + rows.engine
        engines = {
            engine: ((rows.engine == engine) | (families == engine)).to_numpy()
            for engine in sorted({*rows.engine, *families})
        }
        return {
            "common": {"": np.ones(len(rows), bool)},
            "gpu": _each(rows.gpu),
            "engine": engines,
            "both": _each(both),
            "release": _each(rows.release),
        }


def _each(names: pd.Series) -> dict[str, np.ndarray]:
    return {name: (names == name).to_numpy() for name in sorted(names.unique())}
