"""What is written beside a type: a unit, or the catalogue that a name refers to. Needs no JAX."""

from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints


class In(NamedTuple):
    """Marks a field that is given by name: which catalogue of `params.Parameters` holds it."""

    catalogue: str


MANY = "many"
"""Written after a unit where a list of numbers is wanted instead of one."""


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    """The types of the fields of a class with what is written beside them."""
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
