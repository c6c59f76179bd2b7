"""Runs as load generators report them: InferenceX's columns, and JSON of vLLM's benchmark."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tokwatt.params.traces.columns import quoted
from tokwatt.units import Dimensionless

Cells = Mapping[str, Any]
"""What a row holds, by column."""
WIDEST = 8.0
"""Ranks of attention that one server has; a larger number is the width times the expert width."""
EXACT = "exact_lengths"
"""The column that says whether lengths are means rather than upper bounds."""
NO_WEIGHTS = "bfloat16"
"""The precision of rows that name none."""


class KvWidth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes of an element of the KV cache of the runs that match, names as `fnmatch` has them."""

    where: dict[str, list[str]]
    width: float


class Odd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Runs that match and are left out of fits and scores, and why."""

    where: dict[str, list[str]]
    why: str


class DrawnLengths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Campaigns whose lengths are drawn uniformly below their maximum."""

    lengths: list[float]
    mean: float
    without: list[str]


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How tables of a load generator are read.

    Attributes:
        gpus: names of GPUs by what tables call them.
        engines: names of engines.
        precisions: names of precisions.
        kv_widths: the first that matches counts.
        drawn: which lengths are upper bounds.
        odd: which campaigns are odd.
    """

    gpus: dict[str, str]
    engines: dict[str, str]
    precisions: dict[str, str]
    kv_widths: list[KvWidth]
    drawn: DrawnLengths
    odd: list[Odd]


def is_disaggregated(cells: Cells) -> bool:
    """Whether prefill and decoding have GPUs of their own; such rows lack a layout."""
    return cells.get("mode", "") not in ("agg", "")


def reason_dropped(cells: Cells) -> str:
    """Why a row cannot be used; empty where it can."""
    if is_disaggregated(cells):
        return "disaggregated"
    if cells["suspect"]:
        return "suspect"
    return "without a concurrency" if math.isnan(float(cells["concurrency"])) else ""


def unknown(reading: Reading, cells: Cells) -> str:
    """Which name of a row is not known; empty where all are."""
    known = {
        "on GPU": ("gpu", reading.gpus),
        "by engine": ("engine", reading.engines),
        "of precision": ("gemm_precision", reading.precisions),
    }
    for words, (column, names) in known.items():
        if cells[column] and cells[column] not in names:
            return f"{words} {quoted(cells[column])}"
    return ""


def run_of(reading: Reading, cells: Cells, llm: str) -> dict[str, object]:
    """A row as a run, in SI units.

    Args:
        reading: what names stand for, and the rules.
        cells: a row that is neither dropped nor `unknown`.
        llm: the LLM by name.

    Returns:
        The columns of `columns.MeasuredRun`.

    Source: lengths and widths as InferenceX publishes them.
    """
    numbers = {name: float(cell) for name, cell in cells.items() if isinstance(cell, float)}
    engine = reading.engines[str(cells["engine"])]
    names = {
        "engine": engine,
        "release": f"{engine}/{cells['engine_version'] or str(cells['measured'])[:7]}",
        "llm": llm,
        "gpu": reading.gpus[str(cells["gpu"])],
        "precision": reading.precisions.get(str(cells["gemm_precision"]), NO_WEIGHTS),
    }
    lengths = numbers["prompt_max"], numbers["output_max"]
    drawn = (
        not cells.get(EXACT)
        and llm not in reading.drawn.without
        and set(lengths) <= set(reading.drawn.lengths)
    )
    prompt, output = (length * (reading.drawn.mean if drawn else 1.0) for length in lengths)
    names["source"] = "inferencex" if drawn else "nvidia"
    first_token, latency = numbers["ttft_ms"] * 1e-3, numbers["tpot_ms"] * 1e-3
    batch = numbers["concurrency"]
    return {
        **names,
        **_layout(numbers),
        "task": "",
        "kv_width": next(it.width for it in reading.kv_widths if _matches(it.where, names)),
        "client": 1.0,
        "odd": float(any(_matches(odd.where, names) for odd in reading.odd)),
        "batch": batch,
        "prompt": prompt,
        "output": output,
        "output_scv": 0.0,
        "latency": latency,
        "throughput": batch * output / (first_token + latency * max(output - 1, 0.0)),
        "first_token": first_token,
        "power": math.nan,
    }


def _layout(numbers: Mapping[str, float]) -> dict[str, Dimensionless]:
    """Ranks, repaired where a table multiplies one width by another."""
    ranks = numbers["attention_data_parallel"]
    ranks = math.sqrt(ranks) if ranks > WIDEST else ranks
    gpus = numbers["tensor_parallel"] * ranks
    experts = min(max(1.0, numbers["expert_parallel"]), gpus)
    return {
        "tensor_parallel": numbers["tensor_parallel"],
        "data_parallel": ranks,
        "expert_parallel": experts,
    }


def _matches(where: Mapping[str, list[str]], names: Mapping[str, str]) -> bool:
    """Whether every name that a rule lists is one of its patterns."""
    return all(
        any(fnmatchcase(names[column], pattern) for pattern in patterns)
        for column, patterns in where.items()
    )


def of_benchmark(report: Mapping[str, object]) -> dict[str, object]:
    """The columns of InferenceX from a report of vLLM's `benchmark_serving`.

    Args:
        report: its JSON; what it does not know (gpu, tensor_parallel and so on) is expected under
            the names of InferenceX's columns, as `--metadata` writes it.

    Returns:
        The columns, those that are missing left out.
    """
    requests, date = report.get("completed") or math.nan, str(report.get("date", ""))
    found = {
        EXACT: "1",
        "engine": report.get("backend"),
        "llm": report.get("model_id"),
        "concurrency": report.get("max_concurrency"),
        "ttft_ms": report.get("median_ttft_ms"),
        "tpot_ms": report.get("median_tpot_ms"),
        "measured": f"{date[:4]}-{date[4:6]}" if date else "",
        **{
            f"{name}_max": float(report.get(f"total_{kind}_tokens", math.nan)) / float(requests)  # type: ignore[arg-type]
            for name, kind in (("prompt", "input"), ("output", "output"))
        },
    }
    return {name: cell for name, cell in (found | dict(report)).items() if cell is not None}
