"""Mixes of GPUs for buckets of requests as Melange puts them, beside classes of neighbours.

Melange (arXiv:2404.14527) rents whole GPUs, puts each bucket of requests on one type of GPU, and
adds up the loads on a type, a load being requests per second over those that one GPU serves within
the target. Here a bucket is not cut into slices. A plan of ours is less free: buckets on one pool
are neighbours, and each pool has GPUs of its own. Any plan of ours is thus one of Melange's that
costs no more, and any of Melange's whose types each serve a run of neighbours is one of ours.
"""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from tokwatt.planning.optimum.choice import shortest

BUCKETS, TYPES = 7, 4
SEEDS = range(40)
CURVE = 0.05
"""Half the curvature of requests per dollar over buckets, on log scale."""


class Market(NamedTuple):
    """GPUs that may be rented, and what buckets of requests ask of them.

    Attributes:
        price: dollars per hour of each type.
        load: GPUs of each type that each bucket keeps busy, infinite where a target is missed;
            shape (type, bucket).
    """

    price: np.ndarray
    load: np.ndarray


def market(seed, scale=1.0):
    """Prices and throughputs at random; every bucket is served by one type at least."""
    rng = np.random.default_rng(seed)
    price = rng.uniform(0.5, 8.0, TYPES)
    longer = np.geomspace(8.0, 1.0, BUCKETS)
    throughput = price[:, None] * longer * rng.uniform(0.5, 3.0, (TYPES, BUCKETS))
    load = scale * rng.uniform(1.0, 60.0, BUCKETS) / throughput
    missed = rng.random(load.shape) < 0.2
    missed[rng.integers(TYPES)] = False
    return Market(price, np.where(missed, np.inf, load))


def market_of_advantages(seed):
    """The same, each type ever better than those before it towards longer requests.

    Requests per dollar are tangents, each at a place of its own, of a convex curve on log scale.
    """
    rng = np.random.default_rng(seed)
    price = rng.uniform(0.5, 8.0, TYPES)
    place = np.sort(rng.uniform(0.0, BUCKETS - 1, TYPES))[:, None]
    throughput = price[:, None] * np.exp(CURVE * place * (2 * np.arange(BUCKETS) - place))
    return Market(price, rng.uniform(1.0, 60.0, BUCKETS) / throughput)


def melange(own, whole=True):
    """Least cost and its types by bucket: Melange's programme, or its linear relaxation."""
    served = np.isfinite(own.load)
    load = np.where(served, own.load, 0.0)
    once = np.tile(np.eye(BUCKETS), TYPES)
    within = np.kron(np.eye(TYPES), np.ones(BUCKETS)) * load.ravel()
    found = milp(
        np.concatenate([np.zeros(load.size), own.price]),
        constraints=[
            LinearConstraint(np.hstack([once, np.zeros((BUCKETS, TYPES))]), 1, 1),
            LinearConstraint(np.hstack([within, -np.eye(TYPES)]), -np.inf, 0),
        ],
        integrality=float(whole) * np.ones(load.size + TYPES),
        bounds=Bounds(0, np.concatenate([served.ravel() * 1.0, np.full(TYPES, np.inf)])),
        options={"mip_rel_gap": 0.0},
    )
    return found.fun, found.x[: load.size].reshape(load.shape).argmax(axis=0)


def columns(own, count=np.ceil):
    """What each type costs for each class of neighbours."""
    low, high = np.triu_indices(BUCKETS + 1, 1)
    loads = [own.load[:, a:b].sum(axis=1) for a, b in zip(low, high, strict=True)]
    return own.price[:, None] * count(np.array(loads).T)


def is_run_of_neighbours(types):
    """Whether no type comes back after another one."""
    return (types[1:] != types[:-1]).sum() + 1 == len(set(types.tolist()))


@pytest.mark.parametrize("seed", SEEDS)
def test_melange_costs_no_more_than_classes_nor_these_than_the_best_type_alone(seed):
    own = market(seed)
    least, types = melange(own)
    ours = shortest(columns(own), BUCKETS).cost
    assert least <= ours * (1 + 1e-9)
    assert ours <= (own.price * np.ceil(own.load.sum(axis=1))).min()
    if is_run_of_neighbours(types):
        assert ours == pytest.approx(least, rel=1e-9)


def test_where_melange_gives_each_type_a_run_of_neighbours_both_cost_the_same():
    runs = []
    for seed in SEEDS:
        own = market_of_advantages(seed)
        least, types = melange(own)
        ours = shortest(columns(own), BUCKETS).cost
        assert least <= ours * (1 + 1e-9)
        if is_run_of_neighbours(types):
            runs.append(len(set(types.tolist())))
            assert ours == pytest.approx(least, rel=1e-9)
    assert len(runs) >= len(SEEDS) / 2 and max(runs) >= 3


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_a_gpu_that_rents_for_least_and_serves_most_is_the_only_one_of_both(seed):
    """Its loads are the smallest, and one sum of them is rounded up less than several."""
    own = market(seed)
    own.price[0] = own.price.min()
    own.load[0] = own.load.min(axis=0)
    least, _ = melange(own)
    ours = shortest(columns(own), BUCKETS)
    assert least == pytest.approx(own.price[0] * np.ceil(own.load[0].sum()), rel=1e-9)
    assert ours.cost == pytest.approx(least, rel=1e-9)
    assert len(ours.configurations) == 1


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_of_fractions_of_gpus_both_cost_the_cheapest_of_each_bucket(seed):
    own = market(seed)
    cheapest = (own.price[:, None] * own.load).min(axis=0).sum()
    assert melange(own, whole=False)[0] == pytest.approx(cheapest, rel=1e-9)
    assert shortest(columns(own, count=np.positive), BUCKETS).cost == pytest.approx(
        cheapest, rel=1e-9
    )


@pytest.mark.parametrize("scale", [1.0, 100.0, 10_000.0])
def test_whole_gpus_cost_at_most_one_more_of_each_bucket(scale):
    """So that the two meet where fleets are large."""
    for seed in SEEDS[:10]:
        own = market(seed, scale=scale)
        cost = own.price[:, None] * own.load
        fractions, dearest = cost.min(axis=0).sum(), own.price[cost.argmin(axis=0)].sum()
        least, _ = melange(own)
        ours = shortest(columns(own), BUCKETS).cost
        assert fractions * (1 - 1e-9) <= least <= ours * (1 + 1e-9)
        assert ours <= fractions + dearest
