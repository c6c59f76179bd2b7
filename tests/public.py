"""What a module of the package offers."""

import importlib
import inspect

EQUATIONS = ("lengths", "memory", "power", "queueing", "roofline", "weights")


def public_functions(*modules):
    """Public functions that these modules define, by `module.name`."""
    return {
        f"{name}.{function}": value
        for name in modules
        for function, value in inspect.getmembers(importlib.import_module(f"tokwatt.{name}"), inspect.isfunction)
        if not function.startswith("_") and value.__module__ == f"tokwatt.{name}"
    }
