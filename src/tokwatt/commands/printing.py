"""How answers are printed: as a table, or as JSON."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokwatt.text import visible

if TYPE_CHECKING:
    from tokwatt.accounts.answers.answer import Answer, Estimate

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


def show_answer(answer: "Answer", as_json: bool, **more: object) -> None:
    """Numbers of an answer with their units and intervals, under what they stand on."""
    if as_json:
        show_json(of_answer(answer) | more)
    else:
        print(visible(str(answer)))


def of_answer(answer: "Answer") -> dict[str, object]:
    """An answer as JSON has it."""
    numbers = _numbers(answer.quantities)
    pools = [
        {"part": part} | _numbers(pool)
        for part, pool in zip(answer.parts, answer.pools, strict=True)
    ]
    fits = {"fits": answer.missing <= 0} if "missing" in answer.quantities else {}
    return vars(answer.basis) | fits | numbers | ({"pools": pools} if pools else {})


def _numbers(quantities: "Mapping[str, Estimate]") -> dict[str, object]:
    return {name: quantity._asdict() for name, quantity in quantities.items()}


def show_json(value: object) -> None:
    """A value as JSON, which has no word for NaN and infinity: null."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: object) -> object:
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
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
