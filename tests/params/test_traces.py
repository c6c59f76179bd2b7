"""Traces: what stands in the file is summed, and what cannot be summed is told by its line."""

import csv
import re

import numpy as np
import pytest
import quick_yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.columns import BUCKETS, NAMES
from tokwatt.params.traces.traces import Trace, read_trace

DATA = ROOT.parent / "shared" / "data"
AZURE = {"conv": 19_366, "code": 8_819}

PUBLIC = {
    "Azure": "ContextTokens,GeneratedTokens",
    "OpenAI": "prompt_tokens,completion_tokens,total_tokens",
    "OpenAI, flattened": "id,usage.prompt_tokens,usage.completion_tokens,usage.total_tokens",
    "Anthropic": "input_tokens,output_tokens",
    "OpenTelemetry": "gen_ai.usage.input_tokens,gen_ai.usage.output_tokens",
    "Mooncake": "timestamp,input_length,output_length",
    "vLLM": "prompt_len,output_len",
    "vLLM, in full": "prompt_length,output_length",
    "BurstGPT": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type",
    "Vidur": "arrived_at,num_prefill_tokens,num_decode_tokens",
    "LLMPerf": "number_input_tokens,number_output_tokens",
    "shouted": "PROMPT-TOKENS,COMPLETION-TOKENS",
    "camels": "PromptTokens,completionTokens",
    "plain": "prompt,output",
    "plain, in and out": "Input,Output",
    "plain, beside a text": "prompt,completion_tokens,output",
    "padded": " prompt_tokens , output_tokens ",
}

BAD_ROWS = {
    "a word": (["1,2", "abc,4"], ["line 3", "'abc'", "'prompt_tokens'", "whole number"]),
    "a negative number": (["1,2", "3,-4"], ["line 3", "'-4'", "'output_tokens'"]),
    "a fraction": (["1.5,2"], ["line 2", "'1.5'"]),
    "endless": (["1,inf"], ["line 2", "'inf'"]),
    "other digits": (["1,٣"], ["line 2", "'٣'"]),
    "grouped digits": (["1_000,2"], ["line 2", "'1_000'"]),
    "more tokens in all than are believed": (
        ["16777215,1", "16777215,2"],
        ["line 3", "16777215 prompt and 2 output tokens", "16777216 in all"],
    ),
    "an unlikely length": (["1700000000,2"], ["line 2", "1700000000 prompt", "16777216"]),
    "more digits than Python takes": ([f"{'9' * 5000},2"], ["line 2", "999..."]),
    "a cell too many": (["1,234,5"], ["line 2", "3 cells", "wanted 2"]),
    "a blank line before": (["1,2", "", "x,4"], ["line 4", "'x'"]),
    "cells in quotes": (['"1","x"'], ["line 2", "'x'"]),
}

BAD_FILES = {
    "empty": (b"", ["is empty", "column names"]),
    "only a mark": (b"\xef\xbb\xbf", ["is empty"]),
    "brackets that overflow the stack": (b"[" * 10**5, ["is no JSON"]),
    "objects that overflow the stack": (b'{"a":' * 10**5 + b"\n", ["is no JSON"]),
    "no requests": (b"prompt_tokens,output_tokens\n\n", ["no requests"]),
    "blank": (b"\n\n", ["no requests"]),
    "no prompt": (
        b"words,output_tokens\n1,2\n",
        ["prompt tokens", "'words', 'output_tokens'", "ContextTokens", "input_length"],
    ),
    "no output": (
        b"prompt_tokens,words\n1,2\n",
        ["output tokens", "'prompt_tokens', 'words'", "GeneratedTokens"],
    ),
    "texts": (
        b"prompt,output\nHow many?,3\nWho is it?,5\n",
        ["holds text under 'prompt'", "no column of prompt tokens", "--columns prompt=NAME"],
    ),
    "texts of answers": (
        b"input,output\n3,Many.\n4,He.\n5,7\n",
        ["holds text under 'output'", "no column of output tokens", "--columns output=NAME"],
    ),
    "a word among plain counts": (b"prompt,output\n3,4\n5,x\n6,7\n", ["line 3", "'x'"]),
    "no names": (b"374,44\n396,109\n", ["'374', '44'", "ContextTokens"]),
    "many odd names": (b"a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n", ["'e' and 2 more"]),
    "two prompts": (
        b"prompt_tokens,ContextTokens,output_tokens\n1,2,3\n",
        ["2 columns of prompt", "'ContextTokens', 'prompt_tokens'", "--columns prompt=NAME"],
    ),
    "one name twice": (
        b"prompt_tokens,output_tokens,output_tokens\n1,2,3\n",
        ["2 columns of output", "wanted the option"],
    ),
    "UTF-16": ("prompt_tokens,output_tokens\n1,2\n".encode("utf-16"), ["UTF-8"]),
    "Latin-1": ("prompt_tokens,output_tokens,model\n1,2,é\n".encode("latin-1"), ["UTF-8"]),
    "nothing but zeros": (bytes(5000), ["is no text", "CSV, JSON or Parquet"]),
    "a database": (b"SQLite format 3\0\x10\0\x01\x01\0", ["is no text", "CSV, JSON or Parquet"]),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ["is not UTF-8 text", "CSV, JSON or Parquet"]),
    "pickled": (b"\x80\x04\x95\x0b\n", ["is not UTF-8 text", "CSV, JSON or Parquet"]),
    "a zip": (b"PK\x03\x04\x14\0\0\0\0\0", ["is no text", "CSV, JSON or Parquet"]),
    "an open quote": (
        b'prompt_tokens,output_tokens,model\n1,2,a\n3,4,"b\n5,6,c\n',
        ["line 3", "CSV", "quoted"],
    ),
}

pairs = st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)).filter(any)
requests = st.lists(
    st.tuples(st.integers(1, 5_000), st.integers(1, 2_000)), min_size=1, max_size=60
)


@pytest.fixture
def given_file(tmp_path):
    """Writes a file of requests: bytes as they are, or lines below the usual names."""

    def write(content, names="prompt_tokens,output_tokens"):
        path = tmp_path / "requests.csv"
        path.write_bytes(
            content if isinstance(content, bytes) else "\n".join([names, *content, ""]).encode()
        )
        return path

    return write


def trace_of(pairs):
    prompt, output = np.array(pairs).T
    return Trace(name="drawn", prompt=prompt, output=output)


def complaint(path):
    """The one sentence about a file, without its name."""
    with pytest.raises(ParameterError) as caught:
        read_trace(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert re.fullmatch(r"[^\n]+\.", sentence) and ". " not in sentence
    return sentence.removeprefix(str(path))


# Reading


@pytest.mark.parametrize("names", PUBLIC.values(), ids=PUBLIC)
def test_public_spellings_are_recognised(given_file, names):
    row = ",".join(
        "374" if re.search("(?i)prompt|input|context|request|prefill", name) else "44"
        for name in names.split(",")
    )
    trace = read_trace(given_file([row], names))
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([374], [44])


@pytest.mark.parametrize("prompt", NAMES["prompt"])
@pytest.mark.parametrize("output", NAMES["output"])
def test_every_spelling_is_recognised_beside_every_other(given_file, prompt, output):
    trace = read_trace(given_file(["44,374"], f"{output},{prompt}"))
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([374], [44])


PLAIN = b"prompt_tokens,output_tokens\n374,44\n396,109\n"
DISGUISES = {
    "a mark of byte order": b"\xef\xbb\xbf" + PLAIN,
    "lines of Windows": PLAIN.replace(b"\n", b"\r\n"),
    "lines of old Macs": PLAIN.replace(b"\n", b"\r"),
    "no last line end": PLAIN.rstrip(),
    "blank lines": PLAIN.replace(b"\n", b"\n\n  \n"),
    "quotes": PLAIN.replace(b"374", b'"374"')
    .replace(b"44", b'" 44 "')
    .replace(b"prompt_tokens", b'"prompt_tokens"'),
    "spaces": PLAIN.replace(b",", b" , "),
    "a plus": PLAIN.replace(b"374", b"+374"),
    "zeros": PLAIN.replace(b"374", b"0374.0"),
    "semicolons": PLAIN.replace(b",", b";"),
    "tabs": PLAIN.replace(b",", b"\t"),
    "empty cells at the end": PLAIN.replace(b"44", b"44,,"),
}


@pytest.mark.parametrize("content", DISGUISES.values(), ids=DISGUISES)
def test_the_same_requests_are_read_however_they_are_written(given_file, content):
    trace = read_trace(given_file(content))
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([374, 396], [44, 109])


def test_text_that_runs_over_lines_is_skipped_and_counted(given_file):
    content = b'prompt_tokens,text,output_tokens\n1,"a\nb, c\n",2\n3,"",4\n'
    assert read_trace(given_file(content)).prompt.tolist() == [1, 3]
    assert "line 5" in complaint(given_file(content.replace(b"3,", b"x,")))
    assert "line 2" in complaint(given_file(content.replace(b"\n1,", b"\nx,")))


@given(
    requests=st.lists(pairs, min_size=1, max_size=40),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_is_written_is_read_back(tmp_path_factory, requests, quoting):
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=quoting).writerows(
            [("label", "request_tokens", "response_tokens"), *(("x", *pair) for pair in requests)]
        )
    served = [pair for pair in requests if all(pair)]
    if not served:
        assert "holds no served request" in complaint(path)
        return
    trace = read_trace(path)
    assert list(zip(trace.prompt, trace.output, strict=True)) == served
    assert sum(trace.left_out.values()) == len(requests) - len(served)
    assert trace.arrival_rate is None


def test_rows_that_are_no_served_request_are_left_out_and_counted(given_file):
    trace = read_trace(given_file(["0,5", "7,0", "3,4", "0,0", "x,", ",4", "5", "1,nan"]))
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([3], [4])
    assert trace.left_out == {
        "without output tokens": 2,
        "without prompt tokens": 1,
        "without token counts": 4,
    }


# Arrivals


@pytest.mark.parametrize(
    ("name", "times"),
    {
        "TIMESTAMP": [
            "2023-11-16 18:15:46.0000000",
            "2023-11-16 18:15:47.5000000",
            "2023-11-16 18:15:50.0000000",
        ],
        "Timestamp": ["5", "6", "9"],
        "arrived_at": ["0.5", "4.5", "1.25"],
        "arrival_time_ms": ["-1000", "0", "3000"],
        "Arrival Time": [
            "2024-05-10 23:59:59+00:00",
            "2024-05-11 01:00:00+01:00",
            "2024-05-11T00:00:03Z",
        ],
        "created_at": ["1700000000", "1700000001", "1700000004"],
    }.items(),
)
def test_the_arrival_rate_is_requests_less_one_over_their_span(given_file, name, times):
    rate = read_trace(
        given_file([f"{time},1,2" for time in times], f"{name},prompt_tokens,output_tokens")
    ).arrival_rate
    assert rate == pytest.approx(2 / 4, rel=1e-12)


@pytest.mark.parametrize("name", sorted({*NAMES["time"]} - {*BUCKETS}))
def test_requests_that_come_at_once_have_no_arrival_rate(given_file, name):
    names = f"{name},prompt_tokens,output_tokens"
    assert read_trace(given_file(["3,1,2", "3,1,2"], names)).arrival_rate is None
    assert read_trace(given_file(["3,1,2"], names)).arrival_rate is None
    assert read_trace(given_file(["3,1,2", "4,1,2"], names)).arrival_rate == 1


def test_a_timestamp_beside_lengths_of_mooncake_counts_milliseconds_unless_it_has_fractions(
    given_file,
):
    rows, names = ["1000,1,2", "2000,1,2"], "{},input_length,output_length"
    assert read_trace(given_file(rows, names.format("timestamp"))).arrival_rate == 1
    assert read_trace(given_file(rows, names.format("timestamp_s"))).arrival_rate == 1e-3
    assert read_trace(given_file(rows, names.format("timestamp_ms"))).arrival_rate == 1
    fractions = [*rows[:1], "2000.5,1,2"]
    assert read_trace(given_file(fractions, names.format("timestamp"))).arrival_rate < 1e-3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1", ""),
        ("1", "2023-11-16"),
        ("2023-11-16", "20"),
        ("2023-11-16", "soon"),
        ("2023-11-16", "now"),
        ("2023-11-16", "-3"),
        ("1", "nan"),
        ("1", "1e999"),
    ],
)
def test_a_time_that_is_not_like_the_first_is_reported(given_file, first, second):
    sentence = complaint(
        given_file([f"{first},1,2", f"{second},1,2"], "timestamp,prompt_tokens,output_tokens")
    )
    assert all(
        part in sentence for part in ["line 3", second or "nothing", "'timestamp'", "ISO date"]
    )


# Complaints


@pytest.mark.parametrize(("rows", "parts"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_told_in_one_sentence_with_its_line(given_file, rows, parts):
    sentence = complaint(given_file(rows))
    assert f"1 of {len([row for row in rows if row])} rows is bad: " in sentence
    assert all(part in sentence for part in parts)


@given(bad=st.sets(st.integers(0, 29), min_size=1))
def test_all_bad_rows_are_counted_and_the_first_are_listed(tmp_path_factory, bad):
    path = tmp_path_factory.mktemp("bad") / "requests.csv"
    path.write_text(
        "\n".join(
            ["input_tokens,output_tokens", *("x,1" if row in bad else "1,1" for row in range(30))]
        ),
        encoding="utf-8",
    )
    lines = [row + 2 for row in sorted(bad)]
    sentence = complaint(path)
    assert f"{len(bad)} of 30" in sentence
    listed = re.search(r"\(lines ([\d, ]+)", sentence)
    assert (listed is None) == (len(bad) == 1)
    assert listed is None or [int(line) for line in listed[1].split(",")] == lines[:5]
    assert (f" and {len(bad) - 5} more" in sentence) == (len(bad) > 5)
    assert f": line {lines[0]} has 'x'" in sentence


@pytest.mark.parametrize(("content", "parts"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_told_in_one_sentence(given_file, content, parts):
    sentence = complaint(given_file(content))
    assert all(part in sentence for part in parts)


def test_a_file_that_cannot_be_opened_is_told_in_one_sentence(tmp_path):
    assert "No such file" in complaint(tmp_path / "absent.csv")
    assert "cannot be read" in complaint(tmp_path)


# A trace


@given(requests=requests)
def test_a_trace_sums_up_its_requests(requests):
    trace = trace_of(requests)
    assert trace.requests == len(requests) and trace.longest == max(i + o for i, o in requests)
    assert trace.mean_output == pytest.approx(np.mean([o for _, o in requests]), rel=1e-12)
    assert trace.output_share == pytest.approx(
        sum(o for _, o in requests) / sum(i + o for i, o in requests), rel=1e-12
    )
    ends = np.array([0, trace.longest - 1, trace.longest])
    assert trace.fractions(ends).tolist() == [0, np.mean(trace.total < trace.longest), 1]


# The Azure trace of 2023


@pytest.fixture(scope="module")
def azure():
    paths = {name: DATA / f"AzureLLMInferenceTrace_{name}.csv" for name in AZURE}
    absent = [str(path) for path in paths.values() if not path.exists()]
    if absent:
        pytest.skip(f"reference data is kept outside this repository: no {absent[0]}")
    return {name: read_trace(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def pooled(azure):
    return Trace(
        name="Azure",
        prompt=np.concatenate([trace.prompt for trace in azure.values()]),
        output=np.concatenate([trace.output for trace in azure.values()]),
    )


@pytest.mark.shared
def test_the_azure_trace_has_its_published_size(azure, pooled):
    assert {name: trace.requests for name, trace in azure.items()} == AZURE
    assert (pooled.longest, sum(sum(trace.left_out.values()) for trace in azure.values())) == (
        14_089,
        0,
    )
    assert pooled.output_share == pytest.approx(0.097, abs=5e-4)


@pytest.mark.shared
def test_the_azure_trace_has_the_published_arrival_rates(azure):
    with (DATA / "traces_summary.csv").open(encoding="utf-8", newline="") as file:
        published = {
            row["trace"]: float(row["mean_rps"]) for row in csv.DictReader(file) if row["mean_rps"]
        }
    for name, trace in azure.items():
        assert trace.arrival_rate == pytest.approx(published[f"azure2023_{name}"], rel=2e-4)


@pytest.mark.shared
def test_the_azure_workload_is_the_azure_trace(pooled):
    law = quick_yaml.load((ROOT / "params" / "workloads.yaml").read_text(encoding="utf-8"))["azure"]
    assert pooled.fractions(law["lengths"]["value"]) == pytest.approx(
        law["fractions"]["value"], abs=1e-12
    )
