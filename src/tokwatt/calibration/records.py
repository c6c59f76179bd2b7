"""`params/calibrated.yaml`: what the calibration found, how sure it is, and how far off it was on LLMs it did not see."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd

from tokwatt.calibration import model as calibration
from tokwatt.calibration.model import QUANTITIES, TERMS, Fitted, Model
from tokwatt.params.folder import Checked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section
from tokwatt.units import MANY, Dimensionless, DimensionlessAxis, SignedAxis

FILE = "calibrated"
PRINTED = {"s": ("us", 1e6)}
"""Units that numbers are written in, where these are not SI."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table that was fitted: its rows, and the digest of its bytes."""

    runs: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Relative errors of each quantity over the runs of a cell: median with its sign, median and 90th percentile without."""

    runs: Dimensionless
    signed: SignedAxis
    median: DimensionlessAxis
    percentile_90: DimensionlessAxis


class Calibrated(Checked):
    """The records of the calibration, and predictions with intervals."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.model = Model(parameters)
        self.section = parameters.section(FILE).only(
            "source",
            "quality",
            "table",
            "quantities",
            "value",
            "low",
            "high",
            "held_out",
            "half_widths",
            "coverage",
            "errors",
        )
        self.table = self.section.at("table", self.section.raw.get("table")).convert(Origin)
        if self.section.raw.get("quantities") != list(QUANTITIES):
            raise self.section.fail(
                f"is {self.section.raw.get('quantities')!r}", str(list(QUANTITIES)), "quantities"
            )

    @cached_property
    def fitted(self) -> Fitted:
        """Parameters as fitted to every run."""
        return self._fitted("value")[0]

    @cached_property
    def bounds(self) -> tuple[Fitted, Fitted]:
        """Fifth and ninety-fifth percentile of the parameters over draws of LLMs."""
        return self._fitted("low")[0], self._fitted("high")[0]

    @cached_property
    def held_out(self) -> dict[str, Fitted]:
        """Parameters as fitted to the runs of every other LLM, by the one that was left out."""
        section = self.section.child("held_out")
        llms = section.raw.get("llms")
        if not (isinstance(llms, list) and all(isinstance(llm, str) for llm in llms)):
            raise section.fail(f"is {llms!r:.60}", "a list of LLMs", "llms")
        return dict(zip(llms, self._fitted("held_out", len(llms)), strict=True))

    @cached_property
    def half_widths(self) -> pd.DataFrame:
        """Half-widths of intervals on the logarithmic scale, a column for each quantity, by GPU and kind of LLM."""
        return self._cells("half_widths")

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """Share of runs of held-out LLMs within their intervals, as `half_widths`; of all runs under `all`."""
        return self._cells("coverage")

    @cached_property
    def errors(self) -> dict[str, dict[str, Errors]]:
        """Errors over all runs, `in_sample` and `held_out`, by cell: a GPU and a kind of LLM."""
        section = self.section.child("errors")
        return {name: section.child(name).specs(Errors) for name in section.raw}

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predictions of runs with the ends of their intervals, each by parameters that did not see its LLM.

        Args:
            rows: runs as `measured.Measured.runs` has them, without what is measured; `prompt`
                where it is known.

        Returns:
            For each quantity its prediction, and in `NAME_low` and `NAME_high` what holds 90 % of
            held-out runs like it.
        """
        predicted = calibration.held_out_predictions(
            self.model, rows, self.model.prepare(rows), self.held_out, self.fitted
        )
        kinds = interval_kinds(calibration.kinds(self.model.parameters, rows.llm))
        width = self.half_widths.loc[[cell(*each) for each in zip(rows.gpu, kinds, strict=True)]]
        columns: dict[str, np.ndarray] = {}
        for name in QUANTITIES:
            middle, factor = getattr(predicted, name), np.exp(width[name].to_numpy())
            columns |= {
                name: middle,
                f"{name}_low": middle / factor,
                f"{name}_high": middle * factor,
            }
        tdp = np.array([self.model.parameters.gpus[gpu].tdp for gpu in rows.gpu])
        return pd.DataFrame(
            columns | {"power_high": np.minimum(columns["power_high"], tdp)}, rows.index
        )

    def score(self, rows: pd.DataFrame) -> pd.DataFrame:
        """How far predictions of runs are off, by GPU and kind of LLM: median errors, and the share within intervals.

        Args:
            rows: runs as `measured.Measured.read` has them; of LLMs that the calibration saw, each
                is predicted without its own.
        """
        predicted, measured = self.predict(rows), calibration.observed(rows)
        cells = [
            cell(*each)
            for each in zip(
                rows.gpu, calibration.kinds(self.model.parameters, rows.llm), strict=True
            )
        ]
        found = pd.DataFrame({"runs": 1.0}, rows.index).groupby(cells).sum()
        for name in QUANTITIES:
            actual = getattr(measured, name)
            found[name] = (predicted[name] / actual - 1).abs().groupby(cells).median()
            inside = (predicted[f"{name}_low"] <= actual) & (actual <= predicted[f"{name}_high"])
            found[f"{name}_inside"] = inside.groupby(cells).mean()
        return found

    def check(self) -> None:
        """Read what is measured too, so that what is wrong comes up now."""
        super().check()
        for rows in (self.model.measured.runs(), self.model.measured.sweep()):
            self.model.prepare(rows.assign(task=self.model.tasks[0], output=1.0))

    def _cells(self, name: str) -> pd.DataFrame:
        section = self.section.child(name)
        found = {cell: section.quantity(cell, DimensionlessAxis) for cell in section.raw}
        for cell, numbers in found.items():
            if len(numbers) != len(QUANTITIES):
                raise section.fail(
                    f"has {len(numbers)} numbers", f"{len(QUANTITIES)}, as many as quantities", cell
                )
        return pd.DataFrame(found, list(QUANTITIES)).T

    def _fitted(self, name: str, count: int = 0) -> list[Fitted]:
        """Parameters of a part of the file, each a number, or a list of `count` of them."""
        section = self.section.child(name)
        parts = {part: section.child(part) for part in ("step", "layer_overhead", "prompts")}
        values = [
            _numbers(parts[each.part], each.name, each.unit, count) for each in self.model.names
        ]
        none = np.zeros(max(1, count))
        boards = [
            [
                _numbers(section.child("boards").child(gpu), term, "1", count)
                if term in board.terms
                else none
                for term in TERMS
            ]
            for gpu, board in self.model.boards.items()
        ]
        return [
            Fitted(*each)
            for each in zip(np.array(values).T, np.moveaxis(np.array(boards), -1, 0), strict=True)
        ]


def _numbers(section: Section, name: str, unit: str, count: int) -> np.ndarray:
    """One number, or as many as there are LLMs left out."""
    hint = Annotated[(Any, unit, MANY)] if count else Annotated[Any, unit]
    numbers = np.atleast_1d(section.quantity(name, hint, positive=False))
    if len(numbers) != max(1, count):
        raise section.fail(
            f"has {len(numbers)} numbers", f"{count}, one for each LLM left out", name
        )
    return numbers


def cell(gpu: str, kind: str) -> str:
    """The name of a cell of runs: their GPU and the kind of their LLM; hybrids share the intervals of dense LLMs."""
    return f"{gpu}-{kind}"


def interval_kinds(kinds: list[str]) -> list[str]:
    """Kinds that have intervals of their own."""
    return ["experts" if kind == "experts" else "dense" for kind in kinds]


def calibrate(parameters: ParameterFolder, path: Path) -> dict[str, Any]:
    """Fit to every run of a table, and without each LLM.

    Args:
        parameters: the parameter folder.
        path: the table, see `measured.Measured.read`.

    Returns:
        What `params/calibrated.yaml` holds.
    """
    model = Model(parameters)
    rows, _ = model.measured.read(path)
    rows = rows[rows.gpu.isin(model.gpus)].reset_index(drop=True)
    data = model.data(rows)
    fitted, fits = model.fit(data), calibration.held_out(model, data)
    draws = calibration.drawn(model, data)
    low, high = (
        Fitted(*(np.quantile(np.array(values), level, 0) for values in zip(*draws, strict=True)))
        for level in (0.05, 0.95)
    )
    found = calibration.kinds(parameters, rows.llm)
    kinds = pd.Series(interval_kinds(found), rows.index)
    errors = {
        "in_sample": calibration.logarithmic_errors(rows, model.predict(fitted, data.prepared)),
        "held_out": calibration.logarithmic_errors(
            rows, calibration.held_out_predictions(model, rows, data.prepared, fits, fitted)
        ),
    }
    inside = calibration.coverage(model, data, fits, kinds)
    groups = inside.groupby(rows.gpu.str.cat(kinds, "-"))
    widths = calibration.half_widths(model, rows, errors["held_out"], kinds)
    return {
        "source": f"least squares over {len(rows)} runs of ML.ENERGY v3 (ml-energy/leaderboard); made by `tokwatt calibrate`",
        "quality": "calibrated",
        "table": {"runs": len(rows), "digest": digest(rows)},
        "quantities": list(QUANTITIES),
        "value": _tree(model, [fitted]),
        "low": _tree(model, [low]),
        "high": _tree(model, [high]),
        "held_out": {"llms": list(fits)} | _tree(model, list(fits.values()), many=True),
        "half_widths": {
            cell(*name): _quantity(values, "1")
            for name, values in zip(widths.index, widths.to_numpy(), strict=True)
        },
        "coverage": {
            str(name): _quantity(own.mean().to_numpy(), "1")
            for name, own in [*groups, ("all", inside)]
        },
        "errors": {name: _errors(rows, pd.Series(found), own) for name, own in errors.items()},
    }


def digest(rows: pd.DataFrame) -> str:
    """A digest of rows that does not depend on how their table was stored."""
    return hashlib.sha256(
        rows.round(6).to_csv(index=False, float_format="%.6g").encode()
    ).hexdigest()[:16]


def _errors(rows: pd.DataFrame, kinds: pd.Series, errors: pd.DataFrame) -> dict[str, Any]:
    relative = np.exp(errors) - 1
    cells = {}
    for gpu in [*rows.gpu.unique(), "all"]:
        for kind in ("dense", "hybrid", "experts", "all"):
            own = relative[
                ((rows.gpu == gpu) | (gpu == "all")) & ((kinds == kind) | (kind == "all"))
            ]
            if len(own):
                statistics = {
                    "signed": own.median(),
                    "median": own.abs().median(),
                    "percentile_90": own.abs().quantile(0.9),
                }
                cells[cell(gpu, kind)] = {"runs": _quantity(len(own), "1")} | {
                    name: _quantity(values.to_numpy(), "1", 3)
                    for name, values in statistics.items()
                }
    return cells


def _tree(model: Model, fits: list[Fitted], many: bool = False) -> dict[str, Any]:
    values = np.array([each.values for each in fits]).T
    boards = np.moveaxis(np.array([each.boards for each in fits]), 0, -1)
    tree: dict[str, Any] = {part: {} for part in ("step", "layer_overhead", "prompts")}
    for each, own in zip(model.names, values, strict=True):
        tree[each.part][each.name] = _quantity(own if many else own[0], each.unit)
    tree["boards"] = {
        gpu: {
            term: _quantity(own[TERMS.index(term)] if many else own[TERMS.index(term)][0], "1")
            for term in board.terms
        }
        for (gpu, board), own in zip(model.boards.items(), boards, strict=True)
    }
    return tree


def _quantity(value: Any, unit: str, digits: int = 5) -> dict[str, Any]:
    printed, factor = PRINTED.get(unit, (unit, 1.0))
    rounded = [float(f"{one * factor:.{digits}g}") for one in np.atleast_1d(value)]
    return {"value": rounded if np.ndim(value) else rounded[0], "unit": printed}


HEADER = """\
# Written by `tokwatt calibrate`; not by hand. `value` is fitted to every run, `low` and `high` are
# percentiles 5 and 95 over draws of LLMs, `held_out` lists what is fitted without each LLM in turn.
# Half-widths are on the logarithmic scale: an interval is the prediction times e to their power and
# over it. Lists without LLMs go through `quantities`.
"""


def write(found: Mapping[str, Any], path: Path) -> None:
    """Write the records, one quantity a line."""
    path.write_text(HEADER + "".join(lines(found, 0)), encoding="utf-8")


def lines(tree: Mapping[str, Any], depth: int) -> list[str]:
    """A tree of records as YAML, one quantity a line."""
    found = []
    for key, value in tree.items():
        start = "  " * depth + f"{key}:"
        if isinstance(value, dict) and "value" not in value and not _flat(value):
            found += [f"{start}\n", *lines(value, depth + 1)]
        else:
            found.append(f"{start} {_flow(value)}\n")
    return found


def _flat(tree: Mapping[str, Any]) -> bool:
    return not any(isinstance(value, dict) for value in tree.values())


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    if isinstance(value, float):
        return f"{value:.10g}"
    return f'"{value}"' if value == "1" or ":" in str(value) or "`" in str(value) else str(value)
