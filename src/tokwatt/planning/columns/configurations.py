"""Configurations that a plan may choose from, and their deployments as one spec of arrays."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import product
from typing import Any

import jax
import numpy as np

from tokwatt.accounts.deployments import MOST_GPUS, DeploymentNames, require
from tokwatt.calibration.evidence import Evidence
from tokwatt.params.errors import ParameterError, pick
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.units import Watts

NODE = 8
"""GPUs of a server, which an instance does not exceed."""
USUAL = ("bfloat16", "fp8")
"""Precisions that any LLM is served in."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a plan may choose from; every combination that an engine has is a configuration.

    One value stands for a choice of one.

    Attributes:
        gpu: GPUs by name; those with measured runs if left out.
        gpus: GPUs that share every layer (tensor parallel).
        data_parallel: ranks of attention, for a mixture of experts.
        expert_parallel: ranks that hold whole experts; None for all of them.
        precision: precisions by name; if left out those of 16 and 8 bits, and that of the LLM's
            checkpoint.
        kv_precision: precisions whose KV cache is as wide; None for that of `precision`.
        max_num_seqs: caps on the batch; None for the engine's own.
        max_num_batched_tokens: prompt tokens of a step; None for the engine's own.
        power_limit: limits of a board; None for its own.
        engine: a serving engine.
        disaggregated: whether pools may have prefill and decode on instances of their own.
    """

    gpu: tuple[str, ...] = ()
    gpus: tuple[int, ...] = (1, 2, 4, 8)
    data_parallel: tuple[int, ...] = (1,)
    expert_parallel: tuple[int | None, ...] = (None,)
    precision: tuple[str, ...] = ()
    kv_precision: tuple[str | None, ...] = (None, "bfloat16", "fp8")
    max_num_seqs: tuple[int | None, ...] = (None, 256, 64)
    max_num_batched_tokens: tuple[int | None, ...] = (None, 2048)
    power_limit: tuple[Watts | None, ...] = (None,)
    engine: str = "vllm"
    disaggregated: bool = False

    def __post_init__(self) -> None:
        """Each choice as a tuple."""
        for name in {field.name for field in fields(self)} - {"engine", "disaggregated"}:
            value = getattr(self, name)
            several = isinstance(value, Iterable) and not isinstance(value, str)
            object.__setattr__(self, name, tuple(value) if several else (value,))

    def names(self, catalogue: Catalogue, llm: str) -> list[DeploymentNames]:
        """Every configuration of an LLM; two of the same numbers are one.

        Raises:
            ParameterError: for a name that the catalogue lacks, and where no layout is left, or
                none of a number that was asked for.
        """
        record = pick("llm", llm, catalogue.llms).published
        for gpu in self.gpu:
            pick("gpu", gpu, catalogue.gpus)
        for precision in self.precision:
            pick("precision", precision, catalogue.precisions)
        for name in ("gpus", "data_parallel"):
            for number in getattr(self, name):
                require(name, number, 1, MOST_GPUS)
        found = [
            self._own_cache(catalogue, names)
            for names in self._combined(catalogue, llm)
            if _is_laid_out(names, float(record.query_heads), float(record.experts))
        ]
        for name in ("gpus", "data_parallel"):
            asked, laid_out = getattr(self, name), {getattr(own, name) for own in found}
            missing = tuple(number for number in asked if number not in laid_out)
            if missing and not (found and asked == getattr(Options, name)):
                alone: dict[str, Any] = {name: missing}
                sentence = replace(self, **alone)._without_layout(llm, float(record.query_heads))
                raise ParameterError(sentence)
        return list(dict.fromkeys(found))

    def _without_layout(self, llm: str, heads: float) -> str:
        """The sentence for options of which no engine has a layout."""
        numbers = ", ".join(map(str, self.gpus))
        if not any(heads % gpus == 0 for gpus in self.gpus):
            return f"gpus: is {numbers}, wanted numbers that divide the {heads:g} heads of {llm}."
        axes = {name: getattr(self, name) for name in ("data_parallel", "expert_parallel")}
        given = {name: [str(one) for one in it if one] for name, it in axes.items()}
        found = " and ".join(f"{name} {', '.join(it)}" for name, it in given.items() if it)
        wanted = f"at most {NODE} GPUs in all, data_parallel 1 where there are no experts"
        return f"gpus: is {numbers} with {found}, wanted {wanted}, expert_parallel 1 or all GPUs."

    def _combined(self, catalogue: Catalogue, llm: str) -> Iterator[DeploymentNames]:
        axes = vars(self) | {"gpu": self.gpu or tuple(Evidence(catalogue).gpus)}
        axes |= {"llm": (llm,), "engine": (self.engine,)}
        own = DeploymentNames(llm=llm).precision_in(catalogue)
        axes["precision"] = self.precision or tuple(dict.fromkeys((*USUAL, own)))
        del axes["disaggregated"]
        for values in product(*axes.values()):
            yield DeploymentNames(**dict(zip(axes, values, strict=True)))

    @staticmethod
    def _own_cache(catalogue: Catalogue, names: DeploymentNames) -> DeploymentNames:
        """Names that leave out a width of the KV cache that the precision has of its own."""
        if names.kv_precision is None:
            return names
        other = pick("kv_precision", names.kv_precision, catalogue.precisions)
        same = other.kv == catalogue.precisions[names.precision_in(catalogue)].kv
        return replace(names, kv_precision=None) if same else names


def _is_laid_out(names: DeploymentNames, heads: float, experts: float) -> bool:
    """Whether an engine has a layout."""
    gpus = names.gpus * names.data_parallel
    mixed = experts > 0
    ranks = names.expert_parallel
    divides = heads % names.gpus == 0 and gpus <= NODE
    whole = (None, 1, gpus) if mixed else (None, 1)
    return divides and (mixed or names.data_parallel == 1) and ranks in whole


@dataclass(frozen=True)
class Configurations:
    """Configurations with their deployments.

    Attributes:
        names: of each.
        deployments: of each.
    """

    names: tuple[DeploymentNames, ...]
    deployments: tuple[Deployment, ...]

    @classmethod
    def of(cls, catalogue: Catalogue, names: Sequence[DeploymentNames]) -> "Configurations":
        """Deployments of names."""
        return cls(tuple(names), tuple(own.deployment(catalogue) for own in names))

    def only(self, places: Sequence[int]) -> "Configurations":
        """Some of them."""
        names = tuple(self.names[place] for place in places)
        return Configurations(names, tuple(self.deployments[place] for place in places))

    @cached_property
    def gpus(self) -> np.ndarray:
        """GPUs of an instance of each."""
        return np.array([float(own.gpus * own.data_parallel) for own in self.names])

    @cached_property
    def price(self) -> np.ndarray:
        """Dollars per second of a GPU of each."""
        return np.array([float(own.gpu.price) for own in self.deployments])

    @cached_property
    def gpu(self) -> np.ndarray:
        """Name of the GPU of each."""
        return np.array([own.gpu for own in self.names])

    def chunks(self, chunked: bool) -> np.ndarray:
        """Prompt tokens that a step of each takes in."""
        return np.asarray(self._stacked.prefill_chunk(chunked))

    def grouped(self, places: np.ndarray, members: int) -> np.ndarray:
        """Some of them in groups, shape (group, member), that differ in their cap on the batch.

        Args:
            places: of those that are wanted, each at least once.
            members: of a group; one with fewer repeats them.
        """
        groups: dict[DeploymentNames, list[int]] = {}
        for place in places.tolist():
            groups.setdefault(replace(self.names[place], max_num_seqs=None), []).append(place)
        split = (
            own[start : start + members]
            for own in groups.values()
            for start in range(0, len(own), members)
        )
        return np.array([np.resize(own, members) for own in split], int).reshape(-1, members)

    @cached_property
    def _stacked(self) -> Deployment:
        """All deployments as one spec of arrays."""
        return jax.tree.map(
            lambda *leaves: np.array([np.asarray(it, float) for it in leaves]), *self.deployments
        )

    def stacked(self, places: np.ndarray) -> Deployment:
        """Some of the deployments as one spec of arrays."""
        return jax.tree.map(lambda leaf: leaf[places], self._stacked)
