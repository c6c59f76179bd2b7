"""What the benchmark compares with computes the same as the program does."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from tokwatt.serving.decode import operating_point

from benchmarks import peers
from tokwatt.equations.queueing import erlang_c
from tokwatt.grid import nested
from tokwatt.params.specs import Demand
from tokwatt.serving import fleets
from tokwatt.studies.replay import exact

SPLITS, RATES = np.array([150, 1000, 4096]), np.geomspace(10, 10000, 5)
DEMAND = Demand(
    arrival_rate=0.0,
    latency_target=peers.TARGET,
    max_utilization=peers.MAX_UTILIZATION,
    output_share=peers.OUTPUT_SHARE,
)
equal = partial(np.testing.assert_allclose, rtol=1e-9)


def by_paper(workload, profile):
    law = exact.law_of(workload, peers.OUTPUT_SHARE, profile.prefill_chunk, peers.LONGEST)
    return lambda split, rate: exact.two_pools(
        law,
        profile,
        replace(DEMAND, arrival_rate=rate),
        split,
        peers.OVERFLOW,
        float(peers.LONGEST),
    )


def by_plain(workload, profile):
    moments = fleets.request_moments(
        workload, peers.OUTPUT_SHARE, profile.prefill_chunk, peers.LONGEST
    )
    return lambda split, rate: fleets.fleet_of(
        moments, profile, replace(DEMAND, arrival_rate=rate), split, float(peers.LONGEST)
    )


def test_points_in_numpy_equal_ours(profiles):
    axes = np.array([1024.0, 5000.0, 65536.0]), np.linspace(0.1, 1, 4), np.linspace(0.1, 1, 5)
    ours = nested(
        partial(operating_point, profiles["H100"]), ("context_window", "utilization", "mean_fill")
    )(*axes)
    equal(ours.tokens_per_joule, peers.points(profiles["H100"], *np.ix_(*axes)))


@pytest.mark.parametrize(
    ("rules", "twin"), [(by_paper, peers.paper_fleets), (by_plain, peers.plain_fleets)]
)
def test_fleets_in_numpy_equal_ours(parameters, profiles, rules, twin):
    profile, workload = jax.tree.map(float, profiles["H100"]), parameters.workloads["azure"]
    ours = jax.jit(nested(rules(workload, profile), ("split", "rate")))(SPLITS.astype(float), RATES)
    theirs = twin(profile, workload, SPLITS, RATES)
    np.testing.assert_array_equal(ours.instances, theirs["instances"])
    equal(ours.power, theirs["power"])
    equal(ours.tokens_per_joule, theirs["tokens_per_joule"])


def test_waiting_in_scipy_equals_ours():
    servers = np.array([1.0, 8.0, 100.0, 5000.0])
    equal(erlang_c(servers, 0.95 * servers), peers.erlang_c(servers, 0.95 * servers))
