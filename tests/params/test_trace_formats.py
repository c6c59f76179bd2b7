"""Traces as they are published or exported: each is read as a hand count has it.

The inputs are written by hand after the documented fields of each format; no line is copied.
"""

import gzip
import json

import numpy as np
import pytest

from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.columns import chosen_columns
from tokwatt.params.traces.traces import read_trace


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def span(prompt, output, nanoseconds, **more):
    """A span of OpenTelemetry in JSON, which writes whole numbers as text."""
    counts = {"gen_ai.usage.input_tokens": prompt, "gen_ai.usage.output_tokens": output, **more}
    attributes = [{"key": key, "value": {"intValue": str(n)}} for key, n in counts.items()]
    return {"name": "chat", "startTimeUnixNano": str(nanoseconds), "attributes": attributes}


def guidellm(prompt, output, start):
    return {
        "request_id": "x",
        "prompt_tokens": prompt,
        "output_tokens": output,
        "start_time": start,
    }


# By name: what stands in the file, prompts, outputs, requests per second, and more of the trace.
FORMATS = {
    "Azure 2023": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.6805900,396,109\n",
        ([374, 396], [44, 109], 1 / 4),
        {},
    ),
    "Azure 2024": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:02.009930+00:00,2399,6\n",
        ([2162, 2399], [5, 6], 1 / 2),
        {},
    ),
    "BurstGPT": (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,Conversation log\n"
        "105,GPT-4,417,276,693,API log\n",
        ([472, 417], [18, 276], 1 / 100),
        {"left_out": {"without output tokens": 1}},
    ),
    "Mooncake": (
        lines(
            {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]},
            {"timestamp": 30482, "input_length": 6472, "output_length": 26, "hash_ids": [46]},
        ),
        ([6955, 6472], [52, 26], 1 / 3),
        {"notes": "milliseconds"},
    ),
    "Bailian": (
        lines(
            {"chat_id": 1, "parent_chat_id": -1, "timestamp": 61.0, "input_length": 521}
            | {"output_length": 132, "type": "text", "turn": 1, "hash_ids": [1089]},
            {"chat_id": 2, "parent_chat_id": 1, "timestamp": 71.5, "input_length": 20}
            | {"output_length": 7, "type": "text", "turn": 2, "hash_ids": []},
        ),
        ([521, 20], [132, 7], 1 / 10.5),
        {"notes": "seconds"},
    ),
    "ServeGen": (
        "request_id,timestamp,input_tokens,output_tokens\n0,0.25,100,10\n1,0.75,200,20\n",
        ([100, 200], [10, 20], 2),
        {},
    ),
    "Vidur": (
        "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,10,20\n1.0,30,40\n",
        ([10, 30], [20, 40], 2),
        {},
    ),
    "vLLM benchmark": (
        json.dumps(
            {"date": "20260101-000000", "num_prompts": 3, "total_input_tokens": 60}
            | {"input_lens": [10, 20, 30], "output_lens": [1, 2, 0], "ttfts": [0.1, 0.2, 0.0]}
            | {"itls": [[], [0.01], []], "start_times": [100.0, 104.0, 105.0]}
            | {"errors": ["", "", "timeout"]}
        ),
        ([10, 20], [1, 2], 1 / 4),
        {"left_out": {"failed": 1}},
    ),
    "GuideLLM": (
        json.dumps(
            {"benchmarks": [{"args": {"rate": 1}, "requests": {
                "successful": [guidellm(10, 5, 1.7e9), guidellm(20, 6, 1.7e9 + 8)],
                "incomplete": [guidellm(30, 7, 1.7e9 + 9)],
                "errored": [guidellm(40, 0, 1.7e9 + 9)],
            }}]}
        ),
        ([10, 20], [5, 6], 1 / 8),
        {"left_out": {"failed": 2}},
    ),
    "OpenTelemetry, spans": (
        lines(
            {"resourceSpans": [{"scopeSpans": [{"spans": [
                span(100, 10, 1_700_000_000_000_000_000),
                {"name": "tool", "startTimeUnixNano": "1700000000500000000", "attributes": []},
            ]}]}]},
            {"resourceSpans": [{"scopeSpans": [{"spans": [
                span(200, 20, 1_700_000_002_000_000_000)
            ]}]}]},
        ),
        ([100, 200], [10, 20], 1 / 2),
        {"notes": "nanoseconds"},
    ),
    "OpenTelemetry, columns": (
        "timestamp,gen_ai.usage.input_tokens,gen_ai.usage.cache_read.input_tokens,"
        "gen_ai.usage.output_tokens\n2026-01-01T00:00:00Z,100,40,10\n2026-01-01T00:00:05Z,50,0,5\n",
        ([100, 50], [10, 5], 1 / 5),
        {"cached": [40, 0]},
    ),
    "Langfuse": (
        json.dumps(
            [
                {"id": "a", "type": "GENERATION", "startTime": "2026-01-01T00:00:00.000Z"}
                | {"level": "DEFAULT", "usage": {"input": 9, "output": 3, "unit": "TOKENS"}}
                | {"usageDetails": {"input": 9, "output": 3}, "promptTokens": 9}
                | {"completionTokens": 3},
                {"id": "b", "type": "GENERATION", "startTime": "2026-01-01T00:00:04.000Z"}
                | {"level": "ERROR", "usage": {"input": 8, "output": 1, "unit": "TOKENS"}}
                | {"usageDetails": {"input": 8, "output": 1}, "promptTokens": 8}
                | {"completionTokens": 1},
                {"id": "c", "type": "SPAN", "startTime": "2026-01-01T00:00:05.000Z", "level": "X"}
                | {"usage": {"input": None, "output": None}, "usageDetails": {}},
                {"id": "d", "type": "GENERATION", "startTime": "2026-01-01T00:00:02.000Z"}
                | {"level": "DEFAULT", "usage": {"input": 7, "output": 2, "unit": "TOKENS"}}
                | {"usageDetails": {"input": 7, "output": 2}, "promptTokens": 7}
                | {"completionTokens": 2},
            ]
        ),
        ([9, 7], [3, 2], 1 / 2),
        {"left_out": {"failed": 1, "without token counts": 1}},
    ),
    "LiteLLM": (
        "request_id,call_type,spend,total_tokens,prompt_tokens,completion_tokens,startTime,endTime,"
        "status\n"
        "a,acompletion,0.1,12,10,2,2026-01-01 00:00:00,2026-01-01 00:00:01,success\n"
        "b,acompletion,0,0,0,0,2026-01-01 00:00:02,2026-01-01 00:00:02,failure\n"
        "c,acompletion,0.1,23,20,3,2026-01-01 00:00:05,2026-01-01 00:00:09,success\n",
        ([10, 20], [2, 3], 1 / 5),
        {"left_out": {"failed": 1}},
    ),
    "OpenRouter, logs": (
        "generation_id,created_at,cost_total,tokens_prompt,tokens_completion,tokens_reasoning,"
        "tokens_cached,cancelled\n"
        "gen-1,2026-01-01T00:00:00.000Z,0.1,10,2,0,4,false\n"
        "gen-2,2026-01-01T00:00:04.000Z,0.1,20,3,1,,false\n"
        "gen-3,2026-01-01T00:00:05.000Z,0.1,20,3,1,0,true\n",
        ([10, 20], [2, 3], 1 / 4),
        {"cached": [4, 0], "left_out": {"failed": 1}},
    ),
    "OpenRouter, activity": (
        json.dumps(
            {"data": [
                {"date": "2026-01-01", "model": "a", "requests": 5, "prompt_tokens": 50,
                 "completion_tokens": 125, "reasoning_tokens": 25},
                {"date": "2026-01-02", "model": "a", "requests": 2, "prompt_tokens": 40,
                 "completion_tokens": 8, "reasoning_tokens": 0},
            ]}
        ),
        ([10, 20], [25, 4], 5 / 86400),
        {"counts": [5, 2]},
    ),
    "Helicone": (
        lines(
            {"request_id": "a", "request_created_at": "2026-01-01 00:00:00.000"}
            | {"response_status": 200, "prompt_tokens": 10, "completion_tokens": 2},
            {"request_id": "b", "request_created_at": "2026-01-01 00:00:01.000"}
            | {"response_status": 500, "prompt_tokens": 10, "completion_tokens": 2},
            {"request_id": "c", "request_created_at": "2026-01-01 00:00:02.000"}
            | {"response_status": 200, "prompt_tokens": 20, "completion_tokens": 3},
        ),
        ([10, 20], [2, 3], 1 / 2),
        {"left_out": {"failed": 1}},
    ),
    "Langdock": (
        "Date,Model,Input Tokens,Output Tokens\n"
        "2026-01-01T00:00:00Z,x,10,2\n2026-01-01T00:00:03Z,x,20,3\n",
        ([10, 20], [2, 3], 1 / 3),
        {},
    ),
    "OpenAI, usage": (
        json.dumps(
            {"object": "page", "has_more": False, "data": [
                {"object": "bucket", "start_time": 1767225600, "end_time": 1767229200, "results": [
                    {"object": "organization.usage.completions.result", "input_tokens": 500,
                     "output_tokens": 100, "input_cached_tokens": 50, "num_model_requests": 5}]},
                {"object": "bucket", "start_time": 1767229200, "end_time": 1767232800, "results": [
                    {"object": "organization.usage.completions.result", "input_tokens": 900000,
                     "output_tokens": 250000, "input_cached_tokens": 0,
                     "num_model_requests": 2000}]},
            ]}
        ),
        ([100, 450], [20, 125], 5 / 3600),
        {"counts": [5, 2000], "cached": [10, 0]},
    ),
    "OpenAI, batch": (
        lines(
            {"id": "a", "response": {"status_code": 200, "body": {"created": 1767225600, "usage": {
                "prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12,
                "prompt_tokens_details": {"cached_tokens": 4}}}}, "error": None},
            {"id": "b", "response": {"status_code": 200, "body": {"created": 1767225602, "usage": {
                "prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23,
                "prompt_tokens_details": {"cached_tokens": 0}}}}, "error": None},
        ),
        ([10, 20], [2, 3], 1 / 2),
        {"cached": [4, 0]},
    ),
    "Anthropic, messages": (
        lines(
            {"created_at": "2026-01-01T00:00:00Z", "usage": {"input_tokens": 5, "output_tokens": 2,
             "cache_creation_input_tokens": 100, "cache_read_input_tokens": 0}},
            {"created_at": "2026-01-01T00:00:02Z", "usage": {"input_tokens": 6, "output_tokens": 3,
             "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100}},
        ),
        ([105, 106], [2, 3], 1 / 2),
        {"cached": [0, 100], "notes": "added to 'usage.input_tokens'"},
    ),
}  # fmt: skip
PACKED = {"": bytes, ".gz": gzip.compress, ".zst": lambda content: zstd().compress(content)}


def zstd():
    return pytest.importorskip("zstandard", reason="zst needs tokwatt[traces]").ZstdCompressor()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packing", PACKED)
def test_a_published_format_is_read_as_counted_by_hand(name, packing, tmp_path):
    content, (prompt, output, rate), more = FORMATS[name]
    path = tmp_path / f"requests{packing}"
    path.write_bytes(PACKED[packing](content.encode()))
    trace = read_trace(path)
    assert (trace.prompt.tolist(), trace.output.tolist()) == (prompt, output)
    assert trace.arrival_rate == pytest.approx(rate, rel=1e-6)
    assert trace.left_out == more.get("left_out", {})
    for role in ("cached", "counts"):
        found = getattr(trace, role)
        assert (None if found is None else found.tolist()) == more.get(role)
    assert more.get("notes", "") in "; ".join(trace.notes)


ANTHROPIC_REPORT = json.dumps(
    {"data": [{"starting_at": "2026-01-01T00:00:00Z", "ending_at": "2026-01-02T00:00:00Z",
               "results": [{"uncached_input_tokens": 1500, "cache_read_input_tokens": 200,
                            "output_tokens": 500}]}]}
)  # fmt: skip
TEXTS = {
    "ShareGPT": json.dumps(
        [{"id": "a", "conversations": [{"from": "human", "value": "one two"},
                                       {"from": "gpt", "value": "three"},
                                       {"from": "human", "value": "four"},
                                       {"from": "gpt", "value": "five six"}]}]
    ),
    "LMSYS-Chat": lines(
        {"conversation_id": "a", "model": "x", "conversation": [
            {"role": "user", "content": "one two"}, {"role": "assistant", "content": "three"},
            {"role": "user", "content": "four"}, {"role": "assistant", "content": "five six"}]},
        {"conversation_id": "b", "model": "x", "conversation": [
            {"role": "user", "content": "one"}]},
    ),
    "WildChat": lines(
        {"conversation_hash": "a", "conversation": [
            {"role": "user", "content": "one two", "timestamp": None},
            {"role": "assistant", "content": "three", "timestamp": "2026-01-01T00:00:00+00:00"},
            {"role": "user", "content": "four", "timestamp": None},
            {"role": "assistant", "content": "five six", "timestamp": "2026-01-01T00:01:00+00:00"}]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_conversations_are_counted_by_a_tokenizer_that_is_named(name, tmp_path):
    path = tmp_path / "texts.json"
    path.write_text(TEXTS[name], encoding="utf-8")
    with pytest.raises(ParameterError, match=r"texts and no token counts, wanted .*--tokenizer"):
        read_trace(path)
    trace = read_trace(path, count=lambda text: len(text.split()))
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([2, 4], [1, 2])
    assert trace.arrival_rate == (1 / 60 if name == "WildChat" else None)


@pytest.mark.parametrize("content", [ANTHROPIC_REPORT, "usage_date_utc,usage_input_tokens_no_cache,usage_output_tokens\n2026-01-01,5,6\n"])  # fmt: skip # noqa: E501
def test_sums_over_a_day_without_a_number_of_requests_are_refused(content, tmp_path):
    path = tmp_path / "usage"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"sums over a time .* wanted a row for each request"):
        read_trace(path)


def test_parquet_is_read_as_the_same_rows_in_csv(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs tokwatt[traces]")
    parquet = pytest.importorskip("pyarrow.parquet")
    start = np.datetime64("2026-01-01T00:00:00", "us")
    times = start + np.arange(500).astype("timedelta64[s]")
    usage = [{"prompt_tokens": n, "completion_tokens": n % 7} for n in range(500)]
    path = tmp_path / "requests.parquet"
    parquet.write_table(arrow.table({"created_at": times, "usage": usage}), path)
    rows = [f"{time},{n},{n % 7}" for n, time in enumerate(times)]
    (tmp_path / "requests.csv").write_text(
        "\n".join(["created_at,prompt_tokens,completion_tokens", *rows])
    )
    one, other = read_trace(path), read_trace(tmp_path / "requests.csv")
    assert one.prompt.tolist() == other.prompt.tolist() and one.left_out == other.left_out
    assert one.arrivals == pytest.approx(other.arrivals)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_since_1970_are_told_apart_by_their_size(unit, tmp_path):
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    path = tmp_path / "requests.csv"
    rows = [f"{(1_700_000_000 + 2 * n) * scale},1,2" for n in range(3)]
    path.write_text("\n".join(["timestamp,prompt_tokens,output_tokens", *rows]))
    assert read_trace(path).arrival_rate == pytest.approx(0.5)
    mixed = [*rows, f"{1_700_000_009 * (scale * 1000 if scale < 10**9 else 1)},1,2"]
    path.write_text("\n".join(["timestamp,prompt_tokens,output_tokens", *mixed]))
    with pytest.raises(ParameterError, match="wanted times of one unit"):
        read_trace(path)


@pytest.mark.parametrize(("name", "unit"), [("timestamp", "us"), ("when", "ns"), ("time_us", "us")])
def test_times_since_a_start_of_a_told_unit_may_be_large_numbers(name, unit, tmp_path):
    scale = {"us": 10**6, "ns": 10**9}[unit]
    path = tmp_path / "requests.csv"
    rows = [f"{600 * n * scale},1,2" for n in range(4)]
    path.write_text("\n".join([f"{name},prompt_tokens,output_tokens", *rows]))
    chosen = {} if name == "time_us" else {"time": f"{name}:{unit}"}
    trace = read_trace(path, chosen)
    assert (trace.span, trace.arrival_rate) == (pytest.approx(1800), pytest.approx(1 / 600))
    if name == "timestamp":
        with pytest.raises(ParameterError, match="told as in --columns time=timestamp:us"):
            read_trace(path)


def test_seconds_that_nothing_names_are_doubted_where_requests_are_rare(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("timestamp,prompt_tokens,output_tokens\n0,1,2\n420000,3,4\n")
    assert "(--columns time=timestamp:ms)" in read_trace(path).notes[0]
    path.write_text("timestamp_s,prompt_tokens,output_tokens\n0,1,2\n420000,3,4\n")
    assert read_trace(path).notes[0] == "arrivals: 'timestamp_s', seconds"


def test_columns_that_are_named_come_before_known_ones(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("when,in,out,prompt_tokens,output_tokens\n0,1,2,3,4\n2000,5,6,7,8\n")
    chosen = chosen_columns(["prompt=in, output=out", "time=when:ms"])
    trace = read_trace(path, chosen)
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([1, 5], [2, 6])
    assert trace.arrival_rate == 0.5
    for wrong, sentence in {
        "prompt=nothing": "has no column 'nothing'",
        "words=in": "has 'words', wanted one of prompt",
        "prompt": "has 'prompt' alone, wanted prompt=NAME",
        "prompt=in,output=in": "'in' is chosen as prompt and output, wanted a column for each",
        "prompt=in,time=in:ms": "'in' is chosen as prompt and time, wanted a column for each",
        "prompt=output_tokens": "no column of output tokens among",
    }.items():
        with pytest.raises(ParameterError, match=sentence):
            read_trace(path, chosen_columns([wrong]))


def test_two_columns_that_differ_are_refused_and_two_that_agree_are_one(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("prompt_tokens,input_tokens,output_tokens\n3,3,4\n")
    assert read_trace(path).prompt.tolist() == [3]
    path.write_text("prompt_tokens,input_tokens,output_tokens\n3,5,4\n")
    with pytest.raises(ParameterError, match="that differ, wanted the option --columns prompt"):
        read_trace(path)
    assert read_trace(path, {"prompt": "input_tokens"}).prompt.tolist() == [5]


def test_files_of_a_few_lines_are_no_matter_of_speed(tmp_path):
    """The fast way and the exact one read the same."""
    path = tmp_path / "requests.csv"
    rows = [f"{n},{n % 9},{n % 5},x" for n in range(20_000)]
    path.write_text("\n".join(["timestamp,prompt_tokens,output_tokens,model", *rows]))
    fast = read_trace(path)
    path.write_text(
        "\n".join(["timestamp,prompt_tokens,output_tokens,model", *rows, "20000,1,1,x,,"])
    )
    exact = read_trace(path)
    assert exact.requests == fast.requests + 1 and exact.left_out == fast.left_out
    assert exact.prompt[:-1].tolist() == fast.prompt.tolist()
