"""A study file: which model, over which axes, for which quantities."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import jax
import msgspec
import numpy as np

import tokwatt
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.grid import Axis
from tokwatt.params.records.plots import PLOT, read_plot
from tokwatt.params.records.reading import Tree, read_yaml
from tokwatt.params.records.section import Hints, Section
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import alternatives
from tokwatt.studies import functions_of, models
from tokwatt.studies.axes import axes_of
from tokwatt.studies.blocks import StreamedSweep
from tokwatt.studies.plotted import check_plot
from tokwatt.units import hints_of, unit_of

FOLDER = "studies"
DTYPES = ("float64", "float32")
DRAWING = ("commands", "reports")
"""Folders of the program whose code changes no number of a study."""
MODELS = functions_of(models)


class StudyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A study as written."""

    title: str
    model: str
    axes: Tree
    quantities: list[str]
    account: str = "consistent"
    changes: dict[str, str] = {}
    fixed: Tree = {}
    basis: str = "instance"
    dtype: str = "float64"
    plot: Tree = {}


@dataclass(frozen=True, kw_only=True)
class Study(StreamedSweep):
    """A study ready to run.

    Attributes:
        name: its file's name without `.yaml`.
        title: what it says of itself.
    """

    name: str
    title: str


def study_names(params: Path) -> list[str]:
    """Every study of a parameter folder."""
    return sorted(path.stem for path in (params / FOLDER).glob("*.yaml"))


def check_studies(catalogue: Catalogue) -> None:
    """Read every study and say what is wrong with the first one that is."""
    for name in study_names(catalogue.folder):
        load_study(catalogue.folder, name, catalogue)


def load_study(params: Path, name: str, catalogue: Catalogue | None = None) -> Study:
    """Read a study.

    Args:
        params: parameter folder; the study is `studies/NAME.yaml` in it.
        name: name of the study.
        catalogue: what the folder holds, where it is already loaded; where not, the study reads,
            and depends on, no file but those that it needs.

    Returns:
        The study with its axes in SI units.

    Raises:
        ParameterError: with one sentence, at the first thing that is wrong.
    """
    whole, catalogue = catalogue, catalogue or Catalogue(params)
    section = _section(params, name, catalogue)
    file = section.convert(StudyFile)
    model = section.pick("model", file.model, MODELS)
    section.pick("basis", file.basis, dict.fromkeys(alternatives("basis")))
    section.pick("dtype", file.dtype, dict.fromkeys(DTYPES))
    sets = AssumptionSets(catalogue)
    section.pick("account", file.account, sets.presets)
    assumed = sets.changed(file.account, file.changes | {"basis": file.basis}, section)
    hints = dict(hints_of(model))
    for bound in ("catalogue", "account"):
        hints.pop(bound, None)
    units = _units_of_quantities(section, file, hints.pop("return"))
    axes = axes_of(section.child("axes"), hints)
    if plot := read_plot(section):
        check_plot(section.child(PLOT), plot, axes, hints)
    fixed = _fixed(section, {key: hints[key] for key in hints if key not in axes}, model)
    function = partial(model, catalogue, Account(assumed, sets.constants))
    if not whole:  # the model reads what it needs when it is first called
        jax.eval_shape(partial(function, **fixed), **{key: _first(axes[key]) for key in axes})
    return Study(
        name=name,
        title=file.title,
        function=function,
        axes=axes,
        fixed=fixed,
        units={key: unit_of(hints[key]) for key in axes},
        quantities=units,
        dtype=file.dtype,
        provenance={"title": file.title, "account": file.account, "basis": file.basis}
        | _provenance(section, catalogue),
    )


def _section(params: Path, name: str, catalogue: Catalogue) -> Section:
    """A study's file, if there is one of that name."""
    studies = study_names(params)
    Section(params / FOLDER, studies).pick("the study asked for", name, dict.fromkeys(studies))
    path = params / FOLDER / f"{name}.yaml"
    return Section(path, read_yaml(path), catalogue.catalogue)


def _units_of_quantities(section: Section, file: StudyFile, result: type) -> dict[str, str]:
    units = {field: str(unit_of(hint)) for field, hint in hints_of(result).items()}
    if not file.quantities:
        raise section.fail("is empty", f"some of {', '.join(units)}", "quantities")
    return {name: section.pick("quantities", name, units) for name in file.quantities}


def _provenance(section: Section, catalogue: Catalogue) -> dict[str, str]:
    """What tells one store from another: the study, the parameters, the code that computes.

    The parameters are the files that were read so far: by axes, and by the model on one point.
    """
    study = json.dumps({key: value for key, value in section.raw.items() if key != PLOT})
    parameters = json.dumps(catalogue.digests, sort_keys=True)
    return {
        "study": study,
        "parameters": parameters,
        "parameter_hash": hashlib.sha256((study + parameters).encode()).hexdigest()[:16],
        "code_hash": code_hash(Path(tokwatt.__path__[0])),
        "tokwatt_version": tokwatt.__version__,
    }


def code_hash(package: Path) -> str:
    """Digest of the modules that may change a number of a study."""
    modules = (path.relative_to(package) for path in sorted(package.rglob("*.py")))
    computing = [module for module in modules if module.parts[0] not in DRAWING]
    digest = hashlib.sha256()
    for module in computing:
        digest.update(f"{module.as_posix()} ".encode() + (package / module).read_bytes())
    return digest.hexdigest()[:16]


def _first(axis: Axis) -> Any:
    return next(iter(axis.values())) if isinstance(axis, dict) else np.asarray(axis)[0]


def _fixed(section: Section, hints: Hints, model: Callable[..., object]) -> dict[str, object]:
    """What the model needs besides the axes; what it has a default for may be left out."""
    fixed = section.child("fixed") if "fixed" in section.raw else section.at("fixed", {})
    parameters = signature(model).parameters
    optional = [key for key in hints if parameters[key].default is not Parameter.empty]
    return fixed.bind(hints, optional)
