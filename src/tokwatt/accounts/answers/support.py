"""What an answer stands on: measured runs behind it and their intervals, and how it is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokwatt.accounts.answers.answer import Basis
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.calibration.evidence import Evidence, kind_of
from tokwatt.params.specs import Demand, Precision
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.traffic import Part
from tokwatt.units import Dimensionless, Sequences, Tokens

SLACK = 0.02
"""How far beyond the measured runs a number still counts as measured, of the number."""
WATTS = {
    "gpu": "watts of one GPU",
    "instance": "watts of every GPU",
    "server": "watts of servers",
    "facility": "watts of the facility",
}
"""Whose watts a basis counts, in words."""
WIDEST = 8
"""Most GPUs of an instance in any measured run: one server, whose links are not those to the next.
"""


@dataclass(frozen=True)
class Support:
    """Measured runs behind an answer.

    Attributes:
        catalogue: the parameter folder.
        names: the deployment.
        batch: running requests.
        prompt: prompt tokens of a request.
        output: output tokens of a request.
        window: context window.
        part: what instances do for a request; of prefill and decode apart no run is known.
    """

    catalogue: Catalogue
    names: DeploymentNames
    batch: Sequences
    prompt: Tokens
    output: Tokens
    window: Tokens
    part: Part = "both"

    @cached_property
    def evidence(self) -> Evidence:
        """What the calibration saw."""
        return Evidence(self.catalogue)

    @property
    def calibrated_on(self) -> str:
        """The runs in words."""
        runs, llms = self.evidence.runs_on(self.names.gpu)
        seen = "this LLM among them" if self.names.llm in llms else "not this LLM"
        if not runs:
            return f"no run on {self.names.gpu}: by its data sheet and what other GPUs share"
        return f"calibrated on {runs} runs of {len(llms)} LLMs on {self.names.gpu}, {seen}"

    @cached_property
    def unknown(self) -> frozenset[str]:
        """Which of LLM, GPU and engine no run has."""
        return frozenset(self.evidence.unknown(self.names.llm, self.names.gpu, self.names.engine))

    @cached_property
    def beyond(self) -> tuple[str, ...]:
        """Numbers outside those that were measured, a phrase for each."""
        asked = {"prompt": self.prompt}
        if self.part != "prefill":
            asked |= {"batch": self.batch, "output": self.output}
        trained = float(self.catalogue.llms[self.names.llm].published.trained_context)
        longer = f"context window {self.window:.8g} (trained: up to {trained:.8g})"
        return (
            *((longer,) if 0 < trained < self.window else ()),
            *unrecorded(self.names, self.part),
            *self._unmeasured_precision(),
            *self._outside(asked),
        )

    def _outside(self, asked: Mapping[str, Dimensionless]) -> tuple[str, ...]:
        """Numbers that no run on the GPU reaches."""
        ranges = self.evidence.domain(self.names.gpu, self._named("engine"))
        return tuple(
            f"{name} {asked[name]:.4g} (measured: {least:.4g} to {most:.4g})"
            for name, (least, most) in ranges.items()
            if name in asked
            if not least * (1 - SLACK) <= asked[name] <= most * (1 + SLACK)
        )

    def _unmeasured_precision(self) -> tuple[str, ...]:
        """A precision of whose width no run on the GPU is, where there are runs on it."""
        known, own = self.catalogue.precisions, self.names.precision_in(self.catalogue)
        seen = self.evidence.precisions_on(self.names.gpu)
        if not seen or bits_of(known[own]) in {bits_of(known[name]) for name in seen}:
            return ()
        return (f"precision {own} (measured: {', '.join(seen)})",)

    @property
    def extrapolated(self) -> tuple[str, ...]:
        """What no measured run supports, a phrase for each."""
        return (*(f"{part} {self._named(part)}" for part in sorted(self.unknown)), *self.beyond)

    @cached_property
    def half_widths(self) -> Mapping[str, Dimensionless]:
        """Half-widths of 90 % intervals of logarithms, wider for what is unknown.

        Numbers beyond the measured ones are as uncertain as an LLM that nobody measured.
        """
        kind = kind_of(self.catalogue.llms[self.names.llm].published)
        unknown = self.unknown | ({"llm"} if self.beyond else set())
        return self.evidence.half_widths(kind, unknown)

    def _named(self, part: str) -> str:
        return str(getattr(self.names, part))


def bits_of(precision: Precision) -> Dimensionless:
    """Bits of its narrowest weights, without their scales: 16, 8 or 4."""
    narrowest = min(float(precision.experts), float(precision.feed_forward))
    return next(bits for bits in (16.0, 8.0, 4.0) if 8 * narrowest >= bits)


def unrecorded(names: DeploymentNames, part: Part) -> tuple[str, ...]:
    """What no run has of instances, whatever they serve, a phrase for each."""
    limit, gpus = names.power_limit, names.total_gpus
    said = {
        f"instance of {gpus} GPUs (measured: up to {WIDEST})": gpus > WIDEST,
        "prefill apart": part != "both",
        f"power limit {limit or 0:g} W a board": limit is not None,
    }
    return tuple(phrase for phrase, holds in said.items() if holds)


def support_of(
    catalogue: Catalogue,
    names: DeploymentNames,
    account: Account,
    batch: Sequences,
    prompt: Tokens,
    output: Tokens,
    window: Tokens,
    part: Part = "both",
) -> Support | None:
    """The measured runs behind an answer; the paper's program has none."""
    if account.assumed.step != "measured":
        return None
    numbers = float(batch), float(prompt), float(output), float(window)
    return Support(catalogue, names, *numbers, part)


def precisions_of(catalogue: Catalogue, each: Sequence[DeploymentNames]) -> dict[str, str]:
    """Precisions of weights and widths of KV caches, each once, as `Basis` has them."""
    precisions = dict.fromkeys(own.precision_in(catalogue) for own in each)
    held = (own.kv_precision or own.precision_in(catalogue) for own in each if not own.profile)
    bits = dict.fromkeys(f"{8 * float(catalogue.precisions[name].kv):g}-bit" for name in held)
    cache = f"{' and '.join(bits)} KV cache" if bits else ""
    return {"precision": " and ".join(precisions), "kv_cache": cache}


def basis_of(
    account: str,
    changes: Mapping[str, str] | None,
    chosen: Account,
    support: Support | None,
    precisions: Mapping[str, str],
) -> Basis:
    """The basis of an answer of a chosen account: names, runs and what they do not reach."""
    return Basis(
        account=named_account(account, changes),
        basis=WATTS[chosen.assumed.basis],
        engine=support.names.engine if support else "",
        precision=precisions["precision"],
        kv_cache=precisions["kv_cache"],
        calibrated_on=support.calibrated_on if support else "",
        extrapolated=support.extrapolated if support else (),
    )


def changes_in_words(changes: Mapping[str, str] | None, demand: Demand) -> dict[str, str]:
    """Changes as they are said: a stated share of output by its number."""
    share = {"output_share": f"{float(demand.output_share):g}"}
    given = dict(changes or {})
    return given | (share if given.get("output_share") == "fifth" else {})


def named_account(account: str, changes: Mapping[str, str] | None) -> str:
    """An account in words: its assumption set, and what was changed in it."""
    return account + "".join(f", {name} {value}" for name, value in (changes or {}).items())
