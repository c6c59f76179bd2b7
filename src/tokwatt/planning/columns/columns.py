"""Columns of a plan: everything that a pool may be, for every class of requests."""

from collections.abc import Callable, Sequence
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
        """Columns of configurations, and of pairs of them where prefill may be apart."""
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
        return self._summed(lambda own: own.power)

    @cached_property
    def gpus(self) -> np.ndarray:
        """GPUs of a pool."""
        return self._summed(lambda own: own.gpus)

    def gpus_of(self, gpu: str) -> np.ndarray:
        """GPUs of a kind of a pool; none where it has no such GPU."""
        return self._summed(lambda own: np.where(self._has(gpu), own.gpus, 0.0))

    def rented_of(self, gpu: str) -> np.ndarray:
        """GPUs of a kind that are paid for, as `gpus_of`."""
        return self._summed(lambda own: np.where(self._has(gpu), own.rented, 0.0))

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
        price = self.whole.configurations.price[:, None]

        def paid(own: PartColumns) -> np.ndarray:
            kept = ~self._has(without) | np.isinf(own.rented)
            return np.where(kept, own.rented * price, 0.0)

        return self._summed(paid)

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
        return self._with(lambda own: replace(own, classes=classes))

    def only(self, rows: Sequence[int]) -> "Columns":
        """Some of the rows."""
        kept = [self.rows[place] for place in rows]
        places = sorted({place for row in kept for place in row.places})
        renamed = (row._replace(places=tuple(map(places.index, row.places))) for row in kept)
        some = self._with(lambda own: replace(own, configurations=own.configurations.only(places)))
        return replace(some, rows=tuple(renamed))

    def configured(self, configurations: Configurations) -> "Columns":
        """The same rows with other numbers of the same configurations."""
        return self._with(lambda own: replace(own, configurations=configurations))

    def _with(self, changed: Callable[[PartColumns], PartColumns]) -> "Columns":
        return replace(self, parts={part: changed(own) for part, own in self.parts.items()})

    def _has(self, gpu: str) -> np.ndarray:
        """Whether configurations have a kind of GPU, shape (configuration, 1)."""
        return self.whole.configurations.gpu[:, None] == gpu

    def _summed(self, of_part: Callable[[PartColumns], np.ndarray]) -> np.ndarray:
        """Numbers of parts, shape (configuration, class), as those of rows."""
        numbers = {part: of_part(own) for part, own in self.parts.items()}
        found = []
        for parts in dict.fromkeys(row.parts for row in self.rows):
            places = np.array([row.places for row in self.rows if row.parts == parts])
            found.append(sum(numbers[part][at] for part, at in zip(parts, places.T, strict=True)))
        return np.concatenate(found)


def shared_columns(each: Sequence[Columns]) -> list[Columns]:
    r"""What pools take under each trace that have instances enough for all of them.

    .. math:: n_{kc} = \max_t n_{tkc}

    Args:
        each: columns of each trace, of the same configurations between the same lengths.

    Returns:
        Columns of each trace with the instances that the neediest has, its watts from the same
        sizing; infinite in all where one trace misses a target.
    """
    most = {
        part: np.max([own.parts[part].instances for own in each], axis=0) for part in each[0].parts
    }
    kept = [{part: replace(it, kept=most[part]) for part, it in own.parts.items()} for own in each]
    rows = tuple(row for row in each[0].rows if row.parts == BOTH)
    if each[0].between is not None:
        rows += tuple(useful_pairs(*([parts[part] for parts in kept] for part in APART)))
    return [replace(own, parts=parts, rows=rows) for own, parts in zip(each, kept, strict=True)]
