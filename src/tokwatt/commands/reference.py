"""The reference in Markdown, made from what it describes: commands, parameters, choices, models and datasets."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import xarray as xr

from tokwatt.accounts.cases import Account
from tokwatt.reports import gallery
from tokwatt.serving.catalogue import load
from tokwatt.studies import study
from tokwatt.units import In, hints_of, mark_of

HEAD = """# Reference

Made by the workflow from the code, the parameter files and the datasets themselves. Beside it:
[how to use them](../docs/how-to.md), and [what they mean](../docs/explanation.md).
"""


def write(command: Any, params: Path, grids: Path, out: Path) -> None:
    """Write the reference.

    Args:
        command: the command line, with its commands inside.
        params: the parameter folder.
        grids: the folder that holds the datasets.
        out: the file to write.
    """
    catalogue = load(params)
    parts = [
        HEAD,
        "## Commands",
        *_commands(command, "tokwatt"),
        "## Parameters",
        "Each number with its unit, quality and source, by file and key.",
        _table(
            ("file", "key", "value", "unit", "quality", "source"), _parameters(catalogue.records())
        ),
        "## Choices of an account",
        _table(
            ("choice", "alternative", "meaning", "source"),
            _choices(Account(catalogue).section.child("choices").raw),
        ),
        "## Models of studies",
        "A study in `params/studies/` sweeps one of these; an axis or fixed input is a name of a catalogue or a number with a unit.",
        *_models(),
        "## Figures",
        _table(("figure", "datasets", "title"), _figures(params)),
        "## Datasets",
        "Files in `results/grids/`, one heading each; numbers are in the units given.",
        *_datasets(grids),
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _commands(command: Any, path: str) -> Iterator[str]:
    for name, each in sorted(command.commands.items()):
        if hasattr(each, "commands"):
            yield from _commands(each, f"{path} {name}")
            continue
        yield f"### {path} {name}"
        yield each.help
        yield _table(
            ("argument or option", "meaning", "default"),
            [_option(option) for option in each.params],
        )


def _option(option: Any) -> tuple[str, str, str]:
    name = (
        ", ".join(f"`{each}`" for each in option.opts)
        if option.param_type_name == "option"
        else f"`{option.name.upper()}`"
    )
    default = "" if option.default is None or callable(option.default) else str(option.default)
    return name, getattr(option, "help", None) or "", "needed" if option.required else default


def _parameters(records: Iterable[Any]) -> Iterator[Sequence[str]]:
    for record in records:
        values = record.value if isinstance(record.value, list) else [record.value]
        shown = ", ".join(f"{value:.6g}" for value in values)
        yield record.file, f"`{record.key}`", shown, record.unit, record.quality, record.source


def _choices(choices: dict[str, Any]) -> Iterator[Sequence[str]]:
    for name, choice in choices.items():
        yield f"**{name}**", "", choice["meaning"], ""
        for alternative, described in choice["alternatives"].items():
            yield "", f"`{alternative}`", described["meaning"], described["source"]


def _models() -> Iterator[str]:
    for name, model in study.MODELS.items():
        hints = dict(hints_of(model))
        result = hints.pop("return")
        yield f"### {name}"
        yield inspect.getdoc(model) or ""
        yield _table(
            ("input", "what it is"),
            [(f"`{key}`", _wanted(hint)) for key, hint in hints.items() if key != "catalogue"],
        )
        yield (
            "Quantities: "
            + ", ".join(f"`{key}` [{mark_of(hint)}]" for key, hint in hints_of(result).items())
            + "."
        )


def _wanted(hint: Any) -> str:
    mark = mark_of(hint)
    if isinstance(mark, In):
        return f"a name in {mark.catalogue}"
    return f"a number in {mark}" if mark else f"one of {', '.join(get_args(hint))}"


def _figures(params: Path) -> Iterator[Sequence[str]]:
    return (
        (f"`{name}`", ", ".join(figure.datasets), figure.entry.title)
        for name, figure in gallery.entries(params).items()
    )


def _datasets(grids: Path) -> Iterator[str]:
    for path in sorted(path for path in grids.iterdir() if path.suffix == ".nc"):
        with xr.open_dataset(path) as dataset:
            yield f"### {path.stem}"
            yield _table(
                ("variable", "dimensions", "unit", "meaning"),
                [_variable(dataset[name]) for name in dataset.variables],
            )


def _variable(variable: xr.DataArray) -> tuple[str, str, str, str]:
    meaning = variable.attrs.get("long_name", "").replace("_", " ")
    return (
        f"`{variable.name}`",
        ", ".join(map(str, variable.dims)),
        variable.attrs.get("units", ""),
        meaning,
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )
