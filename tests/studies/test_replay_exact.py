"""The paper's fleets by exact sums: the program with its draws replaced by whole lengths."""

import jax
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference import paper_profiles as profiles
from reference import paper_program as program

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.params.specs import Demand
from tokwatt.serving.pools.fleet import fleet_of
from tokwatt.serving.pools.pool import size_pool
from tokwatt.serving.steps.times import instance_of
from tokwatt.studies.replay import exact

two_pools = jax.jit(exact.two_pools)
PAPER = {
    "arrival_rate": 1000.0,
    "latency_target": 0.5,
    "max_utilization": 0.85,
    "output_share": 0.2,
}
SHORT = {"azure": 4096.0, "lmsys": 1536.0}
NAMES = {"Azure": "azure", "LMSYS": "lmsys"}


@jax.jit
def one_pool(account, instance, law, demand, window):
    """Every request in one pool, by the sums that two pools are made of."""
    sums = exact._clipped(law, -1, window)
    traffic = exact._traffic(1.0, demand, sums, law.middles[-1])
    return fleet_of([size_pool(account, instance, traffic, window, demand)], instance.gpus, 0.0)


@pytest.fixture(scope="module")
def laws(parameters):
    build = jax.jit(exact.law_of, static_argnums=3)
    chunks = {name: float(parameters.profiles[name].prefill_chunk) for name in ("H100", "B200")}
    return {
        (name, gpu): build(law, 0.2, chunk, 65536)
        for name, law in parameters.workloads.items()
        for gpu, chunk in chunks.items()
    }


@pytest.fixture(scope="module")
def account(parameters):
    return AssumptionSets(parameters).account("paper", {"lengths": "exact"})


@pytest.fixture(scope="module")
def instances(parameters, account):
    return {
        gpu: instance_of(account, parameters.profiled(parameters.profiles[gpu]))
        for gpu in ("H100", "B200")
    }


@pytest.mark.parametrize("gpu", ["H100", "B200"])
@pytest.mark.parametrize("trace", NAMES)
@pytest.mark.parametrize(("topology", "factor"), [("Homo", None), ("Pool", 1.0), ("FleetOpt", 2.0)])
def test_the_twelve_fleets_of_table_3_have_their_exact_references(
    gpu, trace, topology, factor, laws, account, instances, exact_references
):
    inputs = account, instances[gpu], laws[NAMES[trace], gpu], Demand(**PAPER)
    if factor is None:
        fleet = one_pool(*inputs, 65536.0)
    else:
        fleet = two_pools(*inputs, SHORT[NAMES[trace]], factor, 65536.0)
    reference = exact_references[f"{trace}/{topology}/{gpu}"]["exact"]
    assert fleet.instances == reference["gpus"]
    assert fleet.tokens_per_joule == pytest.approx(reference["tpw"], rel=1e-12)
    assert fleet.power == pytest.approx(1e3 * reference["kW"], rel=1e-12)


@settings(max_examples=60)
@example(  # nobody in the short pool
    name="agent_heavy", gpu="H100", short=64, factor=1.0, long=16384, rate=0.1, target=0.001
)
@given(
    name=st.sampled_from(["azure", "lmsys", "agent_heavy"]),
    gpu=st.sampled_from(["H100", "B200"]),
    short=st.integers(64, 16384),
    factor=st.sampled_from([1.0, 1.3, 2.0, 3.7]),
    long=st.sampled_from([16384, 20000, 65536]),
    rate=st.floats(0.1, 1e4),
    target=st.floats(1e-3, 10),
)
def test_any_other_fleet_is_that_of_the_program_with_lengths_summed(
    name, gpu, short, factor, long, rate, target, laws, account, instances, knots
):
    slow = program.totals(
        program.fleet(
            knots[name],
            profiles.MANUAL[gpu],
            program.Demand(rate, target),
            long,
            short,
            factor,
            program.summed,
        )
    )
    assume(slow["instances"] <= 5000)  # beyond, the program may give up its search
    demand = Demand(**PAPER | {"arrival_rate": rate, "latency_target": target})
    law = laws[name, gpu]
    fast = two_pools(account, instances[gpu], law, demand, float(short), factor, float(long))
    assert fast.instances == slow["instances"]
    # The program holds a pool's share between 1e-6 and 1 - 1e-6, the sums do not.
    assert float(fast.tokens_per_joule) == pytest.approx(slow["tokens_per_joule"], rel=2e-6)
    assert float(fast.throughput) == pytest.approx(slow["credited"], rel=2e-6)
