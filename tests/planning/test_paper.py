"""The paper's fleets as a special case of the planner, and what its own rules would have bought."""

import pytest

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.errors import ParameterError
from tokwatt.planning.paper import bought, paper_pools

H100, B200 = DeploymentNames(profile="H100"), DeploymentNames(profile="B200")
SPLITS = {"azure": 4096.0, "lmsys": 1536.0}
TABLE_3 = {
    ("azure", H100): {"homogeneous": (141, 5.58), "pool": (68, 9.16), "fleetopt": (40, 14.08)},
    ("azure", B200): {"homogeneous": (47, 9.74), "pool": (25, 15.39), "fleetopt": (17, 23.71)},
    ("lmsys", H100): {"homogeneous": (69, 4.77), "pool": (38, 7.91), "fleetopt": (29, 10.30)},
    ("lmsys", B200): {"homogeneous": (24, 7.98), "pool": (16, 11.12), "fleetopt": (12, 14.82)},
}
"""arXiv:2603.17280, Table 3 as it prints instances and tok/W."""
D21 = {
    ("lmsys", H100, 1536.0): {2.0: 9.55, 4.0: 12.6, 16.0: 20.1},
    ("azure", H100, 256.0): {32.0: 180.0},
    ("azure", B200, 256.0): {32.0: 126.0},
}
"""An audit of the paper's program with its sums in place of its samples, to three digits."""


@pytest.fixture(scope="module")
def demand(parameters):
    return demanded(parameters)


def named(fleet):
    if not fleet.split_length:
        return "homogeneous"
    return "pool" if fleet.overflow_factor == 1 else "fleetopt"


@pytest.mark.parametrize("workload, names", TABLE_3, ids=lambda it: str(getattr(it, "profile", it)))
def test_the_planner_returns_the_paper_s_fleets(parameters, demand, workload, names):
    """Its account, its GPUs, no split or its own, its factor or none: Table 3, FleetOpt first."""
    pools = paper_pools(parameters, workload, demand, [SPLITS[workload]], [1.0, 2.0])
    fleets = bought(parameters, pools, demand, [names])
    table = {named(fleet): fleet for fleet in fleets}
    for topology, (instances, tokens) in TABLE_3[workload, names].items():
        assert table[topology].instances == instances
        assert round(table[topology].tokens_per_joule, 2) == tokens
    assert named(fleets[0]) == "fleetopt"


@pytest.mark.parametrize("workload, names", TABLE_3, ids=lambda it: str(getattr(it, "profile", it)))
def test_the_papers_account_answers_with_table_3(parameters, demand, workload, names):
    for topology, splits in {"homogeneous": (), "pool": (SPLITS[workload],)}.items():
        found = fleet(parameters, workload, demand, names, split_lengths=splits, account="paper")
        instances, tokens = TABLE_3[workload, names][topology]
        assert found.instances == instances
        assert round(found.tokens_per_joule, 2) == tokens


def test_the_papers_draws_are_of_one_split(parameters, demand):
    with pytest.raises(ParameterError, match=r"^split_lengths: are 2 beside lengths=sampled"):
        fleet(parameters, "azure", demand, H100, split_lengths=(2048, 8192), account="paper")
    exact = {"lengths": "exact"}
    splits = (2048, 8192)
    fleet(parameters, "azure", demand, H100, split_lengths=splits, account="paper", changes=exact)


@pytest.mark.parametrize(
    "workload, names, split", D21, ids=lambda it: str(getattr(it, "profile", it))
)
def test_the_overflow_factor_of_the_paper_s_rules_has_no_optimum(
    parameters, demand, workload, names, split
):
    exact = {"lengths": "exact"}
    pools = paper_pools(parameters, workload, demand, [split], [2.0, 4.0, 16.0, 32.0], exact)
    own = bought(parameters, pools, demand, [names], exact)
    tokens = {it.overflow_factor: it.tokens_per_joule for it in own if it.split_length}
    for factor, wanted in D21[workload, names, split].items():
        assert tokens[factor] == pytest.approx(wanted, rel=5e-3)
    rising = [tokens[factor] for factor in sorted(tokens)]
    assert rising == sorted(rising)


def test_a_gpu_for_each_pool_takes_no_more_watts_than_one_for_both(parameters, demand):
    """And fewer where the long pool is small: Azure's takes H100, the short one B200."""
    pools = paper_pools(parameters, "azure", demand, [4096.0], [2.0], {"lengths": "exact"})
    either, one, other = (
        next(it for it in bought(parameters, pools, demand, names) if it.split_length)
        for names in ([H100, B200], [H100], [B200])
    )
    assert either.power <= min(one.power, other.power)
    assert either.names == (B200, H100)
