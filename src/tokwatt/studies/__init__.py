"""The datasets behind the tables and figures: each study is a function of a grid's inputs.

An entry under `grids` in `params/paper.yaml` names the job it runs in, which is a module of this package, the study,
which is a function there, and the inputs. The study's annotations say how inputs are written: a quantity by its
unit, a spec by its name in a catalogue, a structure by its fields.
"""

import hashlib
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import xarray as xr

import tokwatt
from tokwatt.catalogue import Catalogue
from tokwatt.records import Section


def run(job: str, folder: Path, out: Path) -> None:
    """Compute every grid of a job and write each to `out/NAME.nc`."""
    catalogue = Catalogue(folder)
    grids = catalogue.section("paper").child("grids")
    out.mkdir(parents=True, exist_ok=True)
    datasets = {name: compute(catalogue, grids.child(name)) for name, entry in grids.raw.items() if entry.get("job") == job}
    for name, dataset in datasets.items():
        dataset.attrs = provenance(catalogue, grids.child(name))
        dataset.to_netcdf(out / f"{name}.nc", engine="netcdf4")


def compute(catalogue: Catalogue, entry: Section) -> xr.Dataset:
    """Run the study that an entry of `grids` names, with the inputs it gives."""
    study = find(entry)
    hints = {name: hint for name, hint in get_type_hints(study, include_extras=True).items() if name not in ("catalogue", "return")}
    inputs = {key: value for key, value in entry.raw.items() if key not in ("job", "study")}
    return study(catalogue, **Section(entry.path, inputs, entry.catalogue, entry.key).bind(hints))


def find(entry: Section) -> Callable[..., xr.Dataset]:
    """The function that an entry names by its job and study."""
    module = import_module(f"tokwatt.studies.{entry.raw['job']}")
    known = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    if entry.raw.get("study") not in known:
        raise entry.fail(f"is {entry.raw.get('study')!r}", f"one of {', '.join(known)}", "study")
    return getattr(module, entry.raw["study"])


def provenance(catalogue: Catalogue, entry: Section) -> dict[str, str]:
    """What a dataset was made from: the grid's inputs, the digest of each parameter file read, the program's version."""
    files = {file: digest for file, digest in sorted(catalogue.digests.items()) if file != entry.path.name}
    inputs = json.dumps(entry.raw, sort_keys=True)
    return {
        "grid": entry.key,
        "inputs": inputs,
        "parameters": json.dumps(files),
        "parameter_hash": hashlib.sha256((json.dumps(files) + inputs).encode()).hexdigest()[:16],
        "tokwatt_version": tokwatt.__version__,
    }
