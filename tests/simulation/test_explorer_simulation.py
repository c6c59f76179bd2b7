"""Simulations of the explorer against those of the package, request by request."""

import random

import pytest
from scripts import call, context_of

from tokwatt.accounts.answers import demanded
from tokwatt.accounts.answers.simulated import answer_of
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.explorer import Explorer, InstanceKey
from tokwatt.accounts.parts import Disaggregated
from tokwatt.accounts.simulated import SETTLED, simulate
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import read_trace
from tokwatt.simulation import arrivals

py_mini_racer = pytest.importorskip("py_mini_racer")

DENSE = InstanceKey("consistent", "H100", "llama-3.1-8b", "bfloat16", 1)
MIXTURE = InstanceKey("consistent", "H200", "gpt-oss-120b", "mxfp4", 1)
TIGHT = InstanceKey("consistent", "H100", "qwen3-32b", "bfloat16", 1)
WINDOWED = InstanceKey("consistent", "H100", "gemma-3-12b", "bfloat16", 1)
PAPER = InstanceKey("paper", "H100", "llama-3.1-8b", "bfloat16", 1)
REQUEST = {
    "arrival": "arrival",
    "prompt": "prompt",
    "output": "output",
    "pool": "pool",
    "hits": "hits",
    "preempted": "preempted",
    "queued": "queued",
    "firstToken": "first_token",
    "latency": "latency",
    "joules": "joules",
}
"""Numbers of a request in the explorer, and in a dataset; its times are since it arrived."""
TOTALS = {
    "throughput": "throughput",
    "power": "power",
    "tokensPerJoule": "tokens_per_joule",
    "running": "running",
    "kvUse": "kv_use",
    "preempted": "preempted",
}
QUANTILES = {
    "queued": "queued",
    "firstToken": "first_token",
    "latency": "inter_token_latency",
}
SECONDS = {"running": "running", "waiting": "waiting", "kvUse": "kv_use", "power": "power"}


@pytest.fixture(scope="module")
def javascript(parameters):
    keys = [DENSE, MIXTURE, TIGHT, WINDOWED, PAPER]
    context = context_of(py_mini_racer, Explorer(parameters), keys)
    context.eval(
        """
        function simulate(state, text, rate, windows, instances, options) {
          const { rule, process, count, settled, seeds, isFound } = options;
          const known = { ...DATA.running, batch: options.batch ?? DATA.running.batch };
          const demand = { ...DATA.demand, arrival_rate: rate };
          const own = text && { ...Traces.read(DATA.reading, "requests", text), name: "requests" };
          const data = { ...DATA, demand, workloads: { ...DATA.workloads, own } };
          const ready = Cases.prepare(data, { ...state, changes: {} });
          const pools = windows.map((window, place) =>
            ({ ready, window, instances: instances[place], decoding: options.decoding?.[place] }));
          try {
            const engines = Simulation.enginesOf(known, pools);
            const batchesOf = (own) => Arrivals.of(own, ready, process, count, isFound);
            const run = Seeds.runs(known, engines, batchesOf, rule, { settled, seeds, count });
            let found = run.next();
            while (!found.done) found = run.next();
            const { overloaded } = found.value, digits = (value) => String(+value.toPrecision(4));
            return overloaded
              ? { said: Simulation.said("requests", overloaded, digits) } : found.value;
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            return { said: error.message };
          }
        }
        """
    )

    def run(key, requests, rate, windows, instances, **options):
        known = {
            "rule": "round_robin",
            "process": "poisson",
            "count": 1e6,
            "settled": 0,
            "seeds": 1,
            "isFound": False,
        }
        workload, text = ("azure", None) if requests == "azure" else ("own", requests)
        state = key._asdict() | {"workload": workload, "longWindow": windows[-1]}
        return call(context, "simulate", state, text, rate, windows, instances, known | options)

    return run


def times_of(seed, count=250, longest=7000):
    """A trace of requests that come at random and out of order, some in the same moment."""
    chance = random.Random(seed)
    time, rows = 1_767_225_600.0, []
    for number in range(count):
        time += chance.expovariate(8) if number % 9 else 0.0
        prompt, output = chance.lognormvariate(6.5, 1.2), chance.lognormvariate(5, 1)
        rows.append(f"{time:.6f},{1 + int(min(prompt, longest))},{1 + int(min(output, 900))}")
    chance.shuffle(rows)
    return "\n".join(["timestamp,prompt_tokens,completion_tokens", *rows])


@pytest.fixture
def package(parameters, tmp_path):
    """The same fleet as the package simulates it."""

    def run(key, requests, rate, windows, instances, rule="round_robin", decoding=(), **asked):
        if requests != "azure":
            path = tmp_path / "requests"
            path.write_text(requests, encoding="utf-8")
            requests = read_trace(path)
        names = DeploymentNames(
            llm=key.llm, gpu=key.gpu, gpus=key.tensor_parallel, precision=key.precision
        )
        demand = demanded(parameters, arrival_rate=rate)
        if decoding:
            names = Disaggregated(prefill=names, decode=names)
            instances = [count for both in zip(instances, decoding, strict=True) for count in both]
        asked |= {"instances": instances, "split_lengths": windows[:-1], "router": rule}
        return simulate(parameters, requests, demand, names, account=key.account, **asked)

    return run


def close(wanted):
    """To 1e-6, and to a nanosecond where requests hardly wait."""
    return pytest.approx(wanted, rel=1e-6, abs=1e-9)


def require_same(found, wanted):
    for ours, theirs in REQUEST.items():
        own = [request[ours] for request in found["requests"]]
        assert own == close(wanted[f"request_{theirs}"].values[0]), theirs
    for ours, theirs in TOTALS.items():
        assert found["totals"][ours] == close(float(wanted[theirs].values[0])), theirs
    for ours, theirs in QUANTILES.items():
        both = [float(wanted[name].values[0]) for name in (theirs, f"{theirs}_p99")]
        assert found["totals"][ours] == close(both), theirs
    for ours, theirs in SECONDS.items():
        assert found["seconds"][ours] == close(wanted[f"second_{theirs}"].values[0]), theirs


FLEETS = {
    "a dense LLM whose prompts come in by chunks": (DENSE, 250, 9000, 8.0, [16384], [1]),
    "a mixture of experts": (MIXTURE, 250, 7000, 12.0, [8192], [1]),
    "sliding windows of attention": (WINDOWED, 150, 7000, 4.0, [8192], [1]),
    "the paper's law of power": (PAPER, 150, 7000, 4.0, [65536], [1]),
}


@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS)
def test_requests_are_served_as_the_package_serves_them(fleet, javascript, package):
    key, count, longest, *asked = fleet
    trace = times_of(repr(key), count, longest)
    require_same(javascript(key, trace, *asked), package(key, trace, *asked))


def cached_of(seed, share):
    """Such a trace that finds a part of each prompt in a cache, or all of it."""
    chance = random.Random(seed)
    head, *rows = times_of(seed).splitlines()
    found = (min(1.0, max(0.0, chance.gauss(share, 0.4))) for _ in rows)
    prompts = (int(row.split(",")[1]) for row in rows)
    cached = (int(part * prompt) for part, prompt in zip(found, prompts, strict=True))
    each = (f"{row},{tokens}" for row, tokens in zip(rows, cached, strict=True))
    return "\n".join([f"{head},prompt_tokens_details.cached_tokens", *each])


@pytest.mark.parametrize("key, rate, share", [(DENSE, 30.0, 0.5), (TIGHT, 1.2, 0.3)])
def test_cached_tokens_of_a_trace_are_not_taken_in_again_where_they_are_found(
    key, rate, share, javascript, package
):
    asked = key, cached_of(repr(key), share), rate, [8192], [1]
    again = javascript(*asked)
    require_same(again, package(*asked))
    found = javascript(*asked, isFound=True)
    assert found["totals"]["firstToken"][0] < again["totals"]["firstToken"][0]
    assert sum(request["hits"] for request in found["requests"]) > 10_000
    require_same(found, package(*asked, cached="found"))


@pytest.mark.parametrize("rule", ["random", "round_robin", "least_loaded", "least_work"])
def test_two_pools_share_requests_by_length_and_each_among_its_engines(rule, javascript, package):
    asked = DENSE, times_of(rule), 40.0, [1024, 8192], [2, 2]
    found, wanted = javascript(*asked, rule=rule), package(*asked, rule=rule)
    assert {request["pool"] for request in found["requests"]} == {0, 1}
    require_same(found, wanted)


@pytest.mark.parametrize("rule", ["random", "round_robin", "least_loaded", "least_work"])
def test_prefill_on_instances_of_its_own_hands_the_same_requests_to_decode(
    rule, javascript, package
):
    asked = DENSE, times_of(rule), 30.0, [1024, 8192], [1, 2]
    apart = {"rule": rule, "decoding": [2, 1]}
    require_same(javascript(*asked, **apart), package(*asked, **apart))


def test_drawn_requests_of_prefill_apart_are_made_a_few_at_a_time(javascript, package, monkeypatch):
    monkeypatch.setattr(arrivals, "BATCH", 100)
    asked, apart = (DENSE, "azure", 12.0, [8192], [2]), {"decoding": [1], "rule": "random"}
    drawn = apart | {"count": 250}
    found = javascript(*asked, **drawn, batch=100, settled=SETTLED, seeds=2)
    require_same(found, package(*asked, **drawn, seeds=[0, 1]))


@pytest.mark.parametrize(
    "key, rate, instances, decoding", [(DENSE, 120.0, [1], [4]), (TIGHT, 4.0, [4], [1])]
)
def test_prefill_or_decode_that_cannot_keep_up_ends_in_the_sentence_of_the_command(
    key, rate, instances, decoding, javascript, package
):
    asked = key, times_of("late"), rate, [8192], instances
    with pytest.raises(ParameterError, match="is full from") as refusal:
        package(*asked, decoding=decoding)
    assert javascript(*asked, decoding=decoding)["said"] == str(refusal.value)


def test_a_kv_cache_pool_that_fills_takes_blocks_away_from_the_same_requests(javascript, package):
    asked = TIGHT, times_of("tight"), 1.2, [8192], [1]
    found = javascript(*asked)
    assert sum(request["preempted"] for request in found["requests"]) > 5
    require_same(found, package(*asked))


@pytest.mark.parametrize(
    "process, count", [*((process, 300) for process in arrivals.ARRIVALS), ("poisson", 1)]
)
def test_requests_of_a_workload_are_those_that_the_command_draws(
    process, count, javascript, package
):
    drawn = {"process": process, "count": count}
    found = javascript(DENSE, "azure", 10.0, [8192], [1], **drawn, settled=SETTLED)
    require_same(found, package(DENSE, "azure", 10.0, [8192], [1], **drawn))


def test_a_daily_profile_goes_on_alike_on_the_next_day(javascript, package):
    drawn = {"process": "daily", "count": 150}
    found = javascript(DENSE, "azure", 0.001, [8192], [1], **drawn, settled=SETTLED)
    assert found["requests"][-1]["arrival"] > 1.2 * arrivals.DAY
    require_same(found, package(DENSE, "azure", 0.001, [8192], [1], **drawn))


@pytest.mark.parametrize("requests, rule", [("azure", "round_robin"), ("trace", "random")])
def test_means_over_seeds_and_their_intervals_are_those_of_the_command(
    requests, rule, javascript, package
):
    trace = requests if requests == "azure" else times_of("seeds")
    asked = DENSE, trace, 40.0, [1024, 8192], [2, 2]
    settled = SETTLED if requests == "azure" else 0
    drawn = {"rule": rule, "count": 250}
    found = javascript(*asked, **drawn, settled=settled, seeds=4)
    wanted = package(*asked, **drawn, seeds=range(4))
    require_same(found, wanted)
    answer = answer_of(wanted).quantities
    quantiles = {
        (ours, place): f"{theirs}{end}"
        for ours, theirs in QUANTILES.items()
        for place, end in enumerate(("", "_p99"))
    }
    estimates = found["estimates"]
    for ours, theirs in TOTALS.items():
        require_estimate(estimates[ours], answer[theirs])
    for (ours, place), theirs in quantiles.items():
        require_estimate(estimates[ours][place], answer[theirs])
    assert estimates["power"]["low"] < estimates["power"]["value"]


def require_estimate(found, wanted):
    assert [found[name] for name in ("value", "low", "high")] == close(
        [wanted.value, wanted.low, wanted.high]
    )


def test_requests_of_a_trace_without_times_are_drawn_from_its_rows(javascript, package):
    trace = "prompt_tokens,completion_tokens\n" + "3000,20\n100,200\n50,600\n" * 20
    found = javascript(DENSE, trace, 8.0, [4096], [1], count=300, settled=SETTLED)
    require_same(found, package(DENSE, trace, 8.0, [4096], [1], count=300))


def test_requests_of_a_trace_of_sums_are_drawn_from_its_rows(javascript, package):
    trace = "time,prompt_tokens,output_tokens,requests\n0,3000,200,10\n3600,1000,900,30\n"
    found = javascript(DENSE, trace, 8.0, [4096], [1], count=300, settled=SETTLED)
    require_same(found, package(DENSE, trace, 8.0, [4096], [1], count=300))


def test_a_trace_keeps_its_times_at_its_own_rate_as_a_form_shows_it(javascript):
    times = [0.0, 1.0, 3.0, 4.0, 9.0, 59.0]
    trace = "time,prompt_tokens,output_tokens\n" + "".join(f"{time},9,2\n" for time in times)
    found = javascript(DENSE, trace, float(f"{5 / 59:.12g}"), [16], [1])
    assert [request["arrival"] for request in found["requests"]] == times
    found = javascript(DENSE, trace, 10 / 59, [16], [1])
    assert [request["arrival"] for request in found["requests"]] == [time / 2 for time in times]


@pytest.mark.parametrize("requests", ["azure", "trace"])
def test_a_run_goes_on_alike_beyond_the_requests_that_are_made_at_once(
    requests, javascript, package, monkeypatch
):
    monkeypatch.setattr(arrivals, "BATCH", 100)
    asked = DENSE, times_of("batches") if requests == "trace" else requests, 8.0, [8192], [1]
    settled = 0 if requests == "trace" else SETTLED
    found = javascript(*asked, batch=100, count=250, settled=settled)
    require_same(found, package(*asked, count=250))


@pytest.mark.parametrize(
    ("key", "rate", "full"), [(DENSE, 80.0, "prefill"), (TIGHT, 2.5, "KV cache pool")]
)
def test_what_cannot_be_served_ends_in_the_sentence_of_the_command(
    key, rate, full, javascript, package
):
    asked = key, times_of("late"), rate, [8192], [1]
    with pytest.raises(ParameterError) as refusal:
        package(*asked)
    said = javascript(*asked)["said"]
    assert f"the {full} is full from" in said
    assert said == str(refusal.value)


@pytest.mark.parametrize("instances, decoding", [([1, 1], [0, 1]), ([1, 0], [1, 1])])
def test_parts_of_no_instances_are_refused_as_the_command_refuses_them(
    instances, decoding, javascript, package
):
    asked = DENSE, times_of("none", 20), 5.0, [1024, 8192], instances
    with pytest.raises(ParameterError, match="instances: is 0 in pool") as refusal:
        package(*asked, decoding=decoding)
    assert javascript(*asked, decoding=decoding)["said"] == str(refusal.value)


LONG = "time,prompt_tokens,output_tokens\n0,100,10\n1,30000,10\n"


@pytest.mark.parametrize(
    ("windows", "instances", "sentence"),
    [
        ([1024, 32768], [1, 0], "instances: is 0 in pool 2, wanted 1 or more"),
        ([32768], [1], "request 1: has 30010 tokens, wanted at most"),
    ],
)
def test_what_no_engine_can_serve_is_said_as_the_command_says_it(
    windows, instances, sentence, javascript, package
):
    asked = TIGHT, LONG, 1.0, windows, instances
    with pytest.raises(ParameterError, match=sentence) as refusal:
        package(*asked)
    assert javascript(*asked)["said"] == str(refusal.value)
