"""Tables of runs: what is read, left out and said, and what is refused by line and column."""

import os
import time

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from tokwatt.calibration import calibrate
from tokwatt.calibration.records import Calibrated
from tokwatt.calibration.run_tables import LARGEST, NAMES, NUMBERS, read_runs
from tokwatt.calibration.runs import COLUMNS
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
HEADER = [*NAMES, *NUMBERS]


@pytest.fixture(scope="module")
def calibrated():
    return Calibrated(ParameterFolder(ROOT / "params"))


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
    numbers = (row.gpus, row.expert_parallel, row.batch, row.power, row.latency, row.output)
    assert numbers == (2, 0, 31.5, 500, 0.01, 7000)


def test_a_csv_of_runs_is_read_in_si_units_whatever_columns_it_has_beside(calibrated, tmp_path):
    pd.DataFrame([RUN]).to_csv(tmp_path / "runs.csv", index=False)
    runs = read_runs(calibrated.model, tmp_path / "runs.csv")
    check(runs.rows)
    assert runs.dropped == ""


def test_runs_that_nobody_knows_are_left_out_and_counted_by_what_is_unknown(calibrated, table):
    path = table(
        {},
        {"model_id": "nobody/knows\x1b[2J"},
        {"gpu_model": "A100"},
        {"gpu_model": "A100"},
        {"task": "poetry"},
        {"weight_precision": "int3"},
    )
    runs = read_runs(calibrated.model, path)
    check(runs.rows)
    assert len(runs.rows) == 1
    assert runs.dropped == (
        "Left out 5 of 6 runs: 2 on GPU 'A100', 1 of LLM 'nobody/knows\\x1b[2J', "
        "1 of task 'poetry', 1 of precision 'int3'."
    )


def test_a_table_without_a_run_to_use_says_what_it_has(calibrated, table):
    with pytest.raises(ParameterError, match=r"no run to use \(2 on GPU 'A100'\), wanted one of a"):
        read_runs(calibrated.model, table({"gpu_model": "A100"}, {"gpu_model": "A100"}))


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
def test_a_bad_cell_is_named_by_line_and_column(calibrated, table, column, cell, message):
    with pytest.raises(ParameterError, match=rf"runs.csv: .*{message}") as raised:
        read_runs(calibrated.model, table({}, {column: cell}, {}))
    assert "\n" not in str(raised.value)


def test_bad_rows_are_counted_and_their_lines_listed(calibrated, table):
    path = table({}, *[{"avg_output_len": "long"}] * 7)
    message = r"7 of 8 rows are bad \(lines 3, 4, 5, 6, 7 and 2 more\): line 3 has 'long' under avg"
    with pytest.raises(ParameterError, match=message):
        read_runs(calibrated.model, path)


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
def test_what_is_no_table_of_runs_is_refused_in_one_sentence(
    calibrated, tmp_path, content, message
):
    (tmp_path / "runs.csv").write_bytes(content)
    with pytest.raises(ParameterError, match=rf"runs.csv: .*({message})") as raised:
        read_runs(calibrated.model, tmp_path / "runs.csv")
    assert "\n" not in str(raised.value)


def test_files_that_are_no_files_and_files_too_large_are_refused_at_once(calibrated, tmp_path):
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
            read_runs(calibrated.model, type(tmp_path)(path))
    assert time.perf_counter() - started < 5


def test_the_gated_data_set_is_read_through_its_own_package(calibrated, tmp_path):
    pytest.importorskip("mlenergy.data", reason="the extra `mlenergy` is not installed")
    (tmp_path / "runs").mkdir()
    others = RUN | {"is_stable": False, "avg_batch_size": 1.0}, RUN | {"median_itl_ms": np.nan}
    pd.DataFrame([RUN, *others]).to_parquet(tmp_path / "runs" / "llm.parquet")
    runs = read_runs(calibrated.model, tmp_path)
    check(runs.rows)
    assert len(runs.rows) == 1
    assert runs.dropped.endswith("1 with a number that is missing or not believed.")


def test_without_its_package_the_gated_data_set_is_asked_for(calibrated, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlenergy.data.records", None)
    message = r"needs the package mlenergy-data, wanted it .*: pip install 'tokwatt\[mlenergy\]'"
    with pytest.raises(ParameterError, match=message):
        read_runs(calibrated.model, tmp_path)


def test_a_calibration_wants_three_llms_on_every_gpu(calibrated, table):
    runs = read_runs(calibrated.model, table({}, {"model_id": "Qwen/Qwen3-14B"}))
    message = r"gpus.H100 has runs of 2 LLMs, wanted at least 3, as two are held out at once"
    with pytest.raises(ParameterError, match=message):
        calibrate.calibrated(calibrated.model, runs.rows)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside this checkout")
def test_the_records_are_what_the_full_table_says(calibrated):
    runs = read_runs(calibrated.model, SHARED / "mlenergy_v3_text.csv")
    rows = runs.rows
    assert len(rows) == 326 and runs.dropped == ""
    keys = ["gpu", "llm", "precision", "task", "gpus", "expert_parallel"]
    for row in calibrated.model.measured.runs.itertuples():
        same = rows[(rows[keys] == [getattr(row, key) for key in keys]).all(axis=1)]
        numbers = ["batch", "power", "throughput", "latency", "output"]
        assert (
            np.isclose(same[numbers], [getattr(row, name) for name in numbers], rtol=1e-3)
            .all(axis=1)
            .any()
        ), row
