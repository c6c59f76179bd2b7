"""What the benchmark compares with computes the same as the program does."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from benchmarks import consistent, optimizer, peers
from benchmarks.workers import PLAIN_RULES
from tokwatt.accounts.answers import fleet
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.equations.erlang import erlang_c
from tokwatt.grid import nested
from tokwatt.params.specs import Demand
from tokwatt.serving.demand.running_sums import law_table
from tokwatt.serving.pools.fleet import split_fleet
from tokwatt.serving.steps.times import instance_of
from tokwatt.studies import models
from tokwatt.studies.replay import exact

SPLITS, RATES = np.array([150, 1000, 4096]), np.geomspace(10, 10000, 5)
DEMAND = Demand(
    arrival_rate=0.0,
    latency_target=peers.TARGET,
    max_utilization=peers.MAX_UTILIZATION,
    output_share=peers.OUTPUT_SHARE,
)
equal = partial(np.testing.assert_allclose, rtol=1e-9)


def by_paper(account, deployment, workload):
    chunk = deployment.prefill_chunk(False)
    law = exact.law_of(workload, peers.OUTPUT_SHARE, chunk, peers.LONGEST)
    instance = instance_of(account, deployment)
    return lambda split, rate: exact.two_pools(
        account,
        instance,
        law,
        replace(DEMAND, arrival_rate=rate),
        split,
        peers.OVERFLOW,
        float(peers.LONGEST),
    )


def by_plain(account, deployment, workload):
    chunk = deployment.prefill_chunk(False)
    table = law_table(account.assumed, workload, peers.OUTPUT_SHARE, chunk, peers.LONGEST)
    instance = instance_of(account, deployment)
    return lambda split, rate: split_fleet(
        account,
        instance,
        table,
        replace(DEMAND, arrival_rate=rate),
        split,
        float(peers.LONGEST),
    )


def test_points_in_numpy_equal_ours(parameters, profiles):
    axes = np.array([1024.0, 5000.0, 65536.0]), np.linspace(0.1, 1, 4), np.linspace(0.1, 1, 5)
    account = AssumptionSets(parameters).account("paper")
    ours = nested(
        partial(models.profiles, parameters, account, profiles["H100"]),
        ("context_window", "utilization", "mean_fill"),
    )(*axes)
    equal(ours.tokens_per_joule, peers.points(profiles["H100"], *np.ix_(*axes)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "changes", "twin"),
    [
        (by_paper, {"lengths": "exact"}, peers.paper_fleets),
        (by_plain, PLAIN_RULES, peers.plain_fleets),
    ],
)
def test_fleets_in_numpy_equal_ours(parameters, profiles, rules, changes, twin):
    account = AssumptionSets(parameters).account("paper", changes)
    profile, workload = jax.tree.map(float, profiles["H100"]), parameters.workloads["azure"]
    two_pools = rules(account, parameters.profiled(profile), workload)
    ours = jax.jit(nested(two_pools, ("split", "rate")))(SPLITS.astype(float), RATES)
    theirs = twin(profile, workload, SPLITS, RATES)
    np.testing.assert_array_equal(ours.instances, theirs["instances"])
    equal(ours.power, theirs["power"])
    equal(ours.tokens_per_joule, theirs["tokens_per_joule"])


def test_waiting_in_scipy_equals_ours():
    servers = np.array([1.0, 8.0, 100.0, 5000.0])
    equal(erlang_c(servers, 0.95 * servers), peers.erlang_c(servers, 0.95 * servers))


@pytest.mark.parametrize("llm", consistent.LLMS.values())
def test_the_twin_of_the_consistent_account_has_its_points(llm):
    windows, shares = np.array([1024.0, 9000.0, 131072.0]), np.array([0.01, 0.3, 1.0])
    fixed = consistent.deployed(llm) | {
        "mean_fill": consistent.FILL,
        "prompt_ratio": consistent.PROMPT_RATIO,
    }
    axes = {"context_window": windows, "utilization": shares}
    streamed = consistent.sweep("instances", axes, fixed, {"tokens_per_joule": "tok/J"})
    [region] = streamed.blocks
    ours = streamed.evaluate(region)["tokens_per_joule"]
    twin = consistent.tokens_per_joule(
        consistent.instance_with(llm), windows[:, None], shares[None]
    )
    equal(ours, twin)


@pytest.mark.slow
def test_pools_by_fleet_sim_s_rules_without_overflow_are_those_of_a_fleet(parameters):
    sizes = optimizer.fleet_sim_rules(parameters.workloads["azure"]).T.tolist()
    ours = dict(zip(optimizer.FLEETS, sizes, strict=True))
    for split in optimizer.SPLITS:
        whole = fleet(
            parameters,
            "azure",
            optimizer.DEMAND,
            optimizer.PROFILE,
            split_lengths=[float(split)],
            account="paper",
            changes=optimizer.RULES,
        )
        assert ours[split, 1.0] == [pool["instances"].value for pool in whole.pools]
