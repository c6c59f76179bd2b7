"""Intervals where watts of servers count: what hosts draw is known as little as it is assumed."""

import pytest

from tokwatt.accounts.answers import demanded, fleet, point
from tokwatt.accounts.deployments import DeploymentNames

HOST, FACILITY = 1030.0, 1.25
"""Of `params/`: watts beside each H100, and watts of a facility over those of its servers."""


@pytest.mark.parametrize("basis, factor", [("server", 1.0), ("facility", FACILITY)])
def test_the_interval_of_watts_is_that_of_the_boards_beside_their_hosts(parameters, basis, factor):
    """Each end by hand: eight boards at that end and eight times what stands beside one."""
    boards = point(parameters).quantities["power"]
    whole = point(parameters, changes={"basis": basis}).quantities["power"]
    for end in ("value", "low", "high"):
        by_hand = factor * (getattr(boards, end) + 8 * HOST)
        assert getattr(whole, end) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("basis", ["server", "facility"])
def test_a_token_is_as_unknown_as_its_boards_and_its_share_of_hosts(parameters, basis):
    """Joules of boards have their interval, those of hosts that of tokens in a second."""
    boards, whole = point(parameters), point(parameters, changes={"basis": basis})
    factor = FACILITY if basis == "facility" else 1.0
    ends = {"low": "high", "value": "value", "high": "low"}
    for end, opposite in ends.items():
        tokens = getattr(boards.quantities["throughput"], opposite)
        own = getattr(boards.quantities["joules_per_token"], end)
        by_hand = factor * (own + 8 * HOST / tokens)
        assert getattr(whole.quantities["joules_per_token"], end) == pytest.approx(by_hand)
        assert getattr(whole.quantities["tokens_per_joule"], opposite) == pytest.approx(1 / by_hand)


def test_a_fleet_draws_the_joules_of_its_tokens(parameters):
    """Its tokens a second are what is asked of it, so that both intervals are one."""
    demand = demanded(parameters, arrival_rate=20.0, latency_target=2.0)
    answer = fleet(parameters, "azure", demand, changes={"basis": "server"}).quantities
    for end in ("low", "value", "high"):
        joules, power = (getattr(answer[name], end) for name in ("joules_per_token", "power"))
        assert power == pytest.approx(joules * answer["throughput"].value, rel=1e-12)
    assert answer["power"].low > answer["gpus"].value * HOST * 0.8


@pytest.mark.parametrize("limit, most", [(None, 700.0), (400.0, 400.0)])
def test_no_end_of_an_interval_is_beyond_what_boards_are_let_draw(parameters, limit, most):
    names = DeploymentNames(power_limit=limit)
    own = point(parameters, names).quantities["power"]
    served = point(parameters, names, changes={"basis": "server"}).quantities["power"]
    assert own.high == pytest.approx(8 * most) and own.low < own.value <= own.high
    assert served.high == pytest.approx(8 * (most + HOST))
