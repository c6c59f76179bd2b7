"""One engine: nothing is lost, limits are kept, and what it does first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation.flat import CheckedEngine, FlatSteps, ample, served

from tokwatt.params.errors import ParameterError
from tokwatt.simulation.engine import SimulatedEngine
from tokwatt.simulation.requests import Limits, Request, Segment

ROWS = st.lists(
    st.tuples(
        st.floats(0, 40),
        st.integers(1, 120),
        st.integers(1, 90),
        st.integers(0, 60),
        st.integers(-1, 2),
    ),
    min_size=1,
    max_size=40,
)
LIMITS = st.builds(
    Limits,
    sequences=st.integers(1, 20),
    tokens=st.integers(1, 300),
    blocks=st.integers(14, 60),
    block_size=st.just(16),
    caching=st.booleans(),
)


@given(rows=ROWS, limits=LIMITS)
def test_requests_tokens_and_blocks_are_conserved_at_every_event(rows, limits):
    engine = served(FlatSteps(0.1, 0.01, 0.001), limits, rows)
    assert len(engine.done) == len(rows) and not engine.running and not engine.in_flight
    decoded = sum(segment[2] * segment[3] for segment in engine.segments)
    answers = sum(1 + request.preempted for request in engine.done)
    resumed = sum(ended == joined or joined < 0 for _, _, joined, ended in engine.spans)
    # Each stay brings a token by its prefill, if it lasts so long, and one in each step after it.
    cut_short = sum(joined < 0 for _, _, joined, _ in engine.spans)
    assert decoded + answers - cut_short == sum(row[2] for row in rows)
    assert resumed <= len(engine.spans)


@given(rows=ROWS, limits=LIMITS)
def test_times_are_in_order(rows, limits):
    engine = served(FlatSteps(0.1, 0.01, 0.001), limits, rows)
    for request in engine.done:
        assert request.arrival <= request.admitted < request.first <= request.finished
    ends = [segment[0] + segment[1] for segment in engine.segments]
    starts = [segment[0] for segment in engine.segments[1:]]
    assert all(end <= start + 1e-9 for end, start in zip(ends, starts, strict=False))


@given(rows=ROWS, limits=LIMITS)
def test_a_step_holds_no_more_than_its_limits(rows, limits):
    engine = served(FlatSteps(), limits, rows)
    for _, _, _, batch, _, prompts, _, filling, blocks, _ in engine.segments:
        assert batch + filling <= limits.sequences
        assert prompts == 0 or batch + prompts <= limits.tokens
        assert blocks <= limits.blocks


@given(rows=ROWS)
def test_first_come_are_first_admitted(rows):
    engine = served(FlatSteps(), Limits(4, 200, 10**6, 16), rows)
    order = sorted(engine.done, key=lambda request: request.number)
    admitted = [request.admitted for request in order]
    assert admitted == sorted(admitted)


def test_a_prompt_goes_in_by_chunks_and_attends_to_what_came_before():
    engine = served(FlatSteps(1.0), Limits(8, 100, 1000, 16), [(0.0, 250, 3)])
    prompts = [(segment[5], segment[6]) for segment in engine.segments if segment[5]]
    assert prompts == [(100, 100**2), (100, 200**2 - 100**2), (50, 250**2 - 200**2)]
    (request,) = engine.done
    assert (request.first, request.finished) == (3.0, 5.0)


def test_a_request_that_is_preempted_gets_all_of_its_tokens():
    # Two requests of 64 tokens each want nine blocks of 16 in the end, of which there are eight.
    rows = [(0.0, 60, 20), (0.0, 60, 20)]
    engine = served(FlatSteps(1.0), Limits(8, 1000, 8, 16), rows)
    first, second = sorted(engine.done, key=lambda request: request.number)
    assert (first.preempted, second.preempted) == (0, 1)
    assert first.finished == 20.0
    # It had six tokens when blocks ran out, computes 65 again in one step and decodes the rest.
    assert second.finished > first.finished
    assert engine.pauses and engine.pauses[0] > 10


def test_a_smaller_number_of_priority_goes_first():
    rows = [(0.0, 10, 50), (1.0, 10, 5, 0, -1, 1), (2.0, 10, 5, 0, -1, 0)]
    engine = served(FlatSteps(1.0), Limits(1, 100, 100, 16), rows)
    assert [request.number for request in engine.done] == [0, 2, 1]


def test_tokens_that_the_prefix_cache_holds_are_not_computed():
    engine = served(FlatSteps(), ample(), [(0.0, 100, 2, 64), (50.0, 80, 2, 80)])
    taken = [Segment(*segment) for segment in engine.segments if Segment(*segment).filling]
    assert [(it.prompts, it.filling) for it in taken] == [(36, 1), (0, 1)]  # the last one decodes


def test_a_conversation_finds_its_blocks_unless_others_needed_them():
    limits = Limits(8, 1000, 20, 16, True)
    again = [(0.0, 100, 29, 0, 1), (100.0, 160, 2, 128, 1)]
    engine = served(FlatSteps(), limits, again)
    assert [request.hits for request in engine.done] == [0, 128]
    between = (50.0, 250, 40, 0, 2)
    engine = served(FlatSteps(), limits, [again[0], between, again[1]])
    assert [request.hits for request in engine.done] == [0, 0, 16]


def test_a_request_longer_than_the_pool_is_refused():
    with pytest.raises(ParameterError, match="has 200 tokens, wanted at most 160"):
        served(FlatSteps(), Limits(8, 100, 10, 16), [(0.0, 150, 50)])


def test_it_does_not_matter_how_often_an_engine_is_looked_at():
    rows = [(0.7 * place, 30 + place, 5 + place % 7) for place in range(40)]
    limits = Limits(3, 60, 40, 16)
    whole = served(FlatSteps(0.1, 0.01, 0.001), limits, rows)
    from tokwatt.simulation.engine import SimulatedEngine
    from tokwatt.simulation.requests import Request

    engine = SimulatedEngine(FlatSteps(0.1, 0.01, 0.001), limits)
    for number, row in enumerate(rows):
        engine.advance(row[0])
        engine.offer(Request(number, *row))
    engine.advance(float("inf"))
    times = [(request.number, request.first, request.finished) for request in engine.done]
    assert times == [
        (request.number, pytest.approx(request.first), pytest.approx(request.finished))
        for request in whole.done
    ]
    assert CheckedEngine.checks > 0


def test_a_router_sees_no_more_of_an_engine_than_has_happened():
    """In the middle of a step: what ends with it has not ended, though the step is taken."""
    engine = SimulatedEngine(FlatSteps(1.0), ample())
    engine.offer(Request(0, 0.0, 7, 2))
    seen = []
    for time in (0.5, 1.5, 2.5):
        engine.advance(time)
        seen.append((engine.work(time), engine.load(time)))
    assert seen == [(7, 1), (0, 1), (0, 0)]
