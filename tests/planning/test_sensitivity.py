"""Shadow prices and break-even points, against plans chosen anew on either side of them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from tokwatt.accounts.answers import demanded
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.changes.break_even import (
    MOST_LONGER,
    break_even_intensities,
    break_even_prices,
    break_even_rates,
    break_even_shares,
    prompt_share,
    with_prompts,
)
from tokwatt.planning.changes.shadow import STEPS, shadow_prices
from tokwatt.planning.columns.configurations import Configurations, Options
from tokwatt.planning.optimum.choice import shortest
from tokwatt.planning.optimum.constrained import GAP, Budget
from tokwatt.planning.plan import plan, plan_of_columns
from tokwatt.serving.demand.requests import pairs_of

FEW = Options(
    gpu=("H100", "B200"),
    gpus=(4, 8),
    kv_precision=(None,),
    max_num_seqs=(None,),
    max_num_batched_tokens=(None,),
)


@pytest.fixture(scope="module")
def found(parameters):
    """The least dollars under a short target, few configurations."""
    demand = demanded(parameters, arrival_rate=300.0, latency_target=0.8, itl_target=0.03)
    return plan(parameters, "azure", demand, options=FEW, candidates=5, objective="dollars")


@pytest.mark.parametrize("name, field", [("itl", "itl_target"), ("ttft", "latency_target")])
def test_the_smallest_relaxation_of_a_target_saves_and_a_millisecond_less_does_not(
    found, name, field
):
    late = {
        "itl": {"itl_target": 0.02, "latency_target": 10.0},
        "ttft": {"itl_target": 1.0, "latency_target": 0.3},
    }[name]
    found = found.at(**late)
    price = shadow_prices(found)[name]
    assert np.isfinite(price.relaxation)

    def saved(more):
        cheaper = found.at(**{field: price.bound + more})
        return 1 - cheaper.partition.cost / found.partition.cost

    assert saved(price.relaxation) == pytest.approx(price.saved, rel=1e-9) and price.saved > GAP
    assert saved(price.relaxation - price.unit) <= GAP
    assert (price.one_more > 0) == (price.relaxation == price.unit)


def test_a_target_that_does_not_bind_has_no_price(found):
    loose = found.at(itl_target=100.0, latency_target=1000.0)
    for price in shadow_prices(loose).values():
        assert price.saved == price.one_more == 0 and np.isinf(price.relaxation)


def test_the_smallest_relaxation_of_an_inventory_is_found_by_counting_up(found):
    gpu = found.names[0].gpu
    of_pools = zip(found.names, found.fleet.pools, strict=True)
    free = sum(pool["gpus"].value for names, pool in of_pools if names.gpu == gpu)

    def within(count):
        own = replace(found.question, budget=Budget(inventory={gpu: int(count)}))
        return plan_of_columns(own, found.columns)

    few = within(free // 2)
    price = shadow_prices(few)[gpu]
    costs = [within(price.bound + price.relaxation - less).partition.cost for less in (0, 1)]
    saved = 1 - np.array(costs) / (few.partition.cost * (1 - few.proved.gap))
    assert saved == pytest.approx([price.saved, 0], abs=2 * GAP) and price.saved > GAP


def at_price(found, gpu, price):
    """The plan where a GPU has another rent."""
    own = found.columns.whole.configurations
    deployments = tuple(
        replace(it, gpu=replace(it.gpu, price=price)) if names.gpu == gpu else it
        for names, it in zip(own.names, own.deployments, strict=True)
    )
    columns = found.columns.configured(Configurations(own.names, deployments))
    return plan_of_columns(found.question, columns)


def test_the_smallest_relaxation_of_a_power_cap_saves_and_a_little_less_does_not(found):
    """Where H100 is nearly free it is bought until its watts are too many."""
    cheap = at_price(found, "H100", 1e-6)
    least = shortest(cheap.columns.power, cheap.columns.classes.bins).cost
    assert least < cheap.fleet.power

    def within(power):
        own = replace(cheap.question, budget=Budget(power=power))
        return plan_of_columns(own, cheap.columns)

    capped = within((least + cheap.fleet.power) / 2)
    price = shadow_prices(capped)["power_cap"]
    step = max(price.unit, price.bound / STEPS)
    costs = [within(price.bound + price.relaxation - less).partition.cost for less in (0, step)]
    saved = 1 - np.array(costs) / (capped.partition.cost * (1 - capped.proved.gap))
    assert saved == pytest.approx([price.saved, 0], abs=2 * GAP) and price.saved > GAP


@pytest.mark.parametrize("gpu", FEW.gpu)
def test_a_gpu_is_bought_below_its_break_even_price_and_not_above(found, gpu):
    price = break_even_prices(found)[gpu]
    assert price.now == pytest.approx(float(found.question.catalogue.gpus[gpu].price))
    below, above = (at_price(found, gpu, price.break_even * factor) for factor in (0.999, 1.001))
    assert gpu in {names.gpu for names in below.names}
    assert gpu not in {names.gpu for names in above.names}
    used = {names.gpu for names in found.names}
    assert (price.now <= price.break_even) == (gpu in used)


def test_of_two_gpus_one_breaks_even_where_both_fleets_cost_the_same(found):
    """Rent over rent is GPUs over GPUs of the two fleets, where either takes all of one kind."""
    one, other = FEW.gpu
    prices, columns = break_even_prices(found), found.columns
    counts = {gpu: columns.gpus_of(gpu) for gpu in FEW.gpu}
    count = {
        gpu: shortest(np.where(own > 0, own, np.inf), columns.classes.bins).cost
        for gpu, own in counts.items()
    }
    for gpu, rival in ((one, other), (other, one)):
        alone = prices[rival].now * count[rival] / count[gpu]
        assert prices[gpu].break_even >= alone * (1 - 1e-9)  # a part of a fleet may pay for more


def test_without_another_gpu_any_rent_is_paid(found):
    only = [place for place, own in enumerate(found.columns.gpu_names) if own == {"B200"}]
    columns = found.columns.only(only)
    assert np.isinf(break_even_prices(plan_of_columns(found.question, columns))["B200"].break_even)


def test_where_gpus_swap_is_where_single_pools_chosen_anew_do(found):
    stretches = break_even_rates(found)
    assert [it.high for it in stretches[:-1]] == [it.low for it in stretches[1:]]
    assert stretches[0].low == 1 and stretches[-1].high == pytest.approx(3000)

    def cheapest(rate):
        try:
            whole = found.at(arrival_rate=rate).one_pool
        except ParameterError:
            return ""
        return found.columns.names[whole.configurations[0]].gpu

    before, after = stretches[-2:]
    assert cheapest(after.low * (1 - 2e-3)) == before.gpu != cheapest(after.low) == after.gpu


@pytest.mark.parametrize("gpu", FEW.gpu)
def test_at_its_break_even_intensity_a_fleet_of_one_gpu_emits_what_the_plan_does(
    parameters, found, gpu
):
    intensity = break_even_intensities(found)[gpu]
    own = found.question
    options = replace(FEW, gpu=(gpu,))
    there = plan(parameters, "azure", own.demand, options=options, candidates=5, objective="carbon")
    here = found.fleet.power * intensity.now
    assert there.fleet.power * intensity.break_even == pytest.approx(here, rel=1e-9)
    assert there.cost_per_token == pytest.approx(
        there.fleet.joules_per_token * intensity.now, rel=1e-9
    )


def test_a_gpu_whose_fleets_miss_a_target_emits_too_much_on_every_grid(found):
    def served(target):
        power = found.columns.at(itl_target=target).power
        feasible = np.isfinite(power).any(axis=1)
        return {
            names.gpu for names, fits in zip(found.columns.names, feasible, strict=True) if fits
        }

    target = next(it for it in np.geomspace(0.012, 0.001, 40) if "H100" not in served(it))
    intensities = break_even_intensities(found.at(itl_target=target))
    assert intensities["H100"].break_even == 0 < intensities["B200"].break_even


@pytest.fixture(scope="module")
def pairs():
    """Prompts and outputs of a trace."""
    rng = np.random.default_rng(1)
    prompt, output = np.rint(np.exp(rng.normal([[6.0], [5.0]], 1.0, (2, 300)))) + 1
    return pairs_of(prompt, output, np.full(300, 1 / 300))


def test_longer_prompts_leave_as_many_tokens_and_their_ratio_to_outputs_is_a_factor(pairs):
    for factor in (0.125, 0.7, 1.0, 3.0, 8.0):
        changed = with_prompts(pairs, factor)
        assert (changed.length == pairs.length).all() and (changed.output >= 1).all()
        odds = changed.prompt_share / (1 - changed.prompt_share)
        np.testing.assert_allclose(odds, factor * pairs.prompt / pairs.output)
        whole = np.rint(changed.prompt_share * pairs.length)
        assert (changed.prompt == np.clip(whole, 1, pairs.length - 1)).all()
    assert (with_prompts(pairs, 1.0).prompt == pairs.prompt).all()


def test_where_prompt_shares_swap_gpus_traces_of_them_cost_as_much_on_either(parameters, pairs):
    """Planned anew: the one before below the swap, the other above it, and equals there."""
    demand = demanded(parameters, arrival_rate=1000.0, latency_target=2.0, itl_target=0.05)

    def planned(factor, *gpus):
        changed = with_prompts(pairs, factor)
        trace = Trace(name="trace", prompt=changed.prompt, output=changed.output)
        options = replace(FEW, gpu=gpus, precision=("fp8",))
        return plan(parameters, trace, demand, options=options, candidates=2)

    stretches = break_even_shares(planned(1.0, "B200", "B300"))
    ends = [prompt_share(with_prompts(pairs, MOST_LONGER**sign)) for sign in (-1, 1)]
    assert [stretches[0].low, stretches[-1].high] == pytest.approx(ends)
    for one, following in pairwise(stretches):
        assert one.low < one.high == following.low < following.high
    before, after = stretches[:2]

    def beyond(log_factor):
        return prompt_share(with_prompts(pairs, np.exp(log_factor))) - before.high

    swap = np.exp(brentq(beyond, -np.log(MOST_LONGER), np.log(MOST_LONGER)))
    for factor, gpu in ((swap * 0.99, before.gpu), (swap * 1.001, after.gpu)):
        assert planned(factor, "B200", "B300").names[0].gpu == gpu
    joules = [planned(swap, gpu).fleet.joules_per_token for gpu in (before.gpu, after.gpu)]
    assert joules[0] == pytest.approx(joules[1], rel=5e-3)
