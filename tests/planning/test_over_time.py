"""A day of a plan, and plans at draws of the calibration."""

from dataclasses import replace

import numpy as np
import pytest

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.params.errors import ParameterError
from tokwatt.planning.configurations import Options
from tokwatt.planning.day import POLICIES, Day, day_of
from tokwatt.planning.disaggregated import Disaggregation, disaggregated
from tokwatt.planning.draws import configuration_wins, contenders
from tokwatt.planning.plan import plan
from tokwatt.planning.verified import verified

FEW = Options(
    gpu=("H100", "B200"),
    gpus=(4, 8),
    kv_precision=(None,),
    max_num_seqs=(None, 64),
    max_num_batched_tokens=(None, 2048),
)
HOURS = 24


@pytest.fixture(scope="module")
def demand(parameters):
    return demanded(parameters, arrival_rate=300.0, latency_target=1.5, itl_target=0.05)


@pytest.fixture(scope="module")
def found(parameters, demand):
    return plan(parameters, "azure", demand, options=FEW, candidates=6)


def rested(parameters, **numbers):
    return replace(Day.of(parameters), **numbers)


def test_a_day_at_the_peak_is_the_plan_all_day(parameters, found):
    flat = day_of(found, rested(parameters, hourly_rates=np.ones(HOURS)))
    for policy in POLICIES:
        assert flat[policy].energy == pytest.approx(found.fleet.power * HOURS * 3600, rel=1e-9)
        assert flat[policy].over_peak == pytest.approx(1, rel=1e-9)


def test_stopping_takes_what_fleets_of_each_hour_do_where_starts_are_free(
    parameters, demand, found
):
    rates = np.linspace(0.2, 1.0, HOURS)
    day = rested(parameters, hourly_rates=rates, start_time=0.0)
    fleets = [
        fleet(
            parameters,
            "azure",
            replace(demand, arrival_rate=float(300 * rate)),
            found.names,
            split_lengths=found.split_lengths,
        )
        for rate in rates[::12]
    ]
    some = day_of(found, replace(day, hourly_rates=rates[::12]))["stop"]
    assert some.energy == pytest.approx(sum(it.power for it in fleets) * 3600, rel=1e-9)


def test_rest_saves_and_starts_cost(parameters, found):
    day = Day.of(parameters)
    assert len(day.hourly_rates) == HOURS and max(day.hourly_rates) == 1
    rest = day_of(found, day)
    assert rest["stop"].rent < rest["sleep"].rent == rest["on"].rent
    assert rest["sleep"].energy < rest["on"].energy
    slow = day_of(found, replace(day, start_time=2 * day.start_time, wake_time=2 * day.wake_time))
    for policy in ("sleep", "stop"):
        assert slow[policy].energy >= rest[policy].energy


def test_rates_above_the_peak_are_refused(parameters, found):
    with pytest.raises(ParameterError, match="hourly_rates: "):
        day_of(found, rested(parameters, hourly_rates=np.array([0.5, 1.5])))


class Draws:
    """Joint draws whose boards idle at other watts."""

    def __init__(self, catalogue, factors):
        self.catalogue, self.factors = catalogue, factors

    @property
    def draws(self):
        return len(self.factors)

    def drawn(self, place):
        catalogue = type(self.catalogue)(self.catalogue.folder)
        for name, board in self.catalogue.boards.items():
            idle = board.utilization.idle * self.factors[place].get(name, 1.0)
            utilization = replace(board.utilization, idle=idle)
            catalogue.boards[name] = replace(board, utilization=utilization)
        return catalogue


def test_at_the_calibration_s_own_values_the_plan_wins_without_regret(parameters, found):
    same = contenders(found, Draws(parameters, [{}, {}]))
    assert same[0].expected_regret == pytest.approx(0, abs=1e-12)
    assert max(it.wins for it in same if it.names == tuple(found.names)) == 1


def test_a_gpu_that_idles_near_its_limit_in_most_draws_is_not_named(parameters, found):
    own = {names.gpu for names in found.names}
    dear = Draws(parameters, [dict.fromkeys(own, 5.0)] * 3 + [{}])
    named = contenders(found, dear)
    assert {names.gpu for names in named[0].names} != own
    assert named[0].expected_cost <= min(it.expected_cost for it in named)
    kept = next(it for it in named if it.names == tuple(found.names))
    assert kept.expected_regret > 0 and kept.high_regret >= kept.expected_regret
    assert sum(configuration_wins(named).values()) >= 1


def test_no_draws_are_refused(parameters, found):
    with pytest.raises(ParameterError, match="draws: "):
        contenders(found, Draws(parameters, []))


def test_apart_costs_no_more_and_nothing_is_apart_where_a_cache_hardly_moves(parameters, found):
    between = Disaggregation.of(parameters)
    late = found.at(itl_quantile=0.99, itl_target=0.03)
    apart = disaggregated(late, between)
    assert apart.cost_ratio < 1 and any(pool.decode for pool in apart.pools)
    assert apart.pools[-1].window == found.windows[-1]
    slower = disaggregated(late, replace(between, transfer=between.transfer / 10))
    assert apart.cost_ratio <= slower.cost_ratio * (1 + 1e-9)
    stuck = disaggregated(late, replace(between, transfer=1.0))
    assert stuck.cost_ratio == 1 and not any(pool.decode for pool in stuck.pools)


def test_prefill_and_decode_share_the_work_of_a_request(found):
    """Prompts are prefilled once, and every output token but the first is a step of decode."""
    chunk, classes = 512.0, found.columns.classes
    whole, prefill, decode = (classes.traffic(chunk, it) for it in ("both", "prefill", "decode"))
    assert (prefill.prompts == whole.prompts).all() and (decode.prompts == 0).all()
    own = classes.requests
    chunks = own.weight @ np.ceil(own.prompt / chunk)
    everything = classes.bins - 1  # the class from the first edge to the last
    assert prefill.steps[everything] == pytest.approx(chunks / own.weight.sum())
    more = np.maximum(own.output - 1, 1)
    assert decode.steps[everything] == pytest.approx(own.weight @ more / own.weight.sum())


def test_a_verified_plan_keeps_its_targets_request_by_request(found):
    checked = verified(found)
    assert checked.holds and checked.targets == {"latency_target": 1.5, "itl_target": 0.05}
    assert all(checked.planned[name] <= target for name, target in checked.targets.items())
    assert checked.answer.simulated_first_token_p99 == checked.simulated["latency_target"]
    assert checked.plan.fleet.power >= found.fleet.power * (1 - 1e-9)
