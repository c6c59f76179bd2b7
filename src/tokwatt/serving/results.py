"""Results as plain numbers that are shown with their units."""

from collections.abc import Callable
from functools import wraps
from html import escape
from inspect import signature
from typing import ParamSpec, Protocol, TypeVar

import jax

from tokwatt.params.errors import ParameterError, shown
from tokwatt.units import Scalar, hints_of, outside, units_of


class Result(Protocol):
    """A NamedTuple whose fields carry units."""

    def _asdict(self) -> dict[str, Scalar]: ...


MOST = 1e15
"""Largest number that is believed of anything, so that no product of a few overflows."""
Kind = TypeVar("Kind", bound=type)
Arguments = ParamSpec("Arguments")
Numbers = TypeVar("Numbers", bound=tuple)


def readable(cls: Kind) -> Kind:
    """Show a NamedTuple whose fields carry units with them, as text and in notebooks."""
    cls.__repr__ = _text  # type: ignore[assignment]
    cls._repr_html_ = _html  # type: ignore[attr-defined]
    return cls


def plain_numbers(result: Numbers) -> Numbers:
    """The same with Python numbers for arrays of one number; what JAX traces stays as it is."""
    return type(result)(*map(_plain, result))


def checked(
    *may_be_zero: str,
) -> Callable[[Callable[Arguments, Numbers]], Callable[Arguments, Numbers]]:
    """Refuse numbers that are not believed of their units, and answer in Python numbers.

    Args:
        *may_be_zero: the arguments of the function that may be 0.

    Returns:
        What makes it so. What JAX traces, and arrays of several numbers, pass unseen.
    """

    def made(fn: Callable[Arguments, Numbers]) -> Callable[Arguments, Numbers]:
        hints, asked = hints_of(fn), signature(fn)

        @wraps(fn)
        def answer(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Numbers:
            for name, value in asked.bind(*args, **kwargs).arguments.items():
                number = _plain(value)
                if not isinstance(number, float | int | complex | str):
                    continue
                if sentence := outside(name, hints[name], [number], name in may_be_zero):
                    raise ParameterError(sentence)
                if isinstance(number, float | int) and number > MOST:
                    raise ParameterError(f"{name}: is {shown(number)}, wanted at most {MOST:g}.")
            return plain_numbers(fn(*args, **kwargs))

        return answer

    return made


def _plain(value: Scalar) -> Scalar:
    """One number in Python; what JAX traces, and anything else, as it is."""
    traced = isinstance(value, jax.core.Tracer)
    return value.item() if not traced and getattr(value, "ndim", 1) == 0 else value


def _rows(result: Result) -> list[tuple[str, str, str]]:
    """Name, value and unit of each number."""
    units = units_of(type(result))
    return [
        (name, _shown(value), "" if units[name] in (None, "1") else str(units[name]))
        for name, value in result._asdict().items()
    ]


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | int) else str(value)


def _text(result: Result) -> str:
    rows = _rows(result)
    width, digits = (max(len(row[place]) for row in rows) for place in (0, 1))
    lines = (f"  {name:{width}}  {value:>{digits}} {unit}".rstrip() for name, value, unit in rows)
    return "\n".join([type(result).__name__, *lines])


def _html(result: Result) -> str:
    cells = (
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(value)}</td>"
        f"<td>{escape(unit)}</td></tr>"
        for name, value, unit in _rows(result)
    )
    caption = escape(type(result).__name__)
    return f"<table><caption>{caption}</caption>{''.join(cells)}</table>"
