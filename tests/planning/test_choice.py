"""Choices of partitions: brute force, the shortest path, labels and HiGHS agree."""

from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from tokwatt.planning.optimum.choice import class_place, cost_of, shortest
from tokwatt.planning.optimum.constrained import Budget, constrained

SMALL, LARGE = 300, 100


def columns_at_random(seed, bins, configurations, hole=0.2):
    """Columns of random watts and GPUs, some of which miss a target."""
    rng = np.random.default_rng(seed)
    low, high = np.triu_indices(bins + 1, 1)
    shape = configurations, len(low)
    instances = np.ceil((high - low) * rng.uniform(0.5, 3, shape))
    power = instances * rng.uniform(1, 9, (configurations, 1)) * rng.uniform(0.8, 1.2, shape)
    missed = rng.random(shape) < hole
    gpu = np.array(["A", "B"])[np.arange(configurations) % 2]
    gpus = np.where(missed, np.inf, instances * rng.integers(1, 5, (configurations, 1)))
    return SimpleNamespace(
        power=np.where(missed, np.inf, power),
        gpus=gpus,
        gpu_names=[frozenset(own) for own in gpu],
        gpus_of=lambda kind: np.where(gpu[:, None] == kind, gpus, 0.0),
        classes=SimpleNamespace(ends=(low, high), bins=bins),
    )


def every_plan(columns, most_pools):
    """Cost, watts, GPUs of A and of B of every plan: each partition with each configuration."""
    bins, configurations = columns.classes.bins, len(columns.power)
    counts = [columns.gpus_of(gpu) for gpu in "AB"]
    for pools in range(1, most_pools + 1):
        for inner in combinations(range(1, bins), pools - 1):
            edges = 0, *inner, bins
            places = [class_place(a, b, bins) for a, b in pairwise(edges)]
            for chosen in np.ndindex(*[configurations] * pools):
                yield (
                    sum(columns.power[c, at] for c, at in zip(chosen, places, strict=True)),
                    *(
                        sum(own[c, at] for c, at in zip(chosen, places, strict=True))
                        for own in counts
                    ),
                )


@pytest.mark.parametrize("seeds", np.array_split(range(SMALL), 6), ids=lambda seeds: str(seeds[0]))
def test_the_shortest_path_costs_what_brute_force_finds(seeds):
    for seed in seeds:
        columns = columns_at_random(seed, bins=4, configurations=3, hole=0.4)
        most = 1 + seed % 4
        least = min(cost for cost, *_ in every_plan(columns, most))
        found = shortest(columns.power, 4, int(most))
        assert found.cost == pytest.approx(least, rel=1e-9)
        if np.isfinite(least):
            assert cost_of(found, columns.power, 4) == pytest.approx(least, rel=1e-9)
            assert len(found.configurations) <= most


@pytest.mark.parametrize("seeds", np.array_split(range(SMALL), 6), ids=lambda seeds: str(seeds[0]))
def test_within_an_inventory_labels_cost_what_brute_force_finds(seeds):
    for seed in seeds:
        columns = columns_at_random(seed, bins=4, configurations=3)
        most = 4 + seed % 9
        within = [plan[0] for plan in every_plan(columns, 4) if plan[1] <= most and plan[2] <= most]
        least = min(within, default=np.inf)
        found = constrained(
            [columns], columns.power[None], Budget(inventory={"A": most, "B": most})
        )
        assert found.partition.cost == pytest.approx(least, rel=1e-4)
        assert found.partition.cost * (1 - found.gap) <= least * (1 + 1e-9)


def highs(columns, budget):
    """The least cost within a budget by HiGHS: columns that leave and enter edges."""
    low, high = columns.classes.ends
    configuration, at = np.nonzero(np.isfinite(columns.power))
    cost, bins = columns.power[configuration, at], columns.classes.bins
    edges = np.arange(bins + 1)[:, None]
    flow = (low[at] == edges) * 1.0 - (high[at] == edges) * 1.0
    balance = (edges[:, 0] == 0) * 1.0 - (edges[:, 0] == bins) * 1.0
    uses = {gpu: columns.gpus_of(gpu)[configuration, at] for gpu in budget.inventory}
    rows = [*uses.values(), np.ones(len(at)), columns.power[configuration, at]]
    most = [*budget.inventory.values(), budget.pools, budget.power]
    found = milp(
        cost,
        constraints=[
            LinearConstraint(flow, balance, balance),
            LinearConstraint(np.array(rows), -np.inf, most),
        ],
        integrality=np.ones(len(cost)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    return found.fun if found.x is not None else np.inf


@pytest.mark.slow
@pytest.mark.parametrize("seeds", np.array_split(range(LARGE), 5), ids=lambda seeds: str(seeds[0]))
def test_with_room_to_spare_both_cost_what_the_shortest_path_does(seeds):
    for seed in seeds:
        columns = columns_at_random(seed, bins=9, configurations=5)
        pools = 1 + int(seed) % 5
        room = Budget(power=1e9, inventory={"A": 10**6}, pools=pools)
        exact = shortest(columns.power, 9, pools)
        assert highs(columns, room) == pytest.approx(exact.cost, rel=1e-9)
        proved = constrained([columns], columns.power[None], room)
        assert proved.partition.cost == pytest.approx(exact.cost, rel=1e-9)
        assert proved.gap <= 1e-9 and proved.power_price == 0


@pytest.mark.parametrize("seed", range(20))
def test_within_tight_budgets_labels_cost_what_highs_finds(seed):
    columns = columns_at_random(seed, bins=12, configurations=10)
    rng = np.random.default_rng(seed)
    tight = Budget(
        power=float(rng.uniform(60, 140)),
        inventory={"A": int(rng.integers(5, 30)), "B": int(rng.integers(5, 30))},
        pools=int(rng.integers(2, 9)),
    )
    proved, least = constrained([columns], columns.power[None], tight), highs(columns, tight)
    assert proved.partition.cost == pytest.approx(least, rel=2e-4)
    assert proved.partition.cost * (1 - proved.gap) <= least * (1 + 1e-9)
    assert proved.gap <= 1e-3


@pytest.mark.parametrize("seed", range(20))
def test_where_labels_are_dropped_the_integer_programme_goes_on(seed, monkeypatch):
    columns = columns_at_random(seed, bins=7, configurations=5)
    tight = Budget(power=50.0, inventory={"A": 4 + seed % 9, "B": 4 + seed % 5}, pools=4)
    exact = constrained([columns], columns.power[None], tight)
    monkeypatch.setattr("tokwatt.planning.optimum.constrained.WIDTHS", (1,))
    proved = constrained([columns], columns.power[None], tight)
    assert proved.partition.cost == pytest.approx(exact.partition.cost, rel=2e-4)
    assert proved.partition.cost * (1 - proved.gap) <= exact.partition.cost * (1 + 1e-9)
    assert proved.gap <= 1e-3
    if np.isfinite(proved.partition.cost):
        own = cost_of(proved.partition, columns.power, 7)
        assert own == pytest.approx(proved.partition.cost, rel=1e-9)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_a_partition_covers_every_length_once_and_more_pools_never_cost_more(seed, bins):
    columns = columns_at_random(seed, bins, configurations=2, hole=0.0)
    found = [shortest(columns.power, bins, most) for most in range(1, bins + 1)]
    assert all(np.diff([partition.cost for partition in found]) <= 1e-9)
    for partition in found:
        assert partition.edges[0] == 0 and partition.edges[-1] == bins
        assert all(np.diff(partition.edges) > 0)


def test_a_bottleneck_is_as_late_as_its_latest_pool():
    late = np.array([[3.0, 9.0, 2.0]])  # up to 1, up to 2, from 1 to 2
    assert shortest(late, 2, None, np.maximum) == (3.0, (0, 1, 2), (0, 0))
    assert shortest(late, 2, 1, np.maximum).cost == 9.0


def test_the_price_of_a_watt_is_what_another_one_saves():
    """Two configurations of one class: 10 dollars at 4 watts or 6 at 8; a mix is linear."""
    columns = SimpleNamespace(
        power=np.array([[4.0], [8.0]]),
        gpu_names=[frozenset("A")] * 2,
        classes=SimpleNamespace(ends=(np.array([0]), np.array([1])), bins=1),
    )
    cost = np.array([[10.0], [6.0]])
    found = constrained([columns], cost[None], Budget(power=5.0))
    assert found.partition.cost == 10.0
    assert found.power_price == pytest.approx(1.0)
    assert found.gap == pytest.approx(0.0)
