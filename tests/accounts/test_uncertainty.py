"""Spread and slopes of headlines: laws that any such numbers keep."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import xarray as xr

from tokwatt.accounts import uncertainty
from tokwatt.accounts.headlines import Headlines
from tokwatt.reports.pages import verdict
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import load
from tokwatt.serving.point import operating_point


@pytest.fixture(scope="module")
def known(params):
    return Headlines(load(params))


@pytest.fixture(scope="module", params=["paper", "consistent"])
def spread(request, grids):
    return xr.load_dataset(grids / "accounts/uncertainty.nc").sel(account=request.param)


def test_quantiles_rise(spread):
    assert (spread.value.diff("quantile") >= 0).all()


def test_quantiles_close_in_on_the_value_as_the_ranges_do(known):
    narrow = Headlines(known.catalogue)
    narrow.uncertain = {
        name: msgspec.structs.replace(number, low=1 - 1e-6, high=1 + 1e-6)
        for name, number in known.uncertain.items()
    }
    narrow.headlines = {name: known.headlines[name] for name in ("window_12x", "watt_4k")}
    narrow.cases = {name: known.cases[name] for name in ("h100_4k", "h100_64k")}
    consistent = known.presets["consistent"]
    quantiles = uncertainty.spread(narrow, consistent, 8192, 1).value.sel(headline="window_12x")
    value = known.value(known.headlines["window_12x"], vars(consistent))
    assert quantiles[0] < value < quantiles[-1]
    np.testing.assert_allclose(quantiles, value, rtol=1e-5)


def test_total_indices_are_no_less_than_first_order_ones(spread):
    known = spread.where(spread.without_fleet == 0, drop=True)
    assert known.sizes["headline"] >= 6
    assert (known.total_order >= known.first_order - 0.05).all()
    assert (known.first_order.sum("uncertain") <= 1.05).all()


def test_what_a_ratio_cancels_is_at_most_everything(spread):
    cancelled = spread.cancelled.dropna("headline")
    assert set(cancelled.headline.values) == {
        "law_40x",
        "window_12x",
        "topology_2_5x",
        "generation_1_7x",
        "combined_4_25x",
        "moe_5_1x",
    }
    assert ((cancelled <= 1) & (cancelled >= -1)).all()


def test_power_moves_a_ratio_on_one_gpu_only_where_one_end_is_at_the_limit_of_the_board(spread):
    """The paper's law knows no limit; the consistent 4K end is at it, its 64K end is not."""
    moved = spread.total_order.sel(headline="window_12x")
    assert moved.sel(uncertain="b200_power") < 1e-6
    assert (moved.sel(uncertain="h100_power") < 1e-6) == (spread.account == "paper")


@pytest.mark.parametrize(
    "preset, parts",
    [
        ("paper", ["logistic.idle", "logistic.nominal"]),
        (
            "consistent",
            [f"utilization.{term}" for term in ("idle", "memory", "compute", "launch", "limit")],
        ),
    ],
)
@pytest.mark.parametrize("case", ["h100_4k", "h100_128k"])
def test_twice_the_power_is_half_the_tokens(known, case, preset, parts):
    slopes = uncertainty.elasticity(known, case, preset).elasticity
    assert slopes.sel(parameter=slopes.parameter.isin(parts)).sum() == pytest.approx(-1, abs=1e-12)


def test_elasticities_are_those_of_finite_differences(known):
    case, account = known.cases["llama_8k"], known.account("consistent")
    slopes = uncertainty.elasticity(known, "llama_8k", "consistent").elasticity
    fitted = case.deployment.fitted

    def at(name, factor):
        changed = replace(fitted, **{name: getattr(fitted, name) * factor})
        deployment = replace(case.deployment, fitted=changed)
        found = case.evaluate(account, known.demand, None, deployment)
        return float(np.log(found.tokens_per_joule))

    for name in ("compute_efficiency", "bandwidth_efficiency", "sequence_overhead"):
        measured = (at(name, 1 + 1e-5) - at(name, 1 - 1e-5)) / 2e-5
        assert float(slopes.sel(parameter=f"fitted.{name}")) == pytest.approx(measured, rel=1e-5)


def test_factors_reach_only_the_gpu_they_are_meant_for(known):
    each = known.uncertain["b200_power"]
    subject = known.cases["azure_h100_homogeneous"].deployment
    assert each.factors_on("H100", 1.1) == 1
    assert each.factors_on("B200", 1.1) == 1.1
    changed, _ = each.applied(subject, known.constants, 1.1)
    assert changed.logistic.nominal == pytest.approx(1.1 * subject.logistic.nominal)
    assert changed.gpu == subject.gpu


def test_the_slopes_of_the_law_are_those_of_finite_differences(grids, known):
    slopes = xr.open_dataset(grids / "accounts/slopes.nc")
    catalogue = known.catalogue
    deployment = catalogue.deployment(
        catalogue.boards["B200"],
        catalogue.llms["llama-3.1-70b"],
        catalogue.precisions["bfloat16"],
        8.0,
    )
    account = Account(known.presets["consistent"], known.constants)
    points = [
        operating_point(account, deployment, 8192.0 * factor, 0.5, 4.0)
        for factor in (1 - 1e-5, 1 + 1e-5)
    ]
    logs = [np.log(point.tokens_per_joule) for point in points]
    found = float(
        slopes.slope.sel(
            account="prompts and decoding", gpu="B200", llm="llama-3.1-70b", context_window=8192
        )
    )
    assert found == pytest.approx(float(logs[1] - logs[0]) / 2e-5, rel=1e-5)


def test_what_bends_the_law_adds_up_and_stays_with_those_it_concerns(grids):
    slopes = xr.load_dataset(grids / "accounts/slopes.nc")
    parts = slopes[[name for name in slopes if name.startswith("by_")]]
    np.testing.assert_allclose(
        parts.to_array("part").sum("part", skipna=False), slopes.slope + 1, atol=1e-12
    )
    assert abs(parts.by_prompts.sel(account="decoding alone")).max() == 0
    dense = parts.sel(llm=["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"])
    assert max(abs(dense.by_experts).max(), abs(dense.by_limited_layers).max()) < 1e-12


def test_the_way_of_each_headline_ends_where_the_consistent_account_stands(grids, known):
    path = xr.open_dataset(grids / "accounts/waterfall.nc")
    for name, headline in known.headlines.items():
        row = path.sel(headline=name)
        assert row.value[0] == headline.published
        np.testing.assert_allclose(
            row.value[-1], known.value(headline, vars(known.presets["consistent"])), rtol=1e-12
        )
        np.testing.assert_allclose(
            row.factor[1:].prod(), row.value[-1] / headline.published, rtol=1e-9
        )


def test_the_verdict_is_one_screen_and_names_every_headline(params, grids, known, tmp_path):
    verdict.write_verdict(params, grids, tmp_path)
    page = (tmp_path / "verdict.md").read_text(encoding="utf-8")
    assert len(page.split()) <= 900 and "nan" not in page and "{" not in page
    assert not [
        headline.claim for headline in known.headlines.values() if headline.claim not in page
    ]


@pytest.mark.parametrize(
    "low, high, published, rebased, ratio, expected",
    [
        (1.5, 2.0, 1.7, 1.7, True, "holds"),
        (1.5, 2.0, 3.0, 3.0, True, "weaker"),
        (1.5, 2.0, 1.2, 1.2, True, "stronger"),
        (0.9, 1.1, 3.0, 3.0, True, "gone"),
        (0.5, 0.8, 3.0, 3.0, True, "reversed"),
        (2, 3, 17.6, 2.2, False, "other basis"),
        (0.3, 0.5, 17.6, 2.2, False, "weaker"),
    ],
)
def test_verdicts(low, high, published, rebased, ratio, expected):
    assert (
        verdict.Survival("a claim", published, rebased, (low + high) / 2, low, high, ratio).verdict
        == expected
    )


def test_a_reading_is_named_only_where_it_is_nearer_than_the_consistent_account(grids):
    readings = xr.load_dataset(grids / "accounts/readings.nc")
    assert verdict._nearest(readings, "watt_4k", 0.02).startswith("2.2: ")
    assert (
        verdict._nearest(readings, "watt_4k", 0.5)
        == verdict._nearest(readings, "no headline", 0.5)
        == ""
    )
