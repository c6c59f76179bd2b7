"""Fitted numbers, and the parameters of runs by them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from tokwatt.calibration.fit.power import PowerLaw
from tokwatt.calibration.fit.start import FitRecords
from tokwatt.params.calibrated import CAPPED
from tokwatt.params.specs import StepParameters
from tokwatt.units import DimensionlessAxis, units_of

LEVEL_NAMES = {"gpu": "gpus", "engine": "engines", "both": "gpus_engines", "release": "releases"}
"""Parts of the files, by level of deviations."""
NOTHING = 1e-15
"""Stands for an overhead of none, s."""


class Numbers(NamedTuple):
    """Fitted numbers.

    Attributes:
        common: logarithms in SI by parameter.
        deviations: by level, label and parameter.
        prompts: logarithm of a factor on prompts by task.
        law: of power.
    """

    common: Mapping[str, float]
    deviations: Mapping[str, Mapping[str, Mapping[str, float]]]
    prompts: Mapping[str, float]
    law: PowerLaw

    def logs(self, records: FitRecords, rows: pd.DataFrame) -> DimensionlessAxis:
        """Logarithms of parameters, then of the factor on prompts, shape (parameter + 1, row)."""
        keys = ["gpu", "engine", "release", "task"]
        alike = rows.groupby(keys, sort=False)
        columns = [self._column(records, *map(str, key)) for key in alike.groups]
        return np.array(columns).T[:, alike.ngroup().to_numpy()]

    def _column(
        self, records: FitRecords, gpu: str, engine: str, release: str, task: str
    ) -> list[float]:
        engines = self.deviations["engine"]
        fitted = engine if engine in engines else records.family(engine)
        parts = [
            self.deviations["gpu"].get(gpu, {}),
            engines.get(fitted, {}),
            self.deviations["both"].get(f"{gpu}/{fitted}", {}),
            self.deviations.get("release", {}).get(release, {}),
        ]
        numbers = [
            self.common[name] + sum(part.get(name, 0.0) for part in parts) for name in records.names
        ]
        return [*numbers, self.prompts.get(task, 0.0)]


def roofline(records: FitRecords, rows: pd.DataFrame) -> DimensionlessAxis:
    """Parameters of a plain roofline: data-sheet rates and no overheads, shape as of `logs`."""
    units = units_of(StepParameters)
    numbers = [
        0.0 if CAPPED in name or str(units[name]) == "1" else float(np.log(NOTHING))
        for name in records.names
    ]
    return np.repeat(np.array([[*numbers, 0.0]]).T, len(rows), 1)
