"""Columns of a plan: everything that a pool may be, for every class of requests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tokwatt.accounts.energy import Energy
from tokwatt.accounts.parts import Disaggregated, PoolNames
from tokwatt.params.specs import Demand
from tokwatt.planning.columns.classes import Classes
from tokwatt.planning.columns.configurations import Configurations
from tokwatt.planning.columns.pairs import APART, BOTH, Row, useful_pairs
from tokwatt.planning.columns.part_columns import PartColumns
from tokwatt.serving.account import Account
from tokwatt.serving.demand.traffic import Part
from tokwatt.serving.pools.disaggregated import Disaggregation, demand_of_part

OBJECTIVES = ("joules", "dollars", "carbon", "gpus")


@dataclass(frozen=True, eq=False)
class Columns:
    """Everything that a pool may be, for every class; arrays have shape (row, class).

    Attributes:
        parts: columns of each part that instances may do.
        rows: what a pool may be.
        demand: arrival rate and targets of the whole.
        energy: what a joule costs and emits.
        between: what lies between prefill and decode, None where both are on the same instances.
    """

    parts: dict[Part, PartColumns]
    rows: tuple[Row, ...]
    demand: Demand
    energy: Energy
    between: Disaggregation | None

    @classmethod
    def of(
        cls,
        account: Account,
        configurations: Configurations,
        classes: Classes,
        demand: Demand,
        energy: Energy,
        between: Disaggregation | None = None,
    ) -> "Columns":
        """Columns of configurations, and of pairs of them where prefill may be apart.

        Args:
            account: how tokens and joules are counted.
            configurations: what may be chosen.
            classes: requests by length.
            demand: arrival rate and targets.
            energy: what a joule costs and emits.
            between: what lies between prefill and decode.
        """
        both = PartColumns(account, configurations, classes, demand)
        rows = tuple(Row(BOTH, (place,)) for place in range(len(configurations.names)))
        if between is None:
            return cls({"both": both}, rows, demand, energy, None)
        prefill, decode = (
            replace(both, part=part, demand=demand_of_part(demand, part, between)) for part in APART
        )
        prefill = replace(prefill, transfer=float(between.transfer))
        parts: dict[Part, PartColumns] = {"both": both, "prefill": prefill, "decode": decode}
        return cls(parts, (*rows, *useful_pairs([prefill], [decode])), demand, energy, between)

    @property
    def whole(self) -> PartColumns:
        """Columns of instances that do everything."""
        return self.parts["both"]

    @property
    def account(self) -> Account:
        """How tokens and joules are counted."""
        return self.whole.account

    @property
    def classes(self) -> Classes:
        """Requests by length."""
        return self.whole.classes

    @cached_property
    def names(self) -> tuple[PoolNames, ...]:
        """What each row is."""
        names = self.whole.configurations.names
        return tuple(
            Disaggregated(**{part: names[at] for part, at in zip(*row, strict=True)})
            if row.parts == APART
            else names[row.places[0]]
            for row in self.rows
        )

    @cached_property
    def gpu_names(self) -> tuple[frozenset[str], ...]:
        """Kinds of GPU of each row."""
        gpu = self.whole.configurations.gpu
        return tuple(frozenset(str(gpu[place]) for place in row.places) for row in self.rows)

    @cached_property
    def power(self) -> np.ndarray:
        """Watts of a pool."""
        return self._summed({part: own.power for part, own in self.parts.items()})

    @cached_property
    def gpus(self) -> np.ndarray:
        """GPUs of a pool."""
        return self._summed({part: own.gpus for part, own in self.parts.items()})

    def gpus_of(self, gpu: str) -> np.ndarray:
        """GPUs of a kind of a pool; none where it has no such GPU."""
        return self._of_kind(gpu, {part: own.gpus for part, own in self.parts.items()})

    def rented_of(self, gpu: str) -> np.ndarray:
        """GPUs of a kind that are paid for, as `gpus_of`."""
        return self._of_kind(gpu, {part: own.rented for part, own in self.parts.items()})

    def cost(self, objective: str) -> np.ndarray:
        """What a pool costs a second: joules, dollars, kilograms, or its GPUs."""
        if objective == "joules":
            return self.power
        if objective == "carbon":
            return self.power * float(self.energy.grid_intensity)
        if objective == "gpus":
            return self.gpus
        return self.rent()

    def rent(self, without: str = "") -> np.ndarray:
        """Dollars a second of a pool; those of a kind of GPU may be left out."""
        configurations = self.whole.configurations
        price, paid = configurations.price[:, None], configurations.gpu[:, None] != without
        return self._summed(
            {
                part: np.where(paid | np.isinf(own.rented), own.rented * price, 0.0)
                for part, own in self.parts.items()
            }
        )

    @cached_property
    def generated(self) -> float:
        """Output tokens per second of all classes together."""
        own = self.classes.requests
        return float(self.demand.arrival_rate) * float(own.weight @ own.output)

    def at(self, **numbers: float) -> "Columns":
        """The same under another demand."""
        demand = replace(self.demand, **numbers)
        own = self.whole.configurations, self.classes
        return Columns.of(self.account, *own, demand, self.energy, self.between)

    def of_requests(self, classes: Classes) -> "Columns":
        """The same configurations for other requests, of which other pairs may be the best."""
        own = self.whole.configurations, classes
        return Columns.of(self.account, *own, self.demand, self.energy, self.between)

    def between_lengths(self, classes: Classes) -> "Columns":
        """The same rows for other classes of the same requests."""
        parts = {part: replace(own, classes=classes) for part, own in self.parts.items()}
        return replace(self, parts=parts)

    def only(self, rows: Sequence[int]) -> "Columns":
        """Some of the rows."""
        kept = [self.rows[place] for place in rows]
        places = sorted({place for row in kept for place in row.places})
        parts = {
            part: replace(own, configurations=own.configurations.only(places))
            for part, own in self.parts.items()
        }
        renamed = (row._replace(places=tuple(map(places.index, row.places))) for row in kept)
        return replace(self, parts=parts, rows=tuple(renamed))

    def configured(self, configurations: Configurations) -> "Columns":
        """The same rows with other numbers of the same configurations."""
        parts = {
            part: replace(own, configurations=configurations) for part, own in self.parts.items()
        }
        return replace(self, parts=parts)

    def _of_kind(self, gpu: str, numbers: dict[Part, np.ndarray]) -> np.ndarray:
        """Numbers of parts that are of a kind of GPU, as those of rows."""
        own = self.whole.configurations.gpu[:, None] == gpu
        return self._summed({part: np.where(own, it, 0.0) for part, it in numbers.items()})

    def _summed(self, numbers: dict[Part, np.ndarray]) -> np.ndarray:
        """Numbers of parts, shape (configuration, class), as those of rows."""
        found = []
        for parts in dict.fromkeys(row.parts for row in self.rows):
            places = np.array([row.places for row in self.rows if row.parts == parts])
            found.append(sum(numbers[part][at] for part, at in zip(parts, places.T, strict=True)))
        return np.concatenate(found)
