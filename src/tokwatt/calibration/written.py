"""Records that commands write: trees of quantities as YAML, one quantity a line."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tokwatt.output import write_files
from tokwatt.units import Dimensionless

Tree = Mapping[str, object]
"""Sections by name; at the ends texts, numbers and lists of them."""
PRINTED = {"s": ("us", 1e6), "s/tok": ("us/tok", 1e6)}
"""Units that numbers are written in, where these are not SI, and how many make one in SI."""
DIGITS = 5


def quantity(value: Dimensionless, unit: str, digits: Dimensionless = DIGITS) -> Tree:
    """A number, or a list of them, in SI as a record."""
    printed, factor = PRINTED.get(unit, (unit, 1.0))
    rounded = [float(f"{number * factor:.{digits}g}") for number in np.atleast_1d(value)]
    return {"value": rounded if np.ndim(value) else rounded[0], "unit": printed}


def write_records(header: str, tree: Tree, path: Path) -> None:
    """Write records below a comment, or leave the file as it was."""
    write_files({path: header + "".join(_lines(tree, 0))})


def _lines(tree: Tree, depth: int) -> list[str]:
    lines = []
    for key, value in tree.items():
        start = "  " * depth + f"{key}:"
        if isinstance(value, Mapping) and any(isinstance(leaf, Mapping) for leaf in value.values()):
            lines += [f"{start}\n", *_lines(value, depth + 1)]
        else:
            lines.append(f"{start} {_flow(value)}\n")
    return lines


def _flow(value: object) -> str:
    """A value on one line, texts in quotes where YAML would read something else."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(leaf)}" for key, leaf in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, float):
        return f"{value:.10g}"
    return f'"{value}"' if value == "1" or ":" in str(value) or "`" in str(value) else str(value)
