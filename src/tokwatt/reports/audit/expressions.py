"""Expressions over the datasets of a folder: `fleets('power', 'azure', 'pool', 'H100') / 1e3`."""

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simpleeval
import xarray as xr

from tokwatt.reports.datasets import dataset_paths

Value = float | str | bool
WRONG = (
    simpleeval.InvalidExpression,
    ArithmeticError,
    LookupError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What evaluating raises where an expression is none."""


class ExpressionError(ValueError):
    """What an expression has wrong, and what is wanted there."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted = found, wanted


@dataclass(frozen=True)
class Lookup:
    """What an expression read.

    Attributes:
        dataset: the name of the dataset.
        variable: the name of the variable.
        labels: the labels it was picked at.
        values: what stands there.
    """

    dataset: str
    variable: str
    labels: tuple[str | float, ...]
    values: xr.DataArray


class Expressions:
    """Evaluates expressions in which each dataset of a folder is a function.

    `DATASET('variable', label, ...)` picks each label from the dimension that has it. With a label
    for every dimension it is a number, otherwise the rest of the array.

    Args:
        folder: where the datasets `JOB/DATASET.nc` are.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = dataset_paths(folder)
        self.datasets = list(self.paths)
        self._lookups: list[Lookup] = []
        self._open: dict[str, xr.Dataset] = {}
        self._functions = {name: partial(self._look_up, name) for name in self.datasets} | FUNCTIONS

    def values(self, expressions: str | Iterable[str]) -> tuple[list[Value], list[Lookup]]:
        """What one or more expressions come to, as one flat list, and what they read.

        Raises:
            ExpressionError: where one is not an expression over the datasets.
        """
        self._lookups = []
        texts = [expressions] if isinstance(expressions, str) else expressions
        results = [np.ravel(self._evaluate(text)).tolist() for text in texts]
        return [value for result in results for value in result], self._lookups

    def _evaluate(self, expression: str) -> npt.ArrayLike:
        evaluator = simpleeval.EvalWithCompoundTypes(functions=dict(self._functions), names={})
        try:
            return evaluator.eval(expression)
        except ExpressionError:
            raise
        except simpleeval.FunctionNotDefined as error:
            found, wanted = f"uses {error.func_name!r}", _one_of(error.func_name, self._functions)
        except simpleeval.NameNotDefined as error:
            found, wanted = f"uses the name {error.name!r}", "labels in quotes, and functions"
        except WRONG as error:
            found = f"is {expression!r} ({type(error).__name__})"
            wanted = "an expression over the datasets"
        raise ExpressionError(found, wanted)

    def _look_up(self, name: str, variable: str, *labels: str | float) -> Value | xr.DataArray:
        if name not in self._open:
            self._open[name] = xr.load_dataset(self.paths[name])
        dataset = self._open[name]
        if variable not in dataset.data_vars:
            raise ExpressionError(
                f"reads {variable!r} of {name}", _one_of(variable, dataset.data_vars)
            )
        values = dataset[variable]
        for label in labels:
            values = _pick(values, label)
        self._lookups.append(Lookup(name, variable, labels, values))
        return values if values.ndim else values.item()


def _pick(values: xr.DataArray, label: str | float) -> xr.DataArray:
    """The part of an array at a label of any of its dimensions."""
    labels = {str(dimension): values[dimension].values.tolist() for dimension in values.dims}
    for dimension, names in labels.items():
        for position, name in enumerate(names):
            if _same(name, label):
                return values.isel({dimension: position}, drop=True)
    left = [str(name) for names in labels.values() for name in names]
    wanted = _one_of(str(label), left) if left else "no further label"
    raise ExpressionError(f"picks {label!r} from {values.name}", wanted)


def _same(name: str | float, label: str | float) -> bool:
    if isinstance(name, str) or isinstance(label, str):
        return name == label
    return math.isclose(name, label, rel_tol=1e-9)


def _one_of(name: str, names: Iterable[object]) -> str:
    options = [str(option) for option in names]
    close = difflib.get_close_matches(name, options, 1)
    return f"one of {', '.join(options)}" + (f" (did you mean {close[0]!r}?)" if close else "")


def _numbers(*values: npt.ArrayLike) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values])


def _best(values: xr.DataArray) -> Value:
    """The label of the largest value along the only dimension."""
    return values.idxmax(*values.dims).item()


def _steps(values: xr.DataArray) -> np.ndarray:
    """Each value over the next."""
    numbers = np.ravel(values)
    return numbers[:-1] / numbers[1:]


FUNCTIONS: dict[str, Callable] = {
    "abs": abs,
    "best": _best,
    "count": lambda *values: _numbers(*values).size,
    "floor": math.floor,
    "log2": math.log2,
    "max": lambda *values: float(_numbers(*values).max()),
    "min": lambda *values: float(_numbers(*values).min()),
    "round": round,
    "steps": _steps,
}
