"""`params/kernels.yaml`: steps by NVIDIA's measured kernels, interpolated between tabulated ones.

`kernel_runs` makes the tables. They leave out what the host adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from tokwatt.grid import stacked
from tokwatt.params.folder import Checked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.serving.steps.kernels import KernelSteps, communication_latency, step_latency
from tokwatt.units import Dimensionless, SecondsAxis, SequencesAxis, TokensAxis


class KernelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An LLM on GPUs, by names.

    Attributes:
        gpu: the GPU.
        llm: the LLM.
        precision: the precision of its weights.
        gpus: GPUs of the instance.
        expert_parallel: 1 where each GPU holds whole experts, 0 where a slice of all.
    """

    gpu: str
    llm: str
    precision: str
    gpus: int
    expert_parallel: int

    @property
    def name(self) -> str:
        """How the configuration is called in records."""
        split = f"ep{self.gpus}" if self.expert_parallel else f"tp{self.gpus}"
        return f"{self.gpu}-{self.llm}-{self.precision}-{split}".lower()


class ConfigRow(Protocol):
    """A row of runs that says how they were configured."""

    gpu: str
    llm: str
    precision: str
    tensor_parallel: Dimensionless
    expert_parallel: Dimensionless


def config_of(row: ConfigRow) -> KernelConfig:
    """The configuration of a run."""
    split = int(row.expert_parallel > 1)
    return KernelConfig(row.gpu, row.llm, row.precision, int(row.tensor_parallel), split)


@dataclass(frozen=True, kw_only=True)
class KernelTable:
    """Times of a step of one configuration, batch size by batch size and in each by length.

    Attributes:
        measured_share: least fraction of a step's time that comes from measured kernels.
        latency: time of a step, s.
        communication: the part of it that sends, s.
    """

    measured_share: Dimensionless
    latency: SecondsAxis
    communication: SecondsAxis


class KernelTimes(NamedTuple):
    """Times by kernels, shape (row,); NaN of what is not tabulated.

    Attributes:
        step: a step of decoding, s.
        communication: the part of it that sends, s.
    """

    step: SecondsAxis
    communication: SecondsAxis


class Kernels(Checked):
    """The kernel tables of a parameter folder, by name of the configuration.

    Attributes:
        batch: batch sizes of every table, seq.
        length: tokens that a sequence holds, tok.
    """

    def __init__(self, parameters: ParameterFolder) -> None:
        self.section = parameters.section("kernels").only(
            "source", "quality", "batch", "length", "machines"
        )
        self.batch = self.section.quantity("batch", SequencesAxis)
        self.length = self.section.quantity("length", TokensAxis)

    @cached_property
    def entries(self) -> dict[str, KernelTable]:
        """Tables as they are written, of as many numbers as there are batch sizes and lengths."""
        if not (entries := self.section.child("machines").specs(KernelTable)):
            raise self.section.fail("is empty", "at least one configuration", "machines")
        wanted = len(self.batch) * len(self.length)
        for name, entry in entries.items():
            for part in ("latency", "communication"):
                found = len(getattr(entry, part))
                if found != wanted:
                    key = f"machines.{name}.{part}.value"
                    raise self.section.fail(f"has {found} numbers", f"{wanted}", key)
        return entries

    @cached_property
    def tables(self) -> dict[str, KernelSteps]:
        """Tables to interpolate in."""
        shape = len(self.batch), len(self.length)
        return {
            name: KernelSteps(
                log_batch=jnp.log(self.batch),
                log_length=jnp.log(self.length),
                latency=jnp.asarray(entry.latency.reshape(shape)),
                communication=jnp.asarray(entry.communication.reshape(shape)),
            )
            for name, entry in self.entries.items()
        }

    @cached_property
    def _stacked(self) -> KernelSteps:
        return stacked(self.tables)

    def times(
        self, configs: Sequence[KernelConfig], batch: SequencesAxis, length: TokensAxis
    ) -> KernelTimes:
        """Times of configurations at batch sizes and lengths, shape (row,) each."""
        places = {name: place for place, name in enumerate(self.tables)}
        place = np.array([places.get(config.name, -1) for config in configs])
        tables = jax.tree.map(lambda leaf: leaf[place], self._stacked)
        times = KernelTimes(*_times(tables, jnp.asarray(batch, float), jnp.asarray(length, float)))
        return KernelTimes(*(np.where(place < 0, np.nan, column) for column in times))


@jax.jit
@jax.vmap
def _times(table: KernelSteps, batch: SequencesAxis, length: TokensAxis) -> tuple:
    return step_latency(table, batch, length), communication_latency(table, batch, length)
