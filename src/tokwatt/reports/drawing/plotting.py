"""Figures from datasets, drawn and written the same way each time."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Protocol, cast

import matplotlib.style
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure as Canvas

from tokwatt import __version__, stores
from tokwatt.output import write_files
from tokwatt.params.errors import ParameterError, pick
from tokwatt.params.records.section import refusing
from tokwatt.reports.datasets import dataset_path
from tokwatt.reports.drawing.crowding import overlaps
from tokwatt.reports.drawing.gallery import Entry, Figure, entries
from tokwatt.reports.drawing.stacking import panels_of
from tokwatt.reports.figures.common.frames import drawn
from tokwatt.reports.figures.common.standard import Standard
from tokwatt.reports.labels import Labels, one_line, read_labels

STYLE = "tokwatt.reports.figures.tokwatt"
KINDS = ("pdf", "svg", "png")
PLACES = 6
"""Decimals of where a panel lies, as a share of its figure."""


def write_drawing(draw: Callable[[], Canvas], path: Path) -> None:
    """Draw to one file, in the format that its suffix names, or leave the file as it was."""
    kind, content = path.suffix.removeprefix("."), BytesIO()
    with matplotlib.style.context(STYLE, after_reset=True):
        metadata = {"Date": None} if kind == "svg" else None
        draw().savefig(content, format=kind, metadata=metadata)
    write_files({path: content.getvalue()})


class FigureModule(Protocol):
    """A module of `tokwatt.reports.figures`, or what stands for one."""

    def data(self, grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
        """The numbers, from the datasets."""

    def draw(self, frame: pd.DataFrame, label: Labels) -> Canvas:
        """The drawing of these numbers."""


@dataclass(frozen=True)
class Data:
    """Where datasets lie.

    Attributes:
        grids: the folder of the workflow's grids.
        stores: the folder of the stores of studies.
    """

    grids: Path
    stores: Path


@dataclass(frozen=True, kw_only=True)
class Print:
    """How a figure is printed.

    Attributes:
        width: inches of the page; the figure's own where None.
        height: inches of the page; the figure's own where None.
        dpi: dots per inch of the bitmap.
        kinds: the formats.
    """

    width: float | None = None
    height: float | None = None
    dpi: int | None = None
    kinds: Sequence[str] = KINDS


@dataclass(frozen=True)
class FigureContent:
    """The numbers of a figure and how they are drawn.

    Attributes:
        module: the module that draws it.
        frame: the numbers that are drawn.
        label: how names are printed.
    """

    module: FigureModule
    frame: pd.DataFrame
    label: Labels

    def canvas(self, form: Print) -> Canvas:
        """The drawing, on the page of a form."""
        canvas = self.module.draw(self.frame, self.label)
        width, height = canvas.get_size_inches()
        canvas.set_size_inches(form.width or width, form.height or height)
        return canvas


def write_figure(name: str, params: Path, data: Data, out: Path, form: Print | None = None) -> None:
    """Draw a figure as its entry says.

    Args:
        name: a figure of `paper.yaml`, or a study whose file describes one.
        params: the parameter folder.
        data: where the datasets lie.
        out: the folder to write to.
        form: how to print it for elsewhere, with the parameters' hash inside; as the workflow draws
            it where None.
    """
    figure = pick("figure", name, entries(params))
    with refusing(figure.section, "drawn"):
        render(name, figure, data, out, read_labels(params), form)


def render(
    name: str, figure: Figure, data: Data, out: Path, label: Labels, form: Print | None = None
) -> None:
    """Write `NAME.csv`, the numbers drawn, and the drawing in each format with that CSV's hash.

    What the workflow draws says no more, so that it changes with its numbers alone: the record of
    the run has the parameters. What leaves the tree says the parameters' hash as well.
    """
    with ExitStack() as stack:
        datasets = {key: stack.enter_context(dataset) for key, dataset in _opened(figure, data)}
        plot = plot_of(name, figure, datasets, label)
        hashes = _parameter_hashes(datasets) if form else ""
    table = plot.frame.to_csv(index=False, lineterminator="\n").encode()
    source = f"tokwatt {__version__}; {name}.csv sha256 {hashlib.sha256(table).hexdigest()}{hashes}"
    with matplotlib.style.context(STYLE, after_reset=True):
        contents = _drawings(name, plot, form or Print(), _metadata(figure.entry, source))
    files = {"csv": table, **contents}
    write_files({out / f"{name}.{kind}": content for kind, content in files.items()})


def plot_of(
    name: str, figure: Figure, datasets: Mapping[str, xr.Dataset], label: Labels
) -> FigureContent:
    """What is drawn of datasets, rounded so that every machine draws the same bytes."""
    module = module_of(name, figure)
    return FigureContent(module, drawn(module.data(datasets)), label)


def module_of(name: str, figure: Figure) -> FigureModule:
    """What draws a figure: a module, or what its study's file says."""
    if figure.plot:
        return Standard(name, figure.plot)
    return cast(FigureModule, import_module(f"tokwatt.reports.figures.{name}"))


def _opened(figure: Figure, data: Data) -> Iterator[tuple[str, xr.Dataset]]:
    for grid in figure.entry.grids:
        yield grid, xr.open_dataset(dataset_path(data.grids, grid))
    if study := figure.entry.study:
        yield study, stores.open(study, data.stores)


def _parameter_hashes(datasets: Mapping[str, xr.Dataset]) -> str:
    return "; parameter_hash " + ", ".join(
        f"{name} {dataset.attrs['parameter_hash']}" for name, dataset in datasets.items()
    )


def _drawings(
    name: str, plot: FigureContent, form: Print, metadata: Mapping[str, dict[str, str | None]]
) -> dict[str, bytes]:
    """The drawing in each format; drawn anew for each, as saving a canvas settles its layout."""
    if form.width or form.height:
        _refuse_crowding(name, plot, form)
    return {kind: _bytes(plot.canvas(form), form, kind, metadata[kind]) for kind in form.kinds}


def _refuse_crowding(name: str, plot: FigureContent, form: Print) -> None:
    """Refuse a page with more text over text than on the page that the figure was made for."""
    fitting, page = plot.canvas(Print()), plot.canvas(form)
    if overlaps(page) > overlaps(fitting):
        raise ParameterError(
            f"{name}: has text over text on a page of {_size(page)}, wanted a larger one, "
            f"such as its own of {_size(fitting)}."
        )


def _size(canvas: Canvas) -> str:
    return "{:.3g} by {:.3g} inches".format(*canvas.get_size_inches())


def _bytes(canvas: Canvas, form: Print, kind: str, metadata: Mapping[str, str | None]) -> bytes:
    content = BytesIO()
    settle(canvas)
    more = {"Coverage": panels_of(canvas)} if kind == "svg" else {}
    canvas.savefig(content, format=kind, dpi=form.dpi, metadata={**metadata, **more})
    return content.getvalue()


def settle(canvas: Canvas) -> None:
    """Lay out a drawing, and round where its panels lie to what processors agree on."""
    canvas.set_dpi(matplotlib.rcParams["savefig.dpi"])
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")
    for panel in canvas.axes:
        panel.set_position(np.round(panel.get_position(original=True).bounds, PLACES))


def _metadata(entry: Entry, source: str) -> dict[str, dict[str, str | None]]:
    """What each format can hold; never a date, so that a figure drawn again is the same file."""
    program, title, caption = (
        f"tokwatt {__version__}",
        one_line(entry.title),
        one_line(entry.caption),
    )
    about = {"Title": title, "Description": caption, "Source": source}
    pdf = {"Title": title, "Subject": caption, "Keywords": source, "Creator": program}
    return {
        "pdf": {**pdf, "CreationDate": None},
        "svg": {**about, "Creator": program, "Date": None},
        "png": {**about, "Software": program},
    }
