"""What the paper concludes, as `params/assumptions.yaml` has it, under any assumption set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import Case, CaseEntry, DeploymentEntry
from tokwatt.accounts.uncertain import Uncertain
from tokwatt.calibration.kernels import KernelConfig, Kernels
from tokwatt.params.records.section import Section
from tokwatt.params.specs import Workload
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import Assumptions, switched
from tokwatt.serving.demand.requests import pairs_of
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.pools.fleet import Fleet
from tokwatt.units import DimensionlessAxis, Seconds


class Headline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conclusion of the paper: a case, or the ratio of two.

    Attributes:
        claim: what it says.
        published: the printed number.
        case: the case it is about.
        over: the case it is compared with; empty where it is no ratio.
    """

    claim: str
    published: Annotated[float, msgspec.Meta(gt=0)]
    case: str
    over: str = ""


@dataclass(frozen=True, kw_only=True)
class Interpretation:
    """A way to understand a headline: a few changes to a preset.

    Attributes:
        headline: the headline.
        start: the preset.
        changes: alternatives by choice.
        meaning: both in words.
        latency_target: of the time to first token, where it is not the one of all fleets.
    """

    headline: str
    start: str
    changes: dict
    meaning: str
    latency_target: Seconds = 0.0


@dataclass(frozen=True, kw_only=True)
class OutputShares:
    """Output as a share of all tokens in each bin of a workload."""

    shares: DimensionlessAxis


class Headlines(AssumptionSets):
    """Cases, headlines and uncertain numbers; a trace replaces workloads under pairs."""

    def __init__(self, catalogue: Catalogue, trace: Trace | None = None) -> None:
        super().__init__(catalogue)
        self.pairs = pairs_of(trace.prompt, trace.output, trace.weights) if trace else None
        self._results: dict[tuple[str, Assumptions, Seconds], Fleet] = {}

    @cached_property
    def kernels(self) -> Kernels:
        """Times of measured kernels."""
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
        headlines = {name: entries.child(name).convert(Headline) for name in entries.raw}
        for name, headline in headlines.items():
            for key in ("case", "over"):
                if case := getattr(headline, key):
                    entries.child(name).pick(key, case, self.cases)
        return headlines

    @cached_property
    def interpretations(self) -> dict[str, Interpretation]:
        """Ways to understand headlines, by name."""
        entries = self.section.child("readings")
        read = {name: entries.child(name).spec(Interpretation) for name in entries.raw}
        for name, interpretation in read.items():
            entry = entries.child(name)
            entry.pick("headline", interpretation.headline, self.headlines)
            self.changed(interpretation.start, entry.raw["changes"], entry)
        return read

    @cached_property
    def uncertain(self) -> dict[str, Uncertain]:
        """Numbers that are known only to within a factor, by name."""
        entries = self.section.child("uncertain")
        read = {name: entries.child(name).convert(Uncertain) for name in entries.raw}
        for name, number in read.items():
            entry = entries.child(name)
            if not number.low < number.high:
                wanted = f"more than low, which is {number.low:g}"
                raise entry.fail(f"is {number.high:g}", wanted, "high")
            for path in number.paths:
                if not any(
                    number.names_a_number(path, case.deployment, self.constants)
                    for case in self.cases.values()
                ):
                    wanted = "numbers of a deployment or of the constants, such as gpu.tdp"
                    raise entry.fail(f"has {path!r}", wanted, "paths")
        return read

    def value(
        self, headline: Headline, changes: Mapping[str, str], latency_target: Seconds = 0.0
    ) -> float:
        """A headline with changes made to what the paper assumed for each of its cases.

        Args:
            headline: the headline.
            changes: alternatives by choice.
            latency_target: of fleets; 0 for the one of the demand.

        Raises:
            ParameterError: where the changes contradict what stays.
        """
        above = self.result(headline.case, changes, latency_target).tokens_per_joule
        if not headline.over:
            return float(above)
        return float(above / self.result(headline.over, changes, latency_target).tokens_per_joule)

    def result(self, name: str, changes: Mapping[str, str], latency_target: Seconds = 0.0) -> Fleet:
        """A case with changes made to what the paper assumed for it."""
        case = self.cases[name]
        assumed = self.asked(switched(case.paper, changes))
        demand = self.demand
        if latency_target:
            demand = replace(demand, latency_target=latency_target)
        key = name, assumed, float(demand.latency_target)
        if key not in self._results:
            if assumed.step == "kernels" and case.deployment.kernels is None:
                wanted = "one in params/kernels.yaml, or another step"
                raise self.section.child("cases").fail("has no table of kernels", wanted, name)
            account = Account(assumed, self.constants)
            self._results[key] = case.evaluate(account, demand, case.traffic(account, demand))
        return self._results[key]

    def mixture(self, wanted: Assumptions, where: Section | None = None) -> Assumptions:
        """The assumptions themselves, refused where they contradict each other."""
        if wanted.lengths == "pairs" and not self.pairs:
            raise (where or self.section).fail(
                "mixes lengths pairs with no trace", "a trace whose rows they are"
            )
        return super().mixture(wanted, where)

    def _case(self, section: Section) -> Case:
        entry = section.spec(CaseEntry)
        paper = self.presets["paper"]
        if entry.changes:
            paper = self.changed("paper", entry.changes, section)
        deployment = self._deployment(section.child("subject"), entry.subject)
        if paper.step == "calibrated" and deployment.profile is None:
            wanted = "a calibrated profile, or changes with another step"
            raise section.fail("is missing", wanted, "subject.profile")
        workload = section.choose("workload", entry.workload, "workloads")
        return Case(
            gpu=entry.subject.gpu,
            deployment=deployment,
            workload=workload,
            shares=self.shares(entry.workload, workload),
            window=float(entry.window),
            topology=entry.topology,
            splits=(float(entry.split_length),) if entry.split_length else (),
            overflow_factor=float(entry.overflow_factor),
            paper=paper,
            pairs=self.pairs,
            workload_name=entry.workload,
        )

    def _deployment(self, section: Section, entry: DeploymentEntry) -> Deployment:
        board = section.choose("gpu", entry.gpu, "boards")
        bare = self.catalogue.deployment(
            board,
            section.choose("llm", entry.llm, "llms"),
            section.choose("precision", entry.precision, "precisions"),
            entry.tensor_parallel,
            entry.expert_parallel,
        )
        profile = section.choose("profile", entry.profile, "profiles") if entry.profile else None
        config = KernelConfig(
            entry.gpu,
            entry.llm,
            entry.precision,
            int(entry.tensor_parallel),
            int(entry.expert_parallel > 1),
        )
        return replace(
            bare,
            logistic=profile.power if profile else board.logistic,
            active_parameters=entry.active_parameters,
            profile=profile,
            kernels=self.kernels.tables.get(config.name),
        )

    def shares(self, name: str, workload: Workload) -> np.ndarray | None:
        """Output as a share of all tokens in each bin of a workload, where it was measured."""
        entries = self.section.child("output_shares")
        if name not in entries.raw:
            return None
        shares = entries.child(name).spec(OutputShares).shares
        if len(shares) != len(workload.lengths) or (shares > 1).any():
            wanted = f"{len(workload.lengths)} from 0 to 1"
            key = f"{name}.shares.value"
            raise entries.fail(f"has {len(shares)} numbers up to {shares.max():g}", wanted, key)
        return shares
