"""Branches of the paper's program that none of its tables reaches."""

import dataclasses

import numpy as np
import pytest
from tokwatt.studies.replay.fleets import Service
from tokwatt.studies.replay.instances import Calibrated

from tokwatt.params.specs import Demand
from tokwatt.studies.replay import fleets

LONG_WINDOW = 65536
DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)


def test_a_forced_utilization_is_held_between_five_and_ninety_five_percent(knots, profiles):
    instance = Calibrated(profiles["H100"])
    sizes = {}
    for wish in (0.01, 0.05, 0.5, 0.95, 2.0):
        pool = fleets.size(
            knots["azure"], 1000.0, instance, LONG_WINDOW, DEMAND, forced_utilization=wish
        )
        bounded = min(max(wish, 0.05), 0.95)
        assert bounded * (1 - 1 / pool.instances) <= pool.utilization <= bounded
        sizes[wish] = pool.instances
    assert sizes[0.01] == sizes[0.05] > sizes[0.5] > sizes[0.95] == sizes[2.0]
    assert fleets.instances_at(1e-9, 10.0, 0.5) == 1


def test_a_tiny_latency_target_makes_the_search_climb_until_nobody_waits():
    service = Service(concurrency=1, service_rate=1.0, service_scv=1.0, mean_prefill=0.0)
    start, loose = fleets.instances_by_wait(8.0, service, 100.0)
    _, tight = fleets.instances_by_wait(8.0, service, 1e-6)
    assert (start, loose, tight) == (9, 9, 16)
    assert fleets.wait_99(15, 8.0, 1.0, 1.0) > 1e-6 > fleets.wait_99(16, 8.0, 1.0, 1.0) == 0
    demand = Demand(arrival_rate=8.0, latency_target=1e-6, max_utilization=0.85, output_share=0.2)
    assert fleets.instances_required(8.0, service, demand) == 16


def test_the_search_gives_up_above_five_thousand_instances():
    service = Service(concurrency=1, service_rate=1.0, service_scv=1.0, mean_prefill=0.0)
    assert fleets.instances_by_wait(4999.5, service, -1.0) == (5001, 5002)
    assert fleets.instances_by_wait(10.0, service, -1.0) == (11, 5001)


@pytest.mark.parametrize(
    "arguments", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (2, 3, 1, 1), (2, 2, 1, 1)]
)
def test_a_queue_without_servers_work_or_stability_waits_for_ever(arguments):
    assert fleets.wait_99(*arguments) == np.inf


def test_nothing_to_serve_takes_one_instance_and_delays_nobody():
    service = Service(concurrency=4, service_rate=1.0, service_scv=1.0, mean_prefill=0.0)
    assert fleets.instances_required(0.0, service, DEMAND) == 1
    assert fleets.delay_probability(0, 1) == fleets.delay_probability(1, 0) == 0
    assert fleets.instances_by_utilization(10.0, 1.0, 1.0) == 0


def test_a_flat_power_curve_counts_as_linear_in_the_batch(profiles):
    flat = dataclasses.replace(
        profiles["H100"], power=dataclasses.replace(profiles["H100"].power, steepness=0.0)
    )
    instance = Calibrated(flat)
    assert [instance.power(batch) for batch in (-1, 0, 64, 128, 256, 512)] == [
        300,
        300,
        375,
        450,
        600,
        600,
    ]


def test_a_logistic_curve_draws_idle_power_only_without_a_batch(profiles):
    instance = Calibrated(profiles["H100"])
    assert instance.power(0) == 300
    assert instance.power(0.3) == instance.power(1) == pytest.approx(300 + 300 / (1 + np.exp(4.2)))


def test_a_sequence_limit_of_a_computed_instance_binds_where_set(computed):
    instance = computed("llama-3.1-70b", "H100", "tp8-16bit")
    limited = dataclasses.replace(
        instance, serving=dataclasses.replace(instance.serving, max_sequences=5.0)
    )
    assert instance.concurrency(8192) == 22
    assert limited.concurrency(8192) == 5
    assert limited.concurrency(65536) == 2
    assert instance.concurrency(1e9) == 1


def test_prefill_of_a_long_prompt_is_bound_by_arithmetic(computed):
    instance = computed("llama-3.1-70b", "H100", "tp8-16bit")
    prompt, output = np.array([100.0, 60_000.0]), np.array([10.0, 10.0])
    latency = instance.latency(instance.concurrency(65536), prompt + output)
    prefill = instance.prefill_latency(prompt / 2, instance.concurrency(65536), prompt + output)
    assert (prefill > latency).all()
    llm, chunk, history = instance.llm, int(instance.prefill_chunk), 30_000
    by_hand = 2 * chunk * llm.hidden * (2 * 64 + 2 * 8) * 128 * 80 / 8
    by_hand += (
        4 * 64 * 128 * chunk * (chunk / 2 + history) * 80 / 8
        + 6 * llm.hidden * llm.feed_forward * chunk * 80 / 8
    )
    assert prefill[1] == pytest.approx(by_hand / 989e12, rel=1e-12)
    service = instance.service_time(prompt, output, 65536)
    np.testing.assert_allclose(
        service, np.ceil(prompt / instance.prefill_chunk) * prefill + output * latency
    )
