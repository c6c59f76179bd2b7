import jax
import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import (
    arrival_rates,
    concurrencies,
    latency_targets,
    server_counts,
    service_rates,
    utilization_bounds,
    utilizations,
    variabilities,
)

from tokwatt.equations.erlang import erlang_b, erlang_c
from tokwatt.equations.queueing import instances_required, wait_quantile

wait_of, required = jax.jit(wait_quantile), jax.jit(instances_required)


TOLERANCE = 1e-10
"""The relative error that `erlang_b` states."""


def erlang_b_by_recursion(servers, load):
    inverse = 1.0
    for k in range(1, int(servers) + 1):
        inverse = 1 + k / load * inverse
    return 1 / inverse


def erlang_c_in_fifty_digits(servers, load):
    with mpmath.workdps(50):
        servers, load = mpmath.mpf(servers), mpmath.mpf(load)
        arrived = mpmath.exp(servers * mpmath.log(load) - load - mpmath.loggamma(servers + 1))
        blocked = arrived / mpmath.gammainc(servers + 1, load, regularized=True)
        return float(blocked / (1 - load / servers * (1 - blocked)))


@given(server_counts, utilizations)
def test_erlang_b_agrees_with_its_recursion(servers, utilization):
    load = utilization * servers
    reference = erlang_b_by_recursion(servers, load)
    assert erlang_b(servers, load) == pytest.approx(reference, rel=TOLERANCE, abs=1e-300)


@pytest.mark.parametrize("utilization", [0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("servers", [1.0, 2.0, 11.0, 12.0, 13.0, 30.0, 1e2, 1e3, 1e4, 1e5, 1e6])
def test_erlang_c_agrees_with_fifty_digits_up_to_a_million_servers(servers, utilization):
    reference = erlang_c_in_fifty_digits(servers, utilization * servers)
    assert erlang_c(servers, utilization * servers) == pytest.approx(
        reference, rel=TOLERANCE, abs=1e-300
    )


@pytest.mark.parametrize("spare", [0.0, 0.5, 2.0, 5.0])
def test_erlang_b_agrees_with_an_integral_at_ten_million_servers(spare):
    """1/B is the integral of exp(-t) (1 + t/a)^c, whose integrand is a bell some root of c wide."""
    servers = 1e7
    load = servers - spare * np.sqrt(servers)
    with mpmath.workdps(40):
        width = mpmath.sqrt(servers)
        integral = mpmath.quad(
            lambda t: mpmath.exp(servers * mpmath.log1p(t / load) - t),
            mpmath.linspace(0, (spare + 30) * width, 30),
        )
        assert float(erlang_b(servers, load)) * float(integral) == pytest.approx(1, rel=TOLERANCE)


@given(server_counts, utilizations)
def test_the_erlang_formulas_are_probabilities_and_waiting_is_likelier_than_blocking(
    servers, utilization
):
    blocked, delayed = (float(law(servers, utilization * servers)) for law in (erlang_b, erlang_c))
    assert 0 <= blocked <= delayed <= 1


@given(server_counts, utilizations, utilizations)
def test_waiting_grows_with_the_load_and_shrinks_with_servers(servers, one, other):
    low, high = sorted((one * servers, other * servers))
    assert erlang_c(servers, low) <= erlang_c(servers, high) * (1 + 2 * TOLERANCE)
    assert erlang_c(servers + 1, low) <= erlang_c(servers, low) * (1 + 2 * TOLERANCE)


@given(utilizations)
def test_one_server_makes_an_arrival_wait_as_often_as_it_is_busy(utilization):
    assert erlang_c(1.0, utilization) == pytest.approx(utilization, rel=1e-14)


@given(utilizations, service_rates)
def test_one_server_with_exponential_service_waits_by_the_closed_form(utilization, service_rate):
    rate = utilization * service_rate
    closed = max(0.0, float(np.log(utilization / 0.01)) / (service_rate - rate))
    assert wait_of(1.0, rate, service_rate, 1.0) == pytest.approx(closed, rel=1e-10)
    assert wait_of(1.0, rate, service_rate, 0.0) == pytest.approx(closed / 2, rel=1e-10)


@pytest.mark.parametrize("load", [10.0, 10.1, 1e9])
def test_without_stability_every_arrival_waits_and_waits_for_ever(load):
    assert erlang_c(10.0, load) == pytest.approx(1, rel=1e-14)
    assert wait_quantile(10.0, load, 1.0, 1.0) == np.inf


@given(server_counts, utilizations, variabilities)
def test_nobody_counts_as_waiting_where_less_than_one_percent_do(servers, utilization, scv):
    assume(erlang_c(servers, utilization * servers) < 0.01)
    assert wait_of(servers, utilization * servers, 1.0, scv) == 0


def test_without_arrivals_nobody_waits_and_one_instance_suffices():
    for servers in (1.0, 10.0, 12.0, 12.5, 1e6):
        assert erlang_b(servers, 0.0) == erlang_c(servers, 0.0) == 0
        assert wait_quantile(servers, 0.0, 1.0, 1.0) == 0
    assert required(0.0, 1.0, 1.0, 16.0, 0.5, 0.85) == 1


@given(server_counts, st.floats(-300, 0))
def test_small_loads_keep_their_digits(servers, exponent):
    load = 10.0**exponent * min(servers, 1.0)
    reference = erlang_c_in_fifty_digits(servers, load)
    found = float(erlang_c(servers, load))
    assert found == pytest.approx(reference, rel=1e-10, abs=1e-300)
    assert wait_quantile(servers, load, 1.0, 1.0) >= 0


@given(
    arrival_rates,
    service_rates,
    variabilities,
    concurrencies,
    latency_targets,
    utilization_bounds,
    st.sampled_from([0.5, 0.99]),
)
def test_the_instances_required_meet_both_bounds_and_one_fewer_does_not(
    rate, service, scv, slots, target, bound, probability
):
    def meets(instances, slack):
        # Slack, as a bound that holds exactly is met or missed by the rounding.
        wait = wait_of(instances * slots, rate, service / slots, scv, probability)
        late = wait > target * (1 + slack) + max(0.0, slack)
        return instances >= 1 and rate / (instances * service) <= bound * (1 + slack) and not late

    instances = float(required(rate, service, scv, slots, target, bound, 1.0, probability))
    assert instances == int(instances)
    assert meets(instances, 1e-9)
    assert not meets(instances - 1, -1e-9)


def test_no_number_of_instances_meets_a_negative_target():
    assert required(10.0, 1.0, 1.0, 16.0, -1.0, 0.85) == np.inf
    assert required(288.0, 500.0, 1.0, 41330.0, -0.46, 0.85) == np.inf  # whose wait overflows


def test_a_tight_target_asks_for_more_than_the_utilization_does():
    assert required(8.0, 1.0, 1.0, 1.0, 60.0, 0.85) == 10
    assert required(8.0, 1.0, 1.0, 1.0, 0.0, 0.85) == 16
    assert erlang_c(16.0, 8.0) < 0.01 < erlang_c(15.0, 8.0)


@pytest.mark.parametrize("law", [erlang_b, erlang_c])
def test_the_erlang_formulas_map_over_pools_and_differentiate_in_the_load(law):
    servers, loads = np.array([4.0, 64.0, 1024.0]), np.array([3.0, 60.0, 1000.0])
    mapped = jax.vmap(law)(servers, loads)
    np.testing.assert_allclose(
        mapped, [law(c, a) for c, a in zip(servers, loads, strict=True)], rtol=1e-12
    )
    slopes = jax.vmap(jax.grad(law, 1))(servers, loads)
    differences = (
        jax.vmap(law)(servers, loads * 1.00001) - jax.vmap(law)(servers, loads * 0.99999)
    ) / (2e-5 * loads)
    np.testing.assert_allclose(slopes, differences, rtol=1e-6)


@pytest.mark.parametrize("load", [9.9, 11.0])
def test_the_gradient_of_the_wait_is_never_nan(load):
    assert not np.isnan(jax.grad(wait_quantile, 1)(10.0, load, 1.0, 1.0))
