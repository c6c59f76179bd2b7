"""Sums over the requests of a trace or of a request length distribution."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokwatt.commands.deployments import PLAIN, DeploymentNames

from tokwatt.params.specs import Demand, Workload
from tokwatt.params.traces import Trace
from tokwatt.serving.fleet import size_pool
from tokwatt.serving.times import instance_of
from tokwatt.serving.traffic import Traffic, between, law_table, trace_table

DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)
SUMS = [name for name in Traffic._fields if name != "long_prompt"]
OF_ALL = ("share", "credited", "generated")
"""Sums over all requests, where the other fields are means over those of a pool."""

requests = st.lists(
    st.tuples(st.integers(1, 5_000), st.integers(1, 2_000)), min_size=1, max_size=60
)
chunks = st.sampled_from([1.0, 256.0, 1000.0, 8192.0])
lengths = st.integers(0, 8_000).map(float)


def trace_of(pairs):
    prompt, output = np.array(pairs).T
    return Trace(name="drawn", prompt=prompt, output=output)


def powers(i, o, chunk):
    """What is summed of a request of i and o tokens: whole numbers and halves, without rounding."""
    chunks = -(-i // int(chunk))
    k = chunks + o
    moments = (k * (i + o), k * (2 * i + o) / 2, k**2, k**2 * (i + o), k**2 * (i + o) ** 2)
    return (1, o, o, i, chunks, k, *moments)


def summed(traffic):
    """Sums over the requests of a pool, by the number of all."""
    return [
        float(getattr(traffic, name) * (1 if name in OF_ALL else traffic.share)) for name in SUMS
    ]


@given(requests=requests, chunk=chunks, lower=lengths, upper=lengths)
def test_traffic_between_two_lengths_is_that_of_the_requests_there(requests, chunk, lower, upper):
    low, high = min(lower, upper), max(lower, upper)
    there = [powers(i, o, chunk) for i, o in requests if low < i + o <= high]
    total = [sum(column) / len(requests) for column in zip(*there, strict=True)] or [0] * len(SUMS)
    table = trace_table(trace_of(requests), chunk)
    scale = max(float(getattr(table, name)[-1]) for name in SUMS)
    assert summed(between(table, low, high)) == pytest.approx(total, rel=1e-12, abs=1e-13 * scale)


@given(requests=requests, chunk=chunks, split=lengths)
def test_traffic_of_two_pools_makes_that_of_one(requests, chunk, split):
    trace = trace_of(requests)
    table, last = trace_table(trace, chunk), float(trace.longest)
    middle = min(split, last)
    parts = [summed(between(table, *ends)) for ends in ((0.0, middle), (middle, last))]
    whole = summed(between(table, 0.0, last))
    assert np.sum(parts, axis=0) == pytest.approx(whole, rel=1e-12)
    assert table.share[-1] == pytest.approx(1, rel=1e-15)
    assert table.generated[-1] == pytest.approx(trace.mean_output, rel=1e-12)


@given(requests=requests, longest=st.integers(1, 8_000))
def test_sums_end_at_the_longest_length_and_leave_longer_requests_out(requests, longest):
    trace = trace_of(requests)
    full, cut = trace_table(trace, 1024.0), trace_table(trace, 1024.0, longest)
    for name in SUMS:
        whole, part = getattr(full, name), getattr(cut, name)
        assert part.shape == (longest + 1,) and part[0] == 0
        shared = min(longest, trace.longest) + 1
        assert np.array_equal(part[:shared], whole[:shared]) and np.all(part[shared:] == whole[-1])
    assert cut.share[-1] == pytest.approx(np.mean(trace.total <= longest), rel=1e-12)


def test_requests_beyond_the_longest_length_take_no_memory():
    trace = trace_of([(2**24 - 1, 1), (1, 2**24 - 1), (100, 10)])
    tracemalloc.start()
    table = trace_table(trace, 1024.0, 65_536)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.share[-1] == pytest.approx(1 / 3, rel=1e-15)
    assert peak < 32 * 2**20


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
    ours, exact = trace_table(trace, 128.0, 1500), law_table(law, share, 128.0, 1500)
    for name in SUMS:
        # A request of one token is served as one of two, and so stands one entry further on.
        column = np.asarray(getattr(exact, name))[2:]
        tiny = 1e-12 * float(column[-1])
        assert getattr(ours, name)[2:] == pytest.approx(column, rel=1e-9, abs=tiny)


@pytest.fixture(scope="module")
def plain(parameters):
    """The paper's account without what loses requests or tokens, and its instance."""
    names = DeploymentNames("H100", "H100", "llama-3.1-70b", 8, "bfloat16")
    account, deployment = names.deployed(parameters, "paper", PLAIN)
    return account, instance_of(account, deployment), deployment.prefill_chunk


@settings(max_examples=25)
@given(requests=requests, split=lengths)
def test_two_pools_serve_what_one_serves(plain, requests, split):
    account, instance, chunk = plain
    trace = trace_of(requests)
    table, last = trace_table(trace, chunk), float(trace.longest)
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
