"""How many tokens a watt buys, and what would change it.

>>> import tokwatt as tw
>>> catalogue = tw.load()
>>> tw.point(catalogue, account="consistent").tokens_per_joule
0.606...
"""

from importlib import import_module
from typing import Any

_FACE = {
    "AssumptionSets": "accounts.assumptions",
    "Budget": "planning.optimum.constrained",
    "Demand": "params.specs",
    "DeploymentNames": "accounts.deployments",
    "Disaggregated": "accounts.parts",
    "Options": "planning.columns.configurations",
    "ParameterError": "params.errors",
    "demanded": "accounts.answers",
    "fleet": "accounts.answers",
    "load": "serving.catalogue",
    "open": "stores",
    "operating_point": "serving.point",
    "plan": "planning.plan",
    "point": "accounts.answers",
    "read_trace": "params.traces.traces",
    "simulate": "accounts.simulated",
    "sweep": "grid",
}
__all__ = list(_FACE)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Tables and figures start without JAX: what needs it is imported when it is first used.
    if name in _FACE:
        return getattr(import_module(f"tokwatt.{_FACE[name]}"), name)
    raise AttributeError(f"module 'tokwatt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
