"""What the explorer of the site computes with: every instance, and the rest as it is.

The explorer itself takes the last steps of `account` and `routing`, in `site/static/equations.js`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import jax
import msgspec
import numpy as np

from tokwatt.accounts.energy import Energy
from tokwatt.accounts.headlines import Headlines
from tokwatt.output import write_files
from tokwatt.params.folder import Checked
from tokwatt.params.specs import Board, Profile, spec
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue, load
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.times import instance_of
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Parameters,
    Tokens,
)

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
    "target",
    "output_rounding",
    "batch_rounding",
)
"""Choices that no instance depends on, so that the explorer can change them one by one."""
_UNCALIBRATED = "{}, uncalibrated"


@spec
class Offer:
    """Numbers that the explorer offers, takes for granted or starts from."""

    tensor_parallel: DimensionlessAxis
    mean_fill: Dimensionless
    context_window: Tokens
    longest_window: Tokens
    split_length: Tokens
    overflow_factor: Dimensionless


@spec
class Printed:
    """What the paper prints of an LLM and then computes with."""

    active_parameters: Parameters


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account as `views.yaml` names it."""

    meaning: str
    start: str
    changes: dict[str, str] = {}
    uncalibrated: dict[str, str] = {}


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose instances the calibrated profiles are."""

    llm: str
    precision: str
    tensor_parallel: int


class InstanceKey(NamedTuple):
    """One instance by the names of its parts."""

    account: str
    gpu: str
    llm: str
    precision: str
    tensor_parallel: int


class Explorer(Checked):
    """`params/views.yaml` with everything in it looked up."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.known = Headlines(catalogue)
        self.section = catalogue.section("views").only(
            "day", "disaggregated", "energy", "explorer", "accounts", "calibrated", "printed"
        )

    @cached_property
    def energy(self) -> Energy:
        """What a joule costs and emits."""
        return Energy.of(self.catalogue)

    @cached_property
    def offer(self) -> Offer:
        """Numbers that the explorer offers."""
        return self.section.child("explorer").spec(Offer)

    @cached_property
    def calibrated(self) -> Start:
        """Whose instances the profiles are."""
        section = self.section.child("calibrated")
        found = section.convert(Start)
        (
            section.choose("llm", found.llm, "llms"),
            section.choose("precision", found.precision, "precisions"),
        )
        return found

    @cached_property
    def views(self) -> dict[str, View]:
        """Accounts by name."""
        section = self.section.child("accounts")
        return {name: section.child(name).convert(View) for name in section.raw}

    @cached_property
    def printed(self) -> dict[str, Printed]:
        """What the paper takes for granted about LLMs, by name."""
        section = self.section.child("printed")
        for name in section.raw:
            section.pick(name, name, self.catalogue.llms)
        return section.specs(Printed)

    @cached_property
    def boards(self) -> dict[str, Board]:
        """GPUs that are offered: those with a power curve of their own."""
        curves = self.catalogue.power_curves
        return {name: board for name, board in self.catalogue.boards.items() if name in curves}

    def choices(self) -> Iterator[InstanceKey]:
        """Every configuration: the paper's catalogue offers only what stands there."""
        catalogue, counts = self.catalogue, [int(count) for count in self.offer.tensor_parallel]
        for name in self.views:
            published = self.mixtures[name].architecture == "published"
            llms = catalogue.llms if published else catalogue.paper_llms
            for parts in product(self.boards, llms, catalogue.precisions, counts):
                yield InstanceKey(name, *parts)

    def profile(self, choice: InstanceKey) -> Profile | None:
        """The hand-calibrated instance of a choice, where the account uses it."""
        start = self.calibrated
        is_start = choice[2:] == (start.llm, start.precision, start.tensor_parallel)
        used = is_start and self.views[choice.account].uncalibrated
        return self.catalogue.profiles.get(choice.gpu) if used else None

    def deployment(self, choice: InstanceKey) -> Deployment:
        """The deployment of a choice; each GPU holds whole experts."""
        catalogue, profile = self.catalogue, self.profile(choice)
        board, gpus = catalogue.boards[choice.gpu], float(choice.tensor_parallel)
        precision = catalogue.precisions[choice.precision]
        bare = catalogue.deployment(board, catalogue.llms[choice.llm], precision, gpus, gpus)
        printed = self.printed.get(choice.llm)
        return bare.equipped(
            logistic=profile.power if profile else board.logistic,
            active_parameters=printed.active_parameters if printed else 0.0,
            profile=profile,
            kernels=None,
        )

    @cached_property
    def mixtures(self) -> dict[str, Assumptions]:
        """The assumptions of every account, with and without a calibrated profile."""
        own = {name: self._assumed(name, view.changes) for name, view in self.views.items()}
        others = {
            name: self._assumed(name, view.changes | view.uncalibrated)
            for name, view in self.views.items()
            if view.uncalibrated
        }
        for name, mixture in (own | others).items():
            if mixture.step == "calibrated":
                raise (
                    self.section.child("accounts")
                    .child(name)
                    .fail("is missing", "a mixture whose step needs no profile", "uncalibrated")
                )
        return own | {_UNCALIBRATED.format(name): mixture for name, mixture in others.items()}

    def mixture(self, choice: InstanceKey) -> str:
        """Which of the mixtures a choice takes."""
        return (
            choice.account
            if self.profile(choice) or not self.views[choice.account].uncalibrated
            else _UNCALIBRATED.format(choice.account)
        )

    def instances(self, choices: Iterable[InstanceKey]) -> dict[str, dict[str, Any]]:
        """Numbers of instances by the names of their parts, and the assumption set of each."""
        computed = jax.jit(instance_of)
        numbers = {}
        for choice in choices:
            deployment, mixture = self.deployment(choice), self.mixture(choice)
            account = Account(self.mixtures[mixture], self.known.constants)
            numbers["/".join(map(str, choice))] = {
                "assumed": mixture,
                "chunk": deployment.prefill_chunk(chunked=False),
                "instance": computed(account, deployment),
            }
        return jax.device_get(numbers)

    def _assumed(self, view: str, changes: dict[str, str]) -> Assumptions:
        section = self.section.child("accounts").child(view)
        assumed = self.known.changed(self.views[view].start, changes, section)
        if assumed.lengths != "exact":
            wanted = "lengths exact, as the explorer draws none"
            raise section.fail(f"takes lengths {assumed.lengths}", wanted, "changes")
        return assumed


def write_explorer(params: Path, out: Path) -> None:
    """Write what the explorer computes with as JSON; null where there is no bound."""
    explorer = Explorer(load(params))
    text = json.dumps(data_of(explorer, explorer.choices()), separators=(",", ":"), allow_nan=False)
    write_files({out: text + "\n"})


def data_of(explorer: Explorer, choices: Iterable[InstanceKey]) -> Any:
    """Everything that the explorer shows or computes with for some instances, as JSON has it."""
    return _json(_published(explorer, choices))


def _published(explorer: Explorer, choices: Iterable[InstanceKey]) -> dict[str, Any]:
    known, catalogue = explorer.known, explorer.catalogue
    machines = {key: _flat(entry) for key, entry in explorer.instances(choices).items()}
    fields = list(next(iter(machines.values())))
    return {
        "accounts": {name: view.meaning for name, view in explorer.views.items()},
        "choices": known.section.raw["choices"],
        "adjustable": ADJUSTABLE,
        "impossible": known.section.raw.get("impossible") or [],
        "assumed": {name: asdict(mixture) for name, mixture in explorer.mixtures.items()},
        "gpus": {
            name: asdict(board.gpu) | {"utilization": asdict(board.utilization)}
            for name, board in explorer.boards.items()
        },
        "llms": {
            name: catalogue.section("llms").raw[name].get("name", name) for name in catalogue.llms
        },
        "precisions": {
            name: catalogue.section("serving").raw["precisions"][name]["name"]
            for name in catalogue.precisions
        },
        "offer": asdict(explorer.offer),
        "start": msgspec.structs.asdict(explorer.calibrated),
        "workloads": {name: _workload(explorer, name) for name in catalogue.workloads},
        "fractions": asdict(catalogue.power_fractions),
        "constants": asdict(known.constants),
        "demand": asdict(known.demand),
        "energy": asdict(explorer.energy),
        "fields": fields,
        "machines": {key: [entry[field] for field in fields] for key, entry in machines.items()},
    }


def _workload(explorer: Explorer, name: str) -> dict[str, Any]:
    law = explorer.catalogue.workloads[name]
    label = explorer.catalogue.section("workloads").raw[name].get("name", name)
    return {
        "name": label,
        "lengths": law.lengths,
        "fractions": law.fractions,
        "shares": explorer.known.shares(name, law),
    }


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


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """One level of an instance, its cache and its power curve by their own names."""
    instance = asdict(entry["instance"])
    curve = {f"curve_{name}": value for name, value in instance["logistic"].items()}
    numbers = {name: instance[name] for name in NUMBERS}
    head = {"assumed": entry["assumed"], "chunk": entry["chunk"]}
    costs = {f"pass_{name}": cost for name, cost in instance["costs"].items() if name != "cache"}
    return head | numbers | instance["cache"] | instance["times"] | costs | curve


def _json(value: Any) -> Any:
    """A value as JSON has it: whole numbers without a point, null for what is not finite."""
    if isinstance(value, dict):
        return {str(name): _json(each) for name, each in value.items()}
    if isinstance(value, str | None):
        return value
    if np.ndim(value):
        return [_json(each) for each in value]
    number = float(value)
    return (
        None
        if not np.isfinite(number)
        else int(number)
        if number.is_integer() and abs(number) < 2**53
        else number
    )
