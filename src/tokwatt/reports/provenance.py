"""The record of a run, an RO-Crate: what went in and came out, by hash, and what differs since."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from tokwatt.output import write_files
from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE, contents
from tokwatt.params.records.reading import read_yaml

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.model.file import File
    from rocrate.rocrate import ROCrate

RECORD = Path("ro-crate-metadata.json")
"""Where the record lies: at the root of what it describes, as RO-Crate wants it."""
LARGEST = 64 * MEBIBYTE
"""Bytes that a record may hold."""
CITATION, WORKFLOW, LOCK = Path("CITATION.cff"), Path("Snakefile"), Path("requirements.txt")
CODE = Path("src")
EXTRA = re.compile(r"extra == .(?!workflow)")
"""What an extra besides the workflow asks for."""
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
}


@dataclass(frozen=True)
class Differences:
    """Files that differ from a record.

    Attributes:
        missing: recorded files that are gone.
        changed: recorded files with other content.
        extra: files beside them that were not recorded.
    """

    missing: list[str]
    changed: list[str]
    extra: list[str]

    @property
    def any(self) -> bool:
        """Whether there is a difference."""
        return bool(self.missing or self.changed or self.extra)


def write_record(outputs: Iterable[Path], params: Path = Path("params")) -> None:
    """Record a run: its inputs (parameters, code, workflow and lock), its outputs, the versions.

    The date is that of SOURCE_DATE_EPOCH, else that of the release in `CITATION.cff`, so that the
    same run is the same record.
    """
    from rocrate.rocrate import ROCrate

    citation = read_yaml(CITATION)
    crate = ROCrate()
    crate.metadata.extra_contexts.append(TERMS)
    crate.name = citation["title"]
    crate.description = "Everything that one run computed, and from what."
    crate.license = citation["license"]
    crate.datePublished = _date(str(citation["date-released"]))
    workflow = crate.add_workflow(
        dest_path=WORKFLOW.as_posix(), main=True, lang="snakemake", properties=_described(WORKFLOW)
    )
    program = _software(crate, "tokwatt", citation["version"])
    crate.add_action(
        program,
        "#run",
        object=[workflow, *_files(crate, _inputs(params))],
        result=_files(crate, sorted({path for output in outputs for path in _within(output)})),
        properties={"name": "The workflow, from parameters to results"},
    )
    versions = [("Python", python_version()), *((it, version(it)) for it in dependencies())]
    program["softwareRequirements"] = [_software(crate, *pair) for pair in versions]
    profiles = [
        _named(crate, "CreativeWork", address, name, version=address.rpartition("/")[2])
        for address, name in PROFILES.items()
    ]
    crate.root_dataset.append_to("conformsTo", profiles)
    write_files({RECORD: json.dumps(crate.metadata.generate(), indent=1) + "\n"})


def differences_from(record: Path = RECORD) -> Differences:
    """What differs from a record, under the folder that it lies in.

    Raises:
        ParameterError: where the record cannot be read.
    """
    hashes = _hashes(record)
    there = {name for name in hashes if (record.parent / name).is_file()}
    changed = sorted(name for name in there if _sha256(record.parent / name) != hashes[name])
    folders = {(record.parent / name).parent for name in hashes} - {record.parent}
    beside = {
        path.relative_to(record.parent).as_posix()
        for folder in folders
        for path in folder.glob("[!.]*")
        if path.is_file()
    }
    return Differences(sorted(hashes.keys() - there), changed, sorted(beside - hashes.keys()))


def _hashes(record: Path) -> dict[str, str]:
    raw = contents(record, "the record of a run, which `snakemake` writes", LARGEST)
    try:
        graph = json.loads(raw)["@graph"]
        hashes = {entity["@id"]: entity["sha256"] for entity in graph if "sha256" in entity}
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ParameterError(
            f"{record}: is not the record of a run, wanted a JSON file with a @graph of files "
            "and hashes."
        ) from None
    return hashes


def _files(crate: "ROCrate", paths: Iterable[Path]) -> "list[File]":
    return [
        crate.add_file(dest_path=path.as_posix(), properties=_described(path)) for path in paths
    ]


def _inputs(params: Path) -> Iterator[Path]:
    yield from (LOCK, CITATION)
    yield from _within(params)
    yield from _within(CODE)


def _within(path: Path) -> list[Path]:
    """A file, or every file of a folder but what Python and Snakemake keep there."""
    inside = [
        inner
        for inner in path.rglob("[!.]*")
        if inner.is_file() and inner.parent.name != "__pycache__"
    ]
    return sorted(inside) or [path]


def _described(path: Path) -> dict[str, str]:
    return {"name": path.name, "contentSize": str(path.stat().st_size), "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _date(released: str) -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (
        datetime.fromtimestamp(int(epoch), UTC)
        if epoch
        else datetime.fromisoformat(released).replace(tzinfo=UTC)
    )


def dependencies() -> list[str]:
    """Packages that tokwatt and its workflow ask for, in so far as they are installed."""
    lines = [line for line in requires("tokwatt") or [] if not EXTRA.search(line)]
    names = sorted({line.partition(";")[0].partition(">")[0].strip() for line in lines})
    return [name for name in names if _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def licence(name: str) -> str:
    """The licence of an installed package, as its own metadata name it."""
    about = metadata(name)
    expression, named = about.get_all("License-Expression", []), about.get_all("Classifier", [])
    words = [line.rpartition(" :: ")[2] for line in named if line.startswith("License :: ")]
    first = [text.strip().partition("\n")[0] for text in about.get_all("License", [])]
    return ", ".join(expression or words or first) or "not named"


def _named(crate: "ROCrate", kind: str, identity: str, name: str, **more: str) -> "ContextEntity":
    from rocrate.model.contextentity import ContextEntity

    about = {"@type": kind, "name": name, **more}
    return crate.add(ContextEntity(crate, identity, properties=about))


def _software(crate: "ROCrate", name: str, version: str) -> "ContextEntity":
    return _named(crate, "SoftwareApplication", f"#{name.lower()}", name, softwareVersion=version)
