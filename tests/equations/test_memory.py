import math

import pytest
from hypothesis import given
from strategies import (
    between,
    block_counts,
    block_sizes,
    budgets,
    capacities,
    heads,
    kv_bytes,
    layer_counts,
    whole,
    windows,
)

from tokwatt.equations.memory import (
    held_sequences,
    kv_blocks,
    kv_budget,
    kv_bytes_per_token,
    scaled_sequences,
    weight_bytes,
    whole_blocks,
)


def reserved_sequences(blocks, block_size, window):
    """Sequences of statically reserved windows that so many blocks hold, at a byte a token."""
    return held_sequences(blocks * block_size, whole_blocks(window, block_size))


@given(block_counts, block_sizes, windows, windows)
def test_concurrency_never_rises_with_the_window(blocks, block_size, one, other):
    short, long = sorted((one, other))
    assert reserved_sequences(blocks, block_size, short) >= reserved_sequences(
        blocks, block_size, long
    )
    assert scaled_sequences(256.0, 8192.0, short) >= scaled_sequences(256.0, 8192.0, long)


@given(block_counts, block_sizes, windows)
def test_doubling_a_window_of_whole_blocks_halves_concurrency_up_to_the_floor(
    blocks, block_size, window
):
    window *= block_size
    halved = math.floor(float(reserved_sequences(blocks, block_size, window)) / 2)
    assert reserved_sequences(blocks, block_size, 2 * window) == halved
    assert scaled_sequences(blocks, 8192.0, 2 * window) == math.floor(
        float(scaled_sequences(blocks, 8192.0, window)) / 2
    )


@given(block_counts, block_sizes, windows)
def test_a_window_that_does_not_end_on_a_block_reserves_the_whole_last_block(
    blocks, block_size, window
):
    rounded = math.ceil(window / block_size) * block_size
    assert reserved_sequences(blocks, block_size, window) == reserved_sequences(
        blocks, block_size, rounded
    )


@given(budgets, kv_bytes, block_sizes, windows)
def test_memory_in_use_never_exceeds_the_budget(budget, per_token, block_size, window):
    blocks = float(kv_blocks(budget, per_token, block_size))
    sequences = float(reserved_sequences(blocks, block_size, window))
    assert 0 <= blocks * block_size * per_token <= budget
    assert sequences * window * per_token <= budget


@given(budgets, kv_bytes, block_sizes)
def test_one_more_block_would_not_fit(budget, per_token, block_size):
    assert (kv_blocks(budget, per_token, block_size) + 1) * per_token * block_size > budget


def test_a_window_longer_than_the_memory_holds_no_sequence():
    assert reserved_sequences(100.0, 16.0, 1600.0) == 1
    assert reserved_sequences(100.0, 16.0, 1601.0) == 0


@given(capacities, budgets, whole(0, 10**9))
def test_a_negative_budget_says_how_many_bytes_are_missing(capacity, weights, workspace):
    budget = float(kv_budget(capacity, 1.0, weights, workspace))
    assert (budget < 0) == (weights + workspace > capacity)
    assert kv_budget(capacity - budget, 1.0, weights, workspace) == 0


@given(capacities, between(0, 1), budgets)
def test_only_the_usable_share_of_memory_counts_cut_to_whole_bytes(capacity, share, weights):
    assert kv_budget(capacity, share, weights, 0.0) == math.floor(share * capacity) - weights


def test_llama_405b_misses_24_gigabytes_on_each_of_eight_h100():
    weights = weight_bytes(403747897344.0, 2.0, 8.0)
    budget = kv_budget(80 * 2.0**30, 0.9, weights, 392 * 2.0**20)
    assert budget == -24038604800
    assert kv_blocks(budget, 516096.0, 16.0) < 0


@given(layer_counts, heads, heads, between(1, 8))
def test_kv_bytes_are_linear_in_layers_heads_and_width(layers, kv_heads, head_dim, factor):
    base = kv_bytes_per_token(layers, kv_heads, head_dim, 2.0)
    for scaled in (
        kv_bytes_per_token(factor * layers, kv_heads, head_dim, 2.0),
        kv_bytes_per_token(layers, factor * kv_heads, head_dim, 2.0),
        kv_bytes_per_token(layers, kv_heads, factor * head_dim, 2.0),
        kv_bytes_per_token(layers, kv_heads, head_dim, factor * 2.0),
    ):
        assert scaled == pytest.approx(factor * float(base), rel=1e-14)


def test_llama_70b_keeps_320_kib_a_token():
    assert kv_bytes_per_token(80.0, 8.0, 128.0, 2.0) == 320 * 1024


@given(between(1e6, 1e13), between(0.5, 4), between(1, 64))
def test_the_gpus_of_a_replica_hold_the_weights_once(parameters, width, shards):
    assert shards * float(weight_bytes(parameters, width, shards)) == pytest.approx(
        parameters * width, rel=1e-14
    )
