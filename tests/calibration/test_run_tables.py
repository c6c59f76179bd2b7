"""Tables of runs: what is read, left out and said, and what is refused by line and column."""

import json
import os
import time

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from tokwatt.calibration import calibrate
from tokwatt.calibration.fit.model import ServingModel
from tokwatt.calibration.runs.columns import CLIENT, COLUMNS, MLENERGY
from tokwatt.calibration.runs.tables import LARGEST, read_runs
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
HEADER = MLENERGY.required
CLIENT_RUN = {  # one run as InferenceX's table has it; the numbers are made up
    "engine": "trtllm",
    "engine_version": "1.2",
    "measured": "2026-01-02",
    "llm": "deepseek-ai/DeepSeek-R1",
    "gpu": "b200_sxm",
    "gemm_precision": "fp8_block",
    "mode": "agg",
    "suspect": "",
    "prompt_max": 8192,
    "output_max": 1024,
    "concurrency": 16,
    "tensor_parallel": 4,
    "attention_data_parallel": 2,
    "expert_parallel": 8,
    "ttft_ms": 500.0,
    "tpot_ms": 20.0,
}
REPORT = {  # what vLLM's benchmark_serving writes, with metadata for what it does not know
    "date": "20260102-030405",
    "backend": "vllm",
    "model_id": "meta-llama/Llama-3.1-70B-Instruct",
    "max_concurrency": 32,
    "completed": 100,
    "total_input_tokens": 102400,
    "total_output_tokens": 102400,
    "median_ttft_ms": 200.0,
    "median_tpot_ms": 25.0,
    "gpu": "H100",
    "tensor_parallel": "8",
    "gemm_precision": "fp8",
}


@pytest.fixture(scope="module")
def model():
    return ServingModel(ParameterFolder(ROOT / "params"))


@pytest.fixture
def table(tmp_path):
    """Writes rows, each a run with changes, below a header."""

    def write(*changes, header=HEADER):
        cells = [[str((RUN | change)[name]) for name in HEADER] for change in changes]
        path = tmp_path / "runs.csv"
        text = "\n".join([",".join(header), *map(",".join, cells)]) + "\n"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def check(rows):
    assert list(rows) == COLUMNS
    row = rows.iloc[0]
    assert (row.gpu, row.llm, row.precision, row.task) == ("H100", "qwen3-8b", "bfloat16", "gpqa")
    numbers = (row.tensor_parallel, row.expert_parallel, row.batch, row.power, row.output)
    assert numbers == (2, 1, 31.5, 500, 7000) and row.latency == 0.01


def test_a_csv_of_runs_is_read_in_si_units_whatever_columns_it_has_beside(model, tmp_path):
    pd.DataFrame([RUN]).to_csv(tmp_path / "runs.csv", index=False)
    runs = read_runs(model.measured, [tmp_path / "runs.csv"])
    check(runs.rows)
    assert runs.dropped == ""


def test_runs_that_nobody_knows_are_left_out_and_counted_by_what_is_unknown(model, table):
    path = table(
        {},
        {"model_id": "nobody/knows\x1b[2J"},
        {"gpu_model": "A1000"},
        {"gpu_model": "A1000"},
        {"task": "poetry"},
        {"weight_precision": "int3"},
    )
    runs = read_runs(model.measured, [path])
    check(runs.rows)
    assert len(runs.rows) == 1
    assert runs.dropped == (
        "Left out 5 of 6 runs: 2 on GPU 'A1000', 1 of LLM 'nobody/knows\\x1b[2J', "
        "1 of task 'poetry', 1 of precision 'int3'."
    )


def test_a_table_without_a_run_to_use_says_what_it_has(model, table):
    with pytest.raises(
        ParameterError, match=r"no run to use \(2 on GPU 'A1000'\), wanted one of a"
    ):
        read_runs(model.measured, [table({"gpu_model": "A1000"}, {"gpu_model": "A1000"})])


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("avg_power_watts", "abc", "line 3 has 'abc' under avg_power_watts, wanted a number from"),
        ("avg_power_watts", "-600", "line 3 has '-600' under avg_power_watts, wanted a number"),
        ("avg_power_watts", '"2,500"', "line 3 has '2,500' under avg_power_watts, wanted a number"),
        ("avg_power_watts", "", "line 3 has nothing under avg_power_watts, wanted a number"),
        ("avg_power_watts", "nan", "line 3 has 'nan' under avg_power_watts, wanted a number"),
        ("avg_power_watts", "1_000", "line 3 has '1_000' under avg_power_watts, wanted a number"),
        ("avg_power_watts", "9000", "line 3 has 4500 W a GPU under .*, wanted at most 1400 W"),
        ("median_itl_ms", "0", "line 3 has '0' under median_itl_ms, wanted a number from 0.001"),
        ("median_itl_ms", "inf", "line 3 has 'inf' under median_itl_ms, wanted a number from"),
        ("num_gpus", "2.5", "line 3 has '2.5' under num_gpus, wanted a whole number from 1 to"),
        ("num_gpus", "0", "line 3 has '0' under num_gpus, wanted a whole number from 1 to 1024"),
        ("model_id", "", "line 3 has nothing under model_id, wanted a name"),
        ("task", "gpqa,gpqa", "line 3 has 12 cells, wanted 11 as there are column names"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(model, table, column, cell, message):
    with pytest.raises(ParameterError, match=rf"runs.csv: .*{message}") as raised:
        read_runs(model.measured, [table({}, {column: cell}, {})])
    assert "\n" not in str(raised.value)


def test_bad_rows_are_counted_and_their_lines_listed(model, table):
    path = table({}, *[{"avg_output_len": "long"}] * 7)
    message = r"7 of 8 rows are bad \(lines 3, 4, 5, 6, 7 and 2 more\): line 3 has 'long' under avg"
    with pytest.raises(ParameterError, match=message):
        read_runs(model.measured, [path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with an empty line, wanted a line of column names"),
        (b"\n\n", "begins with an empty line, wanted a line of column names"),
        (",".join(HEADER).encode(), "holds column names and no runs, wanted a line for each run"),
        (b"a,b\n1,2\n", "the column gpu_model is missing, wanted the columns of ML.ENERGY's runs"),
        (",".join([*HEADER, "task"]).encode(), "has 2 columns task, wanted one"),
        (",".join(HEADER).encode("utf-16"), "is not UTF-8 text, wanted a CSV of runs in UTF-8"),
        (bytes(range(256)), "is not UTF-8 text, wanted a CSV of runs in UTF-8"),
        (b"\0" * 100, "the column gpu_model is missing|is not CSV"),
        (",".join(HEADER).encode() + b'\n"H100', "the row at line 2 is not CSV"),
    ],
)
def test_what_is_no_table_of_runs_is_refused_in_one_sentence(model, tmp_path, content, message):
    (tmp_path / "runs.csv").write_bytes(content)
    with pytest.raises(ParameterError, match=rf"runs.csv: .*({message})") as raised:
        read_runs(model.measured, [tmp_path / "runs.csv"])
    assert "\n" not in str(raised.value)


def test_files_that_are_no_files_and_files_too_large_are_refused_at_once(model, tmp_path):
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(LARGEST + 1)
    os.mkfifo(tmp_path / "pipe.csv")
    started = time.perf_counter()
    for path, message in {
        tmp_path / "nowhere.csv": "cannot be read .No such file",
        tmp_path / "large.csv": "holds 16 MiB, wanted a CSV of runs of at most 16 MiB",
        tmp_path / "pipe.csv": "cannot be read .no regular file",
        "/dev/zero": "cannot be read .no regular file",
    }.items():
        with pytest.raises(ParameterError, match=message):
            read_runs(model.measured, [type(tmp_path)(path)])
    assert time.perf_counter() - started < 5


def test_the_gated_data_set_is_read_through_its_own_package(model, tmp_path):
    pytest.importorskip("mlenergy.data", reason="the extra `mlenergy` is not installed")
    (tmp_path / "runs").mkdir()
    others = RUN | {"is_stable": False, "avg_batch_size": 1.0}, RUN | {"median_itl_ms": np.nan}
    pd.DataFrame([RUN, *others]).to_parquet(tmp_path / "runs" / "llm.parquet")
    runs = read_runs(model.measured, [tmp_path])
    check(runs.rows)
    assert len(runs.rows) == 1
    assert runs.dropped.endswith("1 with a number that is missing or not believed.")


def test_without_its_package_the_gated_data_set_is_asked_for(model, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlenergy.data.records", None)
    message = r"needs the package mlenergy-data, wanted it .*: pip install 'tokwatt\[mlenergy\]'"
    with pytest.raises(ParameterError, match=message):
        read_runs(model.measured, [tmp_path])


def test_a_calibration_wants_power_of_three_llms(model, table):
    runs = read_runs(model.measured, [table({}, {"model_id": "Qwen/Qwen3-14B"})])
    message = r"starts from runs with power of 2 LLMs, wanted at least 3, as each is left out"
    with pytest.raises(ParameterError, match=message):
        calibrate.calibrated(model, runs.rows)


def clients(tmp_path, *changes):
    path = tmp_path / "clients.csv"
    pd.DataFrame([CLIENT_RUN | change for change in changes]).to_csv(path, index=False)
    return path


def test_runs_of_a_load_generator_are_read_with_their_lengths_and_layout(model, tmp_path):
    row = read_runs(model.measured, [clients(tmp_path, {})]).rows.iloc[0]
    assert (row.source, row.engine, row.release) == (
        "inferencex",
        "tensorrt-llm",
        "tensorrt-llm/1.2",
    )
    assert (row.llm, row.gpu, row.precision) == ("deepseek-v3", "B200", "fp8")
    assert (row.prompt, row.output) == pytest.approx((0.9 * 8192, 0.9 * 1024))
    assert (row.tensor_parallel, row.data_parallel, row.expert_parallel) == (4, 2, 8)
    stay = 0.5 + 0.02 * (0.9 * 1024 - 1)
    assert row.throughput == pytest.approx(16 * 0.9 * 1024 / stay)
    assert np.isnan(row.power) and row.client == 1 and row.odd == 0


def test_widths_that_a_table_multiplies_are_repaired_and_other_lengths_are_means(model, tmp_path):
    changes = {"attention_data_parallel": 64, "tensor_parallel": 1, "expert_parallel": 64}
    path = clients(tmp_path, changes | {"prompt_max": 4000}, {"expert_parallel": 0})
    first, second = read_runs(model.measured, [path]).rows.itertuples()
    assert (first.data_parallel, first.expert_parallel, first.prompt) == (8, 8, 4000)
    assert second.expert_parallel == 1 and first.source == "nvidia"


def test_rows_that_no_layout_explains_are_left_out_or_odd(model, tmp_path):
    path = clients(
        tmp_path,
        {},
        {"mode": "disagg", "tensor_parallel": ""},
        {"suspect": "speculative decoding suspected"},
        {"concurrency": ""},
        {"engine_version": "1.3.0rc1", "prompt_max": 2000},
        {"gpu": "tpu"},
    )
    runs = read_runs(model.measured, [path])
    assert list(runs.rows.odd) == [0, 1]
    assert runs.dropped.startswith("Left out 4 of 6 runs: 1 disaggregated, 1 suspect, 1 without a ")
    assert "on GPU" in runs.dropped


def test_a_report_of_vllms_benchmark_is_a_run_with_exact_lengths(model, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORT), encoding="utf-8")
    row = read_runs(model.measured, [path]).rows.iloc[0]
    assert (row.engine, row.release, row.llm) == ("vllm", "vllm/2026-01", "llama-3.1-70b")
    assert (row.prompt, row.output, row.batch, row.latency) == (1024, 1024, 32, 0.025)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("[" * 10**5, "cannot be read"),
        ("{}", "the column engine is missing|cannot be read"),
        (
            json.dumps({**REPORT, "gpu": None}),
            "the column gpu is missing, wanted the columns of Inf",
        ),
        (json.dumps({**REPORT, "completed": 0}), "prompt_max"),
        (json.dumps({**REPORT, "median_tpot_ms": -1}), "has '-1' under tpot_ms, wanted a number"),
    ],
)
def test_what_is_no_report_is_refused_in_one_sentence(model, tmp_path, content, message):
    path = tmp_path / "report.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match=rf"report.json: .*({message})") as raised:
        read_runs(model.measured, [path])
    assert "\n" not in str(raised.value)


def test_a_bad_cell_of_a_load_generator_is_named(model, tmp_path):
    message = r"clients.csv: 1 of 2 rows is bad: line 3 has 'x' under tpot_ms, wanted a number"
    with pytest.raises(ParameterError, match=message):
        read_runs(model.measured, [clients(tmp_path, {}, {"tpot_ms": "x"})])
    assert set(CLIENT.required) <= set(CLIENT_RUN)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside this checkout")
def test_the_records_are_what_the_full_table_says(model):
    runs = read_runs(model.measured, [SHARED / "mlenergy_v3_text.csv"])
    rows = runs.rows
    assert len(rows) == 326 and runs.dropped == ""
    keys = ["gpu", "llm", "precision", "task", "tensor_parallel", "expert_parallel"]
    for row in model.measured.runs().itertuples():
        same = rows[(rows[keys] == [getattr(row, key) for key in keys]).all(axis=1)]
        numbers = ["batch", "power", "throughput", "latency", "output"]
        assert (
            np.isclose(same[numbers], [getattr(row, name) for name in numbers], rtol=1e-3)
            .all(axis=1)
            .any()
        ), row


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside this checkout")
def test_the_selection_is_of_the_full_table_and_no_larger_than_it_may_be(model):
    rows, selection = (
        table[table.columns.drop("power")].round(6)
        for table in (
            read_runs(model.measured, [SHARED / "inferencex_runs.csv"]).rows,
            model.measured.client_runs,
        )
    )
    assert len(selection) <= 400
    keys = ["release", "llm", "gpu", "precision", "tensor_parallel", "batch", "prompt", "output"]
    found = selection.merge(rows, on=keys, how="left", suffixes=("", "_all"))
    assert found.latency_all.notna().all()
    same = np.isclose(found.latency, found.latency_all, rtol=1e-4)
    assert found[same][keys].drop_duplicates().shape == selection[keys].drop_duplicates().shape
