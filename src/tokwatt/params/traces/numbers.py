"""Cells of a table as numbers."""

import math
import re
from decimal import Decimal

import numpy as np

from tokwatt.params.tables.separated import BLANK
from tokwatt.params.tables.table import Cell, Cells

_NUMBER = re.compile(r"\s*[+-]?\d{1,25}(\.\d*)?([eE][+-]?\d{1,3})?\s*", re.ASCII).fullmatch
_GROUPED = re.compile(r"\s*\d{1,3}(,\d{3}){1,8}\s*", re.ASCII).fullmatch
"""Whole numbers whose thousands are apart, as spreadsheets write them."""


def packed(cells: Cells) -> Cells:
    """Cells that are all numbers as an array of them; others as they are."""
    if not isinstance(cells, list) or isinstance(next(iter(cells), None), str):
        return cells
    try:
        array = np.array(cells)
    except (ValueError, OverflowError):
        return cells
    plain = array.shape == (len(cells),) and array.dtype.kind in "iuf"
    return array if plain and bool not in set(map(type, cells)) else cells


def numbers(cells: Cells, grouped: bool = False) -> np.ndarray:
    """Cells as numbers, NaN for all that are none; of whole ones, thousands may be apart."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        return cells.astype(float)
    if grouped and any(isinstance(cell, str) and "," in cell for cell in cells):
        cells = [_joined(cell) for cell in cells]
    return np.array([_number(cell) for cell in cells], float)


def blanks(cells: Cells) -> np.ndarray:
    """Which cells are empty."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iu":
        return np.zeros(len(cells), bool)
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "f":
        return np.isnan(cells)
    return np.array([blank(cell) for cell in cells], bool)


def blank(cell: Cell) -> bool:
    """Whether a cell is empty."""
    return cell is None or cell in BLANK or cell != cell


def _joined(cell: Cell) -> Cell:
    return cell.replace(",", "") if isinstance(cell, str) and _GROUPED(cell) else cell


def _number(cell: Cell) -> float:
    if isinstance(cell, str):
        return float(cell) if _NUMBER(cell) else math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float | np.number | Decimal):
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf
