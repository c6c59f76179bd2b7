"""Traces: what stands in the file is summed, and what cannot be summed is told by its line."""

import csv
import re

import numpy as np
import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.commands import deployments
from tokwatt.params.columns import ARRIVAL, OUTPUT, PROMPT
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand, Workload
from tokwatt.params.traces import Trace, read_trace
from tokwatt.serving.fleet import size_pool
from tokwatt.serving.times import instance_of
from tokwatt.serving.traffic import Traffic, between, law_table, trace_table

DATA = ROOT.parent / "shared" / "data"
AZURE = {"conv": 19_366, "code": 8_819}
DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)

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
    "padded": " prompt_tokens , output_tokens ",
}

BAD_ROWS = {
    "a word": (["1,2", "abc,4"], ["line 3", "'abc'", "'prompt_tokens'", "whole number"]),
    "a negative number": (["1,2", "3,-4"], ["line 3", "'-4'", "'output_tokens'"]),
    "a fraction": (["1.5,2"], ["line 2", "'1.5'"]),
    "a power of ten": (["1e3,2"], ["line 2", "'1e3'"]),
    "not a number": (["nan,2"], ["line 2", "'nan'"]),
    "endless": (["1,inf"], ["line 2", "'inf'"]),
    "other digits": (["1,٣"], ["line 2", "'٣'"]),
    "grouped digits": (["1_000,2"], ["line 2", "'1_000'"]),
    "more tokens in all than are believed": (
        ["16777215,1", "16777215,2"],
        ["line 3", "16777215 prompt and 2 output tokens", "16777216 in all"],
    ),
    "an unlikely length": (["1700000000,2"], ["line 2", "'1700000000'", "16777216"]),
    "more digits than Python takes": ([f"{'9' * 5000},2"], ["line 2", "999..."]),
    "an empty cell": (["1,2", ",4"], ["line 3", "nothing", "'prompt_tokens'"]),
    "a blank cell": (["1,2", "3,  "], ["line 3", "nothing", "'output_tokens'"]),
    "a missing cell": (["1,2", "3"], ["line 3", "nothing", "'output_tokens'"]),
    "a cell too many": (["1,234,5"], ["line 2", "3 cells", "wanted 2"]),
    "no tokens at all": (["1,2", "0,0"], ["line 3", "0 prompt and 0 output"]),
    "a blank line before": (["1,2", "", "x,4"], ["line 4", "'x'"]),
    "cells in quotes": (['"1","x"'], ["line 2", "'x'"]),
}

BAD_FILES = {
    "empty": (b"", ["is empty", "column names"]),
    "only a mark": (b"\xef\xbb\xbf", ["is empty"]),
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
    "no names": (b"374,44\n396,109\n", ["'374', '44'", "ContextTokens"]),
    "many odd names": (b"a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n", ["'e' and 2 more"]),
    "two prompts": (
        b"prompt_tokens,ContextTokens,output_tokens\n1,2,3\n",
        ["2 columns of prompt", "'prompt_tokens', 'ContextTokens'"],
    ),
    "one name twice": (
        b"prompt_tokens,output_tokens,output_tokens\n1,2,3\n",
        ["2 columns of output", "wanted one"],
    ),
    "two arrivals": (
        b"timestamp,arrived_at,prompt_len,output_len\n1,2,3,4\n",
        ["2 columns of arrivals"],
    ),
    "UTF-16": ("prompt_tokens,output_tokens\n1,2\n".encode("utf-16"), ["UTF-8"]),
    "Latin-1": ("prompt_tokens,output_tokens,model\n1,2,é\n".encode("latin-1"), ["UTF-8"]),
    "an open quote": (
        b'prompt_tokens,output_tokens,model\n1,2,a\n3,4,"b\n5,6,c\n',
        ["line 3", "CSV", "quoted"],
    ),
}

pairs = st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)).filter(any)
requests = st.lists(
    st.tuples(st.integers(1, 5_000), st.integers(1, 2_000)), min_size=1, max_size=60
)
chunks = st.sampled_from([1.0, 256.0, 1000.0, 8192.0])
lengths = st.integers(0, 8_000).map(float)


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


@pytest.mark.parametrize("prompt", PROMPT)
@pytest.mark.parametrize("output", OUTPUT)
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
            [("time", "request_tokens", "response_tokens"), *(("x", *pair) for pair in requests)]
        )
    trace, written = read_trace(path), np.array(requests)
    assert np.array_equal(np.stack([trace.prompt, trace.output], axis=1), np.maximum(1, written))
    assert trace.raised == np.sum(np.any(written == 0, axis=1))
    assert trace.arrival_rate is None


def test_a_request_without_prompt_or_output_counts_with_one_token(given_file):
    trace = read_trace(given_file(["0,5", "7,0", "3,4"]))
    assert (trace.prompt.tolist(), trace.output.tolist(), trace.raised) == ([1, 7, 3], [5, 1, 4], 2)


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


@pytest.mark.parametrize("name", ARRIVAL)
def test_requests_that_come_at_once_have_no_arrival_rate(given_file, name):
    names = f"{name},prompt_tokens,output_tokens"
    assert read_trace(given_file(["3,1,2", "3,1,2"], names)).arrival_rate is None
    assert read_trace(given_file(["3,1,2"], names)).arrival_rate is None
    assert read_trace(given_file(["3,1,2", "4,1,2"], names)).arrival_rate == 1


def test_a_timestamp_that_may_be_seconds_or_milliseconds_gives_no_arrival_rate(given_file):
    rows, names = ["1000,1,2", "2000,1,2"], "{},input_length,output_length"
    assert read_trace(given_file(rows, names.format("timestamp"))).arrival_rate is None
    assert read_trace(given_file(rows, names.format("timestamp_s"))).arrival_rate == 1e-3
    assert read_trace(given_file(rows, names.format("timestamp_ms"))).arrival_rate == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1", ""),
        ("1", "2023-11-16"),
        ("2023-11-16", "20"),
        ("2023-11-16", "soon"),
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


@pytest.mark.parametrize("name", ["timestamp", "timestamp_s", "created_at", "arrived_at"])
def test_milliseconds_under_the_name_of_seconds_are_refused(given_file, name):
    rows, names = ["1700000000000,1,2", "1700000001000,1,2"], f"{name},prompt_tokens,output_tokens"
    sentence = complaint(given_file(rows, names))
    assert "2 of 2 rows are bad" in sentence and "'1700000000000'" in sentence
    assert "seconds of at most 1e+11 (milliseconds under a name that ends in ms)" in sentence
    in_ms = names.replace(name, f"{name.removesuffix('_s')}_ms")
    assert read_trace(given_file(rows, in_ms)).arrival_rate == 1
    in_us = [row.replace(",1,", "000,1,") for row in rows]
    assert "'1700000000000000'" in complaint(given_file(in_us, in_ms))


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


# Sums


SUMMED = tuple(name for name in Traffic._fields if name != "long_prompt")
OF_ALL = ("share", "credited", "generated")
"""Fields of traffic that count for each request that arrives anywhere."""


def sums_between(table, lower, upper):
    """Sums over the requests between two lengths, from their means."""
    means = between(table, lower, upper)
    return {
        name: float(getattr(means, name) * (1 if name in OF_ALL else means.share))
        for name in SUMMED
    }


@given(requests=requests, chunk=chunks, lower=lengths, upper=lengths)
def test_sums_between_two_lengths_are_sums_over_the_requests_there(requests, chunk, lower, upper):
    table, total = trace_table(trace_of(requests), chunk), len(requests)
    sums = sums_between(table, min(lower, upper), max(lower, upper))
    wanted = dict.fromkeys(SUMMED, 0)
    for i, o in requests:
        if not min(lower, upper) < i + o <= max(lower, upper):
            continue
        k, length = -(-i // int(chunk)) + o, i + o
        row = 1, o, o, i, k - o, k, k * length, k * (i + o / 2), k**2
        row = *row, k**2 * length, (k * length) ** 2
        wanted = {name: wanted[name] + value for name, value in zip(SUMMED, row, strict=True)}
    for name, value in wanted.items():
        near = pytest.approx(value / total, rel=1e-12, abs=1e-13 * getattr(table, name)[-1])
        assert sums[name] == near, name


@given(requests=requests, chunk=chunks, split=lengths)
def test_sums_of_two_parts_make_the_whole(requests, chunk, split):
    trace = trace_of(requests)
    table, last = trace_table(trace, chunk), float(trace.longest)
    middle = min(split, last)
    short, long = sums_between(table, 0.0, middle), sums_between(table, middle, last)
    for name in SUMMED:
        whole = float(getattr(table, name)[-1])
        assert short[name] + long[name] == pytest.approx(whole, rel=1e-12), name
    assert table.share[-1] == 1
    assert table.generated[-1] == pytest.approx(trace.mean_output, rel=1e-12)


@given(requests=requests, longest=st.integers(1, 8_000))
def test_sums_end_at_the_longest_length_and_leave_longer_requests_out(requests, longest):
    trace = trace_of(requests)
    full, cut = trace_table(trace, 1024.0), trace_table(trace, 1024.0, longest)
    for name in SUMMED:
        whole, part = getattr(full, name), getattr(cut, name)
        assert part.shape == (longest + 1,) and part[0] == 0
        shared = min(longest, trace.longest) + 1
        assert np.array_equal(part[:shared], whole[:shared]) and np.all(part[shared:] == whole[-1])
    assert cut.share[-1] == pytest.approx(np.mean(trace.total <= longest), rel=1e-12)


@settings(max_examples=30)  # a tenth of a second each
@given(
    bins=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 4)), min_size=4, max_size=4),
    share=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_a_trace_of_every_length_of_a_law_has_the_sums_of_the_law(bins, share):
    widths, repeats = np.array([*bins, (2, 1)]).T
    knots, counts = np.cumsum(widths), widths * repeats
    law = Workload(lengths=knots.astype(float), fractions=np.cumsum(counts) / counts.sum())
    length = np.repeat(np.arange(1, knots[-1] + 1), np.repeat(repeats, widths))
    prompt = np.maximum(1, np.trunc((1 - share) * length)).astype(int)
    trace = Trace(name="law", prompt=prompt, output=np.maximum(1, length - prompt))
    tables = trace_table(trace, 128.0, 1500), law_table(law, share, 128.0, 1500)
    for name in SUMMED:
        summed, exact = (np.asarray(getattr(table, name)) for table in tables)
        # A request of one token is served as one of two, and so stands one entry further on.
        near = pytest.approx(exact[2:], rel=1e-9, abs=1e-12 * float(exact[-1]))
        assert summed[2:] == near, name


@settings(max_examples=25)
@given(requests=requests, split=lengths)
def test_two_pools_serve_what_one_serves(parameters, requests, split):
    trace, profile = trace_of(requests), parameters.profiles["H100"]
    account = AssumptionSets(parameters).account("paper", deployments.PLAIN)
    instance = instance_of(account, parameters.profiled(profile))
    table, last = trace_table(trace, profile.prefill_chunk), float(trace.longest)
    middle = min(split, last)
    short, long, one = (
        size_pool(account, instance, between(table, low, high), high, DEMAND)
        for low, high in [(0.0, middle), (middle, last), (0.0, last)]
    )
    assert float(short.generated + long.generated) == pytest.approx(float(one.generated), rel=1e-12)
    assert float(one.generated) == pytest.approx(DEMAND.arrival_rate * trace.mean_output, rel=1e-12)
    assert float(one.instances) >= 1 and float(one.utilization) <= DEMAND.max_utilization


def test_sums_of_a_trace_and_of_a_law_are_laid_out_alike(parameters):
    law = law_table(parameters.workloads["azure"], 0.2, 1024.0, 4096)
    trace = trace_table(trace_of([(3000, 2000), (5, 5)]), 1024.0, 4096)
    assert isinstance(trace, Traffic)
    assert [field.shape for field in trace] == [field.shape for field in law]
    assert {field.dtype for field in trace} == {field.dtype for field in law}


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
    assert (pooled.longest, sum(trace.raised for trace in azure.values())) == (14_089, 0)
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
    law = yaml.safe_load((ROOT / "params" / "workloads.yaml").read_text(encoding="utf-8"))["azure"]
    assert pooled.fractions(law["lengths"]["value"]) == pytest.approx(
        law["fractions"]["value"], abs=1e-12
    )
