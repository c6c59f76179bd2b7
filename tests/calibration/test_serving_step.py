"""Laws and limits of the calibrated serving step."""

from dataclasses import fields, replace

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from tokwatt.calibration.prediction import (
    RequestMix,
    decoding_steps,
    mixed_steps,
    predicted,
)
from tokwatt.calibration.records import Calibrated
from tokwatt.equations.batching import (
    busiest_rank,
    overlapped,
    resident_tokens,
    smooth_maximum,
)
from tokwatt.params.calibrated import TERMS
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import Parallelism, StepParameters, UtilizationPower
from tokwatt.serving import llm as architecture
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.instance import STATE_WIDTH, GpuShare, KvCache, share_of

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
    numbers = {field.name: float(field.name in one) for field in fields(StepParameters)}
    return StepParameters(**numbers | {"compute_efficiency": 1e9, "link_efficiency": 1e9})


def share(llm="llama-3.1-70b", gpu="H100", gpus=8.0, expert_parallel=1.0):
    deployment = Deployment(
        **vars(PARAMETERS.boards[gpu]),
        llm=PARAMETERS.llms[llm],
        parallelism=Parallelism(tensor_parallel=gpus, expert_parallel=expert_parallel),
        precision=PARAMETERS.precisions["bfloat16"],
        engine=PARAMETERS.engine,
        serving_engine=PARAMETERS.engines["vllm"],
    )
    return share_of(deployment, deployment.llm.published, measured=True)


def mix(batch=64.0, prompt=500.0, output=500.0):
    return RequestMix(batch=batch, prompt=prompt, output=output, output_scv=0.5)


def law(shares, gpu, cap=0.965):
    tdp = PARAMETERS.gpus[gpu].tdp
    return UtilizationPower(
        **{name: value * tdp for name, value in shares.items()}, limit=cap * tdp
    )


@pytest.mark.parametrize("llm", LLMS)
def test_without_overheads_one_sequence_takes_its_active_bytes_over_the_bandwidth(llm):
    steps = decoding_steps(share(llm, gpus=1.0), free_lunch(), mix(batch=1.0), 0.0)
    published = PARAMETERS.llms[llm].published
    state = 2 * architecture.state_bytes(published, STATE_WIDTH, 1.0)
    moved = 2 * architecture.active_parameters(published) + state
    expected = moved / PARAMETERS.gpus["H100"].hbm_bandwidth
    assert steps.median_latency == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("llm", LLMS)
@given(batch=BATCHES, factor=st.floats(1.01, 4))
def test_a_step_is_never_shorter_for_a_larger_batch_and_throughput_never_falls(llm, batch, factor):
    small, large = (
        decoding_steps(share(llm), step_parameters(), mix(batch=size), 1000.0)
        for size in (batch, batch * factor)
    )
    assert small.median_latency <= large.median_latency
    assert small.moved <= large.moved
    assert batch / small.median_latency <= batch * factor / large.median_latency * (1 + 1e-9)


@given(batch=BATCHES, gpus=st.sampled_from([2.0, 4.0, 8.0]))
def test_uneven_experts_only_cost_and_even_out_in_large_batches(batch, gpus):
    excess = float(busiest_rank(gpus, 128.0, batch * 8 / 128))
    assert 1 <= excess <= 2
    assert busiest_rank(1.0, 128.0, batch) == 1
    assert busiest_rank(gpus, 128.0, 1e3) == pytest.approx(1)


@given(first=st.floats(1e-6, 1.0), second=st.floats(1e-6, 1.0))
def test_floors_overlap_between_the_longer_one_and_their_sum(first, second):
    together, least = float(overlapped(first, second)), float(smooth_maximum(first, second))
    longer = max(first, second)
    assert longer <= together * (1 + 1e-12) <= first + second + 1e-12
    assert longer <= least * (1 + 1e-12) and least <= 2 ** (1 / 6) * longer * (1 + 1e-12)


def test_a_step_with_a_batch_that_hardly_ends_only_decodes():
    endless, residents = mix(output=1e12), resident_tokens(500.0, 1e12, 0.5)
    steps = mixed_steps(share(), step_parameters(), endless)
    decoding = decoding_steps(share(), step_parameters(), endless, residents)
    assert steps.mean_latency == pytest.approx(float(decoding.mean_latency), rel=1e-6)


@given(batch=BATCHES, gpu=st.sampled_from(["H100", "B200"]), llm=st.sampled_from(LLMS))
def test_power_lies_between_idle_and_the_cap_and_rises_with_what_is_used(batch, gpu, llm):
    coefficients = CALIBRATED.fitted.boards[CALIBRATED.model.records.gpus.index(gpu)]
    fitted = law(dict(zip(TERMS, coefficients, strict=True)), gpu)
    steps = mixed_steps(share(llm, gpu), step_parameters(gpu), mix(batch=batch))
    watts, slower = (
        predicted(
            share(llm, gpu), fitted, steps._replace(mean_latency=times * steps.mean_latency)
        ).power
        for times in (1, 2)
    )
    assert 0 < slower <= watts <= fitted.limit * (1 + 1e-12)


UNUSED = {  # laws of power that are not fitted, the memory, and what this LLM has none of
    "logistic",
    "activity",
    "utilization",
    "kv_budget",
    "block_size",
    "max_sequences",
    "max_tokens",
    "kernels",
    "gpu",
    "cache",
}


def test_every_number_of_a_share_and_of_its_requests_moves_a_prediction():
    """Of requests that hardly fill a chunk, or of others whose prompts take more than one."""
    fitted = law(dict.fromkeys(TERMS, 0.1) | {"compute": 1.0}, "H100", cap=1e9)

    def prediction(part, requests):
        heavy = replace(requests, prompt=40 * requests.prompt, output=requests.output / 5)
        each = (mixed_steps(part, step_parameters(), mix) for mix in (requests, heavy))
        return [predicted(part, fitted, steps) for steps in each]

    part, requests = share("qwen3-235b-a22b", expert_parallel=8.0), mix()
    before = prediction(part, requests)
    for name in {field.name for field in fields(GpuShare)} - UNUSED:
        value = getattr(part, name)
        moved = {"requantized": 1 - value, "expert_parallel": 1.0}.get(name, 0.7 * value)
        assert prediction(replace(part, **{name: moved}), requests) != before, name
    for name in [field.name for field in fields(RequestMix)]:
        moved = replace(requests, **{name: 0.7 * getattr(requests, name)})
        assert prediction(part, moved) != before, name
    read = replace(part.cache, **{field.name: 0.0 for field in fields(KvCache)})
    assert prediction(replace(part, cache=read), requests) != before
