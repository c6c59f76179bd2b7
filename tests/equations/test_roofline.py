import numpy as np
import pytest
from hypothesis import given
from strategies import (
    arithmetic_rates,
    bandwidths,
    batches,
    between,
    byte_counts,
    chunks,
    histories,
    kv_bytes,
    operations,
    shares,
    step_times,
    windows,
)

from tokwatt.equations import roofline


@given(batches, step_times, step_times)
def test_throughput_exceeds_neither_the_weight_stream_nor_the_scan(batch, weight_time, scan_time):
    rate = roofline.throughput(batch, roofline.iteration_latency(weight_time, scan_time, batch))
    assert rate <= batch / weight_time * (1 + 1e-15)
    assert rate <= 1 / scan_time * (1 + 1e-15)


@given(step_times, step_times, batches, batches)
def test_throughput_never_falls_as_the_batch_grows(weight_time, scan_time, one, other):
    low, high = (
        roofline.throughput(n, roofline.iteration_latency(weight_time, scan_time, n))
        for n in sorted((one, other))
    )
    assert low <= high * (1 + 1e-15)


@given(step_times, step_times)
def test_throughput_tends_to_one_token_a_scan(weight_time, scan_time):
    batch = 1e12 * max(1.0, weight_time / scan_time)
    rate = roofline.throughput(batch, roofline.iteration_latency(weight_time, scan_time, batch))
    assert rate == pytest.approx(1 / scan_time, rel=1e-11)


@given(step_times, step_times, batches, batches)
def test_latency_is_affine_in_the_batch(weight_time, scan_time, one, other):
    together = roofline.iteration_latency(weight_time, scan_time, one + other)
    apart = sum(roofline.iteration_latency(weight_time, scan_time, n) for n in (one, other))
    assert together == pytest.approx(apart - weight_time, rel=1e-12)
    assert roofline.iteration_latency(weight_time, scan_time, 0.0) == weight_time


@given(step_times, step_times, batches, windows)
def test_doubling_the_window_keeps_the_step_and_halves_the_throughput(
    weight_time, scan_time, batch, window
):
    rates, latencies = [], []
    for sequences, length in ((batch, window), (batch / 2, 2 * window)):
        scan = roofline.scaled_scan_time(scan_time, length, 8192.0)
        latencies.append(float(roofline.iteration_latency(weight_time, scan, sequences)))
        rates.append(float(roofline.throughput(sequences, latencies[-1])))
    assert latencies[0] == pytest.approx(latencies[1], rel=1e-14)
    assert rates[0] == pytest.approx(2 * rates[1], rel=1e-14)


@given(byte_counts, bandwidths, between(1, 64))
def test_the_stream_moves_its_bytes_at_the_bandwidth(held, bandwidth, shards):
    assert roofline.weight_time(held, bandwidth) * bandwidth == pytest.approx(held, rel=1e-14)
    active = roofline.active_weight_time(held / 2, 2.0, shards, bandwidth)
    assert active * shards == pytest.approx(float(roofline.weight_time(held, bandwidth)), rel=1e-14)


@given(byte_counts, shares, bandwidths)
def test_reading_only_active_parameters_is_never_slower_than_reading_all(
    parameters, share, bandwidth
):
    assert roofline.active_weight_time(
        share * parameters, 2.0, 8.0, bandwidth
    ) <= roofline.active_weight_time(parameters, 2.0, 8.0, bandwidth)


@given(windows, kv_bytes, bandwidths, step_times)
def test_scan_time_is_proportional_to_the_length(length, per_token, bandwidth, scan_time):
    scan = roofline.scan_time(length, per_token, bandwidth, 8.0)
    assert scan == pytest.approx(
        length * float(roofline.scan_time(1.0, per_token, bandwidth, 8.0)), rel=1e-14
    )
    assert roofline.scaled_scan_time(scan, length, length) == scan
    assert roofline.scaled_scan_time(scan_time, 3 * length, length) == pytest.approx(
        3 * scan_time, rel=1e-14
    )


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


@given(step_times, operations, arithmetic_rates)
def test_prefill_takes_at_least_its_memory_and_at_least_its_arithmetic_and_no_longer(
    memory_time, flops, rate
):
    latency = roofline.prefill_latency(memory_time, flops, rate)
    assert latency >= memory_time
    assert latency >= flops / rate
    assert latency in (memory_time, flops / rate)


@given(chunks, chunks, histories)
def test_a_prompt_costs_the_same_arithmetic_however_it_is_cut(first, second, history):
    def flops(chunk, before):
        return float(roofline.prefill_flops(chunk, before, 1.5e8, 8192.0, 7e8, 80.0))

    cut = flops(first, history) + flops(second, history + first)
    assert flops(first + second, history) == pytest.approx(cut, rel=1e-13)


def test_prefill_arithmetic_is_two_operations_a_parameter_where_attention_is_small():
    parameters = 80 * (1.5e8 + 7e8)
    assert roofline.prefill_flops(1.0, 0.0, 1.5e8, 8192.0, 7e8, 80.0) == pytest.approx(
        2 * parameters, rel=1e-4
    )


def test_an_instance_without_sequences_makes_no_tokens():
    assert roofline.throughput(0.0, roofline.iteration_latency(0.004, 0.00032, 0.0)) == 0
    assert np.isinf(roofline.iteration_latency(0.004, 0.00032, np.inf))
