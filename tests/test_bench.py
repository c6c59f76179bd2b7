"""What the benchmark compares with computes the same as the program: otherwise its ratios would mean nothing."""

from functools import partial

import numpy as np
import pytest

from tokwatt.grid import sweep
from tokwatt.models import calibrated_instances
from tokwatt.specs import Demand

peers = pytest.importorskip("benchmarks.peers")
SPLITS, RATES = np.array([150, 1000, 4096]), np.geomspace(10, 10000, 5)
DEMAND = partial(Demand, latency_target=peers.TARGET, max_utilization=peers.MAX_UTILIZATION, output_share=peers.OUTPUT_SHARE)


def test_points_in_numpy_equal_ours(catalogue):
    axes = np.array([1024.0, 5000.0, 65536.0]), np.linspace(0.1, 1, 4), np.linspace(0.1, 1, 5)
    profile = catalogue.profiles["H100"]
    ours = sweep(
        partial(calibrated_instances, catalogue),
        profile=profile,
        **dict(zip(("context_window", "utilization", "mean_fill"), axes, strict=True)),
    )
    np.testing.assert_allclose(ours.tokens_per_joule, peers.points(profile, *np.ix_(*axes)), rtol=1e-9)
