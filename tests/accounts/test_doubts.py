"""What of a pool must be simulated, by what its formula cannot see."""

import pytest

from tokwatt.accounts.doubts import doubts
from tokwatt.serving.pools.pool import Pool

QUIET = Pool(*[0.0] * len(Pool._fields))._replace(late_latency=0.02, latency_ratio=1.0)


def doubted(burstiness=1.0, **fields):
    return {name for name, _ in doubts(QUIET._replace(**fields), burstiness)}


def test_a_pool_that_hardly_takes_in_prompts_is_not_doubted():
    assert doubted() == set()


@pytest.mark.parametrize(("tokens", "iterations"), [(0.008, 0.003), (0.01, 0.01), (0.06, 0.02)])
def test_late_tokens_are_doubted_where_about_one_in_a_hundred_comes_beside_prompts(
    tokens, iterations
):
    """Simulated, they are a quarter to ten times later or sooner than by formula."""
    found = doubted(token_share=tokens, prefill_share=iterations)
    assert found == {"inter_token_latency_p99"}


@pytest.mark.parametrize(("tokens", "iterations"), [(0.003, 0.003), (0.04, 0.04)])
def test_late_tokens_are_not_doubted_where_they_are_of_one_kind(tokens, iterations):
    assert doubted(token_share=tokens, prefill_share=iterations) == set()


def test_medians_are_doubted_where_requests_pile_up_behind_prompts():
    """With 8B and prompts of any length the simulated median is half as long again."""
    found = doubted(latency_ratio=1.87, token_share=0.066, prefill_share=0.04)
    assert found == {"first_token", "first_token_p99", "inter_token_latency"}
    assert "inter_token_latency" not in doubted(latency_ratio=1.05, token_share=0.066)


def test_bursts_are_doubted():
    assert "first_token_p99" in doubted(burstiness=2.0)
