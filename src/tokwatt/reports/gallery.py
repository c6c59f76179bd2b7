"""Which figures there are: entries of `params/paper.yaml`, drawn from its grids, and of study files, drawn from their stores."""

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tokwatt.params.reading import read
from tokwatt.params.section import Section
from tokwatt.reports import figures

NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(figures.__path__)))
"""The figures that can be drawn: each is a module of `tokwatt.figures`."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry under `figures`: what the report says of a figure, the grids it is drawn from, and whether the site starts with it."""

    title: str
    caption: str
    category: str
    grids: list[str] = []
    start: bool = False


@dataclass(frozen=True)
class Figure:
    """An entry where it stands, and the study whose store it is drawn from, where that is a study file."""

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
    found: dict[str, Figure] = {}
    for name, figure in _written(params):
        if name in found:
            raise figure.section.fail(
                f"stands in {found[name].section.path} already", "another name"
            )
        found[name] = figure
    return found


def _written(params: Path) -> Iterator[tuple[str, Figure]]:
    paper = Section(params / "paper.yaml", read(params / "paper.yaml"))
    grids = paper.child("grids").raw
    yield from _figures(paper.child("figures"), grids, None)
    for path in sorted((params / "studies").glob("*.yaml")):
        file = Section(path, read(path))
        if "figures" in file.raw:
            yield from _figures(file.child("figures"), grids, path.stem)


def _figures(
    section: Section, grids: Mapping[str, Any], study: str | None
) -> Iterator[tuple[str, Figure]]:
    for name in section.raw:
        if name not in NAMES:
            raise section.fail("is not a figure", f"one of {', '.join(NAMES)}", name)
        one = section.child(name)
        entry = one.convert(Entry)
        for grid in entry.grids:
            one.pick("grids", grid, grids)
        if not (entry.grids or study):
            raise one.fail("is empty", "at least one grid", "grids")
        yield name, Figure(one, entry, study)


def check(params: Path) -> None:
    """Read every entry, so that what is wrong comes up now."""
    entries(params)
