"""Figures from datasets, drawn and written the same way each time."""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from itertools import combinations
from pathlib import Path

import matplotlib.style
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from tokwatt import __version__, stores
from tokwatt.output import write_files
from tokwatt.params.errors import ParameterError
from tokwatt.params.section import Section, refusing
from tokwatt.reports.datasets import dataset_path
from tokwatt.reports.gallery import Entry, Figure, entries

STYLE = "tokwatt.reports.figures.tokwatt"
KINDS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Data:
    """Where datasets lie: the grids of the workflow, and the stores of studies."""

    grids: Path
    stores: Path


@dataclass(frozen=True, kw_only=True)
class Print:
    """How a figure is printed: inches of the page (its own where None), dots per inch of the bitmap, and the formats."""

    width: float | None = None
    height: float | None = None
    dpi: int | None = None
    kinds: Sequence[str] = KINDS


def write(name: str, params: Path, data: Data, out: Path, form: Print | None = None) -> None:
    """Draw a figure as its entry says.

    Args:
        name: a figure of `paper.yaml` or of a study.
        params: the parameter folder.
        data: where the datasets lie.
        out: the folder to write to.
        form: how to print it for elsewhere, with the parameters' hash inside; as the workflow draws
            it where None.
    """
    known = entries(params)
    if name not in known:
        raise Section(params / "paper.yaml", known, key="figures").fail(
            "is missing", f"one of {', '.join(known)}", name
        )
    with refusing(known[name].section, "drawn"):
        render(name, known[name], data, out, form)


def render(name: str, figure: Figure, data: Data, out: Path, form: Print | None = None) -> None:
    """Write `NAME.csv`, exactly what is drawn, and the drawing in each format, which says the hash of that CSV.

    What the workflow draws says no more, so that it changes with its numbers alone: the record of
    the run has the parameters. What leaves the tree says the parameters' hash as well.
    """
    module = import_module(f"tokwatt.reports.figures.{name}")
    with ExitStack() as stack:
        datasets = {key: stack.enter_context(each) for key, each in _opened(figure, data)}
        frame = module.data(datasets)
        table = frame.to_csv(index=False, lineterminator="\n").encode()
        source = f"tokwatt {__version__}; {name}.csv sha256 {hashlib.sha256(table).hexdigest()}"
        source += _parameter_hashes(datasets) if form else ""
    form = form or Print()
    with matplotlib.style.context(STYLE, after_reset=True):
        # Drawn anew for each format: saving settles the layout, so that a second save would differ
        # from the first.
        if form.width or form.height:
            _refuse_crowding(name, module.draw, frame, form)
        metadata = _metadata(figure.entry, source)
        drawn = {
            kind: _bytes(_resized(module.draw(frame), form), form, kind, metadata[kind])
            for kind in form.kinds
        }
    files = {"csv": table, **drawn}
    write_files({out / f"{name}.{kind}": content for kind, content in files.items()})


def _opened(figure: Figure, data: Data) -> Iterator[tuple[str, xr.Dataset]]:
    for grid in figure.entry.grids:
        yield grid, xr.open_dataset(dataset_path(data.grids, grid))
    if figure.study:
        yield figure.study, stores.open(figure.study, data.stores)


def _parameter_hashes(datasets: Mapping[str, xr.Dataset]) -> str:
    return "; parameter_hash " + ", ".join(
        f"{name} {dataset.attrs['parameter_hash']}" for name, dataset in datasets.items()
    )


def _refuse_crowding(
    name: str, draw: Callable[[pd.DataFrame], Canvas], frame: pd.DataFrame, form: Print
) -> None:
    """Refuse a page on which more text lies over text than on the page that the figure was made for."""
    own, page = draw(frame), _resized(draw(frame), form)
    if _overlaps(page) <= _overlaps(own):
        return
    found, fitting = (
        "{:.3g} by {:.3g} inches".format(*canvas.get_size_inches()) for canvas in (page, own)
    )
    raise ParameterError(
        f"{name}: has text over text on a page of {found}, wanted a larger one, such as its own of {fitting}."
    )


def _overlaps(canvas: Canvas) -> float:
    """How many pairs of texts lie over each other; infinity where the axes have no room at all."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        canvas.draw_without_rendering()
    if said:
        return math.inf
    texts = [
        text for text in canvas.findobj(Text) if text.get_visible() and text.get_text().strip()
    ]
    boxes = [
        text.get_window_extent().shrunk(0.9, 0.7) for text in texts
    ]  # a box is larger than its letters
    return sum(one.overlaps(other) for one, other in combinations(boxes, 2))


def _resized(canvas: Canvas, form: Print) -> Canvas:
    canvas.set_size_inches(
        form.width or canvas.get_figwidth(), form.height or canvas.get_figheight()
    )
    return canvas


def _bytes(canvas: Canvas, form: Print, kind: str, metadata: Mapping[str, str | None]) -> bytes:
    content = BytesIO()
    canvas.savefig(content, format=kind, dpi=form.dpi, metadata=metadata)
    return content.getvalue()


def _metadata(entry: Entry, source: str) -> dict[str, dict[str, str | None]]:
    """What each format can hold; never a date, so that a figure drawn again is the same file."""
    program = f"tokwatt {__version__}"
    return {
        "pdf": {
            "Title": entry.title,
            "Subject": entry.caption,
            "Keywords": source,
            "Creator": program,
            "CreationDate": None,
        },
        "svg": {
            "Title": entry.title,
            "Description": entry.caption,
            "Source": source,
            "Creator": program,
            "Date": None,
        },
        "png": {
            "Title": entry.title,
            "Description": entry.caption,
            "Source": source,
            "Software": program,
        },
    }
