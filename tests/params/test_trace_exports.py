"""Exports of gateways, providers and observers: what stands beside what, and what is no request.

The inputs are written by hand after the documented fields of each format; no line is copied.
Unless a case says otherwise, it holds two served requests four seconds apart: one of 100 prompt
tokens, 40 of them cached, and 3 of output, and one of 9 and 2.
"""

import json

import pytest
from test_trace_formats import lines

from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import read_trace

START = 1_767_225_600
ROWS = ((100, 40, 3, 0), (9, 0, 2, 4))


def date(second):
    return f"2026-01-01T00:00:{second:02}.000Z"


def rows(write, *more):
    """A line for each of the two requests, and more."""
    return lines(*(write(*row) for row in ROWS), *more)


def openai(prompt, cached, output, second, **more):
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    return {"created": START + second, "usage": usage | details, **more}


def beside(names, extra=0):
    """Writes rows of four counts under names, the cached tokens beside the prompt."""

    def write(prompt, cached, output, second):
        counts = (prompt - cached - extra * bool(cached), cached, output, extra * bool(cached))
        total = {"total_tokens": prompt + output}
        return {"timestamp": date(second), **dict(zip(names, counts, strict=False))} | total

    return write


def spans(*attributes, **more):
    """Spans of OpenTelemetry, four seconds apart, of attributes in its JSON."""
    found = [
        {"spanId": f"abcdef{n:02}", "startTimeUnixNano": str((START + 4 * n) * 10**9)}
        | {"attributes": [{"key": key, "value": {"intValue": str(value)}
                           if isinstance(value, int) else {"stringValue": value}}
                          for key, value in some.items()]}
        | {key: values[n] for key, values in more.items()}
        for n, some in enumerate(attributes)
    ]  # fmt: skip
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": found}]}]})


def genai(prompt, output, cached=None, kind="chat"):
    usage = {"gen_ai.usage.input_tokens": prompt, "gen_ai.usage.output_tokens": output}
    read = {} if cached is None else {"gen_ai.usage.cache_read_input_tokens": cached}
    return usage | read | {"gen_ai.operation.name": kind}


def langfuse(prompt, cached, output, second):
    details = {"input": prompt - cached, "input_cached_tokens": cached, "output": output}
    counts = {"promptTokens": prompt, "completionTokens": output, "totalTokens": prompt + output}
    return {"startTime": date(second), "usageDetails": details, **counts}


def cells(*texts):
    return ",".join('"' + text.replace('"', '""') + '"' for text in texts) + "\n"


GEMINI = {"promptTokenCount": 100, "candidatesTokenCount": 1, "thoughtsTokenCount": 2} | {
    "cachedContentTokenCount": 40,
    "totalTokenCount": 103,
}
CLAUDE = {"type": "assistant", "requestId": "req_1"}
CLAUDE_USAGE = {"input_tokens": 50, "cache_read_input_tokens": 40} | {
    "cache_creation_input_tokens": 10
}

# By name: what stands in the file, and the rows that are left out.
EXPORTS = {
    "Langfuse, whose details hold no cached tokens in the input": (rows(langfuse), {}),
    "Langfuse in CSV, details as text": (
        "startTime,inputUsage,outputUsage,totalUsage,usageDetails\n"
        + "".join(
            cells(date(second), str(prompt), str(output), str(prompt + output),
                  json.dumps(langfuse(prompt, cached, output, second)["usageDetails"]))
            for prompt, cached, output, second in ROWS
        ),
        {},
    ),
    "Langfuse of Anthropic, whose sums leave out what a cache read": (
        lines(
            {"startTime": date(0), "inputUsage": 50, "outputUsage": 3, "totalUsage": 103,
             "usageDetails": {"input": 50, "output": 3, "total": 103,
                              "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10}},
            {"startTime": date(4), "inputUsage": 9, "outputUsage": 2, "totalUsage": 11,
             "usageDetails": {"input": 9, "output": 2, "total": 11}},
        ),
        {},
    ),
    "Langfuse of two providers, of which the sums have one's cached tokens": (
        lines(
            {"startTime": date(0), "inputUsage": 60, "outputUsage": 3, "totalUsage": 103,
             "usageDetails": {"input": 60, "output": 3, "total": 103,
                              "cache_read_input_tokens": 40}},
            {"startTime": date(2), "inputUsage": 50, "outputUsage": 0, "totalUsage": 50,
             "usageDetails": {"input": 10, "output": 0, "total": 50, "input_cached_tokens": 40}},
            {"startTime": date(4), "inputUsage": 9, "outputUsage": 2, "totalUsage": 11,
             "usageDetails": {"input": 9, "output": 2, "total": 11}},
        ),
        {"without output tokens": 1},
    ),
    "Helicone": (
        rows(beside(("prompt_tokens", "prompt_cache_read_tokens", "completion_tokens",
                     "prompt_cache_write_tokens"), 10)),
        {},
    ),
    "Bedrock, Converse": (
        rows(beside(("inputTokens", "cacheReadInputTokens", "outputTokens",
                     "cacheWriteInputTokens"), 10)),
        {},
    ),
    "Bedrock, invocation log as text in CloudWatch": (
        "@timestamp,@message\n" + "".join(
            cells(date(second), json.dumps(
                {"input": {"inputTokenCount": prompt - cached, "cacheReadInputTokenCount": cached},
                 "output": {"outputTokenCount": output}}))
            for prompt, cached, output, second in ROWS
        ),
        {},
    ),
    "a total that says that Anthropic's names hold all of a prompt": (
        rows(lambda prompt, cached, output, second: {
            "time": second, "input_tokens": prompt, "cache_read_input_tokens": cached,
            "output_tokens": output, "total_tokens": prompt + output}),
        {},
    ),
    "sums beside Anthropic's counts, of which one cache says nothing": (
        lines(
            {"time": 0, "prompt_tokens": 100, "input_tokens": 50, "cache_read_input_tokens": 40,
             "cache_creation_input_tokens": 10, "output_tokens": 3},
            {"time": 4, "prompt_tokens": 9, "input_tokens": 5, "cache_read_input_tokens": None,
             "cache_creation_input_tokens": 4, "output_tokens": 2},
        ),
        {},
    ),
    "LangChain": (
        rows(lambda prompt, cached, output, second: {
            "timestamp": date(second), "usage_metadata": {
                "input_tokens": prompt, "output_tokens": output,
                "input_token_details": {"cache_read": cached}}}),
        {},
    ),
    "Gemini, whose thoughts stand beside the output": (
        lines({"createTime": date(0), "usageMetadata": GEMINI},
              {"createTime": date(4), "usageMetadata": {
                  "promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}}),
        {},
    ),
    "xAI, whose total says that the reasoning stands beside the output": (
        lines({"created": START, "usage": {
                  "prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 103,
                  "cached_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 2}}},
              openai(*ROWS[1])),
        {},
    ),
    "OpenAI and Anthropic in one log": (
        lines(openai(*ROWS[0]), {"created": START + 4, "usage": {
            "input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 0}}),
        {},
    ),
    "chunks of a stream": (
        lines(openai(100, 40, 1, 0, id="chatcmpl-1"), openai(*ROWS[0], id="chatcmpl-1"),
              openai(*ROWS[1], id="chatcmpl-2")),
        {"repeated": 1},
    ),
    "Claude Code, a line for each part of a message": (
        lines(*(
            {**CLAUDE, "timestamp": date(0), "message": {
                "id": "msg_0123456", "usage": {**CLAUDE_USAGE, "output_tokens": output}}}
            for output in (1, 3)
        ), {**CLAUDE, "timestamp": date(4), "message": {
            "id": "msg_0123457", "usage": {"input_tokens": 9, "output_tokens": 2}}}),
        {"repeated": 1},
    ),
    "LiteLLM, counts as text in its metadata": (
        "startTime,call_type,cache_hit,prompt_tokens,completion_tokens,total_tokens,metadata\n"
        + "".join(
            cells(date(second), kind, hit, str(prompt), str(output), str(prompt + output),
                  json.dumps({"usage_object": openai(prompt, cached, output, 0)["usage"]}))
            for (prompt, cached, output, second), kind, hit in (
                (ROWS[0], "acompletion", "False"), (ROWS[0], "acompletion", "True"),
                ((9, 0, 9, 1), "aembedding", "False"), (ROWS[1], "acompletion", "False"))
        ),
        {"of another kind": 1, "answered from a cache": 1},
    ),
    "LangSmith, a chain sums up its calls": (
        rows(lambda prompt, cached, output, second: {
            "run_type": "llm", "start_time": date(second), "prompt_tokens": prompt,
            "completion_tokens": output, "prompt_token_details": {"cache_read": cached}},
            {"run_type": "chain", "start_time": date(0), "prompt_tokens": 109,
             "completion_tokens": 5}),
        {"of another kind": 1},
    ),
    "OpenTelemetry, cached tokens under an old name": (
        spans(genai(100, 3, 40), genai(9, 2, 0)), {},
    ),
    "OpenTelemetry, of an agent and failed": (
        spans(genai(100, 3, 40), genai(9, 2, 0), genai(109, 5, 40, "invoke_agent"),
              genai(9, 1, 0), status=[{}, {"code": 1}, {}, {"code": 2}]),
        {"of another kind": 1, "failed": 1},
    ),
    "OpenInference": (
        spans(*({"llm.token_count.prompt": prompt, "llm.token_count.completion": output,
                 "llm.token_count.prompt_details.cache_read": cached}
                for prompt, cached, output, _ in ROWS)),
        {},
    ),
    "Jaeger": (
        json.dumps({"data": [{"spans": [
            {"startTime": (START + second) * 10**6, "tags": [
                {"key": key, "type": "int64", "value": value}
                for key, value in genai(prompt, output, cached).items()]}
            for prompt, cached, output, second in ROWS]}]}),
        {},
    ),
    "documents that follow each other": (
        "\n".join(json.dumps(openai(*row), indent=2) for row in ROWS), {},
    ),
    "several columns that tell of a failure": (
        rows(lambda *row: openai(*row, status="200 OK", error=None),
             openai(5, 0, 5, 5, status="500 Internal Server Error"),
             openai(5, 0, 5, 5, status="RATE_LIMITED", error=None),
             openai(5, 0, 5, 5, status="200", error={"message": "overloaded"})),
        {"failed": 3},
    ),
    "AIPerf": (
        rows(lambda prompt, cached, output, second: {
            "metadata": {"request_start_ns": 10**15 + second * 10**9},
            "metrics": {"input_sequence_length": {"value": prompt, "unit": "tokens"},
                        "output_token_count": {"value": output - 1, "unit": "tokens"},
                        "output_sequence_length": {"value": output, "unit": "tokens"}},
            "cached_tokens": cached, "error": None}),
        {},
    ),
    "a sum and the list of its parts": (
        json.dumps({"sessions": [{"usage": {"input_tokens": 109, "output_tokens": 5},
                                  "steps": [openai(*row) for row in ROWS]}]}),
        {},
    ),
    "lines, each a sum and the list of its parts": (
        "\n".join(json.dumps({"input_tokens": row[0], "output_tokens": row[2],
                              "steps": [openai(*row)]}) for row in ROWS),
        {},
    ),
    "lines of chats, of which one that failed has no counts": (
        rows(lambda *row: openai(*row, messages=[{"role": "user", "content": "Hello"}]),
             {"messages": [{"role": "user", "content": "Hello"}], "error": "overloaded"}),
        {"failed": 1},
    ),
    "a document of chats, of which one that failed has no counts": (
        json.dumps([*(openai(*row, messages=[{"role": "user", "content": "Hi"}]) for row in ROWS),
                    {"messages": [{"role": "user", "content": "Hi"}], "error": "overloaded"}]),
        {"failed": 1},
    ),
    "lists beside each other": (
        json.dumps({"timestamps": [0, 4], "prompt_tokens": [100, 9], "cached_tokens": [40, 0],
                    "completion_tokens": [3, 2]}),
        {},
    ),
    "dates of Python's log, bars and dashes": (
        "asctime|prompt_tokens|cached_tokens|completion_tokens\n"
        "2026-01-01 00:00:00,500|100|40|3\n2026-01-01 00:00:02,500|-|-|-\n"
        "2026-01-01 00:00:04,500|9|-|2\n",
        {"without token counts": 1},
    ),
    "thousands apart, as spreadsheets write them": (
        'timestamp,prompt_tokens,cached_tokens,completion_tokens\n0,100,40,3\n4,9,0,2\n'
        '8,"1,234","1,000",0\n',
        {"without output tokens": 1},
    ),
    "dates of Azure's logs": (
        "TimeGenerated [UTC],PromptTokens,CachedTokens,CompletionTokens\n"
        '"1/1/2026, 12:00:00.000 AM",100,40,3\n"1/1/2026, 12:00:04.000 AM",9,0,2\n',
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_as_counted_by_hand(name, tmp_path):
    content, left_out = EXPORTS[name]
    path = tmp_path / "requests"
    path.write_text(content, encoding="utf-8")
    trace = read_trace(path)
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([100, 9], [3, 2])
    assert trace.cached.tolist() == [40, 0] and trace.span == pytest.approx(4)
    assert trace.left_out == left_out


@pytest.mark.parametrize(
    ("names", "more"),
    [
        ("date,requests,prompt_tokens,completion_tokens", ""),
        ("Timestamp,Invocations,InputTokenCount,OutputTokenCount", "T00:00:00Z"),
        ("date,countObservations,inputUsage,outputUsage", ""),
        ("aggregation_timestamp,n_requests,n_context_tokens_total,n_generated_tokens_total", ""),
    ],
)
def test_rows_that_are_sums_over_a_time_count_for_their_requests(names, more, tmp_path):
    path = tmp_path / "usage.csv"
    counts = ("5,500,50", "5,500,50", "2,40,10", "2,40,10")
    days = [f"2026-01-{day:02}{more},{count}" for day, count in zip((1, 1, 2, 2), counts)]  # noqa: B905
    path.write_text("\n".join([names, *days]))
    trace = read_trace(path)
    assert (trace.requests, trace.counts.tolist()) == (14, [5, 5, 2, 2])
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([100, 100, 20, 20], [10, 10, 5, 5])
    assert trace.arrival_rate == pytest.approx(10 / 86400)


def test_a_row_without_its_number_of_requests_is_told_by_its_line(tmp_path):
    path = tmp_path / "usage.csv"
    path.write_text("requests,prompt_tokens,completion_tokens\n5,500,50\n,40,10\n")
    with pytest.raises(ParameterError, match="line 3 has nothing under 'requests'"):
        read_trace(path)


def test_a_row_a_day_without_a_number_of_requests_is_refused(tmp_path):
    path = tmp_path / "usage.csv"
    path.write_text("date,prompt_tokens,completion_tokens\n2026-01-01,500,50\n2026-01-02,40,10\n")
    with pytest.raises(ParameterError, match=r"sums over a time \('date'\) without lengths"):
        read_trace(path)


def test_running_numbers_are_no_names_of_requests(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("request_id,prompt_tokens,completion_tokens\n0,5,2\n0,5,3\n")
    assert read_trace(path).requests == 2
    path.write_text("request_id,prompt_tokens,completion_tokens\nabcdefgh,5,2\nabcdefgh,6,3\n")
    assert read_trace(path).requests == 2
    path.write_text(
        "request_id,prompt_tokens,completion_tokens\nabcdefgh,5,2\nabcdefgh,5,3\n,5,4\n"
    )
    assert read_trace(path).output.tolist() == [3, 4]


def test_a_blank_name_is_none_however_the_file_is_read(tmp_path):
    """A row of more cells than columns, here empty ones, has the file read exactly."""
    path = tmp_path / "requests.csv"
    content = "request_id,prompt_tokens,output_tokens\nabcdefgh,1,2\nNA,5,2\nNA,5,3\n"
    for end in ("", "abcdefgi,7,8,,\n"):
        path.write_text(content + end)
        trace = read_trace(path)
        assert trace.output.tolist()[:3] == [2, 2, 3] and not trace.left_out


def test_yes_and_no_are_no_numbers_beside_numbers(tmp_path):
    path = tmp_path / "requests.jsonl"
    hit = {"prompt_tokens": 5, "completion_tokens": 2, "cached": True}
    path.write_text(lines(hit, {**hit, "cached": 0}))
    trace = read_trace(path)
    assert (trace.requests, trace.left_out) == (1, {"answered from a cache": 1})
    path.write_text(lines({**hit, "prompt_tokens": True}, {**hit, "cached": 0}))
    assert read_trace(path).left_out == {"answered from a cache": 1}
    path.write_text(lines({**hit, "cached": 0, "prompt_tokens": True}, {**hit, "cached": 0}))
    with pytest.raises(ParameterError, match="line 1 has 'True' under 'prompt_tokens'"):
        read_trace(path)


def test_objects_in_cells_whose_keys_are_numbers_are_no_requests(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text(
        'logit_bias,prompt_tokens,output_tokens\n"{50256: -100}",5,6\n"{1: {2: 3}}",7,8\n'
    )
    assert read_trace(path).prompt.tolist() == [5, 7]


def test_texts_in_parquet_are_counted_or_refused_as_texts(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs tokwatt[traces]")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "texts.parquet"
    turns = [{"role": "user", "content": "one two"}, {"role": "assistant", "content": "three"}]
    parquet.write_table(arrow.table({"conversation": [turns], "language": ["English"]}), path)
    with pytest.raises(ParameterError, match=r"texts and no token counts, wanted .*--tokenizer"):
        read_trace(path)
    trace = read_trace(path, count=lambda text: len(text.split()))
    assert (trace.prompt.tolist(), trace.output.tolist()) == ([2], [1])
