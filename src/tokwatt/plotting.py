"""Figures from datasets: what an entry of `params/paper.yaml` names, drawn, and written the same way each time."""

import hashlib
import math
import pkgutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Annotated

import matplotlib.style
import msgspec
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from tokwatt import __version__, figures
from tokwatt.records import ParameterError, Section, read, refusing

STYLE = "tokwatt.tokwatt"
KINDS = ("pdf", "svg", "png")
NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(figures.__path__)))
"""The figures that can be drawn: each is a module of `tokwatt.figures`."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `figures` in `params/paper.yaml`: the grids a figure is drawn from, and what the report says of it."""

    grids: Annotated[list[str], msgspec.Meta(min_length=1)]
    title: str
    caption: str
    category: str


@dataclass(frozen=True, kw_only=True)
class Print:
    """How a figure is printed: inches of the page (its own where None), dots per inch of the bitmap, and the formats."""

    width: float | None = None
    height: float | None = None
    dpi: int | None = None
    kinds: Sequence[str] = KINDS


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


def write(name: str, params: Path, grids: Path, out: Path, form: Print = Print()) -> None:
    """Draw a figure as its entry says."""
    known = entries(params)
    figures = Section(params / "paper.yaml", known, key="figures")
    if name not in known:
        raise figures.fail("is missing", f"one of {', '.join(known)}", name)
    with refusing(replace(figures, key=f"figures.{name}"), "drawn"):
        render(name, known[name], grids, out, form)


def render(name: str, entry: Figure, grids_folder: Path, out_folder: Path, form: Print = Print()) -> None:
    """Write `NAME.csv`, exactly what is drawn, and the drawing in each format, which says the hash of that CSV."""
    module = import_module(f"tokwatt.figures.{name}")
    with ExitStack() as stack:
        grids = {grid: stack.enter_context(xr.open_dataset(grids_folder / f"{grid}.nc")) for grid in entry.grids}
        frame = module.data(grids)
        table = frame.to_csv(index=False, lineterminator="\n").encode()
        source = f"{provenance(grids)}; {name}.csv sha256 {hashlib.sha256(table).hexdigest()}"
    with matplotlib.style.context(STYLE, after_reset=True):
        # Drawn anew for each format: saving settles the layout, so that a second save would differ from the first.
        _refuse_crowding(name, module.draw, frame, form)
        metadata = _metadata(entry, source)
        drawn = {kind: _bytes(_resized(module.draw(frame), form), form, kind, metadata[kind]) for kind in form.kinds}
    out_folder.mkdir(parents=True, exist_ok=True)
    for kind, content in {"csv": table, **drawn}.items():
        (out_folder / f"{name}.{kind}").write_bytes(content)


def provenance(grids: Mapping[str, xr.Dataset]) -> str:
    """The program's version and the parameter hash of each grid, in one line."""
    hashes = ", ".join(f"{name} {grid.attrs['parameter_hash']}" for name, grid in grids.items())
    return f"tokwatt {__version__}; parameter_hash {hashes}"


def _refuse_crowding(name: str, draw: Callable[[pd.DataFrame], Canvas], frame: pd.DataFrame, form: Print) -> None:
    """Refuse a page on which more text lies over text than on the page that the figure was made for."""
    own, page = draw(frame), _resized(draw(frame), form)
    if own.get_size_inches().tolist() == page.get_size_inches().tolist() or _overlaps(page) <= _overlaps(own):
        return
    found, fitting = ("{:.3g} by {:.3g} inches".format(*canvas.get_size_inches()) for canvas in (page, own))
    raise ParameterError(f"{name}: has text over text on a page of {found}, wanted a larger one, such as its own of {fitting}.")


def _overlaps(canvas: Canvas) -> float:
    """How many pairs of texts lie over each other; infinity where the axes have no room at all."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        canvas.draw_without_rendering()
    if said:
        return math.inf
    texts = [text for text in canvas.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [text.get_window_extent().shrunk(0.9, 0.7) for text in texts]  # a box is larger than its letters
    return sum(one.overlaps(other) for one, other in combinations(boxes, 2))


def _resized(canvas: Canvas, form: Print) -> Canvas:
    canvas.set_size_inches(form.width or canvas.get_figwidth(), form.height or canvas.get_figheight())
    return canvas


def _bytes(canvas: Canvas, form: Print, kind: str, metadata: Mapping[str, str | None]) -> bytes:
    content = BytesIO()
    canvas.savefig(content, format=kind, dpi=form.dpi, metadata=metadata)
    return content.getvalue()


def _metadata(entry: Figure, source: str) -> dict[str, dict[str, str | None]]:
    """What each format can hold; never a date, so that a figure drawn again is the same file."""
    program = f"tokwatt {__version__}"
    return {
        "pdf": {"Title": entry.title, "Subject": entry.caption, "Keywords": source, "Creator": program, "CreationDate": None},
        "svg": {"Title": entry.title, "Description": entry.caption, "Source": source, "Creator": program, "Date": None},
        "png": {"Title": entry.title, "Description": entry.caption, "Source": source, "Software": program},
    }
