"""The records of the calibration: what they answer, and what is said of those that are wrong."""

import re

import numpy as np
import pytest
import quick_yaml
import xarray as xr
from conftest import GONE, ROOT

from tokwatt.calibration import calibrate, intervals
from tokwatt.calibration.evidence import CLASSES, KINDS, QUANTITIES
from tokwatt.calibration.records import Calibrated
from tokwatt.calibration.runs.tables import read_runs
from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder
from tokwatt.reports.pages import validation

SHARED = ROOT.parent / "shared" / "data"
TABLES = [SHARED / "mlenergy_v3_text.csv", SHARED / "inferencex_runs.csv"]
shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside this checkout")
PRIOR = {"start": {"value": 1, "unit": "1"}, "spread": {"value": [1], "unit": "1"}}


@pytest.fixture(scope="module")
def committed():
    return Calibrated(ParameterFolder(ROOT / "params"))


@shared
@pytest.mark.slow
def test_the_committed_records_are_what_the_full_tables_give(tmp_path, committed):
    rows = read_runs(committed.model.measured, TABLES).rows
    calibrate.write_calibrated(committed.model, rows, tmp_path / "calibrated.yaml")
    written = (tmp_path / "calibrated.yaml").read_text(encoding="utf-8")
    found, text = quick_yaml.load(written), committed.section.path.read_text(encoding="utf-8")
    for name, entry in found["value"]["common"].items():
        theirs = committed.section.raw["value"]["common"][name]
        np.testing.assert_allclose(entry["value"], theirs["value"], rtol=2e-2, err_msg=name)
    assert re.sub(r"[\d.e-]+", "0", written)[:2000] == re.sub(r"[\d.e-]+", "0", text)[:2000]


def test_what_is_not_known_widens_an_interval(committed):
    for kind in KINDS:
        known = committed.half_widths(kind)
        assert set(known) == set(QUANTITIES)
        for unknown in ({"llm"}, {"gpu"}, {"engine"}, {"llm", "gpu"}, {"llm", "gpu", "engine"}):
            wider = committed.half_widths(kind, unknown)
            assert all(wider[name] >= known[name] for name in QUANTITIES)
        every, one = committed.half_widths(kind, CLASSES[1:]), committed.half_widths(kind, {"llm"})
        assert all(every[name] >= one[name] for name in QUANTITIES)


@pytest.mark.parametrize("llms", [["llama-3.1-8b"], "llama-3.1-8b", None, GONE])
def test_held_out_numbers_are_one_for_each_llm(llms, damaged):
    folder = damaged("measured/held_out", ["llms"], llms)
    with pytest.raises(ParameterError, match=r"held_out\.yaml: .+, wanted .+\.$"):
        _ = Calibrated(ParameterFolder(folder)).held_out


def test_runs_llms_and_ranges_are_those_of_gpus_and_engines(committed):
    count, llms = committed.runs_on("H100")
    assert count > 500 and "llama-3.1-70b" in llms
    assert committed.runs_on("L40S") == (0, [])
    assert committed.domain("L40S", "vllm") == {}
    own, other = committed.domain("B300", "vllm"), committed.domain("B300", "tensorrt-llm")
    assert set(own) == {"batch", "prompt", "output"}
    assert all(other[name].least <= own[name].least for name in own)
    assert all(own[name].least <= own[name].most <= other[name].most for name in own)
    assert {"H100", "H200", "B200", "B300"} <= set(committed.gpus)
    assert set(committed.engines) == {"vllm", "sglang", "tensorrt-llm", "vllm-mlenergy"}
    assert committed.unknown("nobody", "L40S", "vllm") == {"llm", "gpu"}


def test_a_step_of_the_records_is_that_of_the_specs(committed):
    """The calibration's own reading of its numbers agrees with what serving takes from them."""
    rows = committed.model.measured.client_runs.assign(release="none")
    logs = committed.fitted.logs(committed.model.records, rows)
    for place in range(0, len(rows), 25):
        row = rows.iloc[place]
        fitted = committed.parameters.calibrated.step(row.gpu, row.engine)
        for number, name in enumerate(committed.model.records.names):
            mine = np.exp(logs[number, place])
            mine = min(1.0, mine) if "efficiency" in name else mine
            assert getattr(fitted, name) == pytest.approx(mine, rel=1e-9), name


def test_intervals_enclose_predictions_and_llms_are_predicted_without_their_own_runs(committed):
    rows = committed.model.measured.runs().iloc[::6].reset_index(drop=True)
    found = committed.predict(rows)
    for name in QUANTITIES:
        assert (found[f"{name}_low"] < found[name]).all()
    below = found.power <= rows.gpu.map(lambda gpu: committed.parameters.gpus[gpu].tdp)
    assert (found.power <= found.power_high + 1e-9)[below].all()
    assert set(rows.llm) <= set(committed.held_out)


def test_scores_of_recorded_runs_say_how_many_lie_inside(committed):
    rows = committed.model.measured.client_runs
    scores = committed.score(rows[rows.odd == 0].reset_index(drop=True))
    assert scores.runs.sum() == (rows.odd == 0).sum()
    assert scores.power.isna().all() and scores.latency.notna().all()
    inside = (scores.latency_inside * scores.runs).sum() / scores.runs.sum()
    assert inside > 0.7


def test_held_out_errors_are_what_the_issue_wants_or_little_more(committed):
    found = committed.errors["llm"]
    assert found["mlenergy.kind.dense"]["latency"] < 0.13
    assert found["mlenergy.kind.experts"]["latency"] < 0.18
    assert found["mlenergy.kind.experts"]["power"] < 0.15
    assert found["inferencex.kind.dense"]["latency"] < 0.15
    for group, row in committed.errors["in_sample"].items():
        if row["runs"] >= 50:
            assert row["latency"] <= found[group]["latency"] + 0.02, group


def test_nine_in_ten_left_out_runs_lie_within_intervals(committed):
    for what in CLASSES:
        for kind in KINDS:
            assert 0.8 <= committed.coverage[what][kind]["latency"] <= 0.97


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        (
            "calibrated",
            ["value", "common", "bandwidth_efficiency"],
            {"value": 1.0, "unit": "W"},
            r"value.common.bandwidth_efficiency.unit is 'W'",
        ),
        (
            "calibrated",
            ["quantities"],
            ["power"],
            r"calibrated.yaml: quantities is \['power'\], wanted \['latency'",
        ),
        ("calibrated", ["half_widths", "llm"], 3, r"half_widths.llm is 3, wanted a mapping"),
        (
            "calibration",
            ["priors", "kv_efficiency"],
            PRIOR,
            r"priors.kv_efficiency.spread.value has 1 numbers, wanted 5, one for each level",
        ),
        ("calibration", ["levels"], ["gpu"], r"levels is \['gpu'\], wanted \['common'"),
        (
            "calibration",
            ["rescaled", "vllm-mlenergy"],
            ["qwen"],
            r"rescaled.vllm-mlenergy is 'qwen', wanted one of llama-3.1-8b",
        ),
        (
            "calibration",
            ["checkpoints", "fp8"],
            {"int3": ["qwen3-8b"]},
            r"checkpoints.fp8.int3 is 'int3', wanted one of bfloat16, fp8",
        ),
        (
            "calibration",
            ["families", "vllm-mlenergy"],
            "vlm",
            r"families.vllm-mlenergy is 'vlm', wanted one of",
        ),
        (
            "calibration",
            ["fit", "scale"],
            {"value": -1, "unit": "1"},
            r"fit.scale.value is -1, wanted a positive number",
        ),
    ],
)
def test_wrong_records_are_named_by_file_and_key(damaged, file, path, value, message):
    folder = damaged(file, path, value)
    with pytest.raises(ParameterError, match=message):
        Calibrated(ParameterFolder(folder)).check()


@shared
def test_errors_of_the_full_tables_are_those_that_are_recorded(committed):
    rows = read_runs(committed.model.measured, TABLES[:1]).rows
    predicted = committed.predict(rows)
    error = (predicted.latency / intervals.observed(rows).latency - 1).abs()
    kinds = committed.model.kinds(rows.llm)
    for kind in KINDS:
        recorded = committed.errors["llm"][f"mlenergy.kind.{kind}"]["latency"]
        assert error[kinds == kind].median() == pytest.approx(recorded, abs=0.02)


def test_the_page_says_what_the_datasets_hold(grids):
    data = {
        name: xr.load_dataset(grids / f"measured/measured_{name}.nc") for name in validation.GRIDS
    }
    page = validation.validation_page(data)
    reached = float(data["targets"].reached.sel(target="power_b200"))
    assert f"| {reached:.1%}".replace("%", " %") in page
    assert page.count("LLM left out") > 20


def test_prose_about_residuals_is_of_this_fit(grids):
    """Work its sentences in `validation.md` out anew after another fit, and set ANALYSED."""
    parameters = xr.load_dataset(grids / "measured/measured_parameters.nc")
    assert validation.fit_digest(parameters) == validation.ANALYSED
    other = parameters.assign(value=1.01 * parameters.value)
    assert "read them as history" in str(validation.analysed(validation.fit_digest(other)))


def test_the_measured_slope_is_shallower_than_the_law_and_than_every_account(grids):
    sweep = xr.load_dataset(grids / "measured/measured_sweep.nc")
    slope, error = (sweep[name].sel(span="up to 64K") for name in ("slope", "slope_error"))
    measured = float(slope.sel(curve="measured"))
    deviation = float(error.sel(curve="measured"))
    assert measured == pytest.approx(-0.63, abs=0.01) and deviation == pytest.approx(0.05, abs=5e-3)
    assert float(sweep.slope.sel(curve="measured", span="all")) == pytest.approx(-0.79, abs=0.01)
    for account, deviations in {"law": 2, "paper": 2, "held_out": 1, "consistent": 1}.items():
        assert float(slope.sel(curve=account)) < measured - deviations * deviation


def test_at_equal_batch_a_mixture_beats_a_dense_llm_in_the_paper_alone(grids):
    ratio = xr.load_dataset(grids / "measured/measured_moe.nc").ratio.sel(
        pair=["Qwen3-235B / Llama-70B, H100", "Qwen3-235B / Llama-70B, B200"]
    )
    for account in ("measured", "held_out"):
        assert float(ratio.sel(account=account).max()) < 1
    assert float(ratio.sel(account="paper").min()) > 4


def test_the_generation_gains_less_than_the_paper_says_at_every_batch(grids):
    ratio = xr.load_dataset(grids / "measured/measured_generation.nc").ratio
    measured, paper = (ratio.sel(account=name).values for name in ("measured", "paper"))
    known = ~np.isnan(measured)
    assert (measured[known] < paper[known]).all()
    assert measured[known].max() < 1.55 < paper[known].min()
