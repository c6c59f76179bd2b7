"""Fits: planted parameters come back, derivatives agree, what is left out moves nothing."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, every_run

from tokwatt.calibration import intervals
from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.model import ServingModel
from tokwatt.calibration.fit.power import board_laws, fit_power
from tokwatt.calibration.intervals import Fit
from tokwatt.params.parameters import ParameterFolder

PLANTED = {"bandwidth_efficiency": -1.0, "layer_overhead": 1.0, "kv_efficiency": 0.8}
"""Common deviations in spreads that invented runs are made with."""


@pytest.fixture(scope="module")
def model():
    return ServingModel(ParameterFolder(ROOT / "params"))


@pytest.fixture(scope="module")
def subset(model):
    """Dense runs of both sources, so that a fit is quick."""
    rows = every_run(model.measured)
    dense = rows[(model.kinds(rows.llm) == "dense") & (rows.odd == 0)]
    return dense.iloc[::3].reset_index(drop=True)


@pytest.fixture(scope="module")
def invented(model, subset):
    """The subset with what the model itself says, at planted parameters."""
    runs = WeightedRuns(model, subset)
    made = planted(runs)
    found = intervals.predicted_runs(runs, runs.pooling.logs(made), law())
    known = {name: found[name] for name in ("latency", "throughput")}
    first = found.first_token.where(subset.first_token.notna())
    power = found.power.where(subset.power.notna())
    return WeightedRuns(model, subset.assign(**known, first_token=first, power=power))


def planted(runs):
    scaled = np.zeros(len(runs.pooling.spread))
    for place, deviation in enumerate(runs.pooling.deviations):
        if deviation.level == "common":
            scaled[place] = PLANTED.get(deviation.parameter, 0.0)
    return scaled


def law():
    board = {"idle": 0.2, "memory": 0.5, "compute": 0.6, "launch": 0.3, "scale": 1.0}
    return {"H100": board, "B200": board, "other": board}


@pytest.mark.slow
def test_a_fit_finds_the_parameters_that_made_its_runs(invented):
    fitted = invented.fit(laws=board_laws(invented, law()))
    again = invented.answers(invented.pooling.logs(fitted))
    assert np.median(np.abs(np.log(np.asarray(again.latency) / invented.rows.latency))) < 0.01
    # Common values and deviations share a move, so that what counts is what a run has of both.
    found, wanted = (invented.pooling.logs(scaled) for scaled in (fitted, planted(invented)))
    for name in PLANTED:
        row = invented.model.records.names.index(name)
        assert np.median(np.abs(found[row] - wanted[row])) < 0.1, name


def test_the_law_of_power_comes_back_where_it_made_the_runs(invented):
    answer = invented.answers(invented.pooling.logs(planted(invented)))
    found = fit_power(invented, answer, np.ones(len(invented.rows)))
    rows = invented.rows[invented.rows.power.notna()]
    made = intervals.predicted_runs(invented, invented.pooling.logs(planted(invented)), found).power
    assert np.median(np.abs(np.log(made[rows.index] / rows.power))) < 0.03


def test_derivatives_are_finite_and_agree_with_differences(invented):
    scaled = planted(invented)
    errors, slopes = invented.residuals(scaled)
    assert np.isfinite(slopes).all() and np.isfinite(errors).all()
    step = 1e-5
    for place in range(0, len(scaled), 17):
        aside = np.zeros_like(scaled)
        aside[place] = step
        ends = [invented.residuals(scaled + sign * aside)[0] for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * step)
        for quantity in range(3):
            column = invented.pooling.gradient(slopes[:, quantity])[:, place]
            np.testing.assert_allclose(column, difference[quantity], rtol=1e-3, atol=1e-6)


def test_what_is_left_out_does_not_move_what_predicts_it(model, subset):
    """Runs of a left-out LLM may say anything: the fit without it is the same."""
    counts = (subset.llm != "llama-3.1-70b").to_numpy(float)
    wrong = subset.assign(latency=subset.latency.where(counts > 0, 1.0))
    ours, other = (WeightedRuns(model, rows).fit(counts) for rows in (subset, wrong))
    np.testing.assert_allclose(ours, other, atol=1e-9)


@pytest.mark.slow
def test_an_engine_has_the_deviations_of_its_family_and_its_own(model):
    runs = WeightedRuns(model, every_run(model.measured))
    scaled = np.zeros(len(runs.pooling.spread))
    places = {
        deviation.label: place
        for place, deviation in enumerate(runs.pooling.deviations)
        if (deviation.parameter, deviation.level) == ("layer_overhead", "engine")
    }
    scaled[[places["vllm"], places["vllm-mlenergy"]]] = 1.0, 0.5
    tree = runs.pooling.values(scaled)["engine"]
    spread = model.records.priors["layer_overhead"].spread[2]
    assert tree["vllm"]["layer_overhead"] == pytest.approx(spread)
    assert tree["vllm-mlenergy"]["layer_overhead"] == pytest.approx(1.5 * spread)
    moved = runs.pooling.logs(scaled) - runs.pooling.start
    row = model.records.names.index("layer_overhead")
    old = (runs.rows.engine == "vllm-mlenergy").to_numpy()
    np.testing.assert_allclose(moved[row][old], 1.5 * spread)


def test_half_widths_hold_their_share_of_errors():
    errors, llms = pd.Series(np.linspace(-1, 1, 201)), pd.Series(["one"] * 201)
    assert intervals.error_quantile(errors, llms, 0.9) == pytest.approx(0.9, abs=0.02)
    many = pd.concat([errors * 0.01] * 4 + [errors], ignore_index=True)
    names = pd.Series(["large"] * 804 + ["small"] * 201)
    alone = intervals.error_quantile(many, pd.Series(["one"] * 1005), 0.9)
    assert intervals.error_quantile(many, names, 0.9) > alone


def test_an_llm_that_is_predicted_well_narrows_no_interval():
    """Two LLMs are up to 1 off, alike at all sizes, and a third one hardly at all."""
    errors = pd.Series(np.outer([1.0, 1.0, 0.01], np.linspace(-1, 1, 201)).ravel())
    llms = pd.Series(np.repeat(["one", "other", "well"], 201))
    assert intervals.error_quantile(errors, llms, 0.9) == pytest.approx(0.9, abs=0.02)


def test_the_interval_of_a_kind_is_counted_on_the_runs_of_a_client_that_it_is_for(model):
    rows = every_run(model.measured)
    runs = Stub(model, rows)
    found = pd.Series(0.1, rows.index)
    for key, members in intervals.cells(runs).items():
        errors = intervals.interval_errors(runs, found, key, members)
        assert set(rows.client[errors.index]) == {1.0 if key in intervals.KINDS else 0.0}


def test_nine_in_ten_runs_of_llms_that_nobody_saw_lie_within_conformal_intervals(model):
    """Errors of many LLMs, each with a bias of its own: coverage is what the level says."""
    names = [
        name for name in model.parameters.llms if not model.parameters.llms[name].published.experts
    ]
    rows = model.measured.runs().iloc[:1]
    rows = pd.concat(
        [rows.assign(llm=name) for name in names for _ in range(60)], ignore_index=True
    )
    generator = np.random.default_rng(1)
    bias = dict(zip(names, generator.normal(0, 0.1, len(names)), strict=True))
    noise = generator.normal(0, 0.1, (len(rows), 5))
    found = pd.DataFrame(
        rows.llm.map(bias).to_numpy()[:, None] + noise, columns=[*intervals.QUANTITIES]
    )
    share = intervals.coverage(Stub(model, rows), found, 0.9)["dense"]["latency"]
    assert 0.85 < share < 0.95


class Stub:
    """Runs as far as intervals look at them."""

    def __init__(self, model, rows):
        self.model, self.rows, self.used = model, rows, np.ones(len(rows), bool)


def test_groups_leave_every_run_out_once(model, subset):
    runs = WeightedRuns(model, subset)
    groups = intervals.groups(runs)
    assert set(groups) == {"known", "llm", "gpu", "engine"}
    assert all(len(names) == len(subset) and names.notna().all() for names in groups.values())
    assert groups["known"].nunique() <= int(model.records.settings.folds)


@pytest.mark.slow
def test_a_fit_without_power_keeps_the_law_it_began_with(model, subset):
    rows = subset[subset.power.isna()].reset_index(drop=True)
    runs = WeightedRuns(model, rows)
    begun = Fit(np.zeros(len(runs.pooling.spread)), law())
    assert intervals.fit(runs, np.ones(len(rows)), begun).law == law()
