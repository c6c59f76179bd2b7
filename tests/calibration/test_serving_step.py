"""Laws and limits of the calibrated serving step."""

from dataclasses import fields, replace

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from tokwatt.calibration.step import BoardParameters, StepParameters, Work

from tokwatt.calibration import step as serving_step
from tokwatt.calibration.records import Calibrated
from tokwatt.calibration.start import TERMS
from tokwatt.params.parameters import ParameterFolder
from tokwatt.serving import architecture

PARAMETERS = ParameterFolder(ROOT / "params")
CALIBRATED = Calibrated(PARAMETERS)
LLMS = [
    "llama-3.1-8b",
    "llama-3.1-70b",
    "qwen3-235b-a22b",
    "deepseek-v3",
    "gpt-oss-20b",
    "nemotron-nano-9b-v2",
]
BATCHES = st.floats(1, 4096)


def step_parameters(gpu="H100", **changes):
    vector, records = CALIBRATED.fitted.steps, CALIBRATED.model.records
    overhead = vector.layer_overhead[records.gpus.index(gpu)]
    numbers = {**records.fixed, **vector.shared, "layer_overhead": overhead, **changes}
    return StepParameters(**{name: float(number) for name, number in numbers.items()})


def free_lunch():
    """A step that is nothing but bytes at peak bandwidth."""
    one = {
        "bandwidth_efficiency",
        "expert_efficiency",
        "kv_efficiency",
        "link_efficiency",
        "requantized_bandwidth",
        "requantized_compute",
    }
    numbers = {each.name: 1.0 if each.name in one else 0.0 for each in fields(StepParameters)}
    return StepParameters(
        **numbers | {"compute_efficiency": 1e9, "prefill_chunk": 8192.0, "link_efficiency": 1e9}
    )


def work(
    llm="llama-3.1-70b",
    gpu="H100",
    gpus=8.0,
    expert_parallel=0.0,
    batch=64.0,
    prompt=500.0,
    output=500.0,
):
    return serving_step.work(
        PARAMETERS.architectures[llm],
        PARAMETERS.gpus[gpu],
        link=450e9,
        gpus=gpus,
        expert_parallel=expert_parallel,
        requantized=0.0,
        dense_width=2.0,
        routed_width=2.0,
        batch=batch,
        output=output,
        output_scv=0.5,
        prompt=prompt,
    )


@pytest.mark.parametrize("llm", LLMS)
def test_without_overheads_one_sequence_takes_its_active_bytes_over_the_bandwidth(llm):
    own = work(llm, gpus=1.0, batch=1.0)
    found = serving_step.decoding_steps(own, free_lunch(), 0.0)
    published = PARAMETERS.architectures[llm]
    state = architecture.state_bytes(published, serving_step.STATE_WIDTH, 1.0)
    expected = (2 * architecture.active_parameters(published) + state) / PARAMETERS.gpus[
        "H100"
    ].hbm_bandwidth
    assert found.median_latency == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("llm", LLMS)
@given(batch=BATCHES, factor=st.floats(1.01, 4))
def test_a_step_is_never_shorter_for_a_larger_batch_and_throughput_never_falls(llm, batch, factor):
    small, large = (
        serving_step.decoding_steps(work(llm, batch=each), step_parameters(), 1000.0)
        for each in (batch, batch * factor)
    )
    assert small.median_latency <= large.median_latency
    assert small.moved <= large.moved
    assert batch / small.median_latency <= batch * factor / large.median_latency * (1 + 1e-9)


@given(batch=BATCHES, gpus=st.sampled_from([2.0, 4.0, 8.0]))
def test_uneven_experts_only_cost_and_even_out_in_large_batches(batch, gpus):
    excess = float(serving_step.busiest_rank(gpus, 128.0, batch * 8 / 128))
    assert 1 <= excess <= 2
    assert serving_step.busiest_rank(1.0, 128.0, batch) == 1
    assert serving_step.busiest_rank(gpus, 128.0, 1e3) == pytest.approx(1)


@given(first=st.floats(1e-6, 1.0), second=st.floats(1e-6, 1.0))
def test_floors_overlap_between_the_longer_one_and_their_sum(first, second):
    together, least = (
        float(serving_step.overlapped(first, second)),
        float(serving_step.at_least(first, second)),
    )
    assert max(first, second) <= together * (1 + 1e-12) <= first + second + 1e-12
    assert max(first, second) <= least * (1 + 1e-12) and least <= 2 ** (1 / 6) * max(
        first, second
    ) * (1 + 1e-12)


def test_a_step_with_a_batch_that_hardly_ends_only_decodes():
    own = work(output=1e12)
    found, decoding = serving_step.serving_steps(own, step_parameters()), None
    decoding = serving_step.decoding_steps(
        own, step_parameters(), serving_step.resident_tokens(500.0, 1e12, 0.5)
    )
    assert found.mean_latency == pytest.approx(float(decoding.mean_latency), rel=1e-6)


@given(batch=BATCHES, gpu=st.sampled_from(["H100", "B200"]), llm=st.sampled_from(LLMS))
def test_power_lies_between_idle_and_the_cap_and_rises_with_what_is_used(batch, gpu, llm):
    own = work(llm, gpu, batch=batch)
    board = BoardParameters(
        **dict(
            zip(
                TERMS,
                CALIBRATED.fitted.boards[CALIBRATED.model.records.gpus.index(gpu)],
                strict=True,
            )
        )
    )
    steps = serving_step.serving_steps(own, step_parameters(gpu))
    watts = serving_step.board_power(
        own, board, steps.moved, steps.computed, steps.mean_latency, 0.965
    )
    slower = serving_step.board_power(
        own, board, steps.moved, steps.computed, 2 * steps.mean_latency, 0.965
    )
    assert 0 < slower <= watts <= 0.965 * own.tdp


def test_every_field_of_work_is_used():
    board = BoardParameters(
        idle=0.2, memory=0.3, compute=1.0, expert_layers=0.1, shared=0.1, requantized=0.1
    )

    def predicted(work):
        return serving_step.prediction(
            work, board, serving_step.serving_steps(work, step_parameters()), 10.0
        )

    own = work("qwen3-235b-a22b", expert_parallel=1.0)
    flags, none = (
        ("expert_parallel", "requantized"),
        ("sliding", "window", "state"),
    )  # this LLM has none of these
    for name in [each.name for each in fields(Work) if each.name not in none]:
        value = getattr(own, name)
        changed = predicted(replace(own, **{name: 1 - value if name in flags else 0.7 * value}))
        assert any(one != other for one, other in zip(changed, predicted(own), strict=True)), name
