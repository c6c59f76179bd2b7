"""Sums over the requests of a trace or of a request length distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokwatt.accounts.deployments import CONSERVING, DeploymentNames, account_of
from tokwatt.params.specs import Demand, Workload
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.demand.running_sums import between, law_table
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.pools.pool import size_pool
from tokwatt.serving.steps.times import instance_of

DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)
SUMS = [name for name in Traffic._fields if not name.endswith("_prompt")]
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


def table_of(trace, chunk, longest=None):
    """Running sums over the requests of a trace, counted one by one."""
    rows = np.array([powers(*pair, chunk) for pair in zip(trace.prompt, trace.output, strict=True)])
    table = np.zeros(((longest or trace.longest) + 1, len(SUMS)))
    np.add.at(table, trace.total, rows)
    columns = dict(zip(SUMS, np.cumsum(table, axis=0).T / trace.requests, strict=True))
    unknown = np.full(len(table), np.nan)
    return Traffic(**columns, long_prompt=unknown, median_prompt=unknown)


def powers(i, o, chunk):
    """What is summed of a request of i and o tokens."""
    chunks = -(-i // int(chunk))
    k = chunks + o
    moments = (k * (i + o), k * (2 * i + o) / 2, k**2, k**2 * (i + o), k**2 * (i + o) ** 2)
    prompts = (float(i) ** power for power in (2, 3, 4, 5, 6))
    return (1, o, o, i, chunks, k, *moments, k * (2 * i + o) ** 2 / 4, *prompts)


def summed(traffic):
    """Sums over the requests of a pool, by the number of all."""
    return [
        float(getattr(traffic, name) * (1 if name in OF_ALL else traffic.share)) for name in SUMS
    ]


@pytest.fixture(scope="module")
def plain(parameters):
    """The paper's account without what loses requests or tokens, and its instance."""
    names = DeploymentNames(profile="H100")
    account, deployment = (
        account_of(parameters, "paper", names, CONSERVING),
        names.deployment(parameters),
    )
    return account, instance_of(account, deployment), deployment.prefill_chunk(False)


@given(requests=requests, chunk=chunks, lower=lengths, upper=lengths)
def test_traffic_between_two_lengths_is_that_of_the_requests_there(requests, chunk, lower, upper):
    low, high = min(lower, upper), max(lower, upper)
    there = [powers(i, o, chunk) for i, o in requests if low < i + o <= high]
    total = [sum(column) / len(requests) for column in zip(*there, strict=True)] or [0] * len(SUMS)
    table = table_of(trace_of(requests), chunk)
    found = summed(between(table, low, high))
    for name, ours, theirs in zip(SUMS, found, total, strict=True):
        whole = float(getattr(table, name)[-1])
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-13 * whole), name


@given(requests=requests, chunk=chunks, split=lengths)
def test_traffic_of_two_pools_makes_that_of_one(requests, chunk, split):
    trace = trace_of(requests)
    table, last = table_of(trace, chunk), float(trace.longest)
    middle = min(split, last)
    parts = [summed(between(table, *ends)) for ends in ((0.0, middle), (middle, last))]
    whole = summed(between(table, 0.0, last))
    assert np.sum(parts, axis=0) == pytest.approx(whole, rel=1e-12)
    assert table.share[-1] == pytest.approx(1, rel=1e-15)
    assert table.generated[-1] == pytest.approx(trace.mean_output, rel=1e-12)


@settings(max_examples=12)
@given(
    bins=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 4)), min_size=4, max_size=4),
    share=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_a_trace_of_every_length_of_a_law_has_the_sums_of_the_law(plain, bins, share):
    widths, repeats = np.array([*bins, (2, 1)]).T
    knots, counts = np.cumsum(widths), widths * repeats
    law = Workload(lengths=knots.astype(float), fractions=np.cumsum(counts) / counts.sum())
    length = np.repeat(np.arange(1, knots[-1] + 1), np.repeat(repeats, widths))
    prompt = np.maximum(1, np.trunc((1 - share) * length)).astype(int)
    trace = Trace(name="law", prompt=prompt, output=np.maximum(1, length - prompt))
    ours = table_of(trace, 128.0, 1500)
    exact = law_table(plain[0].assumed, law, share, 128.0, 1500)
    for name in SUMS:
        # A request of one token is served as one of two, and so stands one entry further on.
        column = np.asarray(getattr(exact, name))[2:]
        tiny = 1e-12 * float(column[-1])
        assert getattr(ours, name)[2:] == pytest.approx(column, rel=1e-9, abs=tiny)


@settings(max_examples=12)
@given(requests=requests, split=lengths)
def test_two_pools_serve_what_one_serves(plain, requests, split):
    account, instance, chunk = plain
    trace = trace_of(requests)
    table, last = table_of(trace, chunk), float(trace.longest)
    middle = min(split, last)
    short, long, one = (
        size_pool(account, instance, between(table, low, high), high, DEMAND)
        for low, high in [(0.0, middle), (middle, last), (0.0, last)]
    )
    assert float(short.generated + long.generated) == pytest.approx(float(one.generated), rel=1e-12)
    assert float(one.generated) == pytest.approx(DEMAND.arrival_rate * trace.mean_output, rel=1e-12)
    assert float(one.instances) >= 1 and float(one.utilization) <= DEMAND.max_utilization
