"""Inter-token latencies: how often each came, and their percentiles."""

import numpy as np

from tokwatt.units import Dimensionless, DimensionlessAxis, Seconds, SecondsAxis, SequencesAxis

BIN = 0.002
"""Width of a bin of inter-token latencies, as a share of them."""
SHORTEST, BINS = 1e-6, 14000
"""The shortest that is told apart, and how many bins there are."""


def latency_counts(latency: SecondsAxis, times: DimensionlessAxis | None = None) -> SequencesAxis:
    """How many inter-token latencies lie in each bin; each counts so many times."""
    places = np.clip(np.log(latency / SHORTEST) / BIN, 0, BINS - 1).astype(int)
    return np.bincount(places, times, BINS)


def latency_quantile(histogram: SequencesAxis, share: Dimensionless) -> Seconds:
    """A percentile of inter-token latencies, to within half a bin."""
    total = np.cumsum(histogram)
    place = int(np.searchsorted(total, share * total[-1]))
    return float(SHORTEST * np.exp((place + 0.5) * BIN)) if total[-1] else float("nan")


def nearest_quantiles(steps: SecondsAxis) -> tuple[Seconds, Seconds]:
    """Median and 99th percentile, the nearest step at or above each."""
    last = len(steps) - 1
    middle, late = (last + 1) // 2, -(-99 * last // 100)
    parted = np.partition(steps, (middle, late))
    return float(parted[middle]), float(parted[late])
