"""The datasets behind the tables and figures: each study is a function of a grid's inputs.

An entry under `grids` in `params/paper.yaml` names the job it runs in, which is a module of this
package, the study, which is a function there, and the inputs. The study's annotations say how
inputs are written: a quantity by its unit, a spec by its name in a catalogue, a structure by its
fields, a dataset by the name of a grid of the same job that stands before.
"""

import errno
import hashlib
import json
from collections.abc import Callable
from importlib import import_module
from inspect import isfunction
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

import tokwatt
from tokwatt import grid
from tokwatt.output import filled_folder
from tokwatt.params.records.section import Section, refusing
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import hints_of

JOBS = ("instances", "fleets", "sampling", "accounts", "plans", "measured", "servers", "simulated")
"""Modules of this package, each computed by one process."""


def check_grids(catalogue: Catalogue) -> None:
    """Read the inputs of every grid and say what is wrong with the first one that is."""
    entries = _grids(catalogue)
    for name in entries.raw:
        inputs(catalogue, entries.child(name))


def run(job: str, params: Path, out: Path) -> None:
    """Compute the grids of a job into `out/JOB/NAME.nc`: all, or none where one cannot be computed.

    Raises:
        ParameterError: where there is no such job, or a grid cannot be computed.
    """
    catalogue = Catalogue(params)
    grids = _grids(catalogue)
    grids.pick("job", job, dict.fromkeys(JOBS))
    entries = [grids.child(name) for name, raw in grids.raw.items() if raw.get("job") == job]
    computed: dict[str, xr.Dataset] = {}
    with filled_folder(out / job) as folder:
        for entry in entries:
            with refusing(entry, "computed"):
                dataset = compute(catalogue, entry, computed)
            dataset.attrs = provenance(catalogue, entry)
            _write(dataset, folder / f"{_name(entry)}.nc")


def compute(catalogue: Catalogue, entry: Section, computed: dict[str, xr.Dataset]) -> xr.Dataset:
    """Run the study that an entry names, with the inputs it gives, and add it to the computed."""
    study, arguments = find(entry), inputs(catalogue, entry)
    used = {name: computed[arguments[name]] for name in _datasets(study)}
    dataset = grid.long_named(study(catalogue, **arguments | used))
    computed[_name(entry)] = dataset
    return dataset


def inputs(catalogue: Catalogue, entry: Section) -> dict[str, Any]:
    """The inputs of an entry as the annotations of its study want them, datasets by name."""
    study = find(entry)
    datasets = _datasets(study)
    hints = hints_of(study) | dict.fromkeys(datasets, str)
    given = {key: value for key, value in entry.raw.items() if key not in ("job", "study")}
    arguments = entry.at("", given).bind(
        {name: hint for name, hint in hints.items() if name not in ("catalogue", "return")}
    )
    for name in datasets:
        entry.pick(name, arguments[name], _before(catalogue, entry))
    return arguments


def _datasets(study: Callable[..., xr.Dataset]) -> list[str]:
    """Arguments of a study that are datasets."""
    hints = hints_of(study)
    return [name for name, hint in hints.items() if hint is xr.Dataset and name != "return"]


def _before(catalogue: Catalogue, entry: Section) -> dict[str, Section]:
    """Grids of the job of an entry that stand before it."""
    grids = _grids(catalogue)
    before = map(grids.child, takewhile(lambda name: name != _name(entry), grids.raw))
    return {_name(grid): grid for grid in before if grid.raw.get("job") == entry.raw["job"]}


def find(entry: Section) -> Callable[..., xr.Dataset]:
    """The function that an entry names by its job and study."""
    job, study = str(entry.raw.get("job")), str(entry.raw.get("study"))
    entry.pick("job", job, dict.fromkeys(JOBS))
    module = import_module(f"tokwatt.studies.{job}")
    return entry.pick("study", study, functions_of(module))


def functions_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Public functions of a module or of those in its folder, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if isfunction(value) and value.__module__.startswith(module.__name__) and name[0] != "_"
    }


def _write(dataset: xr.Dataset, path: Path) -> None:
    try:
        dataset.to_netcdf(path, engine="netcdf4")
    except RuntimeError as error:  # what the library makes of a full disk
        raise OSError(errno.EIO, str(error), str(path)) from error


def _name(entry: Section) -> str:
    return entry.key.removeprefix("grids.")


def provenance(catalogue: Catalogue, entry: Section) -> dict[str, str]:
    """What a dataset was made from: inputs, digests of the parameter files read, the version."""
    files = {
        file: digest
        for file, digest in sorted(catalogue.digests.items())
        if file != entry.path.name
    }
    inputs = json.dumps(entry.raw, sort_keys=True)
    return {
        "grid": entry.key,
        "inputs": inputs,
        "parameters": json.dumps(files),
        "parameter_hash": hashlib.sha256((json.dumps(files) + inputs).encode()).hexdigest()[:16],
        "tokwatt_version": tokwatt.__version__,
    }


def _grids(catalogue: Catalogue) -> Section:
    return (
        catalogue.section("paper")
        .only("parts", "grids", "tables", "figures", "reports", "names", "accounts")
        .child("grids")
    )
