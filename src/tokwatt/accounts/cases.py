"""The cases that headlines are made of: an instance or a fleet, evaluated under any mixture of assumptions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from tokwatt.accounts import assumptions
from tokwatt.accounts.uncertain import Uncertain
from tokwatt.calibration.kernels import KernelConfig, Kernels
from tokwatt.params.folder import Checked
from tokwatt.params.section import Section
from tokwatt.params.specs import Architecture, Demand, Serving, Workload
from tokwatt.params.traces import Trace
from tokwatt.serving import account, choices, routing, sampling
from tokwatt.serving.account import Pool
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.machine import Constants, Subject, assemble
from tokwatt.serving.routing import Requests, Routed, Topology
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    In,
    Instances,
    Parameters,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


class Result(NamedTuple):
    """An instance or a fleet: what it generates and is credited with, and the power it draws on the assumed basis.

    `concurrency` is that of the instance, or of the pool of the longest window; `rejected` the
    share of requests not served.
    """

    tokens_per_joule: TokensPerJoule
    credited: TokensPerSecond
    generated: TokensPerSecond
    power: Watts
    instances: Instances
    concurrency: Sequences
    rejected: Dimensionless


@dataclass(frozen=True, kw_only=True)
class Names:
    """A subject by the names of its parts; `profile` is empty where nobody calibrated one."""

    gpu: str
    llm: str
    serving: Annotated[Serving, In("servings")]
    profile: str = ""
    active_parameters: Parameters = 0.0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A case as a file gives it."""

    subject: Names
    workload: str
    window: Tokens
    topology: Literal["instance", "homogeneous", "two_pools"] = "instance"
    split_length: Tokens = 0.0
    overflow_factor: Dimensionless = 1.0
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Output as a share of all tokens in each bin of a workload."""

    shares: DimensionlessAxis


@dataclass(frozen=True)
class Case:
    """An instance or a fleet, ready to be evaluated; `paper` is the mixture that the paper's own number stands on."""

    gpu: str
    subject: Subject
    workload: Workload
    shares: np.ndarray | None
    window: float
    topology: str
    split_length: float
    overflow_factor: float
    paper: Assumptions
    pairs: Requests | None = None

    def evaluate(
        self,
        assumed: Assumptions,
        constants: Constants,
        demand: Demand,
        routed: Routed | None,
        subject: Subject,
    ) -> Result:
        """The case under a mixture.

        Args:
            assumed: the mixture.
            constants: numbers of the account.
            demand: what a fleet must carry.
            routed: traffic of a fleet's pools under the same mixture; an instance has none.
            subject: the case's own, or one with other numbers.
        """
        if routed:
            return fleet(assumed, subject, constants, routed, demand)
        ratio = self.prompt_ratio(assumed, float(demand.output_share))
        point = account.point(assumed, subject, constants, self.window, prompt_ratio=ratio)
        return Result(
            point.tokens_per_joule,
            point.throughput,
            point.throughput,
            point.power,
            1.0,
            point.concurrency,
            0.0,
        )

    def traffic(self, assumed: Assumptions, demand: Demand, constants: Constants) -> Routed | None:
        """The pools of a fleet and their traffic; none for an instance."""
        if self.topology == "instance":
            return None
        share, chunk = float(demand.output_share), float(self.chunk)
        requests = self.requests(assumed, share)
        window = (
            routing.smallest_window(requests) if assumed.baseline == "smallest" else self.window
        )
        topology = Topology(window, self.split_length, self.overflow_factor)
        exact = routing.route(
            assumed, requests, self.workload.lengths, topology, chunk, float(constants.compressible)
        )
        return (
            self._sampled(assumed, exact, share, chunk) if assumed.lengths == "sampled" else exact
        )

    @property
    def chunk(self) -> float:
        """Prompt tokens that a step takes in."""
        return (self.subject.profile or self.subject.serving).prefill_chunk

    def requests(self, assumed: Assumptions, share: float) -> Requests:
        """The rows of a trace, or the law of the workload with the share of output that is assumed."""
        if assumed.lengths == "pairs" and self.pairs:
            return self.pairs
        shares = (
            self.shares if assumed.output_share == "trace" and self.shares is not None else share
        )
        return routing.lengths_of(self.workload.lengths, self.workload.fractions, shares)

    def prompt_ratio(self, assumed: Assumptions, share: float) -> float:
        """Prompt tokens for each output token of the workload."""
        if assumed.output_share == "fifth":
            return (1 - share) / share
        requests = self.requests(assumed, share)
        return float(requests.weight @ requests.prompt / (requests.weight @ requests.output))

    def _sampled(self, assumed: Assumptions, exact: Routed, share: float, chunk: float) -> Routed:
        """The same pools with service averaged over the draws of the paper's program, credit as before."""
        knots = list(
            zip(self.workload.lengths.tolist(), self.workload.fractions.tolist(), strict=True)
        )
        laws = (
            [knots]
            if len(exact.pools) == 1
            else sampling.split(knots, int(self.overflow_factor * self.split_length))
        )
        pools = []
        for law, window, pool in zip(laws, exact.windows, exact.pools, strict=True):
            lengths, weights = sampling.sampled(law, window)
            draws = routing.split_of(weights, lengths, 1 - share)
            pools.append(
                routing.traffic(assumed, draws, draws, chunk)._replace(
                    share=pool.share, credited=pool.credited, generated=pool.generated
                )
            )
        return Routed(exact.windows, tuple(pools), exact.rejected)


def fleet(
    assumed: Assumptions, subject: Subject, constants: Constants, routed: Routed, demand: Demand
) -> Result:
    """Pools side by side."""
    machine = assemble(assumed, subject, constants)
    sized = [
        account.size_pool(assumed, subject, machine, constants, pool, window, demand)
        for pool, window in zip(routed.pools, routed.windows, strict=True)
    ]
    total = Pool(*(sum(values) for values in zip(*sized, strict=True)))
    return Result(
        tokens_per_joule=total.credited / total.power,
        credited=total.credited,
        generated=total.generated,
        power=total.power,
        instances=total.instances,
        concurrency=sized[-1].concurrency,
        rejected=routed.rejected,
    )


class Headline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conclusion of the paper: a case, or the ratio of two."""

    claim: str
    published: Annotated[float, msgspec.Meta(gt=0)]
    case: str
    over: str = ""


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to understand a headline: a few changes to a preset."""

    headline: str
    start: str
    changes: dict[str, str]
    meaning: str


class Account(Checked):
    """`params/assumptions.yaml` with everything in it looked up; where pairs are assumed, a trace stands in for every workload."""

    def __init__(self, catalogue: Catalogue, trace: Trace | None = None) -> None:
        self.catalogue = catalogue
        self.pairs = routing.pairs_of(trace.prompt, trace.output) if trace else None
        self._results: dict[tuple[str, Assumptions], Result] = {}
        self.section = catalogue.section("assumptions").only(
            "choices",
            "order",
            "presets",
            "impossible",
            "constants",
            "output_shares",
            "demand",
            "cases",
            "headlines",
            "readings",
            "uncertain",
        )

    @cached_property
    def presets(self) -> dict[str, Assumptions]:
        """Named mixtures."""
        return assumptions.presets(self.section)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What choices are called where they are corrected."""
        return assumptions.labels(self.section)

    @cached_property
    def constants(self) -> Constants:
        """Numbers of the account."""
        return self.section.child("constants").spec(Constants)

    @cached_property
    def demand(self) -> Demand:
        """What fleets must carry."""
        return self.section.child("demand").spec(Demand)

    @cached_property
    def order(self) -> list[str]:
        """The choices in the order in which they are corrected."""
        given = self.section.raw.get("order")
        if not isinstance(given, list) or sorted(map(str, given)) != sorted(choices.names()):
            raise self.section.fail(
                f"is {given!r:.60}", f"each choice once: {', '.join(choices.names())}", "order"
            )
        return given

    @cached_property
    def kernels(self) -> Kernels:
        """Tables of measured kernels."""
        return Kernels(self.catalogue)

    @cached_property
    def cases(self) -> dict[str, Case]:
        """Instances and fleets by name."""
        entries = self.section.child("cases")
        return {name: self._case(entries.child(name)) for name in entries.raw}

    @cached_property
    def headlines(self) -> dict[str, Headline]:
        """Conclusions by name."""
        entries = self.section.child("headlines")
        found = {name: entries.child(name).convert(Headline) for name in entries.raw}
        for name, headline in found.items():
            for key in ("case", "over"):
                if wanted := getattr(headline, key):
                    entries.child(name).pick(key, wanted, self.cases)
        return found

    @cached_property
    def readings(self) -> dict[str, Reading]:
        """Ways to understand headlines, by name."""
        entries = self.section.child("readings")
        found = {name: entries.child(name).convert(Reading) for name in entries.raw}
        for name, reading in found.items():
            entries.child(name).pick("headline", reading.headline, self.headlines)
            start = entries.child(name).pick("start", reading.start, self.presets)
            assumptions.changed(self.section, start, entries.child(name).child("changes"))
        return found

    @cached_property
    def uncertain(self) -> dict[str, Uncertain]:
        """Numbers that are known only to within a factor, by name."""
        entries = self.section.child("uncertain")
        found = {name: entries.child(name).convert(Uncertain) for name in entries.raw}
        for name, each in found.items():
            if not each.low < each.high:
                raise entries.child(name).fail(
                    f"is {each.high:g}", f"more than low, which is {each.low:g}", "high"
                )
            for path in each.paths:
                if not any(
                    each.known(path, case.subject, self.constants) for case in self.cases.values()
                ):
                    raise entries.child(name).fail(
                        f"has {path!r}",
                        "numbers of a subject or of the constants, such as gpu.tdp",
                        "paths",
                    )
        return found

    def changed(self, preset: str, entries: Mapping[str, dict], name: str) -> Assumptions:
        """A preset with the changes that an entry of a grid makes to it."""
        return assumptions.changed(
            self.section, self.presets[preset], self.section.at(name, entries[name])
        )

    def switches(self, given: Mapping[str, str]) -> dict[str, str]:
        """Choices and alternatives from outside, refused where one is unknown."""
        return assumptions.chosen(self.section.at("the change asked for", dict(given)))

    def value(self, headline: Headline, changes: Mapping[str, str]) -> float:
        """A headline with changes made to what the paper assumed for each of its cases.

        Raises:
            ParameterError: where the changes contradict what stays.
        """
        above = self.result(headline.case, changes).tokens_per_joule
        return float(
            above / self.result(headline.over, changes).tokens_per_joule if headline.over else above
        )

    def result(self, case: str, changes: Mapping[str, str]) -> Result:
        """A case with changes made to what the paper assumed for it."""
        wanted = self.mixture(choices.switched(self.cases[case].paper, changes))
        if (case, wanted) not in self._results:
            chosen = self.cases[case]
            if wanted.step == "kernels" and chosen.subject.kernels is None:
                raise self.section.child("cases").fail(
                    "has no table of kernels", "one in params/kernels.yaml, or another step", case
                )
            routed = chosen.traffic(wanted, self.demand, self.constants)
            self._results[case, wanted] = chosen.evaluate(
                wanted, self.constants, self.demand, routed, chosen.subject
            )
        return self._results[case, wanted]

    def mixture(self, wanted: Assumptions) -> Assumptions:
        """The assumptions themselves, refused where they contradict each other."""
        if wanted.lengths == "pairs" and not self.pairs:
            raise self.section.fail(
                "mixes lengths pairs with no trace", "a trace whose rows they are"
            )
        return assumptions.mixture(self.section, wanted)

    def _case(self, section: Section) -> Case:
        entry = section.spec(Entry)
        workload = section.choose("workload", entry.workload, "workloads")
        changed = (
            assumptions.changed(self.section, self.presets["paper"], section.child("changes"))
            if entry.changes
            else self.presets["paper"]
        )
        subject = self._subject(section.child("subject"), entry.subject)
        if changed.step == "calibrated" and subject.profile is None:
            raise section.fail(
                "is missing",
                "a calibrated profile, or changes with another step",
                "subject.profile",
            )
        if changed.architecture == "catalogue" and subject.llm is None:
            raise section.fail(
                f"is {entry.subject.llm!r}",
                "an LLM of params/llms.yaml, or changes with the published architecture",
                "subject.llm",
            )
        return Case(
            gpu=entry.subject.gpu,
            subject=subject,
            workload=workload,
            shares=self.shares(entry.workload, workload),
            window=float(entry.window),
            topology=entry.topology,
            split_length=float(entry.split_length),
            overflow_factor=float(entry.overflow_factor),
            paper=changed,
            pairs=self.pairs,
        )

    def subject(self, gpu: str, llm: str, serving: Serving) -> Subject:
        """A published LLM on a GPU, by their names."""
        return self._subject(
            self.section, Names(gpu=gpu, llm=llm, serving=serving), described=False
        )

    def _subject(self, section: Section, names: Names, described: bool = True) -> Subject:
        profile = section.choose("profile", names.profile, "profiles") if names.profile else None
        architecture = section.choose("llm", names.llm, "architectures")
        return Subject(
            gpu=section.choose("gpu", names.gpu, "gpus"),
            llm=self.catalogue.llms.get(names.llm) if described else None,
            architecture=architecture,
            serving=names.serving,
            logistic=profile.power if profile else section.choose("gpu", names.gpu, "power_curves"),
            fractions=self.catalogue.power_fractions,
            utilization=section.choose("gpu", names.gpu, "utilization_curves"),
            active_parameters=names.active_parameters,
            profile=profile,
            kernels=self.kernels.tables.get(_machine(names, architecture).name)
            if described
            else None,
        )

    def shares(self, name: str, workload: Workload) -> np.ndarray | None:
        """Output as a share of all tokens in each bin of a workload, where it was measured."""
        entries = self.section.child("output_shares")
        if name not in entries.raw:
            return None
        shares = entries.child(name).spec(Shares).shares
        if len(shares) != len(workload.lengths) or (shares > 1).any():
            raise entries.fail(
                f"has {len(shares)} numbers up to {shares.max():g}",
                f"{len(workload.lengths)} from 0 to 1",
                f"{name}.shares.value",
            )
        return shares


def _machine(names: Names, architecture: Architecture) -> KernelConfig:
    """How kernels know a subject: experts are whole on each of several GPUs."""
    shared, mixed = names.serving.tensor_parallel > 1, architecture.experts > 0
    precision = {2.0: "bfloat16", 1.0: "fp8"}.get(float(names.serving.weight_width), "")
    return KernelConfig(
        names.gpu, names.llm, precision, int(names.serving.tensor_parallel), int(shared and mixed)
    )
