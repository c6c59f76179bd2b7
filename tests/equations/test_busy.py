"""What customers of M/G/1 get while the server works for others, who stay once they are served."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokwatt.equations.busy import share_of_busy

USED = st.floats(0.01, 0.98)
VARIED = st.floats(0.0, 20.0)


def events(used, scv, leaving_busy, leaving_idle, count=60_000, seed=1):
    """The same by chance: work of a server over time, and what each gets after its own."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / used, count))
    work = rng.gamma(1 / scv, scv, count) if scv else np.ones(count)
    done, begins, ends = 0.0, [], []
    finished = np.empty(count)
    for place, (arrival, own) in enumerate(zip(arrivals, work, strict=True)):
        if arrival > done:
            begins.append(arrival)
            ends.append(arrival)
            done = arrival
        done += own
        ends[-1] = finished[place] = done
    begins, ends = np.array(begins), np.array(ends)
    busy = total = 0.0
    period = np.searchsorted(ends, finished - 1e-12)
    for left, at, wanted in zip(finished, period, rng.exponential(1.0, count), strict=True):
        here = left
        while wanted > 0 and at + 1 < len(begins):
            got = min(wanted, (ends[at] - here) * leaving_busy)
            busy, total, wanted = busy + got, total + got, wanted - got
            idle = min(wanted, (begins[at + 1] - ends[at]) * leaving_idle)
            total, wanted, at = total + idle, wanted - idle, at + 1
            here = begins[at]
    return busy / total


@pytest.mark.parametrize("used", [0.3, 0.7])
@pytest.mark.parametrize("scv", [0.0, 4.0])
@pytest.mark.parametrize("leaving", [(0.03, 0.5), (0.3, 3.0), (2.0, 2.0)])
def test_it_is_what_a_simulation_counts(used, scv, leaving):
    expected = events(used, scv, *leaving)
    assert float(share_of_busy(used, 1.0, scv, *leaving)) == pytest.approx(expected, rel=0.05)


@given(USED, st.floats(1e-3, 1e3), st.floats(0.0, 2.0))
def test_who_leaves_at_once_sees_others_at_work_as_often_as_it_works(used, mean, scv):
    found = share_of_busy(used, mean, scv, 1e12 / mean, 1e12 / mean)
    assert float(found) == pytest.approx(used, rel=1e-3)


@given(USED, st.floats(1e-3, 1e3))
def test_by_chance_alone_the_server_works_as_often_whenever_one_looks(used, leaving):
    """Exponential work is as much at any time as at its beginning."""
    found = share_of_busy(used, 1.0, 1.0, leaving, leaving)
    assert float(found) == pytest.approx(used, rel=1e-6)


@given(USED, VARIED, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_it_is_a_share(used, scv, busy, idle):
    assert 0 <= float(share_of_busy(used, 1.0, scv, busy, idle)) <= 1


@given(st.sampled_from([0.0, 1e-3]), VARIED, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_nobody_works_where_nobody_comes(mean, scv, busy, idle):
    assert float(share_of_busy(0.0, mean, scv, busy, idle)) == 0.0
