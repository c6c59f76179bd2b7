"""What the explorer computes with, as JSON has it."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tokwatt.accounts.deployments import FEASIBLE, PAIRED, conserving
from tokwatt.accounts.explorer.constants import DOUBTS, READING, constants_of
from tokwatt.accounts.explorer.explorer import Explorer
from tokwatt.accounts.explorer.offer import InstanceKey, Machine
from tokwatt.accounts.explorer.running import simulation_running
from tokwatt.output import write_files
from tokwatt.serving.catalogue import load

ADJUSTABLE = (
    "misfit",
    "kv_allocation",
    "context_length",
    "prefill",
    "power",
    "output_share",
    "long_pool",
    "oversized",
    "baseline",
    "search_start",
    "router",
    "target",
    "output_rounding",
    "batch_rounding",
)
"""Choices that no instance depends on, so that the explorer can change them one by one."""
NUMBERS = (
    "gpus",
    "expert_share",
    "streamed",
    "routed",
    "token_flops",
    "kv_budget",
    "block_size",
    "prefill_chunk",
    "max_sequences",
    "max_tokens",
)
"""Numbers of an instance that the explorer computes with, beside its cache, times and costs."""


def write_explorer(params: Path, out: Path) -> None:
    """Write what the explorer computes with as JSON; null where there is no bound."""
    explorer = Explorer(load(params))
    text = json.dumps(data_of(explorer, explorer.choices()), separators=(",", ":"), allow_nan=False)
    write_files({out: text + "\n"})


def data_of(explorer: Explorer, choices: Iterable[InstanceKey]) -> object:
    """Everything that the explorer shows or computes with for some instances, as JSON has it."""
    return _json(_published(explorer, choices))


def _published(explorer: Explorer, choices: Iterable[InstanceKey]) -> dict[str, object]:
    known, catalogue = explorer.known, explorer.catalogue
    machines = {key: _flat(entry) for key, entry in explorer.instances(list(choices)).items()}
    fields = list(next(iter(machines.values())))
    return {
        "accounts": {name: view.meaning for name, view in explorer.views.items()},
        "choices": known.section.raw["choices"],
        "adjustable": ADJUSTABLE,
        "impossible": known.section.raw.get("impossible") or [],
        "assumed": {name: asdict(mixture) for name, mixture in explorer.mixtures.items()},
        "traced": {
            name: FEASIBLE | conserving(view.start) | PAIRED
            for name, view in explorer.views.items()
        },
        "reading": constants_of(READING),
        "running": simulation_running(catalogue),
        "doubts": constants_of(DOUBTS),
        "gpus": {
            name: asdict(board.gpu) | {"utilization": asdict(board.utilization)}
            for name, board in explorer.boards.items()
        },
        "llms": {
            name: catalogue.section("llms").raw[name].get("name", name) for name in catalogue.llms
        },
        "heads": {name: llm.published.query_heads for name, llm in catalogue.llms.items()},
        "precisions": {
            name: catalogue.section("serving").raw["precisions"][name]["name"]
            for name in catalogue.precisions
        },
        "offer": asdict(explorer.offer),
        "start": msgspec.structs.asdict(explorer.calibrated),
        "workloads": {name: _workload(explorer, name) for name in catalogue.workloads},
        "fractions": asdict(catalogue.power_fractions),
        "constants": asdict(known.constants),
        "demand": asdict(explorer.demand),
        "energy": asdict(explorer.energy),
        "fields": fields,
        "machines": {key: [entry[field] for field in fields] for key, entry in machines.items()},
    }


def _workload(explorer: Explorer, name: str) -> dict[str, object]:
    law = explorer.catalogue.workloads[name]
    label = explorer.catalogue.section("workloads").raw[name].get("name", name)
    return {
        "name": label,
        "lengths": law.lengths,
        "fractions": law.fractions,
        "shares": explorer.known.shares(name, law),
    }


def _flat(machine: Machine) -> dict[str, object]:
    """One level of an instance, its cache and its power curve by their own names."""
    instance = asdict(machine.instance)
    curve = {f"curve_{name}": value for name, value in instance["logistic"].items()}
    numbers = {name: instance[name] for name in NUMBERS}
    head = {"assumed": machine.assumed, "chunk": machine.chunk}
    costs = {f"pass_{name}": cost for name, cost in instance["costs"].items() if name != "cache"}
    return head | numbers | instance["cache"] | instance["times"] | costs | curve


def _json(value: Any) -> object:
    """A value as JSON has it: whole numbers without a point, null for what is not finite."""
    if isinstance(value, dict):
        return {str(name): _json(each) for name, each in value.items()}
    if isinstance(value, str | None):
        return value
    if np.ndim(value):
        return [_json(each) for each in value]
    number = float(value)
    if not np.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
