"""Shadow prices and break-even points, against plans chosen anew on either side of them."""

from dataclasses import replace

import numpy as np
import pytest

from tokwatt.accounts.answers import demanded
from tokwatt.params.errors import ParameterError
from tokwatt.planning.break_even import break_even_prices, break_even_rates
from tokwatt.planning.choice import shortest
from tokwatt.planning.configurations import Configurations, Options
from tokwatt.planning.constrained import GAP, Budget
from tokwatt.planning.plan import plan, plan_of_columns
from tokwatt.planning.shadow import STEPS, shadow_prices

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
    free = sum(pool["gpus"].value for pool in found.fleet.pools)
    gpu = found.names[0].gpu

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
