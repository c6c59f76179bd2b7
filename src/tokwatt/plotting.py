"""Figures from datasets: what an entry of `params/paper.yaml` names, drawn, and written the same way each time."""

import pkgutil
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Annotated

import matplotlib.style
import msgspec
import xarray as xr
from matplotlib.figure import Figure as Canvas

from tokwatt import __version__, figures
from tokwatt.records import Section, read

STYLE = "tokwatt.tokwatt"
NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(figures.__path__)))
"""The figures that can be drawn: each is a module of `tokwatt.figures`."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `figures` in `params/paper.yaml`: the grids a figure is drawn from, and what the report says of it."""

    grids: Annotated[list[str], msgspec.Meta(min_length=1)]
    title: str
    caption: str
    category: str


def entries(params: Path) -> dict[str, Figure]:
    """Every figure of `paper.yaml`, or one sentence about the first that is wrong."""
    paper = Section(params / "paper.yaml", raw := read(params / "paper.yaml"), raw.__getitem__)
    paper.child("grids")
    section = paper.child("figures")
    return {name: _entry(section, name) for name in section.raw}


def _entry(figures: Section, name: str) -> Figure:
    if name not in NAMES:
        raise figures.fail("is not a figure", f"one of {', '.join(NAMES)}", name)
    section = figures.child(name)
    entry = section.convert(Figure)
    for grid in entry.grids:
        section.choose("grids", grid, "grids")
    return entry


def check(params: Path) -> None:
    """Read every entry, so that what is wrong comes up now."""
    entries(params)


def write(name: str, params: Path, grids: Path, out: Path) -> None:
    """Draw a figure as its entry says."""
    known = entries(params)
    if name not in known:
        raise Section(params / "paper.yaml", known, key="figures").fail("is missing", f"one of {', '.join(known)}", name)
    render(name, known[name], grids, out)


def render(name: str, entry: Figure, grids_folder: Path, out_folder: Path) -> None:
    """Write `NAME.csv`, exactly what is drawn, and the drawing as `.pdf`, `.svg` and `.png`."""
    module = import_module(f"tokwatt.figures.{name}")
    with ExitStack() as stack:
        grids = {grid: stack.enter_context(xr.open_dataset(grids_folder / f"{grid}.nc")) for grid in entry.grids}
        frame = module.data(grids)
        source = provenance(grids)
    with matplotlib.style.context(STYLE, after_reset=True):
        # Drawn anew for each format: saving settles the layout, so that a second save would differ from the first.
        drawn = {kind: _bytes(module.draw(frame), kind, metadata) for kind, metadata in _metadata(entry, source).items()}
    out_folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(out_folder / f"{name}.csv", index=False, lineterminator="\n")
    for kind, content in drawn.items():
        (out_folder / f"{name}.{kind}").write_bytes(content)


def provenance(grids: Mapping[str, xr.Dataset]) -> str:
    """The program's version and the parameter hash of each grid, in one line."""
    hashes = ", ".join(f"{name} {grid.attrs['parameter_hash']}" for name, grid in grids.items())
    return f"tokwatt {__version__}; parameter_hash {hashes}"


def _bytes(canvas: Canvas, kind: str, metadata: Mapping[str, str | None]) -> bytes:
    content = BytesIO()
    canvas.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def _metadata(entry: Figure, source: str) -> dict[str, dict[str, str | None]]:
    """What each format can hold; never a date, so that a figure drawn again is the same file."""
    program = f"tokwatt {__version__}"
    return {
        "pdf": {"Title": entry.title, "Subject": entry.caption, "Keywords": source, "Creator": program, "CreationDate": None},
        "svg": {"Title": entry.title, "Description": entry.caption, "Source": source, "Creator": program, "Date": None},
        "png": {"Title": entry.title, "Description": entry.caption, "Source": source, "Software": program},
    }
