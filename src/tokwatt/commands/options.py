"""Options that several commands have, each said once, and where things lie by default."""

import math
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PARAMS, GRIDS, STORES = Path("params"), Path("results/grids"), Path("results/studies")
SHORTEST, LONGEST = 1.0, 40.0
"""Inches that a figure may be wide or high."""


def inches(text: str) -> float:
    """A length on paper: a journal's column by name, or a number with mm, cm or in."""
    from tokwatt.reports.figures.common.looks import DOUBLE, SINGLE

    if text in ("single", "double"):
        return SINGLE if text == "single" else DOUBLE
    number = re.fullmatch(r"([0-9.]+)(mm|cm|in)", text)
    try:
        length = (
            float(number[1]) / {"mm": 25.4, "cm": 2.54, "in": 1.0}[number[2]]
            if number
            else math.nan
        )
    except ValueError:
        length = math.nan
    if not SHORTEST <= length <= LONGEST:
        wanted = f"a length of {SHORTEST} to {LONGEST} inches such as 89mm or 3.5in"
        raise typer.BadParameter(f"{text!r} is not single, double or {wanted}")
    return length


Params = Annotated[Path, typer.Option(help="Folder of parameter files.")]
Grids = Annotated[Path, typer.Option(help="Folder of computed grids.")]
Stores = Annotated[Path, typer.Option(help="Folder of stores of studies.")]
Results = Annotated[Path, typer.Option(help="Folder of results.")]
Docs = Annotated[Path, typer.Option(help="Folder of documents.")]
Figures = Annotated[Path, typer.Option(help="Folder of figures.")]
OutFile = Annotated[Path, typer.Option(help="File to write.")]
Out = Annotated[Path, typer.Option(help="Folder to write to.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Width = Annotated[
    float | None,
    typer.Option(parser=inches, help="single or double column, or a length such as 89mm, 3.5in."),
]
Height = Annotated[float | None, typer.Option(parser=inches, help="A length such as 60mm.")]
Dpi = Annotated[
    int | None, typer.Option(min=30, max=2400, help="Dots per inch of the bitmap; 300 if left out.")
]
Kind = StrEnum("Kind", ["pdf", "svg", "png"])
Kinds = Annotated[
    list[Kind],
    typer.Option("--format", default_factory=lambda: list(Kind), help="Once for each format."),
]
