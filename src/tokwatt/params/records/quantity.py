"""A number of `params/` as written: value, unit, source and quality; and the units it may have."""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

if TYPE_CHECKING:
    import pint

Quality = Literal["measured", "calibrated", "datasheet", "projected", "assumed", "published"]
QUALITIES = get_args(Quality)
CATALOGUES = ("gpus", "llms", "serving", "power", "profiles", "workloads")
"""The files whose every number is a record."""
LONGEST_UNIT = 100
UNITS = {
    "token": "tok",
    "request": "req",
    "sequence": "seq",
    "instance": "instance",
    "parameter": "param",
    "dollar": "USD",
    "operation": "FLOP",
}
"""Units beside those of physics."""
_PRODUCT = re.compile(r"(1|%|[^\W\d]\w*)(\*\*-?\d)?( ?[*/] ?[^\W\d]\w*(\*\*-?\d)?)*")


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number or list of numbers, as written.

    Attributes:
        value: in `unit`.
        unit: anything that converts to the SI unit of the field.
        source: where the number comes from, if the entry that holds it does not say.
        quality: how far to trust it, if the entry that holds it does not say.
    """

    value: float | list[float]
    unit: str
    source: str | None = None
    quality: Quality | None = None


@dataclass(frozen=True)
class Record:
    """One number of `params/` with where it comes from.

    Attributes:
        file: name of the file.
        key: path of keys in it, with dots.
        value: as written.
        unit: as written.
        source: where the number comes from.
        quality: how far to trust it, one of `QUALITIES`.
    """

    file: str
    key: str
    value: float | list[float]
    unit: str
    source: str
    quality: str


@cache
def factor(written: str, wanted: str) -> float | None:
    """What converts a number from one unit to another; None where nothing does.

    Only products of names are read, since the registry would work out `9**9**9` for days; and only
    units that multiply, so no decibels.
    """
    if not (_PRODUCT.fullmatch(written) and len(written) <= LONGEST_UNIT):
        return None
    quantity = _registry().Quantity
    try:
        single, double = (
            float(quantity(number, written).to(wanted).magnitude) for number in (1, 2)
        )
    except Exception:  # the registry raises whatever a unit makes of arithmetic
        return None
    return single if double == 2 * single else None


@cache
def _registry() -> "pint.UnitRegistry":
    import pint  # a fifth of a second that only quantities need

    registry: pint.UnitRegistry
    try:
        registry = pint.UnitRegistry(cache_folder=":auto:")
    except Exception:  # whatever half a file says, where another process writes the cache just now
        registry = pint.UnitRegistry()
    for name, symbol in UNITS.items():
        registry.define(f"{name} = [{name}] = {symbol}")
    return registry
