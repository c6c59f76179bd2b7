"""Uncertainty of headlines, and elasticities of operating points."""

import xarray as xr

from tokwatt.accounts import uncertainty
from tokwatt.accounts.headlines import Headlines
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless


def uncertainties(
    catalogue: Catalogue, accounts: dict, draws: Dimensionless, seed: Dimensionless
) -> xr.Dataset:
    """Headlines with every uncertain number drawn at once: quantiles, and which numbers matter."""
    headlines = Headlines(catalogue)
    tables = [
        uncertainty.spread(headlines, headlines.presets[preset], int(draws), int(seed))
        for preset in accounts.values()
    ]
    return xr.concat(tables, xr.Variable("account", list(accounts)))


def elasticities(catalogue: Catalogue, cases: list[str], accounts: dict) -> xr.Dataset:
    """Elasticity d log tok/J / d log x of every number behind an operating point."""
    headlines = Headlines(catalogue)

    def beside(preset: str) -> xr.Dataset:
        tables = [uncertainty.elasticity(headlines, case, preset) for case in cases]
        return xr.concat(tables, xr.Variable("case", cases), join="outer")

    tables = [beside(preset) for preset in accounts.values()]
    return xr.concat(tables, xr.Variable("account", list(accounts)), join="outer")
