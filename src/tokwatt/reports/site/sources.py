"""What pages are made from: `params/`, what rules have written, and the code's own docstrings."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import xarray as xr
from markupsafe import Markup

from tokwatt.params.folder import Folder
from tokwatt.params.records.quantity import CATALOGUES, Record
from tokwatt.params.records.section import Section
from tokwatt.reports import tables
from tokwatt.reports.audit import claims
from tokwatt.reports.audit.claims import Judged
from tokwatt.reports.datasets import dataset_path, load_datasets
from tokwatt.reports.drawing import gallery
from tokwatt.reports.labels import Labels, read_labels
from tokwatt.reports.pages.accounts import AccountEntry, Kind, accounts_of, by_kind
from tokwatt.reports.pages.verdict import Survival, survivals
from tokwatt.reports.site.comparison import Comparison, compare
from tokwatt.reports.site.markup import Article, Drawing
from tokwatt.reports.site.records import site_records
from tokwatt.reports.site.renderer import MENU, PAGES

KINDS: dict[str, Kind] = {"paper": "paper", "consistent": "consistent"}
"""Assumption sets that pages tell apart."""
DRAWN = ("svg", "png", "pdf", "csv")


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Markdown page of `results/`.

    Attributes:
        title: its name in the menu.
        menu: the entry of the menu under which it stands.
        start: what the start page shows of it: all, or some columns of its first table.
    """

    title: str
    menu: str
    start: bool | list[str] = False


@dataclass(frozen=True)
class Made:
    """How a dataset is made.

    Attributes:
        dataset: its file.
        command: the command that computes it.
        file: the parameter file with its entry.
        entry: what is written there.
        reads: the parameter files that it is computed from; true where the site lists one.
    """

    dataset: str
    command: str
    file: str
    entry: dict[str, Any]
    reads: dict[str, bool]


@dataclass(frozen=True)
class Sources:
    """Where everything lies.

    Args:
        params: the parameter folder.
        results: what rules have written.
        figures: the published figures.
        docs: the documents; `README.md` there tells of the others.
    """

    params: Path
    results: Path
    figures: Path
    docs: Path

    @property
    def grids(self) -> Path:
        """The folder of datasets."""
        return self.results / "grids"

    @cached_property
    def parameters(self) -> Folder:
        """The parameter files by name."""
        return Folder(self.params)

    @cached_property
    def paper(self) -> Section:
        """The entries of tables, figures, grids and reports."""
        return self.parameters.section("paper")

    @cached_property
    def tables(self) -> dict[str, tuple[Section, tables.TableLayout]]:
        """Layouts of the tables by name."""
        return {name: tables.entry(self.paper, name) for name in self.paper.child("tables").raw}

    @cached_property
    def plots(self) -> dict[str, gallery.Figure]:
        """Entries of the figures by name."""
        return gallery.entries(self.params)

    @cached_property
    def reports(self) -> dict[str, Report]:
        """Reports by name."""
        section = self.paper.child("reports")
        for name in section.raw:
            if name in PAGES or name.startswith(("docs-", "figure-", "table-")):
                raise section.fail("is a page of the site already", "another name", name)
        reports = {name: section.child(name).convert(Report) for name in section.raw}
        for name, report in reports.items():
            section.child(name).pick("menu", report.menu, MENU)
        return reports

    def menu(self) -> dict[str, dict[str, str]]:
        """The pages of each entry of the menu, by their names."""
        menu = {entry: dict(pages) for entry, pages in MENU.items()}
        for name, report in self.reports.items():
            menu[report.menu][name] = report.title
        for file in self.documents.values():
            stem = file.removesuffix(".html")
            if stem != "docs":
                menu["Docs"][stem] = stem.removeprefix("docs-").replace("-", " ").capitalize()
        return menu

    @cached_property
    def judged(self) -> list[Judged]:
        """Every claim with its verdict."""
        return claims.judged(self.params, self.grids)

    @cached_property
    def surviving(self) -> dict[str, Survival]:
        """What became of the headlines, by the ids of their claims."""
        return survivals(self.params, self.grids)

    @cached_property
    def labels(self) -> Labels:
        """Printed names."""
        return read_labels(self.params)

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Every table with what the paper prints in its cells."""
        datasets = load_datasets(self.grids, {table.grid for _, table in self.tables.values()})
        return {
            name: compare(table, section, datasets[table.grid], self.labels, self.judged)
            for name, (section, table) in self.tables.items()
        }

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """Every number with its source, by file."""
        return site_records(self.parameters)

    def grid(self, name: str) -> Made:
        """How a grid of `paper.yaml` is made."""
        entry = self.paper.child("grids").child(name).raw
        with xr.open_dataset(dataset_path(self.grids, name)) as dataset:
            files = json.loads(dataset.attrs["parameters"])
        return Made(
            f"{name}.nc",
            f"tokwatt grids {entry['job']}",
            "params/paper.yaml",
            entry,
            self._reads(file.removesuffix(".yaml") for file in files),
        )

    def study(self, name: str) -> Made:
        """How the store of a study is made."""
        return Made(
            f"{name}.zarr",
            f"tokwatt study {name}",
            f"params/studies/{name}.yaml",
            self.parameters.section(f"studies/{name}").raw,
            self._reads((*CATALOGUES, "assumptions")),
        )

    def _reads(self, files: Iterable[str]) -> dict[str, bool]:
        return {file: file in self.records for file in files}

    @cached_property
    def documents(self) -> dict[str, str]:
        """The file of each document's page, by its path; the first tells of the others in order."""
        told = (self.docs / "README.md").read_text(encoding="utf-8")
        names = [path.stem for path in self.docs.glob("*.md") if path.stem != "README"]
        names.sort(key=lambda name: (f"({name}.md)" not in told, told.find(f"({name}.md)"), name))
        written = {f"docs/{name}.md": f"docs-{name}.html" for name in names}
        return (
            {"docs/README.md": "docs.html"}
            | written
            | {"results/reference.md": "docs-reference.html"}
        )

    def document(self, path: str) -> Article:
        """A document by where it lies in the repository."""
        folder, name = path.split("/")
        file = {"docs": self.docs, "results": self.results}[folder] / name
        return Article(file.read_text(encoding="utf-8"))

    def report(self, name: str) -> Article:
        """A report by its name."""
        return Article((self.results / f"{name}.md").read_text(encoding="utf-8"))

    def rows(self, figure: str) -> list[list[str]]:
        """The numbers that a figure draws, below their heads."""
        with (self.figures / f"{figure}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    def files(self) -> dict[str, Path]:
        """Files that pages offer for download or show, by the names that they have there."""
        drawn = {
            f"{name}.{kind}": self.figures / f"{name}.{kind}"
            for name in self.plots
            for kind in DRAWN
        }
        tidy = {
            f"table-{name}.csv": self.results / "tables" / f"{name}.csv" for name in self.tables
        }
        return drawn | tidy | {"audit.csv": self.results / "audit.csv"}

    def addresses(self) -> dict[str, str]:
        """Where the site has what a path in the repository names."""
        figures = {
            f"figures/{name}.{kind}": f"data/{name}.{kind}" for name in self.plots for kind in DRAWN
        }
        tables = {
            f"results/tables/{name}.{kind}": f"table-{name}.html"
            for name in self.tables
            for kind in ("csv", "md")
        }
        reports = {f"results/{name}.md": f"{name}.html" for name in (*self.reports, "audit")}
        records = {f"params/{name}.yaml": f"parameters.html#{name}" for name in self.records}
        return figures | tables | reports | records | self.documents

    def excerpt(self, name: str, addresses: Mapping[str, str], drawing: Drawing) -> Markup:
        """What the start page shows of a report: all of it, or columns of its first table."""
        report = self.report(name)
        start = self.reports[name].start
        columns = start if isinstance(start, list) else []
        for column in columns:
            if column not in report.heads:
                place = self.paper.child("reports").child(name)
                wanted = f"some of {', '.join(report.heads)}"
                raise place.fail(f"names {column!r}", wanted, "start")
        return report.body("results", addresses, drawing, columns)

    def accounts(self, datasets: Iterable[str]) -> list[AccountEntry]:
        """On which accounts, and whose watts, datasets and stores of studies stand."""
        accounts = accounts_of(self.paper)
        return by_kind(accounts.get(name) or self._account(name) for name in datasets)

    def _account(self, study: str) -> AccountEntry:
        entry: dict[str, Any] = {"account": "consistent", "basis": "instance", "changes": {}}
        entry |= self.parameters.section(f"studies/{study}").raw
        changed = f"with {', '.join(entry['changes'])} changed: " if entry["changes"] else ""
        choices = self.parameters.section("assumptions").child("choices")
        basis = choices.child("basis").child("alternatives").raw
        kind = KINDS.get(entry["account"], "other")
        return AccountEntry(kind, f"{changed}watts of {basis[entry['basis']]['meaning']}")


def check_site(params: Path) -> None:
    """Read every entry that becomes a page, so that what is wrong comes up now."""
    sources = Sources(params, Path(), Path(), Path())
    for part in ("tables", "plots", "reports", "records"):
        getattr(sources, part)
    accounts_of(sources.paper)
