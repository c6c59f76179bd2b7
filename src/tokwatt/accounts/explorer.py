"""What the explorer of the site computes with: every machine of the catalogues under each account, and the rest as it is.

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

from tokwatt.accounts import assumptions
from tokwatt.accounts.cases import Account
from tokwatt.output import write_files
from tokwatt.params.folder import Checked
from tokwatt.params.specs import Profile, Serving, spec
from tokwatt.serving.catalogue import Catalogue, load
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.machine import Subject, assemble
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    DollarsPerJoule,
    KilogramsPerJoule,
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
"""Choices that no machine depends on, so that the explorer can change them one by one."""
_UNCALIBRATED = "{}, uncalibrated"


@spec
class Energy:
    """What a joule costs and emits."""

    electricity_price: DollarsPerJoule
    grid_intensity: KilogramsPerJoule


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
    preset: str
    changes: dict[str, str] = {}
    uncalibrated: dict[str, str] = {}


class Calibrated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose instances the calibrated profiles are."""

    llm: str
    precision: str
    tensor_parallel: int


class Choice(NamedTuple):
    """One machine by the names of its parts."""

    account: str
    gpu: str
    llm: str
    precision: str
    tensor_parallel: int


class Explorer(Checked):
    """`params/views.yaml` with everything in it looked up."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.known = Account(catalogue)
        self.section = catalogue.section("views").only(
            "energy", "explorer", "accounts", "calibrated", "printed"
        )

    @cached_property
    def energy(self) -> Energy:
        """What a joule costs and emits."""
        return self.section.child("energy").spec(Energy)

    @cached_property
    def offer(self) -> Offer:
        """Numbers that the explorer offers."""
        return self.section.child("explorer").spec(Offer)

    @cached_property
    def calibrated(self) -> Calibrated:
        """Whose instances the profiles are."""
        section = self.section.child("calibrated")
        found = section.convert(Calibrated)
        (
            section.choose("llm", found.llm, "architectures"),
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
            section.pick(name, name, self.catalogue.architectures)
        return section.specs(Printed)

    def choices(self) -> Iterator[Choice]:
        """Every machine: an account that takes the paper's catalogue offers only what stands there."""
        catalogue, counts = self.catalogue, [int(count) for count in self.offer.tensor_parallel]
        for name in self.views:
            described = (
                catalogue.architectures
                if self.mixtures[name].architecture == "published"
                else catalogue.llms
            )
            llms = [llm for llm in catalogue.architectures if llm in described]
            yield from (
                Choice(name, *each)
                for each in product(catalogue.boards, llms, catalogue.precisions, counts)
            )

    def profile(self, choice: Choice) -> Profile | None:
        """The calibrated instance of a choice, where there is one and the account takes it."""
        own = (self.calibrated.llm, self.calibrated.precision, self.calibrated.tensor_parallel)
        wanted = choice[2:] == own and self.views[choice.account].uncalibrated
        return self.catalogue.profiles.get(choice.gpu) if wanted else None

    def serving(self, choice: Choice) -> Serving:
        """How the LLM of a choice is laid out."""
        common = next(iter(self.catalogue.servings.values()))
        precision, heads = (
            self.catalogue.precisions[choice.precision],
            self.catalogue.architectures[choice.llm].kv_heads,
        )
        return self.catalogue.layout(common, precision, float(choice.tensor_parallel), heads)

    def subject(self, choice: Choice) -> Subject:
        """What a choice accounts for."""
        catalogue, profile = self.catalogue, self.profile(choice)
        board = catalogue.boards[choice.gpu]
        return Subject(
            gpu=board.gpu,
            llm=catalogue.llms.get(choice.llm),
            architecture=catalogue.architectures[choice.llm],
            serving=self.serving(choice),
            logistic=profile.power if profile else board.logistic,
            fractions=catalogue.power_fractions,
            utilization=board.utilization,
            active_parameters=self.printed[choice.llm].active_parameters
            if choice.llm in self.printed
            else 0.0,
            profile=profile,
        )

    @cached_property
    def mixtures(self) -> dict[str, Assumptions]:
        """The assumptions of every account, and of those that take a calibrated profile where there is none."""
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

    def mixture(self, choice: Choice) -> str:
        """Which of the mixtures a choice takes."""
        return (
            choice.account
            if self.profile(choice) or not self.views[choice.account].uncalibrated
            else _UNCALIBRATED.format(choice.account)
        )

    def machines(self, choices: Iterable[Choice]) -> dict[str, dict[str, Any]]:
        """Machines by the names of their parts: the numbers of `machine.Machine`, the mixture, the curve of power, the chunk of prompt."""
        computed = jax.jit(assemble, static_argnums=0)
        found = {}
        for choice in choices:
            subject, mixture = self.subject(choice), self.mixture(choice)
            machine = computed(self.mixtures[mixture], subject, self.known.constants)
            chunk = (subject.profile or subject.serving).prefill_chunk
            found["/".join(map(str, choice))] = {
                "assumed": mixture,
                "curve": subject.logistic,
                "chunk": chunk,
                "machine": machine,
            }
        return jax.device_get(found)

    def _assumed(self, view: str, changes: dict[str, str]) -> Assumptions:
        section = self.section.child("accounts").child(view)
        start = section.pick("preset", self.views[view].preset, self.known.presets)
        found = assumptions.changed(self.known.section, start, section.at("changes", changes))
        if found.lengths != "exact":
            raise section.fail(
                f"takes lengths {found.lengths}",
                "lengths exact, as the explorer draws none",
                "changes",
            )
        return found


def write(params: Path, out: Path) -> None:
    """Write what the explorer computes with as JSON; null where there is no bound."""
    explorer = Explorer(load(params))
    text = json.dumps(data_of(explorer, explorer.choices()), separators=(",", ":"), allow_nan=False)
    write_files({out: text + "\n"})


def data_of(explorer: Explorer, choices: Iterable[Choice]) -> Any:
    """Everything that the explorer shows or computes with for some machines, in SI units and as JSON has it."""
    return _json(_published(explorer, choices))


def _published(explorer: Explorer, choices: Iterable[Choice]) -> dict[str, Any]:
    known, catalogue = explorer.known, explorer.catalogue
    machines = {key: _flat(entry) for key, entry in explorer.machines(choices).items()}
    fields = list(next(iter(machines.values())))
    return {
        "accounts": {name: view.meaning for name, view in explorer.views.items()},
        "choices": known.section.raw["choices"],
        "adjustable": ADJUSTABLE,
        "impossible": known.section.raw.get("impossible") or [],
        "assumed": {name: asdict(mixture) for name, mixture in explorer.mixtures.items()},
        "gpus": {
            name: asdict(board.gpu) | {"utilization": asdict(board.utilization)}
            for name, board in catalogue.boards.items()
        },
        "llms": {
            name: catalogue.section("architectures").raw[name].get("name", name)
            for name in catalogue.architectures
        },
        "precisions": {
            name: catalogue.section("serving").raw["precisions"][name]["source"]
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


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """One level of a machine, those inside it by their own names."""
    machine = asdict(entry["machine"])
    cache, curve = (
        machine.pop("cache"),
        asdict(entry["curve"]) if hasattr(entry["curve"], "log2_midpoint") else {},
    )
    return (
        {"assumed": entry["assumed"], "chunk": entry["chunk"]}
        | machine
        | cache
        | {f"curve_{name}": value for name, value in curve.items()}
    )


def _json(value: Any) -> Any:
    """A value as JSON has it: whole numbers without a point, null where there is no finite number."""
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
