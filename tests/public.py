"""What a module of the package offers."""

import importlib
import inspect
from pathlib import Path

import tokwatt

EQUATIONS = tuple(
    f"equations.{name}"
    for name in (
        "erlang",
        "lengths",
        "memory",
        "percentiles",
        "power",
        "queueing",
        "roofline",
        "weights",
    )
)
COMPUTING = tuple(
    str(path.relative_to(tokwatt.__path__[0]).with_suffix("")).replace("/", ".")
    for folder in (
        "equations",
        "serving",
        "simulation",
        "calibration",
        "accounts",
        "planning",
        "studies",
    )
    for path in sorted(Path(tokwatt.__path__[0], folder).rglob("*.py"))
    if path.name != "__init__.py"
)
"""Every module of the folders whose numbers have units."""


def is_function(value):
    """A function, compiled or not."""
    return inspect.isfunction(inspect.unwrap(value)) if callable(value) else False


def public_functions(*modules):
    """Public functions that these modules define, by `module.name`."""
    return {
        f"{name.rpartition('.')[2]}.{function}": value
        for name in modules
        for function, value in inspect.getmembers(
            importlib.import_module(f"tokwatt.{name}"), is_function
        )
        if not function.startswith("_") and value.__module__ == f"tokwatt.{name}"
    }
