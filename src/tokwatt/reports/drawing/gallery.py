"""Which figures there are: entries of `params/paper.yaml`, and what studies' files say to draw."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tokwatt.params.folder import Folder
from tokwatt.params.records.plots import PLOT, Plot, read_plot
from tokwatt.params.records.section import Section
from tokwatt.reports import figures

MODULES = [module for module in pkgutil.iter_modules(figures.__path__) if not module.ispkg]
NAMES = tuple(sorted(module.name for module in MODULES))
"""The figures that have a module in `tokwatt.reports.figures`."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry under `figures`: what the report says of a figure, and what it is drawn from.

    Attributes:
        title: one line.
        caption: a few sentences.
        category: the heading of the site under which it stands.
        grids: the grids of `paper.yaml` that it is drawn from.
        study: the study file whose store it is drawn from.
        start: whether the site starts with it.
    """

    title: str
    caption: str
    category: str
    grids: list[str] = []
    study: str | None = None
    start: bool = False


@dataclass(frozen=True)
class Figure:
    """An entry where it stands.

    Attributes:
        section: the place in `paper.yaml` or in the study's file, for messages.
        entry: what is written there.
        plot: how a study's file describes the figure, where no module draws it.
    """

    section: Section
    entry: Entry
    plot: Plot | None = None

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets it is drawn from."""
        return [*self.entry.grids, *([self.entry.study] if self.entry.study else [])]


def entries(params: Path) -> dict[str, Figure]:
    """Every figure by name.

    Raises:
        ParameterError: with one sentence about the first that is wrong.
    """
    folder = Folder(params)
    paper = folder.section("paper")
    section = paper.child("figures")
    studies = {
        path.stem: folder.section(f"studies/{path.stem}")
        for path in sorted((params / "studies").glob("*.yaml"))
    }
    figures = {name: _figure(paper, section, studies, name) for name in section.raw}
    for name, study in studies.items():
        if plot := read_plot(study):
            if name in figures:
                raise study.fail(
                    f"makes a second figure {name!r}", "another name of the file", PLOT
                )
            figures[name] = _plotted(study, name, plot)
    return figures


def _figure(paper: Section, section: Section, studies: Mapping[str, Section], name: str) -> Figure:
    if name not in NAMES:
        raise section.fail("is not a figure", f"one of {', '.join(NAMES)}", name)
    place = section.child(name)
    entry = place.convert(Entry)
    for grid in entry.grids:
        place.pick("grids", grid, paper.child("grids").raw)
    if entry.study:
        place.pick("study", entry.study, studies)
    if not (entry.grids or entry.study):
        raise place.fail("is empty", "at least one grid, or a study", "grids")
    return Figure(place, entry)


def _plotted(study: Section, name: str, plot: Plot) -> Figure:
    """The figure that a study's file describes."""
    title = plot.title or str(study.raw["title"])
    entry = Entry(title=title, caption=plot.caption, category=plot.category, study=name)
    return Figure(study.child(PLOT), entry, plot)
