"""The calibrated parameters, their ranges and their starts."""

from dataclasses import fields

import numpy as np
import pandas as pd
import xarray as xr

from tokwatt.calibration.fit.start import POWER_TERMS
from tokwatt.calibration.records import Calibrated
from tokwatt.params.calibrated import OTHER
from tokwatt.params.specs import StepParameters
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.units import units_of

LONG_NAMES = {
    name: f"{name}_in_the_unit_of_the_parameter" for name in ("value", "low", "high", "start")
}


def parameters(catalogue: Catalogue) -> xr.Dataset:
    """Common parameters and shares of power, their ranges without each LLM, and their starts."""
    calibrated = Calibrated(catalogue)
    records, fitted = calibrated.model.records, calibrated.fitted
    units = {name: str(unit) for name, unit in units_of(StepParameters).items()}
    without = pd.DataFrame([numbers.common for numbers in calibrated.held_out.values()])
    rows = {
        f"step.{name}": (
            fitted.common[name],
            without[name].min(),
            without[name].max(),
            records.priors[name].start,
            units[name],
        )
        for name in (field.name for field in fields(StepParameters))
    }
    for board, numbers in fitted.law.items():
        laws = [held.law[board] for held in calibrated.held_out.values()]
        for name in POWER_TERMS if board == OTHER else ("idle", "scale"):
            ends = [np.log(law[name]) for law in laws]
            values = np.log(numbers[name]), min(ends), max(ends)
            rows[f"{board}.{name}"] = (*values, records.power[name].start, "1")
    numbers_of_rows = np.exp(np.array([row[:4] for row in rows.values()], float)).T
    columns = {
        name: Variable("parameter", column, "1")
        for name, column in zip(LONG_NAMES, numbers_of_rows, strict=True)
    }
    columns["unit"] = Variable("parameter", [row[4] for row in rows.values()])
    return labelled(columns, {"parameter": [*rows]}, LONG_NAMES)
