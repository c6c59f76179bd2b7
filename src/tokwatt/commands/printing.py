"""How answers are printed: as a table, or as JSON."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokwatt.text import visible
from tokwatt.units import units_of

Row = Mapping[str, object]


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Rows as a table, or as JSON."""
    if as_json:
        show_json(rows)
        return
    table = Table(*rows[0], box=None, header_style="bold") if rows else Table()
    for row in rows:
        cells = (", ".join(cell) if isinstance(cell, list) else str(cell) for cell in row.values())
        table.add_row(*(Text(visible(cell)) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def show_result(result: NamedTuple, as_json: bool, heading: str) -> None:
    """Numbers of a result with their units, under what they stand on."""
    units = units_of(type(result))
    values = {f"{name} [{units[name]}]": value for name, value in result._asdict().items()}
    if as_json:
        show_json({"account": heading, **values})
        return
    print(heading)
    show([{"quantity": name, "value": digits(value)} for name, value in values.items()], False)


def show_json(value: object) -> None:
    """A value as JSON, which has no word for NaN and infinity: null."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: object) -> object:
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in value]
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


def digits(value: float) -> str:
    """A number as it is shown: six digits."""
    return f"{value:.6g}"
