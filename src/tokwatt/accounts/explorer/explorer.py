"""Every instance that the explorer offers, by the names of its parts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import product

import jax
import numpy as np

from tokwatt.accounts.deployments import narrows
from tokwatt.accounts.energy import Energy
from tokwatt.accounts.explorer.offer import InstanceKey, Machine, Offer, Printed, Start, View
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.folder import Checked
from tokwatt.params.specs import Board, Demand, Profile
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.targets import MEDIAN
from tokwatt.serving.steps.times import instance_of

_UNCALIBRATED = "{}, uncalibrated"


def _apart(instances: Instance, count: int) -> Iterator[Instance]:
    """Instances that were computed together, one by one."""
    leaves, tree = jax.tree.flatten(instances)
    for place in range(count):
        yield jax.tree.unflatten(tree, [leaf[place] for leaf in leaves])


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
    def demand(self) -> Demand:
        """What fleets must carry; the page shows first tokens at the 99th percentile alone."""
        found = self.known.demand
        section = self.catalogue.section("assumptions").child("demand")
        if found.ttft_quantile <= MEDIAN:
            wanted = "0.99, which the explorer shows alone"
            raise section.fail(f"is {found.ttft_quantile:g}", wanted, "ttft_quantile")
        if found.ttft_per_token > 0:
            wanted = "0, as the explorer has one target for all prompts"
            raise section.fail(f"is {found.ttft_per_token:g}", wanted, "ttft_per_token")
        return found

    @cached_property
    def calibrated(self) -> Start:
        """Whose instances the profiles are."""
        section = self.section.child("calibrated")
        found = section.convert(Start)
        section.choose("llm", found.llm, "llms")
        section.choose("precision", found.precision, "precisions")
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
        """Every configuration that has a checkpoint; the paper's catalogue has its own LLMs."""
        catalogue, counts = self.catalogue, [int(count) for count in self.offer.tensor_parallel]
        for name in self.views:
            published = self.mixtures[name].architecture == "published"
            llms = catalogue.llms if published else catalogue.paper_llms
            for gpu, llm, precision, count in product(
                self.boards, llms, catalogue.precisions, counts
            ):
                if narrows(catalogue.precisions[precision], catalogue.llms[llm].published.experts):
                    yield InstanceKey(name, gpu, llm, precision, count)

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
        return replace(
            bare,
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
                section = self.section.child("accounts").child(name)
                wanted = "a mixture whose step needs no profile"
                raise section.fail("is missing", wanted, "uncalibrated")
        return own | {_UNCALIBRATED.format(name): mixture for name, mixture in others.items()}

    def mixture(self, choice: InstanceKey) -> str:
        """Which of the mixtures a choice takes."""
        calibrated = self.profile(choice) or not self.views[choice.account].uncalibrated
        return choice.account if calibrated else _UNCALIBRATED.format(choice.account)

    def instances(self, choices: Sequence[InstanceKey]) -> dict[str, Machine]:
        """Numbers of instances by their names, computed together where one program serves them."""
        alike: dict[tuple, dict[str, Deployment]] = {}
        names = ["/".join(map(str, choice)) for choice in choices]
        for name, choice in zip(names, choices, strict=True):
            deployment = self.deployment(choice)
            kind = self.mixture(choice), jax.tree.structure(deployment)
            alike.setdefault(kind, {})[name] = deployment
        numbers = {}
        for (mixture, _), deployments in alike.items():
            account = Account(self.mixtures[mixture], self.known.constants)
            together = jax.tree.map(lambda *parts: np.stack(parts), *deployments.values())
            computed = jax.jit(jax.vmap(partial(instance_of, account)))(together)
            instances = _apart(jax.device_get(computed), len(deployments))
            for (name, deployment), instance in zip(deployments.items(), instances, strict=True):
                chunk = deployment.prefill_chunk(chunked=False)
                numbers[name] = Machine(mixture, chunk, instance)
        return {name: numbers[name] for name in names}

    def _assumed(self, view: str, changes: dict[str, str]) -> Assumptions:
        section = self.section.child("accounts").child(view)
        assumed = self.known.changed(self.views[view].start, changes, section)
        if assumed.lengths != "exact":
            wanted = "lengths exact, as the explorer draws none"
            raise section.fail(f"takes lengths {assumed.lengths}", wanted, "changes")
        return assumed
