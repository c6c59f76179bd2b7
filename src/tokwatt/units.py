"""Units as types: a quantity's annotation says what it is measured in; its value is a plain SI number.

Beside a unit stands `MANY` where a list is wanted; `In` marks a name that refers to a catalogue.
Needs no JAX.
"""

from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints


class In(NamedTuple):
    """Marks a field that is given by name: which catalogue of `params.parameters` holds it."""

    catalogue: str


MANY = "many"
"""Written after a unit where a list of numbers is wanted instead of one."""

Scalar = Any
"""A float to the caller; an array of any shape while JAX maps. A union of the two would have to be told apart everywhere."""

Bytes = Annotated[Scalar, "B"]
BytesPerSecond = Annotated[Scalar, "B/s"]
BytesPerToken = Annotated[Scalar, "B/tok"]
BytesPerParameter = Annotated[Scalar, "B/param"]
Dimensionless = Annotated[Scalar, "1"]
Dollars = Annotated[Scalar, "USD"]
DollarsPerJoule = Annotated[Scalar, "USD/J"]
DollarsPerSecond = Annotated[Scalar, "USD/s"]
DollarsPerToken = Annotated[Scalar, "USD/tok"]
Flops = Annotated[Scalar, "FLOP"]
FlopsPerSecond = Annotated[Scalar, "FLOP/s"]
FlopsPerToken = Annotated[Scalar, "FLOP/tok"]
Instances = Annotated[Scalar, "instance"]
KilogramsPerJoule = Annotated[Scalar, "kg/J"]
Parameters = Annotated[Scalar, "param"]
Requests = Annotated[Scalar, "req"]
RequestsPerSecond = Annotated[Scalar, "req/s"]
Seconds = Annotated[Scalar, "s"]
Sequences = Annotated[Scalar, "seq"]
Tokens = Annotated[Scalar, "tok"]
TokensPerDollar = Annotated[Scalar, "tok/USD"]
TokensPerJoule = Annotated[Scalar, "tok/J"]
TokensPerSecond = Annotated[Scalar, "tok/s"]
Watts = Annotated[Scalar, "W"]

DimensionlessAxis = Annotated[Scalar, "1", MANY]
BytesAxis = Annotated[Scalar, "B", MANY]
SecondsAxis = Annotated[Scalar, "s", MANY]
SequencesAxis = Annotated[Scalar, "seq", MANY]
TokensAxis = Annotated[Scalar, "tok", MANY]
TokensPerSecondAxis = Annotated[Scalar, "tok/s", MANY]
WattsAxis = Annotated[Scalar, "W", MANY]


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    """The types of a function's arguments and result, or of the fields of a class, with what is written beside them."""
    return get_type_hints(kind, include_extras=True)


def mark_of(annotation: object) -> Any:
    """What is written beside the type in an `Annotated` type, or None where nothing is."""
    return get_args(annotation)[1] if get_origin(annotation) is Annotated else None


def is_many(annotation: object) -> bool:
    """Whether an `Annotated` type wants a list of numbers."""
    return get_origin(annotation) is Annotated and MANY in get_args(annotation)[2:]


def unit_of(annotation: object) -> str | None:
    """The unit written in an `Annotated` type, or None where it carries none."""
    mark = mark_of(annotation)
    return mark if isinstance(mark, str) else None


def units_of(owner: Any) -> dict[str, str | None]:
    """Units of a function's arguments (and of `return`), or of the fields of a class."""
    return {name: unit_of(hint) for name, hint in hints_of(owner).items()}
