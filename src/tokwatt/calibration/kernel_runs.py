"""What `tokwatt kernels` does: tabulate steps by NVIDIA's measured kernels.

The package aiconfigurator-core, of the extra `kernels`, composes a step of an engine from kernels
that were measured on the GPU itself, with all-reduce and dispatch to experts.
"""

import importlib.metadata
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from tokwatt.calibration.kernels import KernelConfig, config_of
from tokwatt.calibration.runs.runs import Measured
from tokwatt.calibration.written import Tree, write_records
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.records.section import Section
from tokwatt.units import SequencesAxis, TokensAxis

MEASURED = "silicon"
"""How the package marks a time that rests on measurements of that kernel on that GPU alone."""
COMMUNICATION = ("_ar", "allreduce", "dispatch", "p2p")
"""Ends of the names of operations that send rather than compute."""
HEADER = """\
# Written by `tokwatt kernels`; not by hand. Times of a step of decoding, batch by batch and for
# each batch by length, and the part of it that sends (all-reduce, dispatch); `measured_share` is
# the least share of a step that rests on measured kernels.
"""
Operation = tuple[str, float, object, str]
"""One operation of a step: its name, its time in ms, something else, and what the time rests on."""


class TabulatedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Configurations that differ in their GPU alone; fields are those of `KernelConfig`.

    Attributes:
        llm: the LLM.
        precision: the precision of its weights.
        gpus: GPUs of the instance.
        expert_parallel: 1 where each GPU holds whole experts, 0 where a slice of all.
        on: the GPUs.
    """

    llm: str
    precision: str
    gpus: int
    expert_parallel: int
    on: list[str]

    @property
    def configs(self) -> list[KernelConfig]:
        """One for each GPU."""
        rest = self.llm, self.precision, self.gpus, self.expert_parallel
        return [KernelConfig(gpu, *rest) for gpu in self.on]


class KernelRuns(msgspec.Struct, frozen=True):
    """What to tabulate, of `params/kernel_runs.yaml`.

    Attributes:
        engine: the engine whose kernels count.
        systems: the package's names of GPUs.
        models: the package's configurations of LLMs, by precision.
        also: configurations beside those of measured runs.
    """

    engine: str
    systems: dict[str, str]
    models: dict[str, dict[str, str]]
    also: list[TabulatedConfig]


def write_tables(parameters: ParameterFolder, path: Path) -> None:
    """Tabulate and write what comes out, as `params/kernels.yaml` has it."""
    write_records(HEADER, tabulated(parameters), path)


def tabulated(parameters: ParameterFolder) -> Tree:
    """What `params/kernels.yaml` holds: configurations of `kernel_runs.yaml` and measured runs.

    Raises:
        ParameterError: where the extra `kernels` is not installed.
    """
    section = parameters.section("kernel_runs")
    runs = section.convert(KernelRuns)
    batch = section.quantity("batch", SequencesAxis)
    length = section.quantity("length", TokensAxis)
    entries = {
        config.name: _entry(section, runs, config, batch, length)
        for config in _configs(runs, Measured(parameters))
    }
    package = f"aiconfigurator-core {importlib.metadata.version('aiconfigurator-core')}"
    return {
        "source": f"{package} (NVIDIA, Apache-2.0), kernels under {runs.engine}",
        "quality": "projected",
        "batch": {"value": batch.tolist(), "unit": "seq"},
        "length": {"value": length.tolist(), "unit": "tok"},
        "machines": {name: entry for name, entry in entries.items() if entry},
    }


def _configs(runs: KernelRuns, measured: Measured) -> list[KernelConfig]:
    """Configurations that the package has a name for, without repetition."""
    rows = [*measured.runs().itertuples(), *measured.sweep().itertuples()]
    configs = [config_of(row) for row in rows]
    configs += [config for tabulated in runs.also for config in tabulated.configs]
    return [
        config
        for config in dict.fromkeys(configs)
        if config.precision in runs.models.get(config.llm, {})
    ]


def _entry(
    section: Section,
    runs: KernelRuns,
    config: KernelConfig,
    batch: SequencesAxis,
    length: TokensAxis,
) -> Tree | None:
    """One configuration's tables, or nothing where the package has no kernels for it."""
    try:
        from aiconfigurator_core.sdk.engine import EngineHandle
    except ImportError:
        wanted = "it installed: pip install 'tokwatt[kernels]'"
        raise section.fail("needs the package aiconfigurator-core", wanted) from None
    model, layout = runs.models[config.llm][config.precision], {"tp_size": config.gpus}
    if config.expert_parallel:
        layout |= {"moe_tp_size": 1, "moe_ep_size": config.gpus}
    try:
        handle = EngineHandle.compile(model, runs.systems[config.gpu], runs.engine, **layout)
        decode = handle._engine.decode_step_per_op
        steps = [decode(int(size), int(tokens), 2) for size in batch for tokens in length]
    except Exception as error:  # the package raises whatever it meets
        why = str(error).splitlines()[0]
        logging.getLogger(__name__).warning("%s has no kernels: %s", config.name, why)
        return None
    return _summed(steps)


def _summed(steps: Sequence[Iterable[Operation]]) -> Tree:
    """Times of steps in ms, and how much of the least measured one was measured."""
    total = np.array([sum(time for _, time, *_ in step) for step in steps])
    sent = [sum(time for name, time, *_ in step if _sends(name)) for step in steps]
    measured = [sum(time for _, time, _, basis, *_ in step if basis == MEASURED) for step in steps]
    return {
        "measured_share": {"value": float(f"{(measured / total).min():.2g}"), "unit": "1"},
        "latency": {"value": [float(f"{time:.4g}") for time in total], "unit": "ms"},
        "communication": {"value": [float(f"{time:.3g}") for time in sent], "unit": "ms"},
    }


def _sends(operation: str) -> bool:
    return operation.removesuffix("_1").removesuffix("_2").endswith(COMMUNICATION)
