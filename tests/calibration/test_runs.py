"""Measured records and tables: what they say, and what is said of those that are wrong."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from tokwatt.calibration.run_tables import read_runs
from tokwatt.calibration.runs import COLUMNS, Measured
from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder

SHARED = ROOT.parent / "shared" / "data"
RUN = {  # one run as the benchmark's own package writes it; the numbers are made up
    "domain": "llm",
    "task": "gpqa",
    "model_id": "Qwen/Qwen3-8B",
    "nickname": "Qwen 3 8B",
    "architecture": "Dense",
    "total_params_billions": 8.0,
    "activated_params_billions": 8.0,
    "weight_precision": "bfloat16",
    "gpu_model": "H100",
    "num_gpus": 2,
    "max_num_seqs": 32,
    "seed": 1,
    "num_request_repeats": 1,
    "tensor_parallel": 2,
    "expert_parallel": 1,
    "data_parallel": 1,
    "steady_state_energy_joules": 1e5,
    "steady_state_duration_seconds": 100.0,
    "energy_per_token_joules": 0.5,
    "energy_per_request_joules": 100.0,
    "output_throughput_tokens_per_sec": 2000.0,
    "request_throughput_req_per_sec": 2.0,
    "avg_power_watts": 1000.0,
    "total_output_tokens": 1e6,
    "completed_requests": 100.0,
    "avg_output_len": 7000.0,
    "mean_itl_ms": 11.0,
    "median_itl_ms": 10.0,
    "p50_itl_ms": 10.0,
    "p90_itl_ms": 12.0,
    "p95_itl_ms": 13.0,
    "p99_itl_ms": 15.0,
    "avg_batch_size": 31.5,
    "is_stable": True,
    "unstable_reason": "",
    "results_path": "results.json",
    "prometheus_path": "prometheus.json",
}


@pytest.fixture(scope="module")
def measured():
    return Measured(ParameterFolder(ROOT / "params"))


def check(rows):
    assert set(COLUMNS) <= set(rows)
    row = rows.iloc[0]
    assert (row.gpu, row.llm, row.precision, row.task) == ("H100", "qwen3-8b", "bfloat16", "gpqa")
    assert (row.gpus, row.expert_parallel, row.batch, row.power, row.latency) == (
        2,
        0,
        31.5,
        500,
        0.01,
    )


def test_a_csv_of_runs_is_read_in_si_units_and_what_is_unknown_is_named(measured, tmp_path):
    other = RUN | {"model_id": "nobody/knows-this"}
    pd.DataFrame([RUN, other]).to_csv(tmp_path / "runs.csv", index=False)
    rows, unknown = read_runs(measured, tmp_path / "runs.csv")
    check(rows)
    assert len(rows) == 1 and unknown == ["nobody/knows-this"]


def test_the_gated_data_set_is_read_through_its_own_package(measured, tmp_path):
    pytest.importorskip("mlenergy.data", reason="the extra `mlenergy` is not installed")
    (tmp_path / "runs").mkdir()
    pd.DataFrame([RUN, RUN | {"is_stable": False, "avg_batch_size": 1.0}]).to_parquet(
        tmp_path / "runs" / "llm.parquet"
    )
    rows, unknown = read_runs(measured, tmp_path)
    check(rows)
    assert len(rows) == 1 and unknown == []


def test_without_its_package_the_gated_data_set_is_asked_for(measured, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlenergy.data.records", None)
    with pytest.raises(
        ParameterError,
        match=r"needs the package mlenergy-data, wanted it .*: pip install 'tokwatt\[mlenergy\]'",
    ):
        read_runs(measured, tmp_path)


def test_a_table_that_lacks_a_column_or_cannot_be_read_is_refused(measured, tmp_path):
    pd.DataFrame([RUN]).drop(columns="avg_batch_size").to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(
        ParameterError,
        match=r"runs.csv: the column avg_batch_size is missing, wanted the columns of ML.ENERGY",
    ):
        read_runs(measured, tmp_path / "runs.csv")
    with pytest.raises(ParameterError, match=r"nowhere.csv: cannot be read"):
        read_runs(measured, tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "llm",
            "llama-3.1-7b",
            r"mlenergy.yaml: runs.h100-qwen3-8b-chat-1.llm is 'llama-3.1-7b', .*did you mean",
        ),
        ("gpu", "H1000", r"runs.h100-qwen3-8b-chat-1.gpu is 'H1000', wanted one of"),
        (
            "precision",
            "int3",
            r"runs.h100-qwen3-8b-chat-1.precision is 'int3', wanted one of bfloat16, fp8, mxfp4",
        ),
        ("task", "poetry", r"runs.h100-qwen3-8b-chat-1.task is 'poetry', wanted one of"),
        (
            "power",
            {"value": [1, 2], "unit": "W"},
            r"runs.h100-qwen3-8b-chat-1.power.value has 2 numbers, wanted 5, as many as batch",
        ),
        (
            "power",
            {"value": [1, 2, 3, 4, 5], "unit": "s"},
            r"runs.h100-qwen3-8b-chat-1.power.unit is 's', wanted a unit that converts to 'W'",
        ),
    ],
)
def test_a_wrong_record_is_named_by_file_and_key(damaged, key, value, message):
    folder = damaged("measured/mlenergy", ["runs", "h100-qwen3-8b-chat-1", key], value)
    with pytest.raises(ParameterError, match=message):
        Measured(ParameterFolder(folder)).runs()


def test_tokens_per_second_agree_with_latency_and_batch(measured):
    rows = measured.runs()
    lag = rows.batch / rows.throughput / rows.latency
    assert lag.median() == pytest.approx(1.1, abs=0.1) and (lag > 0.7).all()


def test_the_records_are_what_the_full_table_says(measured):
    if not SHARED.exists():
        pytest.skip("../shared is not beside this checkout")
    rows, unknown = read_runs(measured, SHARED / "mlenergy_v3_text.csv")
    assert len(rows) == 326 and unknown == []
    keys = ["gpu", "llm", "precision", "task", "gpus", "expert_parallel"]
    for row in measured.runs().itertuples():
        same = rows[(rows[keys] == [getattr(row, key) for key in keys]).all(axis=1)]
        numbers = ["batch", "power", "throughput", "latency", "output"]
        assert (
            np.isclose(same[numbers], [getattr(row, name) for name in numbers], rtol=1e-3)
            .all(axis=1)
            .any()
        ), row


def test_the_sweep_is_what_its_table_says(measured):
    if not SHARED.exists():
        pytest.skip("../shared is not beside this checkout")
    table, rows = pd.read_csv(SHARED / "b200_sweep.csv"), measured.sweep()
    names = {
        "context_window": "context_tokens",
        "batch": "measured_b200_nmax",
        "throughput": "decode_tok_s",
        "power": "per_gpu_decode_power_w",
    }
    for ours, theirs in names.items():
        np.testing.assert_allclose(rows[ours], table[theirs], rtol=1e-6)
