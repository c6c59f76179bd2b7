"""The first tokens of a pool by the router before its instances, beside its simulation."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.specs import Demand
from tokwatt.serving.choices import Router
from tokwatt.simulation import routers
from tokwatt.simulation.arrivals import arrivals
from tokwatt.simulation.run import run_pools
from tokwatt.studies.simulated.percentiles import UNBOUND, loaded_instance

ROUTERS = get_args(Router)
EACH = 10.0
"""Requests per second of an instance, which use its chunks for 60 % of the time."""


@pytest.fixture(scope="module")
def loaded(parameters):
    return loaded_instance(parameters, DeploymentNames(llm="llama-3.1-8b", gpus=1), "azure")


@pytest.fixture(scope="module")
def pools(loaded):
    """Pools by router and number of instances, each instance as busy."""

    def pool(router, instances):
        demand = Demand(arrival_rate=EACH * instances, output_share=0.0, **UNBOUND)
        own = loaded._replace(account=loaded.account.switched(router=router))
        return own.pool(replace(demand, least_instances=instances))

    return {(router, n): pool(router, n) for router in ROUTERS for n in (1, 4)}


def test_one_instance_has_the_same_latencies_behind_every_router(pools):
    for router in ROUTERS:
        np.testing.assert_allclose(pools[router, 1], pools["random", 1], rtol=1e-9)


def test_first_tokens_come_no_later_the_more_a_router_knows(pools):
    for name in ("median_first_token", "late_first_token"):
        random, in_turn, loaded, work = (getattr(pools[it, 4], name) for it in ROUTERS)
        assert random == pytest.approx(getattr(pools["random", 1], name))
        assert random > in_turn >= work and random > loaded >= work


@pytest.mark.parametrize("router", ["random", "least_work"])
def test_first_tokens_come_when_a_simulation_says(loaded, pools, router):
    """The median and the late ones of 12000 requests, whose own error is about 5 %."""
    stream = arrivals(loaded.requests, "poisson", 4 * EACH, 12000, 1)
    chosen = routers.Router(router, [4], seed=1)
    done = run_pools([loaded.table], [loaded.limits], stream, chosen)
    first = done.finished.first_token[done.finished.settled(0.2)]
    pool = pools[router, 4]
    assert pool.median_first_token == pytest.approx(np.quantile(first, 0.5), rel=0.15)
    assert pool.late_first_token == pytest.approx(np.quantile(first, 0.99), rel=0.2)
