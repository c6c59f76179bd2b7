"""Datasets under accounts that differ in a few choices."""

from collections.abc import Callable

import xarray as xr

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue


def tabulate_changes(
    catalogue: Catalogue, changes: dict, dimension: str, table: Callable[[Account], xr.Dataset]
) -> xr.Dataset:
    """Datasets under the consistent account with changes, side by side along a dimension."""
    sets = AssumptionSets(catalogue)
    tables = [
        table(Account(sets.changed("consistent", changes[name], sets.section), sets.constants))
        for name in changes
    ]
    return xr.concat(tables, xr.Variable(dimension, list(changes)))
