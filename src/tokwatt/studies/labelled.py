"""Datasets from tables of variables, each with its dimensions, its numbers and its unit."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from tokwatt import grid

Variables = Mapping[str, tuple[str | tuple[str, ...], ArrayLike, str | None]]
"""Dimensions, numbers and unit by name; words have no unit."""


def labelled(
    variables: Variables,
    axes: Mapping[str, ArrayLike],
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
            name: (dimensions, np.asarray(numbers), described(name, unit))
            for name, (dimensions, numbers, unit) in variables.items()
        },
        {
            name: (name, np.asarray(labels), described(name, units.get(name)))
            for name, labels in axes.items()
        },
    )
