"""Measured records: what they say, and what is said of those that are wrong."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from tokwatt.calibration.runs.runs import Measured
from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder

SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def measured():
    return Measured(ParameterFolder(ROOT / "params"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "llm",
            "lama-3.1-70b",
            r"mlenergy.yaml: runs.h100-qwen3-8b-chat-1.llm is 'lama-3.1-70b', .*did you mean",
        ),
        ("gpu", "H1000", r"runs.h100-qwen3-8b-chat-1.gpu is 'H1000', wanted one of"),
        (
            "precision",
            "int3",
            r"runs.h100-qwen3-8b-chat-1.precision is 'int3', wanted one of bfloat16, fp8",
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
        len(Measured(ParameterFolder(folder)).runs())


def test_tokens_per_second_agree_with_latency_and_batch(measured):
    rows = measured.runs()
    lag = rows.batch / rows.throughput / rows.latency
    assert lag.median() == pytest.approx(1.1, abs=0.1) and (lag > 0.7).all()


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


def test_the_selection_of_client_runs_has_every_engine_and_gpu_of_its_table(measured):
    rows = measured.client_runs
    assert len(rows) <= 400
    assert set(rows.engine) == {"vllm", "sglang", "tensorrt-llm"}
    assert set(rows.gpu) == {"H100", "H200", "B200", "B300", "GB200"}
    assert rows.first_token.notna().all() and rows.power.isna().all()
    assert set(rows.kv_width) == {1.0, 2.0}


def test_a_rule_of_reading_that_is_no_rule_is_named(damaged):
    folder = damaged("measured/inferencex", ["reading", "kv_widths"], [{"where": {}, "wide": 1}])
    with pytest.raises(ParameterError, match=r"inferencex.yaml: reading.kv_widths"):
        Measured(ParameterFolder(folder)).check()
