"""A step by NVIDIA's measured kernels: tabulated once with the extra `kernels`, then interpolated without it.

The package aiconfigurator-core composes a step of an engine from kernels that were measured on the
GPU itself, with all-reduce and dispatch to experts; it leaves out what the host adds.
"""

import importlib.metadata
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from tokwatt.calibration.runs import Measured
from tokwatt.grid import stacked
from tokwatt.params.folder import Checked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section
from tokwatt.serving.kernels import StepTable, communication_latency, step_latency
from tokwatt.units import Dimensionless, SecondsAxis, SequencesAxis, TokensAxis

MEASURED = "silicon"
"""How the package marks a time that rests on measurements of that kernel on that GPU alone."""
COMMUNICATION = ("_ar", "allreduce", "dispatch", "p2p")
"""Ends of the names of operations that send rather than compute."""


class KernelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An LLM on GPUs, by names; experts are whole on each GPU where `expert_parallel` is 1, and sliced where it is 0."""

    gpu: str
    llm: str
    precision: str
    gpus: int
    expert_parallel: int

    @property
    def name(self) -> str:
        """How the machine is called in records."""
        layout = f"ep{self.gpus}" if self.expert_parallel else f"tp{self.gpus}"
        return f"{self.gpu}-{self.llm}-{self.precision}-{layout}".lower()


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Machines that differ in their GPU alone."""

    llm: str
    precision: str
    gpus: int
    expert_parallel: int
    on: list[str]

    @property
    def machines(self) -> list[KernelConfig]:
        """One for each GPU."""
        return [
            KernelConfig(gpu, self.llm, self.precision, self.gpus, self.expert_parallel)
            for gpu in self.on
        ]


class Runs(msgspec.Struct, frozen=True):
    """What to tabulate, of `params/kernel_runs.yaml`."""

    engine: str
    systems: dict[str, str]
    models: dict[str, dict[str, str]]
    also: list[Layout]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The batches and lengths of every table."""

    batch: SequencesAxis
    length: TokensAxis


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One machine's tables as lists, batch by batch; `measured_share` is the smallest share of a step that rests on measurements."""

    measured_share: Dimensionless
    latency: SecondsAxis
    communication: SecondsAxis


class Kernels(Checked):
    """The tables of a parameter folder, by machine."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.section = parameters.section("kernels").only(
            "source", "quality", "batch", "length", "machines"
        )
        self.axes = Axes(
            batch=self.section.quantity("batch", SequencesAxis),
            length=self.section.quantity("length", TokensAxis),
        )

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Tables as they are written."""
        if not (entries := self.section.child("machines").specs(Entry)):
            raise self.section.fail("is empty", "at least one machine", "machines")
        return entries

    @cached_property
    def tables(self) -> dict[str, StepTable]:
        """Tables to interpolate in."""
        shape = len(self.axes.batch), len(self.axes.length)
        for name, entry in self.entries.items():
            for key in ("latency", "communication"):
                if getattr(entry, key).size != np.prod(shape):
                    raise self.section.fail(
                        f"has {getattr(entry, key).size} numbers",
                        f"{np.prod(shape)}",
                        f"machines.{name}.{key}.value",
                    )
        logs = jnp.log(self.axes.batch), jnp.log(self.axes.length)
        return {
            name: StepTable(
                log_batch=logs[0],
                log_length=logs[1],
                latency=jnp.asarray(entry.latency.reshape(shape)),
                communication=jnp.asarray(entry.communication.reshape(shape)),
            )
            for name, entry in self.entries.items()
        }

    @cached_property
    def _stacked(self) -> StepTable:
        return stacked(self.tables)

    def steps(
        self, machines: Sequence[KernelConfig], batch: np.ndarray, length: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Steps of machines at batches and lengths, and what they take to send, shape (row,) each; NaN of what is not tabulated."""
        places = {name: place for place, name in enumerate(self.tables)}
        place = np.array([places.get(machine.name, -1) for machine in machines])
        every = jax.tree.map(lambda leaf: leaf[place], self._stacked)
        known = [
            np.asarray(fn(every, jnp.asarray(batch, float), jnp.asarray(length, float)))
            for fn in (_STEPS, _SENDING)
        ]
        return np.where(place < 0, np.nan, known[0]), np.where(place < 0, np.nan, known[1])


_STEPS, _SENDING = (jax.jit(jax.vmap(fn)) for fn in (step_latency, communication_latency))


def machine_of(row: Any) -> KernelConfig:
    """The machine of a run."""
    return KernelConfig(row.gpu, row.llm, row.precision, int(row.gpus), int(row.expert_parallel))


def tabulate(parameters: ParameterFolder) -> dict[str, Any]:
    """Every machine of `params/kernel_runs.yaml` and of the measured runs over batches and lengths.

    Raises:
        ParameterError: where the extra `kernels` is not installed.
    """
    section, measured = parameters.section("kernel_runs"), Measured(parameters)
    runs = section.convert(Runs)
    batch, length = section.quantity("batch", SequencesAxis), section.quantity("length", TokensAxis)
    rows = [*measured.runs().itertuples(), *measured.sweep().itertuples()]
    wanted = dict.fromkeys(
        [
            *(machine_of(row) for row in rows),
            *(each for layout in runs.also for each in layout.machines),
        ]
    )
    known = [each for each in wanted if each.precision in runs.models.get(each.llm, {})]
    found = {each.name: _measured(section, runs, each, batch, length) for each in known}
    version = importlib.metadata.version("aiconfigurator-core")
    return {
        "source": f"aiconfigurator-core {version} (NVIDIA, Apache-2.0), kernels under {runs.engine}",
        "quality": "projected",
        "batch": {"value": batch.tolist(), "unit": "seq"},
        "length": {"value": length.tolist(), "unit": "tok"},
        "machines": {name: entry for name, entry in found.items() if entry},
    }


def _measured(
    section: Section, runs: Runs, machine: KernelConfig, batch: np.ndarray, length: np.ndarray
) -> dict[str, Any] | None:
    """One machine's tables, or nothing where the package has no kernels for it."""
    try:
        from aiconfigurator_core.sdk.engine import EngineHandle
    except ImportError:
        raise section.fail(
            "needs the package aiconfigurator-core", "it installed: pip install 'tokwatt[kernels]'"
        ) from None
    model, layout = runs.models[machine.llm][machine.precision], {"tp_size": machine.gpus}
    if machine.expert_parallel:
        layout |= {"moe_tp_size": 1, "moe_ep_size": machine.gpus}
    try:
        engine = EngineHandle.compile(
            model, runs.systems[machine.gpu], runs.engine, **layout
        )._engine
        steps = [
            engine.decode_step_per_op(int(n), int(tokens), 2) for n in batch for tokens in length
        ]
    except Exception as error:  # the package raises whatever it meets
        logging.getLogger(__name__).warning(
            "%s has no kernels: %s", machine.name, str(error).splitlines()[0]
        )
        return None
    total = np.array([sum(op[1] for op in step) for step in steps])
    sent = np.array(
        [
            sum(
                op[1]
                for op in step
                if op[0].removesuffix("_1").removesuffix("_2").endswith(COMMUNICATION)
            )
            for step in steps
        ]
    )
    rests = np.array([sum(op[1] for op in step if op[3] == MEASURED) for step in steps]) / total
    return {
        "measured_share": {"value": float(f"{rests.min():.2g}"), "unit": "1"},
        "latency": {"value": [float(f"{value:.4g}") for value in total], "unit": "ms"},
        "communication": {"value": [float(f"{value:.3g}") for value in sent], "unit": "ms"},
    }


HEADER = """\
# Written by `tokwatt kernels`; not by hand. Times of a step of decoding, batch by batch and for
# each batch by length, and the part of it that sends (all-reduce, dispatch); `measured_share` is
# the least share of a step that rests on measured kernels.
"""


def written(found: Mapping[str, Any]) -> str:
    """The records as they stand in `params/kernels.yaml`."""
    from tokwatt.calibration.records import lines

    return HEADER + "".join(lines(found, 0))
