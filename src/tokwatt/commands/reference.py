"""The reference in Markdown, made from the commands, records, models and datasets themselves."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, get_args

import xarray as xr

from tokwatt.accounts.headlines import Headlines
from tokwatt.output import write_files
from tokwatt.params.folder import Folder
from tokwatt.params.records.quantity import Record
from tokwatt.reports import provenance
from tokwatt.reports.datasets import dataset_paths
from tokwatt.reports.drawing import gallery
from tokwatt.reports.markdown import Markdown, code, escaped, joined, pipe_table
from tokwatt.reports.pages.accounts import account_lines, accounts_of
from tokwatt.serving.catalogue import load
from tokwatt.studies import study
from tokwatt.units import In, hints_of, mark_of

HEAD = """# Reference

Made by the workflow from the code, the parameter files and the datasets themselves. See also
[how to use them](../docs/how-to.md) and [what they mean](../docs/explanation.md)."""


class Command(Protocol):
    """What the reference says of a command."""

    help: str | None
    params: list[Any]


def write_reference(command: Command, params: Path, grids: Path, out: Path) -> None:
    """Write the reference."""
    parts = [HEAD, *_commands(command, "tokwatt"), *_inputs(params), *_datasets(params, grids)]
    parts += _dependencies()
    write_files({out: "\n\n".join(parts) + "\n"})


def _commands(group: Command, path: str) -> Iterator[str]:
    if path == "tokwatt":
        yield "## Commands"
    for name, command in sorted(getattr(group, "commands", {}).items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
            continue
        yield f"### {path} {name}"
        yield command.help or ""
        heads = ("argument or option", "meaning", "default")
        yield pipe_table(heads, map(_option, command.params))


def _dependencies() -> Iterator[str]:
    yield "## Dependencies"
    yield "What tokwatt and its workflow run on, each under the licence that its metadata name."
    names = provenance.dependencies()
    yield pipe_table(("package", "licence"), [(name, provenance.licence(name)) for name in names])


def _option(option: Any) -> tuple[str, str, str]:
    is_option = option.param_type_name == "option"
    names = option.opts if is_option else [(option.name or "").upper()]
    default = "" if option.default is None or callable(option.default) else str(option.default)
    meaning = " ".join((getattr(option, "help", None) or "").split())
    return joined(map(code, names)), Markdown(meaning), "needed" if option.required else default


def _inputs(params: Path) -> Iterator[str]:
    """Everything that is read from the parameter folder, and the models that studies sweep."""
    catalogue = load(params)
    yield "## Parameters"
    yield "Each number with its unit, quality and source, by file and key."
    heads = ("file", "key", "value", "unit", "quality", "source")
    yield pipe_table(heads, map(_record, catalogue.records()))
    yield "## Choices of an account"
    choices = Headlines(catalogue).section.child("choices").raw
    yield pipe_table(("choice", "alternative", "meaning", "source"), _choices(choices))
    yield "## Models of studies"
    yield (
        "A study in `params/studies/` sweeps one of these; an axis or fixed input is a name of a "
        "catalogue or a number with a unit."
    )
    yield from _models()
    yield "## Figures"
    figures = gallery.entries(params).items()
    yield pipe_table(
        ("figure", "datasets", "title"),
        [(code(name), joined(figure.datasets), figure.entry.title) for name, figure in figures],
    )


def _record(record: Record) -> tuple[str, ...]:
    values = record.value if isinstance(record.value, list) else [record.value]
    numbers = ", ".join(f"{value:.6g}" for value in values)
    return record.file, code(record.key), numbers, record.unit, record.quality, record.source


def _choices(choices: Mapping[str, Mapping]) -> Iterator[tuple[str, ...]]:
    for name, choice in choices.items():
        yield Markdown(f"**{escaped(name)}**"), "", choice["meaning"], ""
        for alternative, entry in choice["alternatives"].items():
            yield "", code(alternative), entry["meaning"], entry["source"]


def _models() -> Iterator[str]:
    for name, model in study.MODELS.items():
        hints = dict(hints_of(model))
        quantities = hints_of(hints.pop("return"))
        yield f"### {name}"
        yield inspect.getdoc(model) or ""
        inputs = [(code(key), _input(hint)) for key, hint in hints.items() if key != "catalogue"]
        yield pipe_table(("input", "what it is"), inputs)
        marked = (Markdown(f"{code(key)} [{mark_of(hint)}]") for key, hint in quantities.items())
        yield f"Quantities: {joined(marked)}."


def _input(hint: object) -> str:
    mark = mark_of(hint)
    if isinstance(mark, In):
        return f"a name in {mark.catalogue}"
    return f"a number in {mark}" if mark else f"one of {', '.join(get_args(hint))}"


def _datasets(params: Path, grids: Path) -> Iterator[str]:
    yield "## Datasets"
    yield "Files in `results/grids/`, one heading each; numbers are in the units given."
    accounts = accounts_of(Folder(params).section("paper"))
    heads = ("variable", "dimensions", "unit", "meaning")
    for name, path in dataset_paths(grids).items():
        with xr.open_dataset(path) as dataset:
            yield f"### {name}"
            if name in accounts:
                yield account_lines([accounts[name]])
            yield pipe_table(heads, [_variable(dataset[key]) for key in dataset.variables])


def _variable(variable: xr.DataArray) -> tuple[str, ...]:
    meaning = variable.attrs.get("long_name", "").replace("_", " ")
    unit = variable.attrs.get("units", "")
    return code(variable.name), joined(variable.dims), unit, meaning
