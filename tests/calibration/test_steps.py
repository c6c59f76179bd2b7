"""Laws of what runs do: what must not be, and limits that anyone can work out."""

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest
from conftest import ROOT, every_run
from hypothesis import given
from hypothesis import strategies as st

from tokwatt.calibration.fit.model import RunRequests, ServingModel, answer, answers
from tokwatt.calibration.fit.numbers import roofline
from tokwatt.calibration.records import Calibrated
from tokwatt.equations.batching import overlapped
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import StepParameters
from tokwatt.serving.gpu.llm import active_parameters
from tokwatt.serving.steps.chunked import Load, iterations
from tokwatt.serving.steps.costs import pass_costs

PARAMETERS = ParameterFolder(ROOT / "params")
CALIBRATED = Calibrated(PARAMETERS)
MODEL = ServingModel(PARAMETERS)
LLMS = ["llama-3.1-8b", "qwen3-235b-a22b", "deepseek-v3", "gpt-oss-20b", "nemotron-nano-9b-v2"]
ENGINES = ["vllm", "sglang", "tensorrt-llm", "vllm-mlenergy"]
GPUS = ["H100", "H200", "B200", "B300", "GB200", "A100", "MI355X"]
BATCHES = st.floats(1, 4096)


def share(llm="llama-3.1-70b", gpu="H100", gpus=8.0, precision="bfloat16", experts=1.0):
    return MODEL._share(llm, gpu, "vllm", precision, 2.0, gpus, 1.0, experts)


def asked(**changes):
    numbers = {"batch": 64.0, "prompt": 500.0, "output": 500.0, "output_scv": 0.5, "client": 0.0}
    return RunRequests(**numbers | changes)


def free_lunch():
    """Rates of the data sheet and no overheads; arithmetic and links cost nothing."""
    cost_nothing = ("compute_efficiency", "attention_efficiency", "link_efficiency")
    numbers = {
        field.name: 1e9
        if any(name in field.name for name in cost_nothing)
        else float("overhead" not in field.name)
        for field in fields(StepParameters)
    }
    return StepParameters(**numbers)


@pytest.mark.parametrize("llm", ["llama-3.1-8b", "llama-3.1-70b"])
def test_without_overheads_one_sequence_takes_its_weights_over_the_bandwidth(llm):
    found = answer(share(llm, gpus=1.0), free_lunch(), asked(batch=1.0, prompt=1.0, output=1e9))
    moved = 2 * active_parameters(PARAMETERS.llms[llm].published)
    cache = share(llm, gpus=1.0).cache.read * 0.75e9
    expected = (moved + cache) / PARAMETERS.gpus["H100"].hbm_bandwidth
    assert float(found.mean_latency) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(("gpu", "engine"), [*product(GPUS, ENGINES)])
def test_no_efficiency_is_above_1(gpu, engine):
    fitted = PARAMETERS.calibrated.step(gpu, engine)
    shares = {name: value for name, value in vars(fitted).items() if "efficiency" in name}
    assert len(shares) == 11
    assert all(0 < value <= 1 for value in shares.values())
    assert all(value >= 0 for value in vars(fitted).values())


@pytest.mark.parametrize("llm", LLMS)
@given(batch=BATCHES, prompt=st.floats(1, 3e4), output=st.floats(1, 1e4))
def test_prompts_are_conserved_and_the_median_is_no_longer_than_the_late_one(
    llm, batch, prompt, output
):
    """Every running request that ends takes a prompt with it: prompts over tokens is p over o."""
    fitted = PARAMETERS.calibrated.step("H100", "vllm")
    costs, starts = pass_costs(share(llm), fitted), batch / output
    found = iterations(costs, Load(batch, prompt + output, prompt * starts, starts))
    assert float(found.prompts / found.running) == pytest.approx(prompt / output, rel=1e-9)
    assert float(found.prompts) <= float(costs.chunk) * (1 + 1e-12)
    assert float(found.median_latency) <= float(found.late_latency)


@pytest.mark.parametrize("llm", LLMS)
@given(batch=BATCHES, factor=st.floats(1.01, 4))
def test_more_requests_never_make_an_iteration_shorter(llm, batch, factor):
    fitted = PARAMETERS.calibrated.step("B200", "vllm")
    small, large = (
        answer(share(llm, "B200"), fitted, asked(batch=size)) for size in (batch, batch * factor)
    )
    assert float(small.mean_latency) <= float(large.mean_latency) * (1 + 1e-9)


@given(batch=st.floats(1, 256), prompt=st.floats(10, 8000), output=st.floats(10, 4000))
def test_clients_wait_by_littles_law(batch, prompt, output):
    """Requests in flight are throughput times the stay of each: first token, then the others."""
    fitted = PARAMETERS.calibrated.step("H200", "vllm")
    found = answer(
        share(gpu="H200"), fitted, asked(batch=batch, prompt=prompt, output=output, client=1.0)
    )
    stay = float(found.first_token) + (output - 1) * float(found.latency)
    assert float(found.throughput) * stay / output <= batch * (1 + 1e-9)


@given(first=st.floats(1e-9, 1.0), second=st.floats(0, 1.0))
def test_floors_overlap_between_the_longer_one_and_their_sum(first, second):
    together = float(overlapped(first, second))
    assert max(first, second) * (1 - 1e-12) <= together <= (first + second) * (1 + 1e-12)
    assert float(overlapped(0.0, 0.0)) == 0


def test_no_run_is_faster_than_its_roofline():
    rows = every_run(MODEL.measured)
    arrays, names = MODEL.arrays(rows), tuple(MODEL.records.names)
    bound = answers(names, roofline(MODEL.records, rows), arrays)
    found = answers(names, CALIBRATED.fitted.logs(MODEL.records, rows), arrays)
    # Experts that route alike are read once, which independent routing does not know.
    dense = np.asarray(arrays.share.experts) == 0
    ratio = np.asarray(found.mean_latency / bound.mean_latency)
    assert (ratio[dense] > 1).all()


def test_blocks_are_rescaled_where_a_record_says_so():
    slow = MODEL._share("qwen3-235b-a22b", "H100", "vllm-mlenergy", "fp8", 2.0, 8.0, 1.0, 1.0)
    others = [
        share("qwen3-235b-a22b", precision="fp8"),
        MODEL._share("qwen3-235b-a22b", "H100", "vllm-mlenergy", "bfloat16", 2.0, 8.0, 1.0, 1.0),
        MODEL._share("deepseek-v3", "H100", "vllm-mlenergy", "fp8", 2.0, 8.0, 1.0, 1.0),
    ]
    assert slow.rescaled == 1 and not any(other.rescaled for other in others)


def test_an_overhead_of_quantising_is_paid_by_block_scaled_checkpoints_alone():
    fitted = PARAMETERS.calibrated.step("H100", "vllm")
    dearer = replace(fitted, quantized_layer_overhead=1.0)
    for llm, paid in (("qwen3-32b", True), ("llama-3.1-70b", False)):
        part = share(llm, precision="fp8")
        cheap, dear = (float(answer(part, it, asked()).mean_latency) for it in (fitted, dearer))
        assert (dear > cheap + 1) == paid
