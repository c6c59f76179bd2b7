import random

import numpy as np
import pytest
from hypothesis import given
from strategies import LONGEST, length_laws, whole

from tokwatt.serving.demand import sampling


@given(length_laws(), whole(1, LONGEST))
def test_a_split_keeps_the_mass_of_every_knot(law, cut):
    lower, upper = sampling.split(law.pairs, cut)
    share = min(max(sampling.share_within(law.pairs, cut), 1e-6), 1 - 1e-6)
    assert lower[-1] == (cut, 1)
    assert upper[-1][1] == 1
    below, above = dict(lower), dict(upper)
    for knot, fraction in law.pairs:
        mass = share * below[knot] if knot <= cut else share + (1 - share) * above[knot]
        assert mass == pytest.approx(fraction, abs=2e-6)


@given(length_laws(), whole(1, 2 * LONGEST))
def test_a_draw_lies_in_its_bin_or_is_the_window(law, window):
    lengths, weights = sampling.sampled(law.pairs, window, count=50)
    assert weights.sum() == pytest.approx(1)
    assert lengths.min() >= 1
    assert lengths.max() <= window
    possible, chances = sampling.summed(law.pairs, window)
    assert set(lengths) <= set(possible[chances > 0])
    assert chances.sum() == pytest.approx(1)


@pytest.mark.parametrize(("window", "smallest"), [(65536, 1), (4096, 1), (100, 1), (8192, 200)])
def test_draws_are_those_of_cpython_bit_by_bit(window, smallest, knots):
    generator, law = random.Random(42), knots["azure"]
    lengths, _ = sampling.sampled(law, window, smallest)
    for length in lengths:
        uniform = generator.random()
        index = next(i for i, (_, fraction) in enumerate(law) if uniform <= fraction)
        low = max(smallest, (int(law[index - 1][0]) if index else 0) + 1)
        high = min(window, int(law[index][0]))
        assert length == (generator.randint(low, high) if low <= high else window)


def test_requests_above_the_window_are_served_as_exactly_the_window():
    lengths, _ = sampling.sampled([(100, 0.5), (1000, 1.0)], 100)
    assert set(lengths[lengths >= 100]) == {100}
    assert np.mean(lengths == 100) == pytest.approx(0.5, abs=0.05)
