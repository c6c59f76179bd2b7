"""Datasets from tables of variables, each with its dimensions, its numbers and its unit."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from tokwatt import grid


class Variable(NamedTuple):
    """Numbers or words of a dataset.

    Attributes:
        dimensions: what they are over; one by its name alone.
        values: the numbers, in `unit`.
        unit: their unit; words have none.
    """

    dimensions: str | tuple[str, ...]
    values: ArrayLike
    unit: str | None = None


def labelled(
    variables: Mapping[str, Variable],
    axes: Mapping[str, Iterable],
    long_names: Mapping[str, str] = {},
    **units: str,
) -> xr.Dataset:
    """A dataset with units and long names on every variable and axis.

    Args:
        variables: what it holds.
        axes: coordinates by dimension.
        long_names: by variable or axis, in place of the name in words.
        **units: of axes that have one.
    """

    def described(name: str, unit: str | None) -> dict[str, str]:
        return grid.describe(long_names.get(name, name), unit)

    return xr.Dataset(
        {
            name: (own.dimensions, np.asarray(own.values), described(name, own.unit))
            for name, own in variables.items()
        },
        {
            name: (name, np.asarray(list(labels)), described(name, units.get(name)))
            for name, labels in axes.items()
        },
    )
