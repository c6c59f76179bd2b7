"""A folder of parameter files, each read when it is first asked for. Needs no JAX."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tokwatt.params.files import contents
from tokwatt.params.quantity import CATALOGUES, Record
from tokwatt.params.reading import mapping
from tokwatt.params.section import Section


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
        folder: where they are.
    """

    def __init__(self, folder: str | Path = "params") -> None:
        self.folder = Path(folder)
        self.digests: dict[str, str] = {}
        self._sections: dict[str, Section] = {}

    def section(self, name: str) -> Section:
        """A file of the folder, read once; its digest is kept as provenance."""
        if name not in self._sections:
            path = self.folder / f"{name}.yaml"
            content = contents(path, "a YAML file")
            self._sections[name] = Section(path, mapping(path, content), self.catalogue)
            self.digests[f"{name}.yaml"] = hashlib.sha256(content).hexdigest()[:16]
        return self._sections[name]

    def catalogue(self, name: str) -> Mapping[str, Any]:
        """What a reference to a catalogue may name."""
        return getattr(self, name)

    def records(self) -> list[Record]:
        """Every number of the catalogues with its unit, source and quality."""
        return [record for name in CATALOGUES for record in self.section(name).records()]
