"""How many tokens a watt buys, and what would change it.

>>> import tokwatt as tw
>>> catalogue = tw.load("params")
"""

from importlib import import_module
from typing import Any

_FACE = {
    "Demand": "params.specs",
    "ParameterError": "params.errors",
    "load": "serving.catalogue",
    "open": "stores",
    "operating_point": "serving.step",
    "sweep": "grid",
}
__all__ = list(_FACE)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Tables and figures start without JAX: what needs it is imported when it is first used.
    if name in _FACE:
        return getattr(import_module(f"tokwatt.{_FACE[name]}"), name)
    raise AttributeError(f"module 'tokwatt' has no attribute {name!r}")
