"""A day of a plan, and plans at draws of the calibration."""

from dataclasses import replace

import numpy as np
import pytest

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.params.errors import ParameterError
from tokwatt.planning.changes.day import POLICIES, Day, day_of
from tokwatt.planning.changes.decisions import OTHER_GPU, decisions
from tokwatt.planning.changes.draws import contest
from tokwatt.planning.changes.levers import is_plain, lever_waterfall, plain_names
from tokwatt.planning.changes.verified import verified
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.lines import verified_line
from tokwatt.planning.optimum.choice import class_place
from tokwatt.planning.optimum.constrained import GAP, Budget
from tokwatt.planning.plan import plan, plan_of_columns

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
    two = {name: getattr(day, name)[::12] for name in ("hourly_price", "hourly_intensity")}
    some = day_of(found, replace(day, hourly_rates=rates[::12], **two))["stop"]
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


def test_energy_costs_and_emits_what_its_hour_does(parameters, found):
    """The same at every hour, then only at the hour of the peak; 0.08 USD and 0.4 kg a kWh."""
    joule = 1 / 3.6e6
    flat = rested(parameters, hourly_price=np.full(HOURS, 2.0), hourly_intensity=np.ones(HOURS))
    for rest in day_of(found, flat).values():
        assert rest.electricity == pytest.approx(2 * 0.08 * joule * rest.energy, rel=1e-12)
        assert rest.carbon == pytest.approx(0.4 * joule * rest.energy, rel=1e-12)
    peak = int(np.argmax(flat.hourly_rates))
    dear = day_of(found, replace(flat, hourly_price=np.eye(HOURS)[peak]))
    assert dear["on"].electricity == pytest.approx(0.08 * found.fleet.power / 1e3, rel=1e-9)


def test_a_day_costs_and_emits_by_the_energy_of_its_plan(parameters, found):
    """Of twice the price and a quarter of the intensity, whatever the hours are."""
    energy = found.columns.energy
    other = replace(
        energy,
        electricity_price=2 * energy.electricity_price,
        grid_intensity=energy.grid_intensity / 4,
    )
    moved = replace(found, columns=replace(found.columns, energy=other))
    day = Day.of(parameters)
    for policy, rest in day_of(moved, day).items():
        here = day_of(found, day)[policy]
        assert rest.electricity == pytest.approx(2 * here.electricity, rel=1e-12)
        assert rest.carbon == pytest.approx(here.carbon / 4, rel=1e-12)


def test_a_day_has_a_price_for_each_hour(parameters, found):
    with pytest.raises(ParameterError, match="hourly_price: has 3 numbers, wanted 24"):
        day_of(found, rested(parameters, hourly_price=np.ones(3)))


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
    same = contest(found, Draws(parameters, [{}, {}]))
    assert same.named is found and same.own.wins == 1
    assert same.own.expected_regret == pytest.approx(0, abs=1e-12)


def test_without_noise_a_lever_gains_what_it_is_worth_and_is_not_regretted(parameters, found):
    decided = decisions(contest(found, Draws(parameters, [{}, {}])))
    worth = {step.lever: step.alone for step in lever_waterfall(found)[1:]}
    assert {lever for lever in worth if lever in decided} == {
        lever for lever, ratio in worth.items() if ratio > 1 + GAP
    }
    for lever, it in decided.items():
        assert it.high_regret == 0 and not it.undecided
        assert it.gain == pytest.approx(worth.get(lever, 1 + it.gain) - 1, rel=1e-9)


def test_a_gpu_that_idles_near_its_limit_in_most_draws_is_not_named(parameters, found):
    own = {names.gpu for names in found.names}
    dear = contest(found, Draws(parameters, [dict.fromkeys(own, 5.0)] * 3 + [{}]))
    assert {names.gpu for names in dear.named.names} != own
    best, kept = dear.contenders[0], dear.own
    assert best.names == tuple(dear.named.names) and best.longest == tuple(dear.named.longest)
    assert best.expected_cost <= min(it.expected_cost for it in dear.contenders)
    assert kept.expected_regret > 0 and kept.high_regret >= kept.expected_regret
    wins = dear.configuration_wins
    assert max(wins.values()) <= 1 <= sum(wins.values())
    # At the calibration's own values it costs more, by what the plan says.
    assert dear.named.fleet.joules_per_token == pytest.approx(dear.named.cost_per_token, rel=1e-9)
    share = 1 - found.partition.cost / dear.named.partition.cost
    assert dear.named.proved.gap == pytest.approx(share) and share > 0


def test_the_plan_that_is_named_has_the_least_expected_cost_of_all(parameters, found):
    """Brute force over every plan of at most two pools of what competes."""
    some = contest(found, Draws(parameters, [{"B200": 3.0}, {"H100": 2.0}, {}]))
    mean, bins = np.mean(some.costs, axis=0).min(axis=0), some.columns.classes.bins
    parts = [mean[0 * bins + bins - 1]]
    parts += [
        mean[class_place(0, at, bins)] + mean[class_place(at, bins, bins)] for at in range(1, bins)
    ]
    named = some.contenders[0]
    assert named.missed == 0
    assert named.expected_cost * some.columns.generated <= min(parts) * (1 + 1e-12)
    if len(named.names) <= 2:
        assert named.expected_cost * some.columns.generated == pytest.approx(min(parts), rel=1e-9)


def test_a_lever_without_which_targets_are_missed_at_draws_is_decided(parameters, found):
    """Its rival is the best at the calibration's own values, where it keeps them."""
    drawn = contest(found, Draws(parameters, [{}, {}, {}]))
    plain = is_plain(drawn.columns.names, plain_names(found), ["precision"])
    for cost in drawn.costs[:2]:
        cost[plain] = np.inf
    decision = decisions(drawn)["precision"]
    assert decision.gain == np.inf and decision.high_regret == 0 and not decision.undecided
    assert decision.rival.missed == pytest.approx(2 / 3)


def test_a_choice_that_half_of_the_draws_regret_is_undecided(parameters, found):
    """Whichever GPU is dear, the other one is bought: neither gains what it may cost."""
    tossed = contest(found, Draws(parameters, [{"B200": 5.0}, {"H100": 5.0}] * 2))
    choice = decisions(tossed)[OTHER_GPU]
    assert choice.undecided and choice.high_regret > 0
    used = {names.gpu for names in tossed.named.names}
    assert used.isdisjoint(names.gpu for names in choice.rival.names)


def test_a_plan_that_breaks_a_budget_at_a_draw_misses_it(parameters, found):
    """A cap on power just above what the plan takes is broken where it takes more boards."""
    capped = replace(found.question, budget=Budget(power=found.fleet.power * 1.001))
    own = plan_of_columns(capped, found.columns)
    drawn = contest(own, Draws(parameters, [{}, {"B200": 5.0, "H100": 5.0}]))
    assert drawn.own.missed == 0.5


def test_no_draws_are_refused(parameters, found):
    with pytest.raises(ParameterError, match="draws: "):
        contest(found, Draws(parameters, []))


def test_a_verified_plan_keeps_its_targets_request_by_request(found):
    checked = verified(found)
    assert checked.holds and checked.targets == {"latency_target": 1.5, "itl_target": 0.05}
    assert all(checked.planned[name] <= target for name, target in checked.targets.items())
    assert checked.answers[0].simulated_first_token_p99 == checked.simulated["latency_target"]
    assert checked.plan.fleet.power >= found.fleet.power * (1 - 1e-9)


def test_a_verified_plan_keeps_a_target_on_the_median_first_token(found):
    checked = verified(found.at(ttft_quantile=0.5))
    assert checked.holds
    assert checked.answers[0].simulated_first_token == checked.simulated["latency_target"]
    assert "first token 0." in verified_line(checked) and "p99" not in verified_line(checked)
