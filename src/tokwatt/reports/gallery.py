"""Which figures there are: those of `params/paper.yaml`, and those of study files."""

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tokwatt.params.reading import read
from tokwatt.params.section import Section
from tokwatt.reports import figures

MODULES = [module for module in pkgutil.iter_modules(figures.__path__) if not module.ispkg]
NAMES = tuple(sorted(module.name for module in MODULES))
"""The figures that can be drawn: each is a module of `tokwatt.reports.figures`."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry under `figures`.

    Attributes:
        title: what the figure is called.
        caption: what is said below it.
        category: under which heading the report and the site list it.
        grids: the grids of `paper.yaml` that it is drawn from.
        start: whether the site starts with it.
    """

    title: str
    caption: str
    category: str
    grids: list[str] = []
    start: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure and where it is written down.

    Attributes:
        section: the part of the file.
        entry: what that part says.
        study: the study whose store it is drawn from, where the file is that of a study.
    """

    section: Section
    entry: Entry
    study: str | None

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets it is drawn from."""
        return [*self.entry.grids, *([self.study] if self.study else [])]


def entries(params: Path) -> dict[str, Figure]:
    """Every figure by name.

    Raises:
        ParameterError: with one sentence about the first that is wrong.
    """
    figures: dict[str, Figure] = {}
    for name, figure in _written(params):
        if name in figures:
            first = figures[name].section.path
            raise figure.section.fail(f"stands in {first} already", "another name")
        figures[name] = figure
    return figures


def _written(params: Path) -> Iterator[tuple[str, Figure]]:
    paper = Section(params / "paper.yaml", read(params / "paper.yaml"))
    grids = paper.child("grids").raw
    yield from _figures(paper.child("figures"), grids, None)
    for path in sorted((params / "studies").glob("*.yaml")):
        file = Section(path, read(path))
        if "figures" in file.raw:
            yield from _figures(file.child("figures"), grids, path.stem)


def _figures(
    section: Section, grids: Mapping[str, object], study: str | None
) -> Iterator[tuple[str, Figure]]:
    for name in section.raw:
        if name not in NAMES:
            raise section.fail("is not a figure", f"one of {', '.join(NAMES)}", name)
        part = section.child(name)
        entry = part.convert(Entry)
        for grid in entry.grids:
            part.pick("grids", grid, grids)
        if not (entry.grids or study):
            raise part.fail("is empty", "at least one grid", "grids")
        yield name, Figure(part, entry, study)


def check(params: Path) -> None:
    """Read every entry, so that what is wrong comes up now."""
    entries(params)
