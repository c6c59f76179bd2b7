"""A trace that the explorer reads and sizes a fleet for, against the package on the same file."""

import json
import random
from functools import partial

import pytest
from scripts import FLEET, call, context_of

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.explorer import Explorer, InstanceKey
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.trace_summary import summary_of
from tokwatt.params.traces.traces import read_trace
from tokwatt.serving.gpu.share import memory_of

py_mini_racer = pytest.importorskip("py_mini_racer")

KEYS = [
    InstanceKey("consistent", "H100", "llama-3.1-70b", "fp8", 4),
    InstanceKey("consistent", "H200", "llama-3.1-8b", "bfloat16", 1),
    InstanceKey("consistent", "B200", "qwen3-235b-a22b", "fp8", 8),
    InstanceKey("paper", "H100", "llama-3.1-8b", "bfloat16", 1),
]
PAIRS = FLEET | {
    "credited": "throughput",
    "tokensPerJoule": "tokens_per_joule",
    "rejected": "rejected",
}
"""Numbers of a fleet in the explorer, and in an answer."""


@pytest.fixture(scope="module")
def javascript(parameters):
    context = context_of(py_mini_racer, Explorer(parameters), KEYS)
    context.eval(
        """
        function readOf(text) {
          try {
            const trace = Traces.read(DATA.reading, "requests", text);
            const { weight, prompt, output } = trace.requests;
            const kinds = [...weight].map((share, kind) => [prompt[kind], output[kind], share]);
            return { ...trace, kinds, said: Traces.said(trace, String) };
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            return { refused: error.message };
          }
        }
        function cacheOf(state, window) {
          const own = Traces.read(DATA.reading, "requests", "input_len,output_len\\n1,2");
          const data = { ...DATA, workloads: { own } };
          const ready = Cases.prepare(data, { ...state, workload: "own", changes: {} });
          const tokens = Share.cachedTokens(ready.machine, window);
          return { tokens, starts: Cases.starts(ready, window) };
        }
        function fleetFor(text, state, demand, split) {
          const own = Traces.read(DATA.reading, "requests", text);
          const workloads = { own };
          const data = { ...DATA, workloads, demand: { ...DATA.demand, ...demand } };
          const ready = Cases.prepare(data, { ...state, workload: "own", changes: {} });
          const found = Cases.fleetAt(ready, split, 1);
          const used = found.pools.filter((pool) => pool.share > 0);
          const most = (name) => Math.max(...used.map((pool) => pool[name]));
          const slowest = ["median", "late", "medianFirstToken", "firstToken"];
          const latencies = Object.fromEntries(slowest.map((name) => [name, most(name)]));
          const doubts = Doubts.said(DATA.doubts, found.pools, own.burstiness ?? 1);
          return { ...found, ...latencies, doubts, window: ready.longWindow };
        }
        """
    )

    return partial(call, context)


def names_of(key):
    layout = {"gpus": key.tensor_parallel, "precision": key.precision}
    return DeploymentNames(llm=key.llm, gpu=key.gpu, **layout)


def written(folder, text):
    path = folder / "requests"
    path.write_bytes(text.encode("utf-8"))
    return path


def kinds_of(trace):
    """Share of requests by their prompt and output."""
    shares = {}
    for prompt, output, weight in zip(trace.prompt, trace.output, trace.weights, strict=True):
        shares[prompt, output] = shares.get((prompt, output), 0) + weight
    return shares


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


READ = {
    "dates, failures and empty requests": (
        "created_at,prompt_tokens,completion_tokens,status\r\n"
        "2026-01-01 00:00:00.1234567,1210,310,success\r\n2026-01-01T00:00:01Z,540,0,failure\r\n"
        "\r\n2026-01-01 01:00:02+01:00,3020,120,success\r\n2026-01-01 00:00:06,860,0,success\r\n"
        "2026-01-01 00:00:05,,,success\r\n2026-01-01 00:00:07,1900,260,200\r\n"
    ),
    "semicolons, quotes and line ends in cells": (
        'text;"prompt tokens"; Completion-Tokens\n"a ""b""\n;c"; 12;3\n; "14";5\n\n"x";7;1\n'
    ),
    "decimal commas between semicolons": "time;input_len;output_len\n0,25;7,0;8\n2,5; 9;10\n",
    "tabs and no times": "request_tokens\tresponse_tokens\n1\t2\n3\t4\n1\t2\n",
    "Mooncake's milliseconds": lines(
        {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]},
        {"timestamp": 30482, "input_length": 6472, "output_length": 26, "hash_ids": [46]},
    ),
    "Bailian's seconds": lines(
        {"chat_id": 1, "timestamp": 61.0, "input_length": 521, "output_length": 132},
        {"chat_id": 2, "timestamp": 71.5, "input_length": 20, "output_length": 7},
    ),
    "nested fields, a cache beside": lines(
        {"created": 1_767_225_600, "usage": {"input_tokens": 5, "output_tokens": 2,
         "cache_creation_input_tokens": 100, "cache_read_input_tokens": None}},
        {"created": 1_767_225_602, "usage": {"input_tokens": 0, "output_tokens": 3,
         "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100}},
    ),
    "rows of many requests": (
        "usage_date_utc,time,input_tokens,output_tokens,num_requests\n"
        "a,1767225600,500,125,10\nb,1767229200,50,7,3\n"
    ),
    "a name that ends in a unit": "time_ms,input_len,output_len\n0,1,2\n2500,3,4\n5000,5,6\n",
    "an hour of microseconds": "time_us,input_len,output_len\n0,1,2\n3600000000,3,4\n",
    "nanoseconds since 1970, flags": lines(
        {"startTimeUnixNano": "1767225600000000000", "promptTokens": "9", "completionTokens": 3,
         "error": None, "success": True},
        {"startTimeUnixNano": "1767225601000000000", "promptTokens": 8, "completionTokens": 1,
         "error": None, "success": False},
        {"startTimeUnixNano": "1767225603000000000", "promptTokens": 7, "completionTokens": 2,
         "error": None, "success": True},
    ),
    "the LLM's own counts before others": (
        "tokens_prompt,native_tokens_prompt,tokens_completion,native_tokens_completion\n1,10,2,20\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_a_trace_is_read_as_the_package_reads_it(text, javascript, tmp_path):
    trace = read_trace(written(tmp_path, text))
    summary, found = summary_of(trace), javascript("readOf", text)
    shares = {(prompt, output): share for prompt, output, share in found["kinds"]}
    assert shares == pytest.approx(kinds_of(trace))
    lengths = [prompt + output for prompt, output, _ in found["kinds"]]
    assert lengths == sorted(lengths)
    assert (found["count"], found["leftOut"]) == (trace.requests, dict(trace.left_out))
    numbers = {"span": trace.span, "rate": trace.arrival_rate, "burstiness": summary.burstiness}
    for name, wanted in numbers.items():
        assert found[name] == (
            None if wanted is None else pytest.approx(wanted, rel=1e-6, abs=1e-9)
        )
    for name in ("prompt", "output"):
        quantiles = getattr(summary, name).quantiles
        assert found[name] == [quantiles["0.5"], quantiles["0.99"]]


HEAD = "prompt_tokens,output_tokens\n"
REFUSED = {
    "": ["is empty"],
    HEAD: ["column names and no requests"],
    "prompt_tokens,reply\n1,2\n": ["no column of output tokens", "reply", "completion_tokens"],
    lines({"prompt_tokens": 1, "reply": 2}): None,
    "prompt_tokens,input_tokens,output_tokens\n1,2,3\n": ["2 columns of prompt tokens", "differ"],
    f"{HEAD}1,2\nabc,4\n3,4,5\n": ["2 of 3 rows are bad (lines 3, 4)", "line 3", "abc", "whole"],
    f"{HEAD}1.5,2\n": ["1 of 1 rows is bad", "1.5"],
    f"{HEAD}1,-4\n": ["-4", "output_tokens"],
    f"{HEAD}16777215,2\n": ["16777215 prompt and 2 output tokens", "16777216"],
    f'{HEAD}1,"2\n': ["line 2 is not CSV"],
    f'{HEAD}1,"2"3\n': ["line 2 is not CSV"],
    f"{HEAD}0,5\n1,0\n": ["no served request", "1 without output tokens", "1 without prompt"],
    f"time,{HEAD}1,2,3\nsoon,2,3\n": ["line 3", "soon", "ISO date"],
    f"time,{HEAD}2026-02-31,2,3\n2026-01-01,2,3\n": ["line 2", "2026-02-31"],
    f"time,{HEAD}5,2,3\n1767225600,2,3\n": ["times from 5 to", "one unit"],
    "usage_date_utc,input_tokens,output_tokens\n2026-01-01,5,6\n": ["sums over a time"],
    f"{lines({'prompt_tokens': 1, 'output_tokens': 2})}[3]\n": ["line 2", "no JSON object"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), REFUSED.items(), ids=map(repr, REFUSED))
def test_what_cannot_be_read_is_said_in_one_sentence_as_the_package_says_it(
    text, parts, javascript, tmp_path
):
    with pytest.raises(ParameterError) as refusal:
        read_trace(written(tmp_path, text))
    found = javascript("readOf", text)["refused"]
    assert found.startswith("requests: ") and found.endswith(".") and "\n" not in found
    for part in parts or []:
        assert part in found
        assert part in str(refusal.value)


@pytest.mark.parametrize("text", ["PAR1", "(\ufffd/\ufffd"])
def test_files_that_only_the_command_reads_are_said_to_be_so(text, javascript):
    assert "tokwatt fleet --trace reads it" in javascript("readOf", text)["refused"]


def random_trace(seed):
    """Requests of a few hundred lengths, some of them alike, that come at random."""
    chance = random.Random(seed)
    time, rows = 1_767_225_600.0, []
    for _ in range(400):
        time += chance.expovariate(3)
        prompt, output = chance.lognormvariate(6.5, 1.2), chance.lognormvariate(5, 1)
        rows.append(f"{time:.6f},{1 + int(min(prompt, 30_000))},{int(output / 4)}")
    chance.shuffle(rows)
    return "\n".join(["timestamp,prompt_tokens,completion_tokens", *rows])


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.account}, {key.llm}")
@pytest.mark.parametrize("split", [0, 2048])
def test_a_fleet_for_a_trace_is_that_of_the_package(key, split, javascript, parameters, tmp_path):
    text = random_trace(f"{key}, {split}")
    trace = read_trace(written(tmp_path, text))
    rate = trace.arrival_rate * (1 if split else 40)
    targets = {"arrival_rate": rate, "latency_target": 2.0}
    names = names_of(key)
    splits = [split] if split else []
    demand = demanded(parameters, **targets)
    question = {"split_lengths": splits, "account": key.account}
    wanted = fleet(parameters, trace, demand, names, **question)
    state = {**key._asdict(), "longWindow": 65536}
    found = javascript("fleetFor", text, state, targets, split)
    assert found["window"] == wanted.pools[-1]["context_window"].value
    for ours, theirs in PAIRS.items():
        assert found[ours] == pytest.approx(getattr(wanted, theirs), rel=1e-6), theirs
    for ours, theirs in zip(found["pools"], wanted.pools, strict=True):
        for name in ("instances", "power", "utilization"):
            assert ours[name] == pytest.approx(theirs[name].value, rel=1e-6), name
    assert found["doubts"] == list(wanted.basis.simulate)


def lognormal_trace(seed, prompt, spread, output, gaps):
    """Requests whose prompts vary, and come with gaps of a gamma law of a shape."""
    chance, time, rows = random.Random(seed), 0.0, []
    for _ in range(600):
        time += chance.gammavariate(gaps, 1 / gaps)
        rows.append(f"{time:.6f},{1 + int(prompt * chance.lognormvariate(0, spread))},{output}")
    return "\n".join(["timestamp,prompt_tokens,completion_tokens", *rows])


DOUBTED = {
    "arrivals come in bursts": (lognormal_trace(1, 500, 0.5, 200, 0.2), 8.0, 0),
    "of the KV cache pool": (lognormal_trace(2, 20_000, 0.5, 2500, 1.0), 0.8, 0),
    "of the chunks": (lognormal_trace(3, 3000, 0.3, 2, 1.0), 14.0, 0),
    "hold up all others": (lognormal_trace(4, 800, 1.8, 100, 1.0), 10.0, 0),
    "prompts differ": (lognormal_trace(5, 500, 1.7, 300, 1.0), 3.0, 0),
    "follow upon one another": (lognormal_trace(6, 4000, 1.2, 60, 1.0), 1.0, 0),
    "of the iterations take in prompts": (lognormal_trace(7, 700, 0.7, 100, 1.0), 5.0, 1024),
}
"""A trace, its rate and split, of which `fleet` says so for an 8B LLM on one GPU."""


@pytest.mark.parametrize("reason", DOUBTED)
def test_the_page_says_what_must_be_simulated_as_the_command_does(
    reason, javascript, parameters, tmp_path
):
    text, rate, split = DOUBTED[reason]
    key = KEYS[1]
    targets = {"arrival_rate": rate, "latency_target": 300.0, "max_utilization": 0.999}
    trace = read_trace(written(tmp_path, text))
    demand, splits = demanded(parameters, **targets), [split] if split else []
    wanted = fleet(parameters, trace, demand, names_of(key), split_lengths=splits).basis.simulate
    assert reason in "; ".join(wanted)
    state = {**key._asdict(), "longWindow": 65536}
    assert javascript("fleetFor", text, state, targets, split)["doubts"] == list(wanted)


@pytest.mark.parametrize("window", [1024, 8192, 131_072, 2_097_152])
def test_an_engine_starts_with_the_windows_that_the_package_lets_it(window, javascript, parameters):
    for key in KEYS[:3]:
        deployment = names_of(key).deployment(parameters)
        tokens = memory_of(deployment, deployment.llm.published, window).tokens
        found = javascript("cacheOf", key._asdict(), window)
        assert found == {"tokens": tokens, "starts": bool(tokens >= window)}


def test_a_target_that_the_package_refuses_is_met_by_no_number_of_instances(
    javascript, parameters, tmp_path
):
    text, targets = random_trace("late"), {"arrival_rate": 5.0, "latency_target": 0.01}
    with pytest.raises(ParameterError, match="ttft"):
        trace = read_trace(written(tmp_path, text))
        fleet(parameters, trace, demanded(parameters, **targets), names_of(KEYS[0]))
    assert javascript("fleetFor", text, KEYS[0]._asdict(), targets, 0)["instances"] is None
