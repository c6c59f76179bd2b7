"""What the benchmark compares with computes the same as the program does."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from benchmarks import peers
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.commands.deployments import PLAIN
from tokwatt.equations.queueing import erlang_c
from tokwatt.grid import nested
from tokwatt.params.specs import Demand
from tokwatt.serving.fleet import split_fleet
from tokwatt.serving.step import operating_point
from tokwatt.serving.times import instance_of
from tokwatt.serving.traffic import law_table
from tokwatt.studies.replay import exact

SPLITS, RATES = np.array([150, 1000, 4096]), np.geomspace(10, 10000, 5)
DEMAND = Demand(
    arrival_rate=0.0,
    latency_target=peers.TARGET,
    max_utilization=peers.MAX_UTILIZATION,
    output_share=peers.OUTPUT_SHARE,
)
equal = partial(np.testing.assert_allclose, rtol=1e-9)


def by_paper(parameters, workload, profile):
    account = AssumptionSets(parameters).account("paper", {"lengths": "exact"})
    instance = instance_of(account, parameters.profiled(profile))
    law = exact.law_of(workload, peers.OUTPUT_SHARE, profile.prefill_chunk, peers.LONGEST)
    return lambda split, rate: exact.two_pools(
        account,
        instance,
        law,
        replace(DEMAND, arrival_rate=rate),
        split,
        peers.OVERFLOW,
        float(peers.LONGEST),
    )


def by_plain(parameters, workload, profile):
    account = AssumptionSets(parameters).account("paper", PLAIN)
    instance = instance_of(account, parameters.profiled(profile))
    table = law_table(workload, peers.OUTPUT_SHARE, profile.prefill_chunk, peers.LONGEST)
    window = float(peers.LONGEST)
    return lambda split, rate: split_fleet(
        account, instance, table, replace(DEMAND, arrival_rate=rate), split, window
    )


def test_points_in_numpy_equal_ours(parameters):
    axes = np.array([1024.0, 5000.0, 65536.0]), np.linspace(0.1, 1, 4), np.linspace(0.1, 1, 5)
    account, profile = AssumptionSets(parameters).account("paper"), parameters.profiles["H100"]
    point = partial(operating_point, account, parameters.profiled(profile), prompt_ratio=0.0)
    ours = nested(point, ("context_window", "utilization", "mean_fill"))(*axes)
    equal(ours.tokens_per_joule, peers.points(profile, *np.ix_(*axes)))


@pytest.mark.parametrize(
    ("rules", "twin"), [(by_paper, peers.paper_fleets), (by_plain, peers.plain_fleets)]
)
def test_fleets_in_numpy_equal_ours(parameters, profiles, rules, twin):
    profile, workload = profiles["H100"], parameters.workloads["azure"]
    sized = nested(rules(parameters, workload, profile), ("split", "rate"))
    ours = jax.jit(sized)(SPLITS.astype(float), RATES)
    theirs = twin(profile, workload, SPLITS, RATES)
    np.testing.assert_array_equal(ours.instances, theirs["instances"])
    equal(ours.power, theirs["power"])
    equal(ours.tokens_per_joule, theirs["tokens_per_joule"])


def test_waiting_in_scipy_equals_ours():
    servers = np.array([1.0, 8.0, 100.0, 5000.0])
    equal(erlang_c(servers, 0.95 * servers), peers.erlang_c(servers, 0.95 * servers))
