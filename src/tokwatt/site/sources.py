"""What pages are made from: `params/`, what rules have written, and the code's own docstrings."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from tokwatt import plotting, published, tables
from tokwatt.published import Judged
from tokwatt.records import CATALOGUES, Record, Section, read

ASSUMED = ("constants", "output_shares", "demand")
"""The parts of `assumptions.yaml` that hold records."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Markdown page of `results/`: its title, and what the start page shows of it: all, or some columns of its first table."""

    title: str
    start: bool | list[str] = False


@dataclass(frozen=True)
class Sources:
    """Where everything lies.

    Args:
        params: the parameter folder.
        results: what rules have written.
        figures: the published figures.
    """

    params: Path
    results: Path
    figures: Path

    @property
    def grids(self) -> Path:
        """The folder of datasets."""
        return self.results / "grids"

    @cached_property
    def paper(self) -> Section:
        """The entries of tables, figures, grids, jobs and reports."""
        return Section(self.params / "paper.yaml", read(self.params / "paper.yaml"))

    @cached_property
    def tables(self) -> dict[str, tuple[Section, tables.Table]]:
        """Layouts of the tables by name."""
        return {name: tables.entry(self.params, name) for name in self.paper.child("tables").raw}

    @cached_property
    def plots(self) -> dict[str, plotting.Figure]:
        """Entries of the figures by name."""
        return plotting.entries(self.params)

    @cached_property
    def reports(self) -> dict[str, Report]:
        """Reports by name."""
        section = self.paper.child("reports")
        return {name: section.child(name).convert(Report) for name in section.raw}

    @cached_property
    def judged(self) -> list[Judged]:
        """Every claim with its verdict."""
        return published.judged(self.params, self.grids)

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """Every number with its source, by file."""
        found = {name: list(self._section(name).records()) for name in CATALOGUES}
        assumed = self._section("assumptions")
        return found | {"assumptions": [record for part in ASSUMED for record in assumed.child(part).records()]}

    def grid(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """The entry of a grid, and the parameter files that its job reads."""
        entry = self.paper.child("grids").child(name).raw
        return entry, self.paper.child("jobs").child(entry["job"]).raw["reads"]

    def report(self, name: str) -> str:
        """The text of a report."""
        return (self.results / f"{name}.md").read_text(encoding="utf-8")

    def rows(self, figure: str) -> list[list[str]]:
        """The numbers that a figure draws, below their heads."""
        with (self.figures / f"{figure}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    def files(self) -> Iterator[Path]:
        """Files that pages offer for download or show."""
        yield from (self.figures / f"{name}.{kind}" for name in self.plots for kind in ("svg", "png", "pdf", "csv"))
        yield from (self.results / "tables" / f"{name}.csv" for name in self.tables)
        yield self.results / "audit.csv"

    def _section(self, name: str) -> Section:
        return Section(self.params / f"{name}.yaml", read(self.params / f"{name}.yaml"))
