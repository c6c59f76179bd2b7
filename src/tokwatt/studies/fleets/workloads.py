"""The request length distributions of the catalogue."""

import numpy as np
import xarray as xr

from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.labelled import Variable, labelled


def workload_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Share of requests within each knot, and the 99th percentile of their lengths, by workload."""
    laws = catalogue.workloads
    knots = np.unique(np.concatenate([law.lengths for law in laws.values()]))
    within = [np.interp(knots, [0, *law.lengths], [0, *law.fractions]) for law in laws.values()]
    quantile = [np.interp(0.99, [0, *law.fractions], [0, *law.lengths]) for law in laws.values()]
    longest = [law.lengths[-1] for law in laws.values()]
    return labelled(
        {
            "fraction_within": Variable(("workload", "length"), within, "1"),
            "length_quantile_99": Variable("workload", quantile, "tok"),
            "longest": Variable("workload", longest, "tok"),
        },
        {"workload": list(laws), "length": knots},
        {
            "fraction_within": "share_of_requests_within_a_length",
            "length_quantile_99": "99th_percentile_of_length",
            "longest": "longest_request",
            "length": "total_tokens",
        },
        length="tok",
    )
