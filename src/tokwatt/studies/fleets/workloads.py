"""The request length distributions of the catalogue."""

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.serving.catalogue import Catalogue


def workload_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Share of requests within each knot, and the 99th percentile of their lengths, by workload."""
    laws = catalogue.workloads
    knots = np.unique(np.concatenate([law.lengths for law in laws.values()]))
    within = [np.interp(knots, [0, *law.lengths], [0, *law.fractions]) for law in laws.values()]
    quantile = [np.interp(0.99, [0, *law.fractions], [0, *law.lengths]) for law in laws.values()]
    longest = [law.lengths[-1] for law in laws.values()]
    return xr.Dataset(
        {
            "fraction_within": (
                ("workload", "length"),
                within,
                grid.describe("share_of_requests_within_a_length", "1"),
            ),
            "length_quantile_99": (
                ("workload",),
                quantile,
                grid.describe("99th_percentile_of_length", "tok"),
            ),
            "longest": (("workload",), longest, grid.describe("longest_request", "tok")),
        },
        {
            "workload": (("workload",), list(laws), grid.describe("workload", None)),
            "length": (("length",), knots, grid.describe("total_tokens", "tok")),
        },
    )
