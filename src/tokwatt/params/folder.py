"""A folder of parameter files, each read when it is first asked for. Needs no JAX."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.files import contents, parameter_folder
from tokwatt.params.records.names import WANTED, is_name
from tokwatt.params.records.quantity import CATALOGUES, Record
from tokwatt.params.records.reading import mapping
from tokwatt.params.records.section import Section


class Checked:
    """Something whose cached properties read and check what stands in files."""

    def check(self) -> None:
        """Ask for every cached property, so that what is wrong comes up now."""
        for owner in reversed(type(self).__mro__):
            for name, member in vars(owner).items():
                if isinstance(member, cached_property):
                    getattr(self, name)


class Folder(Checked):
    """The files of a parameter folder, by name.

    Args:
        folder: where they are; the one of `files.parameter_folder` if left out.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = parameter_folder() if folder is None else Path(folder)
        self.digests: dict[str, str] = {}
        self._sections: dict[str, Section] = {}

    def section(self, name: str) -> Section:
        """A file of the folder, read once; its digest is kept as provenance.

        Its parts and what stands in them must be names: of records, grids, tables, cases and so on.
        """
        if name not in self._sections:
            path = self.folder / f"{name}.yaml"
            content = contents(path, "a YAML file")
            section = Section(path, mapping(path, content), self.catalogue)
            for part in section.names():
                if isinstance(section.raw[part], dict):
                    section.child(part).names()
            self._sections[name] = section
            self.digests[f"{name}.yaml"] = hashlib.sha256(content).hexdigest()[:16]
        return self._sections[name]

    def check(self) -> None:
        """Refuse names of files that are no names, then whatever is wrong in the files."""
        for path in sorted(self.folder.rglob("*.yaml")):
            for part in path.relative_to(self.folder).parts:
                if not is_name(part):
                    raise ParameterError(f"{path}: is called {shown(part)}, wanted {WANTED}.")
        super().check()

    def catalogue(self, name: str) -> Mapping[str, Any]:
        """What a reference to a catalogue may name."""
        return getattr(self, name)

    def records(self) -> list[Record]:
        """Every number of the catalogues with its unit, source and quality."""
        return [record for name in CATALOGUES for record in self.section(name).records()]
