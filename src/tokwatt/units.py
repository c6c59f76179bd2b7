"""Units as types: an annotation says what a quantity is measured in; values are SI.

Beside a unit stand `MANY` where a list is wanted, and a `Domain` where not every positive number
is believed; `In` marks a name that refers to a catalogue. Needs no JAX.
"""

import math
import sys
from collections.abc import Iterable
from functools import cache
from numbers import Real
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

Scalar = Any
"""A float to the caller; an array of any shape while JAX maps."""


class In(NamedTuple):
    """Marks a field that is given by name.

    Attributes:
        catalogue: which catalogue of `params.parameters` holds the name.
    """

    catalogue: str


class Domain(NamedTuple):
    """Marks a quantity by the finite numbers that are believed of it, in its unit.

    Attributes:
        least: numbers lie above it; the number itself is allowed where zero would be.
        most: the largest number.
        whole: whether only whole numbers are.
    """

    least: float = 0.0
    most: float = math.inf
    whole: bool = False

    def contains(self, numbers: Scalar, zero: bool) -> Scalar:
        """Whether numbers lie inside; `zero` says whether the least of them does too."""
        above = (self.least < numbers) | (zero & (numbers == self.least))
        inside = above & (numbers <= self.most) & (numbers <= sys.float_info.max)
        return inside & (numbers % 1 == 0) if self.whole else inside

    @property
    def between(self) -> str:
        """What is wanted of a number by both ends, which are among them."""
        return f"a {'whole ' * self.whole}number from {self.least:g} to {self.most:.10g}"

    def words(self, unit: str, zero: bool) -> str:
        """What is wanted of a number."""
        number = "whole number" if self.whole else "number"
        if self.least < 0:
            return f"a finite {number}"
        beside = "" if unit == "1" else f" {unit}"
        if self.least > 0 and self.most < math.inf:
            return f"{self.between}{beside}"
        if self.least > 0:
            kind = f"a {number} {'from' if zero else 'above'} {self.least:g}"
        else:
            kind = f"a {number} that is not negative" if zero else f"a positive {number}"
        if self.most == math.inf:
            return kind
        return f"{kind} of at most {self.most:.8g}{beside}"


MANY = "many"
"""Written after a unit where a list of numbers is wanted instead of one."""
MOST_TOKENS = 2.0**24
"""Largest number of tokens that is believed, since sums run over every token."""

Bytes = Annotated[Scalar, "B"]
BytesPerSecond = Annotated[Scalar, "B/s"]
BytesPerToken = Annotated[Scalar, "B/tok"]
BytesPerParameter = Annotated[Scalar, "B/param"]
Dimensionless = Annotated[Scalar, "1"]
Share = Annotated[Scalar, "1", Domain(most=1.0)]
Count = Annotated[Scalar, "1", Domain(whole=True)]
Signed = Annotated[Scalar, "1", Domain(least=-math.inf)]
Dollars = Annotated[Scalar, "USD"]
DollarsPerJoule = Annotated[Scalar, "USD/J"]
DollarsPerSecond = Annotated[Scalar, "USD/s"]
DollarsPerToken = Annotated[Scalar, "USD/tok"]
FlopsPerSecond = Annotated[Scalar, "FLOP/s"]
FlopsPerToken = Annotated[Scalar, "FLOP/tok"]
Instances = Annotated[Scalar, "instance"]
Joules = Annotated[Scalar, "J"]
JoulesPerToken = Annotated[Scalar, "J/tok"]
Kilograms = Annotated[Scalar, "kg"]
KilogramsPerJoule = Annotated[Scalar, "kg/J"]
Parameters = Annotated[Scalar, "param"]
Requests = Annotated[Scalar, "req"]
RequestsPerSecond = Annotated[Scalar, "req/s"]
Seconds = Annotated[Scalar, "s"]
SecondsPerToken = Annotated[Scalar, "s/tok"]
Sequences = Annotated[Scalar, "seq"]
Tokens = Annotated[Scalar, "tok", Domain(most=MOST_TOKENS)]
TokensPerDollar = Annotated[Scalar, "tok/USD"]
TokensPerJoule = Annotated[Scalar, "tok/J"]
TokensPerSecond = Annotated[Scalar, "tok/s"]
Watts = Annotated[Scalar, "W"]
Window = Annotated[Scalar, "tok", Domain(least=1.0, most=MOST_TOKENS)]

DimensionlessAxis = Annotated[Scalar, "1", MANY]
SignedAxis = Annotated[Scalar, "1", Domain(least=-math.inf), MANY]
BytesAxis = Annotated[Scalar, "B", MANY]
RequestsAxis = Annotated[Scalar, "req", MANY]
RequestsPerSecondAxis = Annotated[Scalar, "req/s", MANY]
SecondsAxis = Annotated[Scalar, "s", MANY]
SequencesAxis = Annotated[Scalar, "seq", MANY]
TokensAxis = Annotated[Scalar, "tok", Domain(most=MOST_TOKENS), MANY]
TokensPerSecondAxis = Annotated[Scalar, "tok/s", MANY]
WattsAxis = Annotated[Scalar, "W", MANY]


@cache
def hints_of(owner: object) -> dict[str, Any]:
    """The types of a function's arguments and result, or of a class's fields, with their marks."""
    return get_type_hints(owner, include_extras=True)


def mark_of(annotation: object) -> object:
    """The first mark of an `Annotated` type, a unit or an `In`; None where there is none."""
    return next(iter(_marks(annotation)), None)


def is_many(annotation: object) -> bool:
    """Whether a type wants a list of numbers."""
    return MANY in _marks(annotation)[1:]


def domain_of(annotation: object) -> Domain:
    """The numbers that are believed of a type."""
    return next((mark for mark in _marks(annotation) if isinstance(mark, Domain)), Domain())


def unit_of(annotation: object) -> str | None:
    """The unit of a type, or None where it carries none."""
    mark = mark_of(annotation)
    return mark if isinstance(mark, str) else None


def outside(name: str, annotation: object, numbers: Iterable[Scalar], zero: bool) -> str:
    """One sentence about the first of these numbers that is not believed of a type; "" if all are.

    Args:
        name: what the numbers are given as.
        annotation: the type; all numbers are believed of one without a unit.
        numbers: the numbers, in its unit.
        zero: whether the least of its domain is believed.
    """
    unit, domain = unit_of(annotation), domain_of(annotation)
    for number in numbers if unit else ():
        if not (isinstance(number, Real) and domain.contains(number, zero)):
            found = f"{number:g}" if isinstance(number, float) else repr(number)[:60]
            return f"{name}: is {found}, wanted {domain.words(str(unit), zero)}."
    return ""


def units_of(owner: object) -> dict[str, str | None]:
    """Units of a function's arguments (and of `return`), or of the fields of a class."""
    return {name: unit_of(hint) for name, hint in hints_of(owner).items()}


def _marks(annotation: object) -> tuple[object, ...]:
    if NoneType in get_args(annotation):  # what may be left out
        annotation = get_args(annotation)[0]
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
