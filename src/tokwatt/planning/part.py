"""Instances of one kind of a plan, and what they are asked for."""

from dataclasses import dataclass
from functools import cached_property

from tokwatt.accounts.parts import PoolPart
from tokwatt.planning.columns.part_columns import PartColumns
from tokwatt.planning.optimum.choice import class_place
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.pools.fleet import compiled_instance, sized_pool
from tokwatt.serving.pools.pool import Pool
from tokwatt.units import Tokens


@dataclass(frozen=True, eq=False)
class PlannedPart:
    """Instances of one kind of a plan.

    Attributes:
        own: which pool they are of, what they do and what they are.
        columns: what every configuration takes that does the same.
        configuration: place of their own.
        edges: places of the lengths between which their requests are.
    """

    own: PoolPart
    columns: PartColumns
    configuration: int
    edges: tuple[int, int]

    @property
    def longest(self) -> Tokens:
        """Longest request, or prompt where pools go by prompts."""
        return float(self.columns.classes.edges[self.edges[1]])

    @property
    def window(self) -> Tokens:
        """Longest request."""
        classes = self.columns.classes
        return float(classes.windows[class_place(*self.edges, classes.bins)])

    @property
    def deployment(self) -> Deployment:
        """What they are."""
        return self.columns.configurations.deployments[self.configuration]

    @cached_property
    def traffic(self) -> Traffic:
        """What they are asked for."""
        columns, classes = self.columns, self.columns.classes
        chunk = self.deployment.prefill_chunk(columns.account.assumed.prefill == "chunked")
        at = class_place(*self.edges, classes.bins)
        return Traffic(*(float(it[at]) for it in classes.traffic(float(chunk), self.own.part)))

    @property
    def pool(self) -> Pool:
        """As many of them as their requests need."""
        columns = self.columns
        instance = compiled_instance(columns.account, self.deployment)
        return sized_pool(columns.account, instance, self.traffic, self.window, columns.demand)
