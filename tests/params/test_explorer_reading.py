"""Traces as the page reads them, against the package on the same text: request by request."""

import csv
import io
import json
import random
import re
from functools import partial

import numpy as np
import pytest
from scripts import call, loaded
from test_trace_exports import EXPORTS
from test_trace_formats import ANTHROPIC_REPORT, FORMATS, TEXTS, lines
from test_traces import BAD_ROWS, DISGUISES

from tokwatt.accounts.explorer.constants import READING, constants_of
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.names import NAMES, TOTALS
from tokwatt.params.traces.traces import read_trace

py_mini_racer = pytest.importorskip("py_mini_racer")


@pytest.fixture(scope="module")
def page():
    context = loaded(py_mini_racer)
    context.eval(f"const KNOWN = {json.dumps(constants_of(READING))};")
    context.eval(
        """
        function readOf(text) {
          try {
            const { arrived, leftOut, span, rate, count } = Traces.read(KNOWN, "requests", text);
            const columns = Object.entries(arrived).map(([name, column]) => [name, [...column]]);
            return { ...Object.fromEntries(columns), leftOut, span, rate, count };
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            return { refused: error.message };
          }
        }
        """
    )
    return partial(call, context, "readOf")


def command(folder, text):
    """What the package reads, by the names of the page."""
    path = folder / "requests"
    path.write_bytes(text.encode("utf-8"))
    try:
        trace = read_trace(path)
    except ParameterError as error:
        return {"refused": str(error)}
    ones = np.ones(len(trace.prompt))
    return {
        "time": (0 * ones if trace.arrivals is None else trace.arrivals).tolist(),
        "prompt": trace.prompt.tolist(),
        "output": trace.output.tolist(),
        "cached": (0 * ones if trace.cached is None else trace.cached).tolist(),
        "requests": (ones if trace.counts is None else trace.counts).tolist(),
        "leftOut": dict(trace.left_out),
        "span": trace.span,
        "rate": trace.arrival_rate,
        "count": trace.requests,
    }


def require_same(found, wanted):
    """The same requests, or refused for the same reason."""
    assert found.keys() == wanted.keys(), (found, wanted)
    for name, value in wanted.items():
        if name == "refused":
            assert reason(value).startswith(reason(found[name]))
        elif name == "leftOut" or value is None:
            assert found[name] == value
        else:
            assert found[name] == pytest.approx(value, rel=1e-9, abs=2e-6), name


def reason(sentence):
    """What is wrong by a sentence, without its file, quotes, numbers and rows left out."""
    plain = re.sub("[“”]", "'", re.sub(r"^\S*requests: ", "", sentence))
    return re.sub(r"request \(.*\)|\d[\d.e+]*", "#", plain.partition(", wanted")[0])


SAID = "time,status,prompt_tokens,completion_tokens\n"
HAND_MADE = {
    # Counts that stand beside others or among them, by totals, by names.
    "Anthropic's cached tokens beside the prompt": (
        "input_tokens,cache_read_input_tokens,cache_creation_input_tokens,output_tokens\n"
        "50,40,10,3\n9,,,2\n"
    ),
    "totals that say that they are among it": (
        "input_tokens,cache_read_input_tokens,output_tokens,total_tokens\n100,40,3,103\n9,0,2,11\n"
    ),
    "cached tokens among OpenAI's prompt": (
        "prompt_tokens,prompt_tokens_details.cached_tokens,completion_tokens\n100,40,3\n9,0,2\n"
    ),
    "a few cached tokens too many among the prompt's": (
        "prompt_tokens,prompt_tokens_details.cached_tokens,completion_tokens\n100,102,3\n9,0,2\n"
    ),
    "more cached than prompt tokens": (
        "prompt_tokens,cached_tokens,completion_tokens\n10,90,3\n9,0,2\n"
    ),
    "reasoning beside the output by its total": (
        "prompt_tokens,completion_tokens,reasoning_tokens,total_tokens\n100,1,2,103\n9,2,0,11\n"
    ),
    "reasoning among the output by its total": (
        "prompt_tokens,completion_tokens,reasoning_tokens,total_tokens\n100,3,2,103\n9,2,0,11\n"
    ),
    "Gemini's thoughts": (
        "prompt_token_count,candidates_token_count,thoughts_token_count\n100,1,2\n9,2,\n"
    ),
    "columns of prompts of which totals confirm one": (
        "usage.input,usageDetails.input,usageDetails.input_cached_tokens,usage.output,usage.total\n"
        "60,60,40,3,103\n9,9,0,2,11\n"
    ),
    "a blank in one column and a count in the other": (
        "prompt_tokens,input_tokens,output_tokens\n100,,3\n,9,2\n"
    ),
    "a blank in one column and none in the other": (
        "prompt_tokens,input_tokens,output_tokens\n100,100,3\n,0,2\n"
    ),
    "two structures, each with its total": (
        "b.prompt_tokens,a.prompt_tokens,cached_tokens,b.total_tokens,a.total_tokens,"
        "a.output_tokens,b.output_tokens\n60,60,40,103,63,3,3\n9,9,0,11,11,2,2\n"
    ),
    "a part of the counts in a text, which is not read": (
        "prompt_tokens,completion_tokens,metadata\n"
        '100,3,"{""cache_read_input_tokens"": ""x""}"\n9,2,\n'
    ),
    "what a structure holds once more": (
        "cost_details.input_tokens,usage.input_tokens,usage.output_tokens\n7,100,3\n8,9,2\n"
    ),
    # Names that texts go by, too.
    "counts under plain names": 'Prompt,response\n"1,200",3\n40,\n9,2\n',
    "counts beside the texts": "prompt,output,prompt_tokens,output_tokens\nwho,he,9,2\n",
    "a text and a count": "prompt,output\n9,he\n9,she\n8,2\n",
    "a word among plain counts": "input,completion\n9,2\n9,x\n8,2\n",
    "plain names and nothing below": "prompt,output\n,\n",
    # Rows of other kinds.
    "tools, embeddings and hits": (
        "call_type,cache_hit,prompt_tokens,completion_tokens\nacompletion,False,100,3\n"
        "aembedding,False,9,9\nacompletion,True,5,5\nexecute_tool,,5,5\nchat,None,9,2\n"
    ),
    "a cache that says hit or miss": (
        "cache_status,request_units,response_units\nMISS,100,3\nSEMANTIC HIT,5,5\nDISABLED,9,2\n"
    ),
    "sums of days with their requests": (
        "date,requests,prompt_tokens,completion_tokens\n2026-01-01,5,500,50\n"
        "2026-01-01,5,500,50\n2026-01-02,2,45,9\n2026-01-02,3,45,9\n"
    ),
    "sums of days without": (
        "date,prompt_tokens,completion_tokens\n2026-01-01,500,50\n2026-01-02,40,10\n"
    ),
    # Rows that repeat a request.
    "a request twice, and once with another prompt": (
        "request_id,prompt_tokens,completion_tokens\nabcdefgh,100,1\nabcdefgh,100,3\n"
        "abcdefgh,9,2\n,9,2\n,9,2\nNA,9,2\nNA,9,2\n"
    ),
    "running numbers and short names": (
        "id,request_id,prompt_tokens,completion_tokens\n00000001,a,100,3\n00000001,a,100,2\n"
    ),
    "a name that fails and is tried again": (
        "request_id,status,prompt_tokens,completion_tokens\n"
        "abcdefgh,500,100,1\nabcdefgh,200,100,3\nabcdefgi,200,9,2\nabcdefgi,error,9,1\n"
    ),
    # Failures by a status.
    "statuses in words and numbers": (
        f"{SAID}0,200 OK,100,3\n1,500 Internal Server Error,5,5\n2,RATE_LIMITED,5,5\n3,,5,5\n"
        "4,timed out,5,5\n5,stop,9,2\n6,-1,5,5\n7,404,5,5\n8,incompleteness,5,5\n"
    ),
    "OpenTelemetry's code": (
        "status.code,prompt_tokens,completion_tokens\n0,100,3\n2,5,5\n1,9,2\n"
    ),
    "flags, messages and levels": (
        "success,error.message,level,prompt_tokens,completion_tokens\n"
        "true,,DEFAULT,100,3\nfalse,,DEFAULT,5,5\n1,overloaded,DEFAULT,5,5\nyes,{},ERROR,5,5\n"
        "t,null,WARNING,9,2\n"
    ),
    # Clocks.
    "milliseconds since 1970": "timestamp,prompt_tokens,output_tokens\n"
    "1767225600000,100,3\n1767225604000,9,2\n",
    "microseconds since a start by name": "start_us,arrival_time_us,prompt_tokens,output_tokens\n"
    "0,0,100,3\n0,4000000,9,2\n",
    "large numbers that do not start in 1970": (
        "request_start_time_ns,prompt_tokens,output_tokens\n"
        "1000000000000000,100,3\n1000004000000000,9,2\n"
    ),
    "times before 1970": "time,prompt_tokens,output_tokens\n-4,100,3\n0,9,2\n",
    "two clocks, the first of them blank": (
        "arrived_at,timestamp,prompt_tokens,output_tokens\n,0,100,3\n-,4,9,2\n"
    ),
    "seconds that nothing names, of rare requests": (
        "timestamp,prompt_tokens,output_tokens\n0,100,3\n420000,9,2\n"
    ),
    "times of two units": (
        "timestamp,prompt_tokens,output_tokens\n1767225600,1,2\n1767225600000,3,4\n"
    ),
    "dates before our time, as Go writes none": (
        "time,prompt_tokens,output_tokens\n0001-01-01T00:00:00Z,100,3\n0001-01-01T00:00:04Z,9,2\n"
    ),
    "a date of none beside one of ours": (
        "time,prompt_tokens,output_tokens\n0001-01-01T00:00:00Z,100,3\n2026-01-01T00:00:04Z,9,2\n"
    ),
    "dates of nginx": "time|prompt_tokens|output_tokens\n"
    "01/Jan/2026:00:59:58 +0100|100|3\n31/Dec/2025:23:59:59.|9|2\n",
    "dates of nginx, all good": "time|prompt_tokens|output_tokens\n"
    "01/Jan/2026:00:59:58 +0100|100|3\n31/Dec/2025:23:59:59 +0000|9|2\n",
    "dates of HTTP": 'time,prompt_tokens,output_tokens\n"Thu, 01 Jan 2026 00:00:00 GMT",100,3\n'
    '"Thu, 1 Jan 2026 00:00:04 GMT",9,2\n',
    "hours until noon": "time;prompt_tokens;output_tokens\n1/1/2026 11:59:58 AM;100;3\n"
    "1/1/2026 12:00:02 PM;9;2\n",
    "dates that end in UTC": "time,prompt_tokens,output_tokens\n2026-01-01 00:00:00.5 UTC,100,3\n"
    "2026-01-01 00:00:04 UTC,9,2\n",
    # Counts in cells.
    "thousands apart": 'prompt_tokens,output_tokens\n"1,234",3\n9,2\n"12,34",2\n',
    "objects as Python writes them": (
        "time,usage\n0,\"{'prompt_tokens': 100, 'completion_tokens': 3, 'cached': None}\"\n"
        "4,\"{'prompt_tokens': 9, 'completion_tokens': 2, 1: (True, ),}\"\n5,{\n6,\n"
    ),
    "a bad count": "prompt_tokens,completion_tokens,total_tokens,cached_tokens\n1,2,3,x\n",
    "a row without its number of requests": (
        "requests,prompt_tokens,completion_tokens\n5,500,50\n,40,10\n"
    ),
}  # fmt: skip
TREES = {
    "names of keys that objects have by nature": lines(
        {"constructor": {"prompt_tokens": 1}, "prompt_tokens": 100, "output_tokens": 3},
        {"prompt_tokens": 9, "output_tokens": 2},
    ),
    "calls in a session, whose name is its own": json.dumps(
        [
            {
                "id": "session-1",
                "date": "2026-01-01T00:00:00Z",
                "calls": [
                    {"prompt_tokens": 9, "output_tokens": 3},
                    {"prompt_tokens": 9, "output_tokens": 2},
                ],
            }
        ]
    ),
    "a request without its time": lines(
        {"created": 5, "prompt_tokens": 1, "output_tokens": 2},
        {"created": None, "prompt_tokens": 3, "output_tokens": 4},
    ),
    "blank lines and a list": '\n\n{"prompt_tokens": 1, "output_tokens": 2}\n\n[3]\n',
    "no count in any object": '[{"prompt_tokens": 1}]',
    "broken off": '[{"prompt_tokens": 1, "output_tokens": 2}',
    "neither lines nor a document": '{"a": 1}\n{"b": [}\n',
    "documents with commas between": '{"prompt_tokens": 1, "output_tokens": 2},\n'
    '[{"prompt_tokens": 3, "output_tokens": 4}] ,',
    "a log of chats": lines({"messages": [], "n": 1}, {"messages": [], "n": 2}),
}
CASES = (
    {name: content for name, (content, *_) in (FORMATS | EXPORTS).items()}
    | {name: content.decode() for name, content in DISGUISES.items()}
    | {name: "\n".join(["input_tokens,gen_len", *rows]) for name, (rows, _) in BAD_ROWS.items()}
    | {"a report without requests": ANTHROPIC_REPORT, **TEXTS, **HAND_MADE, **TREES}
)


@pytest.mark.parametrize("name", CASES)
def test_the_page_reads_the_requests_of_the_command(name, page, tmp_path):
    require_same(page(CASES[name]), command(tmp_path, CASES[name]))


@pytest.mark.parametrize(
    "content, said",
    [
        (bytes(5000), "is no text"),
        (b"\x89PNG\r\n\x1a\n", "is no text"),
        (b"PK\x03\x04\x14\0\0", "is no text"),
        (b"\x80\x04\x95\x0b", "is no text"),
        (b"PAR1\x15\x04", "is zst or Parquet"),
        (b"\x1f\x8b\x08\0", "is no text"),
        (b"\x28\xb5\x2f\xfd\x24", "is zst or Parquet"),
    ],
)
def test_the_page_tells_what_is_packed_from_what_is_no_text(content, said, page):
    assert f": {said}, wanted CSV" in page(content.decode(errors="replace"))["refused"]


WORDS = {
    "status": ("success", "200", "500 x", "error", "", "null", "false", "0", "2", "{}", "Timeout"),
    "kind": ("chat", "TOOL", "aembedding", "chain", "", "llm"),
    "source": ("true", "False", "HIT", "miss", ""),
    "id": ("abcdefgh", "abcdefgi", "abcdefgj", "", "NA"),
    "count": ("1", "3", "7"),
    "time": ("1767225600", "1767225604.5", "1767229200"),
}
DATES = ("2026-01-01 00:00:00", "2026-01-01T01:00:04+01:00", "2026-01-02")
ABOVE = ("", "", "usage.", "gen_ai.usage.", "usageDetails.", "tokens.")


ISO = {
    True: (
        *("20240510T101112", "20240510T101112Z", "20240510 1011", "20240510T101112.5+0100"),
        *("2024-05", "2024-05-10T101112", "2024/05/10 10:11", "2024.5.10T1:2:3 +01:00"),
    ),
    False: (
        *("20240510T10111", "2024-0510T10", "2024-05-10T10:1112", "2024-05-10T1011.5"),
        *("2024-5", "2024-05-10T", "2024-05-10Z", "2024-05-10T10:11+0160", "202405T10"),
    ),
}


@pytest.mark.parametrize("date, good", [(date, good) for good in ISO for date in ISO[good]])
def test_the_page_reads_the_dates_of_the_command(date, good, page, tmp_path):
    text = f"time,prompt_tokens,output_tokens\n{date},9,2\n2024-05-11T00:00:00,9,2\n"
    wanted = command(tmp_path, text)
    assert ("refused" not in wanted) == good
    require_same(page(text), wanted)


def drawn(seed):
    """A table of requests under some names, whose totals follow one of the ways to count."""
    chance = random.Random(seed)
    cached, thought = chance.choice((0, 1)), chance.choice((0, 1))
    rows = []
    for _ in range(chance.randint(1, 6)):
        prompt, output = chance.choice((0, 9, 100, 1234)), chance.choice((0, 2, 30))
        read, made = chance.choice((0, prompt // 2)), chance.choice((0, output // 2))
        kept = {"prompt": prompt - cached * read, "output": output - thought * made}
        total = {"total": prompt + output} if chance.random() < 0.9 else {"total": prompt}
        rows.append(kept | total | {"cached": read, "written": 0, "reasoning": made})
    more = [role for role in ("cached", "written", "reasoning", "total", *WORDS)
            if chance.random() < 0.4]  # fmt: skip
    columns = []
    for role in ["prompt", "output", *more, *chance.choice(([], [], ["prompt"], ["status"]))]:
        names = TOTALS if role == "total" else NAMES[role]
        name = chance.choice(ABOVE if role not in WORDS else ABOVE[:1]) + chance.choice(names)
        words = DATES if role == "time" and chance.random() < 0.5 else WORDS.get(role)
        odd = chance.choice((0, 0, 0.02, 0.1))
        cells = [str(row[role]) if words is None else chance.choice(words) for row in rows]
        blank = [chance.random() < odd for _ in cells]
        empty = [chance.choice(("", "-", "x", "1,000", "nan")) for _ in cells]
        columns.append(
            (name, *(e if b else c for c, b, e in zip(cells, blank, empty, strict=True)))
        )
    chance.shuffle(columns)
    text = io.StringIO()
    csv.writer(text, delimiter=chance.choice(",;\t|")).writerows(zip(*columns, strict=True))
    return text.getvalue()


def test_tables_of_any_names_and_cells_are_read_as_by_the_command(page, tmp_path):
    read = 0
    for seed in range(150):
        found, wanted = page(drawn(seed)), command(tmp_path, drawn(seed))
        require_same(found, wanted)
        read += "refused" not in wanted
    assert read > 60
