import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    bandwidths,
    batches,
    between,
    byte_counts,
    shares,
    step_times,
)

from tokwatt.equations import roofline


@given(byte_counts, bandwidths)
def test_the_stream_moves_its_bytes_at_the_bandwidth(held, bandwidth):
    assert roofline.weight_time(held, bandwidth) * bandwidth == pytest.approx(held, rel=1e-14)


@given(step_times, bandwidths, between(1, 10), shares)
def test_a_kernel_keeps_its_time_where_measured_and_gains_at_most_the_bandwidth(
    latency, bandwidth, factor, exponent
):
    assert roofline.expert_layer_time(latency, bandwidth, bandwidth, exponent) == latency
    carried = roofline.expert_layer_time(latency, bandwidth, factor * bandwidth, exponent)
    assert latency / factor * (1 - 1e-12) <= carried <= latency * (1 + 1e-12)


@given(between(0, 1e6), between(1, 2000), between(1e-4, 0.1))
def test_tokens_per_joule_and_dollar_give_the_throughput_back(rate, watts, price):
    assert roofline.tokens_per_joule(rate, watts) * watts == pytest.approx(rate, rel=1e-14)
    assert roofline.tokens_per_dollar(rate, price) * price == pytest.approx(rate, rel=1e-14)


@given(batches, step_times)
def test_throughput_is_the_batch_over_the_iteration(batch, latency):
    assert roofline.throughput(batch, latency) * latency == pytest.approx(batch, rel=1e-14)
    assert roofline.throughput(0.0, latency) == 0


@given(between(1, 20_000), between(0, 16), st.sampled_from([1.0, 2.0, 4.0, 8.0]))
def test_a_single_rank_sends_no_token_to_another(hidden, active, ranks):
    sent = roofline.dispatch_bytes(hidden, active, 2.0, ranks)
    assert sent == pytest.approx(4 * active * hidden / ranks * (1 - 1 / ranks), rel=1e-14)
    assert roofline.dispatch_bytes(hidden, active, 2.0, 1.0) == 0
