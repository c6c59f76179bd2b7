"""Numbers that are known only to within a factor, and deployments with such factors applied."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Annotated, Any

import msgspec
import numpy as np

from tokwatt.params.records.quantity import Quality
from tokwatt.serving.account import Constants
from tokwatt.serving.deployment import Deployment
from tokwatt.units import Dimensionless


class Uncertain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number, or several that move together, known only to within a factor."""

    meaning: str
    source: str
    quality: Quality
    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    low: Annotated[float, msgspec.Meta(gt=0)]
    high: float
    gpu: str = ""

    def names_a_number(self, path: str, deployment: Deployment, constants: Constants) -> bool:
        """Whether a path leads to a number."""
        found = reduce(
            lambda tree, name: getattr(tree, name, None),
            path.split(".")[1:],
            (vars(deployment) | {"constants": constants}).get(path.split(".")[0]),
        )
        return isinstance(found, float)

    def factors_on(self, gpu: str, factors: Dimensionless) -> Dimensionless:
        """The factors where the number is one of this GPU, else 1."""
        return factors if self.gpu in ("", gpu) else np.ones_like(factors)

    def applied(
        self, deployment: Deployment, constants: Constants, factor: Dimensionless
    ) -> tuple[Deployment, Constants]:
        """A deployment and constants with these numbers times a factor, where they have them."""
        both = reduce(
            lambda tree, path: _times(tree, path.split("."), factor),
            self.paths,
            vars(deployment) | {"constants": constants},
        )
        return replace(deployment, **{name: both[name] for name in vars(deployment)}), both[
            "constants"
        ]


def _times(tree: Any, path: Sequence[str], factor: Dimensionless) -> Any:
    """A tree with the number at a path multiplied; one that has no such part stays as it is."""
    head, *rest = path
    part = tree.get(head) if isinstance(tree, dict) else getattr(tree, head, None)
    if part is None:
        return tree
    changed = _times(part, rest, factor) if rest else part * factor
    return tree | {head: changed} if isinstance(tree, dict) else replace(tree, **{head: changed})
