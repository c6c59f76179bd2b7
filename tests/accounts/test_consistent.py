"""The consistent account against a second calculation, `tests/reference/consistent.py`."""

import math

import jax
import numpy as np
import pytest
from reference import consistent

from tokwatt.accounts.answers import point
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.serving.point import operating_point
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import first_token
from tokwatt.serving.steps.times import instance_of

LLMS = {  # precision, GPUs of a rank of attention, ranks of experts, ranks of attention
    "llama-3.1-70b": ("bfloat16", 8, 1, 1),
    "qwen3-235b-a22b": ("fp8_block", 4, 8, 2),
    "deepseek-v3": ("fp8", 1, 8, 8),
    "gpt-oss-120b": ("mxfp4", 4, 1, 1),
    "qwen3-next-80b-a3b": ("bfloat16", 4, 4, 1),
    "gemma-3-27b": ("int4", 1, 1, 1),
}
EACH = [
    (llm, gpu, window, ratio)
    for number, llm in enumerate(LLMS)
    for place, (window, ratio) in enumerate(((4096, 0), (4096, 4), (65536, 0), (65536, 4)))
    for gpu in [("H100", "H200", "B200")[(number + place) % 3]]
]
POINT, FIRST_TOKEN = jax.jit(operating_point), jax.jit(first_token, static_argnums=0)


@pytest.fixture(scope="module")
def account(parameters):
    return AssumptionSets(parameters).account("consistent")


def machines(params, llm, gpu):
    """An instance by its names, and the records of the second calculation."""
    precision, gpus, experts, replicas = LLMS[llm]
    names = DeploymentNames(
        llm=llm,
        gpu=gpu,
        gpus=gpus,
        precision=precision,
        expert_parallel=experts,
        data_parallel=replicas,
    )
    numbers = map(float, (gpus, experts, replicas))
    return names, consistent.machine(params, llm, gpu, precision, *numbers)


def both(parameters, params, account, llm, gpu, window, ratio, batch=None):
    """The operating point of the account and that of the second calculation."""
    names, machine = machines(params, llm, gpu)
    found = POINT(account, names.deployment(parameters), float(window), 0.5, float(ratio), batch)
    return found._asdict(), consistent.operating_point(machine, window, 0.5, ratio, batch)


@pytest.mark.parametrize("llm, gpu, window, ratio", EACH)
def test_a_full_instance_is_that_of_the_second_calculation(
    parameters, params, account, llm, gpu, window, ratio
):
    found, expected = both(parameters, params, account, llm, gpu, window, ratio)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=0, nan_ok=True), name


@pytest.mark.parametrize("batch, ratio", [(1.0, 0.01), (7.5, 1.0), (900.0, 20.0)])
@pytest.mark.parametrize("llm", LLMS)
def test_a_batch_is_that_of_the_second_calculation(parameters, params, account, llm, batch, ratio):
    """The last takes in more than a chunk of prompts, and so decodes fewer requests."""
    found, expected = both(parameters, params, account, llm, "B200", 8192, ratio, batch)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=0), name


@pytest.mark.parametrize("batch, prompt", [(1.0, 200.0), (64.0, 3000.0), (900.0, 40000.0)])
@pytest.mark.parametrize("llm", LLMS)
def test_a_first_token_is_that_of_the_second_calculation(
    parameters, params, account, llm, batch, prompt
):
    names, machine = machines(params, llm, "B200")
    load = Load(batch, prompt + 250.0, batch / 500.0 * prompt, batch / 500.0)
    instance = instance_of(account, names.deployment(parameters))
    found = FIRST_TOKEN(account.assumed, instance, load, prompt)
    expected = consistent.first_token_time(machine, *load, prompt)
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_points_are_of_every_kind(params):
    """Boards at their limit and below it, as many requests as an engine runs, and a misfit."""
    boards = [machines(params, llm, gpu)[1] for llm, gpu, *_ in EACH]
    points = [
        consistent.operating_point(board, window, 0.5, ratio)
        for board, (_, _, window, ratio) in zip(boards, EACH, strict=True)
    ]
    pairs = [*zip(boards, points, strict=True)]
    limited = [each["power"] > 0.999 * board.gpus * board.power.limit for board, each in pairs]
    assert any(limited) and not all(limited)
    assert any(
        each["concurrency"] == board.replicas * consistent.limits(board)[1] for board, each in pairs
    )
    assert any(each["missing"] > 0 for each in points)


@pytest.mark.parametrize("llm", ["llama-3.1-70b", "qwen3-235b-a22b"])
@pytest.mark.parametrize("gpu", ["H200", "B200"])
def test_an_answer_is_the_operating_point_within_its_interval(parameters, account, llm, gpu):
    names = DeploymentNames(llm=llm, gpu=gpu)
    answer = point(parameters, names, prompt=1000.0, output=500.0, batch=32.0)
    expected = POINT(account, names.deployment(parameters), 1500.0, 1250 / 1500, 2.0, 32.0)
    for name in ("concurrency", "batch", "iteration_latency", "throughput", "power"):
        assert getattr(answer, name) == pytest.approx(float(getattr(expected, name)), rel=1e-12)
    assert answer.inter_token_latency == pytest.approx(float(expected.median_latency), rel=1e-12)
    assert answer.inter_token_latency_p99 == pytest.approx(float(expected.late_latency), rel=1e-12)
    assert answer.tokens_per_joule == pytest.approx(answer.throughput / answer.power, rel=1e-12)
    assert answer.joules_per_token == pytest.approx(1 / answer.tokens_per_joule, rel=1e-12)
    bounded = [each for each in answer.quantities.values() if each.low is not None]
    assert len(bounded) > 6
    for each in bounded:
        assert 0 < each.low <= each.value <= each.high < math.inf
    assert np.isfinite([each.value for each in answer.quantities.values()]).all()
