"""Where a number comes from: every equation that ran on the way to it.

Functions of the equation modules are replaced by ones that take notes while a call runs.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import jax
import numpy as np

from tokwatt.equations import batching, erlang, lengths, memory, power, queueing, roofline, weights
from tokwatt.params.records.quantity import Record
from tokwatt.serving.account import on_basis
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Scalar, units_of

EQUATIONS = (batching, erlang, lengths, memory, power, queueing, roofline, weights)

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class EquationRun:
    """One equation as it ran.

    Attributes:
        equation: name of the function.
        arguments: value and unit by argument.
        result: what it returned.
        unit: unit of the result.
        meaning: the first sentence of its docstring.
        source: where it is from.
    """

    equation: str
    arguments: dict[str, tuple[float, str]]
    result: float
    unit: str
    meaning: str
    source: str


def explained(
    function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> tuple[Result, list[EquationRun]]:
    """Call a function and note each equation it uses, in the order they finish.

    Args:
        function: an assembly such as `operating_point`; what it compiles runs as written.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Returns:
        Its result and the steps, each once. A step is a single number; what works on arrays is left
        out.
    """
    steps: list[EquationRun] = []
    with _noted(steps), jax.disable_jit():
        return function(*args, **kwargs), steps


def calibrated_records(catalogue: Catalogue, gpu: str, engine: str) -> list[Record]:
    """The records of the calibrated step and board power that count for a GPU and an engine."""
    fitted = catalogue.section("calibrated")
    value = fitted.child("value")
    values = value.records(fitted.raw["source"], fitted.raw["quality"])
    board = catalogue.calibrated.fitted_board(gpu)
    engine = catalogue.calibrated.fitted_engine(engine)
    own = (
        "value.common.",
        f"value.gpus.{gpu}.",
        f"value.engines.{engine}.",
        f"value.gpus_engines.{gpu}.{engine}.",
        "value.power.",
        f"value.boards.{board}.",
    )
    return [record for record in values if record.key.startswith(own)]


@contextmanager
def _noted(steps: list[EquationRun]) -> Iterator[None]:
    noting = {on_basis: _noting(on_basis, steps)} | {
        function: _noting(function, steps)
        for module in EQUATIONS
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    with ExitStack() as patches:
        for module in [sys.modules[name] for name in sys.modules if name.startswith("tokwatt.")]:
            for name, function in inspect.getmembers(module, inspect.isfunction):
                if function in noting:  # under its own name, or imported by name
                    patches.enter_context(patch.object(module, name, noting[function]))
        yield


def _noting(function: Callable[Given, Scalar], steps: list[EquationRun]) -> Callable[Given, Scalar]:
    units, document = units_of(function), inspect.getdoc(function) or ""
    meaning = re.sub(r":math:`(.*?)`", r"\1", re.sub(r"\s+", " ", document.split("\n\n")[0]))
    source = re.sub(r"\s+", " ", document.partition("Source:")[2]).strip()

    @wraps(function)
    def noting(*args: Given.args, **kwargs: Given.kwargs) -> Scalar:
        result = function(*args, **kwargs)
        given = inspect.signature(function).bind(*args, **kwargs).arguments
        if np.ndim(result) == 0 and all(np.ndim(value) == 0 for value in given.values()):
            arguments = {
                name: (float(value), unit) for name, value in given.items() if (unit := units[name])
            }
            unit = units["return"] or ""
            run = EquationRun(function.__name__, arguments, float(result), unit, meaning, source)
            if run not in steps:
                steps.append(run)
        return result

    return noting
