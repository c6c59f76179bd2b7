"""Plans for the worst of several traces: brute force, labels and HiGHS agree."""

from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from tokwatt.planning.optimum.best import least_worst
from tokwatt.planning.optimum.choice import class_place, cost_of
from tokwatt.planning.optimum.constrained import Budget

BINS, CONFIGURATIONS = 4, 3


def traces_at_random(seed, traces, bins=BINS, configurations=CONFIGURATIONS):
    """The same columns for each trace: equal GPUs, other watts, some of which miss a target."""
    rng = np.random.default_rng(seed)
    low, high = np.triu_indices(bins + 1, 1)
    shape = configurations, len(low)
    missed = rng.random(shape) < 0.2
    instances = np.ceil((high - low) * rng.uniform(0.5, 3, shape))
    gpus = np.where(missed, np.inf, instances * rng.integers(1, 5, (configurations, 1)))
    power = instances * rng.uniform(1, 9, (traces, *shape))
    gpu = np.array(["A", "B"])[np.arange(configurations) % 2]
    return [
        SimpleNamespace(
            power=np.where(missed, np.inf, own),
            gpu_names=[frozenset(kind) for kind in gpu],
            gpus_of=lambda kind: np.where(gpu[:, None] == kind, gpus, 0.0),
            classes=SimpleNamespace(ends=(low, high), bins=bins),
        )
        for own in power
    ]


def every_plan(each, most_pools):
    """Watts under each trace, and GPUs of A, of every plan."""
    bins, shape = each[0].classes.bins, len(each[0].power)
    for pools in range(1, most_pools + 1):
        for inner in combinations(range(1, bins), pools - 1):
            places = [class_place(*own, bins) for own in pairwise((0, *inner, bins))]
            for chosen in np.ndindex(*[shape] * pools):
                watts = [own.power[chosen, places].sum() for own in each]
                yield np.array(watts), each[0].gpus_of("A")[chosen, places].sum()


@pytest.mark.parametrize("seed", range(150))
def test_the_least_cost_in_the_worst_trace_is_what_brute_force_finds(seed):
    rng = np.random.default_rng(seed)
    each, weight = traces_at_random(seed, 1 + seed % 4), rng.uniform(0.5, 2, 1 + seed % 4)
    budget = Budget(
        power=float(rng.uniform(20, 120)) if seed % 3 == 0 else None,
        inventory={"A": int(rng.integers(2, 12))} if seed % 5 == 0 else None,
        pools=1 + seed % 3 if seed % 2 else None,
    )
    least = min(
        (
            (weight * watts).max()
            for watts, gpus in every_plan(each, budget.pools or BINS)
            if watts.max() <= (budget.power or np.inf)
            and gpus <= (budget.inventory or {}).get("A", np.inf)
        ),
        default=np.inf,
    )
    costs = np.array([own.power * by for own, by in zip(each, weight, strict=True)])
    found = least_worst(each, costs, budget)
    assert found.partition.cost == pytest.approx(least, rel=1e-9)
    assert found.gap <= 1e-9
    if np.isfinite(least):
        worst = max(cost_of(found.partition, cost, BINS) for cost in costs)
        assert worst == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_where_labels_are_dropped_the_integer_programme_goes_on(seed, monkeypatch):
    each = traces_at_random(seed, 3, bins=7, configurations=5)
    costs, limits = np.array([own.power for own in each]), Budget(inventory={"A": 9 + seed % 9})
    exact = least_worst(each, costs, limits)
    monkeypatch.setattr("tokwatt.planning.optimum.constrained.WIDTHS", (1,))
    found = least_worst(each, costs, limits)
    assert found.partition.cost == pytest.approx(exact.partition.cost, rel=2e-4)
    assert found.partition.cost * (1 - found.gap) <= exact.partition.cost * (1 + 1e-9)
    assert found.gap <= 1e-3
