"""What measured runs support: what was measured where, and how wide intervals are."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tokwatt.params.folder import Checked
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.records.section import Section
from tokwatt.params.specs import Llm
from tokwatt.units import Dimensionless, SequencesAxis, Tokens, TokensAxis

FILE = "calibrated"
QUANTITIES = ("latency", "throughput", "power", "tokens_per_joule", "first_token")
"""What is predicted of a run."""
DENSE, EXPERTS = "dense", "experts"
KINDS = (DENSE, EXPERTS)
"""Kinds of LLMs, by what their layers hold."""
KNOWN = "known"
CLASSES = (KNOWN, "llm", "gpu", "engine")
"""What is not known of a run: nothing, its LLM, its GPU or its engine."""


def kind_of(llm: Llm) -> str:
    """One of `KINDS`."""
    return EXPERTS if llm.experts else DENSE


class Range(NamedTuple):
    """The least and the most of a number that was measured."""

    least: Tokens
    most: Tokens


class Coverage(NamedTuple):
    """What was measured on a GPU under an engine.

    Attributes:
        runs: how many.
        llms: of which LLMs.
        precisions: in which precisions.
        batch: requests in flight.
        prompt: prompt tokens.
        output: output tokens.
    """

    runs: int
    llms: tuple[str, ...]
    precisions: tuple[str, ...]
    batch: Range
    prompt: Range
    output: Range


class Evidence(Checked):
    """What `params/calibrated.yaml` says of the runs behind it."""

    def __init__(self, parameters: ParameterFolder) -> None:
        self.parameters = parameters
        parts = ("value", "half_widths", "coverage", "domain", "errors")
        self.section = parameters.section(FILE).only(
            "source", "quality", "table", "quantities", *parts
        )
        written = self.section.raw.get("quantities")
        if written != list(QUANTITIES):
            raise self.section.fail(f"is {written!r:.60}", str(list(QUANTITIES)), "quantities")

    @cached_property
    def widths(self) -> dict[str, dict[str, dict[str, Dimensionless]]]:
        """Half-widths of intervals on the logarithmic scale, by class, cell and quantity."""
        return self._cells("half_widths")

    @cached_property
    def domains(self) -> dict[tuple[str, str], Coverage]:
        """What was measured, by GPU and engine."""
        section = self.section.child("domain")
        return {
            (gpu, engine): self._domain(section.child(gpu).child(engine))
            for gpu in section.raw
            for engine in section.child(gpu).raw
        }

    @property
    def gpus(self) -> list[str]:
        """GPUs with runs."""
        return sorted({gpu for gpu, _ in self.domains})

    @property
    def engines(self) -> list[str]:
        """Engines with runs."""
        return sorted({engine for _, engine in self.domains})

    @property
    def llms(self) -> list[str]:
        """LLMs with runs."""
        return sorted({llm for domain in self.domains.values() for llm in domain.llms})

    def unknown(self, llm: str, gpu: str, engine: str) -> set[str]:
        """What of a run the calibration does not know."""
        known = {"llm": llm in self.llms, "gpu": gpu in self.gpus, "engine": engine in self.engines}
        return {what for what, is_known in known.items() if not is_known}

    def runs_on(self, gpu: str) -> tuple[int, list[str]]:
        """How many runs there are on a GPU, and of which LLMs."""
        found = self._on(gpu)
        llms = {llm for domain in found for llm in domain.llms}
        return sum(domain.runs for domain in found), sorted(llms)

    def precisions_on(self, gpu: str) -> list[str]:
        """Precisions of the runs on a GPU."""
        return sorted({name for domain in self._on(gpu) for name in domain.precisions})

    def domain(self, gpu: str, engine: str) -> dict[str, Range]:
        """Ranges of `batch`, `prompt` and `output` that were measured.

        Those on a GPU under an engine, where nothing was under the engine those on the GPU; empty
        where nothing was on the GPU.
        """
        own = self.domains.get((gpu, engine))
        found = [own] if own else self._on(gpu)
        return {
            name: Range(
                min(getattr(domain, name).least for domain in found),
                max(getattr(domain, name).most for domain in found),
            )
            for name in ("batch", "prompt", "output")
            if found
        }

    def half_widths(
        self, kind: str, unknown: Collection[str] = (), engine: str = "", gpu: str = ""
    ) -> dict[str, Dimensionless]:
        """Half-widths of 90 % intervals of logarithms.

        Args:
            kind: of the LLM, one of `KINDS`.
            unknown: which of `llm`, `gpu` and `engine` no run knows.
            engine: the engine, where it has intervals of its own.
            gpu: the GPU, where it has.

        Returns:
            By quantity; what several unknown things add to where all is known adds by squares.
        """
        keys = [cell_key(kind, engine, gpu), cell_key(kind, engine), kind]
        found = {what: first_of_each(self.widths[what], keys) for what in (KNOWN, *unknown)}
        return {
            name: float(
                np.sqrt(
                    least**2
                    + sum(max(found[what].get(name, 0.0) ** 2 - least**2, 0.0) for what in unknown)
                )
            )
            for name, least in found[KNOWN].items()
        }

    def check(self) -> None:
        """Read every interval, so that what is wrong comes up now."""
        super().check()
        for kind in KINDS:
            self.half_widths(kind, CLASSES[1:])

    def _on(self, gpu: str) -> list[Coverage]:
        return [domain for (name, _), domain in self.domains.items() if name == gpu]

    def _cells(self, name: str) -> dict[str, dict[str, dict[str, Dimensionless]]]:
        """A number for each quantity, by class and cell."""
        section = self.section.child(name)
        return {
            what: {
                key: {
                    quantity: section.child(what)
                    .child(key)
                    .quantity(quantity, Dimensionless, False)
                    for quantity in section.child(what).child(key).raw
                }
                for key in section.child(what).raw
            }
            for what in CLASSES
        }

    def _domain(self, section: Section) -> Coverage:
        def ends(name: str, hint: object) -> Range:
            if name not in section.raw:
                return Range(0.0, float("inf"))
            return Range(*map(float, section.quantity(name, hint)))

        return Coverage(
            int(section.quantity("runs", Dimensionless)),
            tuple(section.texts("llms")),
            tuple(section.texts("precisions")),
            ends("batch", SequencesAxis),
            ends("prompt", TokensAxis),
            ends("output", TokensAxis),
        )


def cell_key(kind: str, *more: str) -> str:
    """How a cell is called in a file."""
    return "-".join([kind, *more])


def first_of_each(table: Mapping[str, Mapping[str, Dimensionless]], keys: Sequence[str]) -> dict:
    """Numbers by quantity from the first cell that has each."""
    found: dict[str, Dimensionless] = {}
    for key in keys:
        found = {**table.get(key, {}), **found}
    return found
