"""Fleets of Table 3 by seed and by exact sums: bias and spread of the paper's draws."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr

LABELS = {
    "homogeneous": "Homo",
    "pool": "Pool",
    "fleetopt": "FleetOpt",
    "azure": "Azure",
    "lmsys": "LMSYS",
}
CLOSE = {"rel": 1e-9, "abs": 0}


@pytest.fixture(scope="module")
def errors(grids):
    return xr.load_dataset(grids / "sampling/sampling_error.nc")


@pytest.fixture(scope="module")
def fleets(errors, exact_references):
    """Each fleet beside its reference."""
    cells = errors.stack(fleet=("workload", "topology", "gpu")).transpose("fleet", ...)
    names = [
        (LABELS[workload], LABELS[topology], gpu)
        for workload, topology, gpu in cells.fleet.to_numpy()
    ]
    assert sorted("/".join(name) for name in names) == sorted(exact_references)
    return [
        (cells.isel(fleet=place), exact_references["/".join(name)])
        for place, name in enumerate(names)
    ]


def test_exact_fleets_are_those_of_the_reference(fleets):
    for fleet, wanted in fleets:
        assert fleet.exact_instances == wanted["exact"]["gpus"]
        assert fleet.exact_tokens_per_joule.item() == pytest.approx(wanted["exact"]["tpw"], **CLOSE)


def test_two_of_the_twelve_counts_survive_exact_integration(errors):
    survives = errors.survives.stack(fleet=("workload", "topology", "gpu"))
    survivors = survives.fleet[survives].to_numpy().tolist()
    assert survivors == [("azure", "pool", "B200"), ("lmsys", "pool", "B200")]
    np.testing.assert_array_equal(
        errors.survives, errors.exact_instances == errors.published_instances
    )


def test_a_hundred_seeds_spread_as_in_the_reference(fleets):
    for fleet, wanted in fleets:
        facts = wanted["mc100"]
        assert Counter(fleet.instances.values.tolist()) == {
            int(count): seeds for count, seeds in facts["gpus_counts"].items()
        }
        assert fleet.tokens_per_joule.mean().item() == pytest.approx(facts["tpw_mean"], **CLOSE)
        assert fleet.tokens_per_joule_spread.item() == pytest.approx(
            facts["tpw_sd"] / facts["tpw_mean"], **CLOSE
        )


def test_exact_tokens_per_joule_lie_within_the_draws_and_near_their_mean(errors):
    drawn, exact = errors.tokens_per_joule, errors.exact_tokens_per_joule
    assert ((drawn.min("seed") <= exact) & (exact <= drawn.max("seed"))).all()
    assert (abs(drawn.mean("seed") - exact) < drawn.std("seed")).all()


def test_seed_42_is_the_paper(errors, grids):
    table = xr.load_dataset(grids / "fleets/fleets.nc")
    for quantity in ("instances", "tokens_per_joule"):
        np.testing.assert_array_equal(errors[quantity].sel(seed=42), table[quantity])
        np.testing.assert_array_equal(errors[f"published_{quantity}"], table[quantity])


def test_seeds_count_from_zero_and_everything_has_a_unit_and_a_name(errors):
    np.testing.assert_array_equal(errors.seed, np.arange(100))
    assert all(errors[name].attrs["long_name"] for name in errors.variables)
    assert [name for name in errors.variables if "units" not in errors[name].attrs] == [
        "survives",
        "workload",
        "topology",
        "gpu",
    ]
