"""Memory as engines log it: the law of `serving.yaml` fitted again, and its answers beside logs."""

from dataclasses import replace
from typing import Annotated

import numpy as np
import pytest

from tokwatt.params.records.section import Section
from tokwatt.params.specs import Board, LlmRecord, Parallelism, Precision, ServingEngine, spec
from tokwatt.serving.catalogue import load
from tokwatt.serving.gpu.memory import expert_columns, step_limits, weights_by_class
from tokwatt.serving.gpu.share import memory_of, share_of
from tokwatt.units import Bytes, Dimensionless, In, Tokens

GIB = 2.0**30
LENGTH = 16000.0
"""Tokens of a sequence; only layers with a window or a state ask for it."""


@spec
class MemoryLog:
    """What one log says; 0 where it says nothing."""

    engine: Annotated[ServingEngine, In("engines")]
    llm: Annotated[LlmRecord, In("llms")]
    gpu: Annotated[Board, In("boards")]
    precision: Annotated[Precision, In("precisions")]
    gpus: Dimensionless
    memory_fraction: Dimensionless
    weights: Bytes = 0.0
    activation: Bytes = 0.0
    other: Bytes = 0.0
    pool: Bytes = 0.0
    tokens: Tokens = 0.0
    fits: bool = True


CATALOGUE = load("params")
LOGGED = CATALOGUE.section("measured/memory_logs")


def _outside(section, name):
    published = section.child(name).raw["published"]
    return section.child(name).spec(LlmRecord, {"paper": published})


def _known(name):
    if name != "llms":
        return CATALOGUE.catalogue(name)
    own = LOGGED.child("llms")
    return CATALOGUE.llms | {llm: _outside(own, llm) for llm in own.raw}


LOGS = Section(LOGGED.path, LOGGED.raw, _known).child("logs").specs(MemoryLog)
ENGINE_OF = {name: log["engine"] for name, log in LOGGED.raw["logs"].items()}


def of_engine(engine):
    return [log for name, log in LOGS.items() if ENGINE_OF[name] == engine]


def deployment_of(log):
    """A log's deployment, with 16-bit keys and values and its own share of the memory."""
    engine = replace(log.engine, memory_fraction=log.memory_fraction)
    width = replace(log.precision, kv=2.0)
    return replace(CATALOGUE.deployment(log.gpu, log.llm, width, log.gpus), serving_engine=engine)


def memory_of_log(log):
    return memory_of(deployment_of(log), log.llm.published, LENGTH)


def logged(quantity):
    return [name for name, log in LOGS.items() if getattr(log, quantity) > 0]


def error(name, quantity, logged_quantity):
    return (
        float(getattr(memory_of_log(LOGS[name]), quantity)) / getattr(LOGS[name], logged_quantity)
        - 1
    )


# --- the fit


def shapes(log):
    """What the three widths of the largest step multiply."""
    llm, limits = log.llm.published, step_limits(log.engine, log.gpu.gpu)
    columns = float(expert_columns(llm, log.gpus))
    tokens = float(limits.tokens)
    return [float(limits.sequences) * llm.vocabulary, tokens * llm.hidden, tokens * columns]


@pytest.mark.parametrize("engine", ["vllm", "vllm-0.17"])
def test_the_widths_of_the_largest_step_are_the_least_squares_of_its_logs(engine):
    logs, law = [log for log in of_engine(engine) if log.activation], CATALOGUE.engines[engine]
    entered = np.array([law.logit_width, law.token_width, law.expert_width])
    used = entered > 0
    matrix = np.array([shapes(log) for log in logs])[:, used] / GIB
    fitted = np.linalg.lstsq(matrix, np.array([log.activation for log in logs]) / GIB)[0]
    np.testing.assert_allclose(entered[used], fitted, rtol=0.03)


@pytest.mark.parametrize("engine", ["vllm-0.7", "vllm", "vllm-0.17"])
def test_context_and_buffers_are_the_means_of_logs_that_give_them(engine):
    logs, law = [log for log in of_engine(engine) if log.other], CATALOGUE.engines[engine]
    for gpus in {log.gpus for log in logs}:
        mean = np.mean([log.other for log in logs if log.gpus == gpus])
        buffers = law.workspace[list(law.workspace_gpus).index(gpus)]
        assert law.context + buffers == pytest.approx(mean, abs=0.05 * GIB)


@pytest.mark.parametrize(
    "engine, log",
    [("vllm", "qwen3-235b-a22b-fp8-tp4"), ("vllm-0.17", "llama-3.1-70b-b200-tp8")],
)
def test_buffers_that_no_log_gives_are_what_its_pool_leaves(engine, log):
    assert float(memory_of_log(LOGS[log]).cache) == pytest.approx(LOGS[log].pool, abs=0.2 * GIB)


def test_the_context_of_sglang_is_the_mean_of_what_its_pools_leave():
    missed = []
    for log in of_engine("sglang"):
        memory = memory_of_log(log)
        missed.append(float(memory.cache * (1 - log.tokens / memory.tokens)))
    assert np.mean(missed) == pytest.approx(0.0, abs=0.5 * GIB)


# --- the answers


def test_pools_are_those_of_logs():
    errors = [error(name, "cache", "pool") for name in logged("pool")]
    errors += [error(name, "tokens", "tokens") for name in logged("tokens")]
    assert len(errors) >= 20
    assert np.median(np.abs(errors)) < 0.05
    assert np.abs(errors).max() < 0.12


@pytest.mark.parametrize("name", logged("weights"))
def test_weights_are_those_of_logs(name):
    assert abs(error(name, "weights", "weights")) < 0.025


@pytest.mark.parametrize("name", LOGS)
def test_what_starts_fits_and_what_does_not_start_does_not(name):
    assert (float(memory_of_log(LOGS[name]).missing) == 0) == LOGS[name].fits


# --- laws

ONE, EIGHT = Parallelism(tensor_parallel=1.0), Parallelism(tensor_parallel=8.0)


def test_sixteen_bits_everywhere_weigh_two_bytes_a_parameter_shared_by_all():
    llm = CATALOGUE.llms["llama-3.1-70b"].published
    one, eight = (
        sum(weights_by_class(llm, CATALOGUE.precisions["bfloat16"], ranks))
        for ranks in (ONE, EIGHT)
    )
    assert float(one) == pytest.approx(2 * 70_550_814_720, rel=1e-4)
    assert float(eight) == pytest.approx(float(one) / 8, rel=1e-12)


def test_what_every_gpu_holds_whole_is_not_shared():
    llm, width = CATALOGUE.llms["deepseek-v3"].published, CATALOGUE.precisions["bfloat16"]
    one, eight = (sum(weights_by_class(llm, width, ranks)) for ranks in (ONE, EIGHT))
    latents, routers = 61 * 7168 * (1536 + 512 + 64), 58 * 7168 * 256
    whole = 2 * (latents + routers)
    assert float(eight) - whole == pytest.approx((float(one) - whole) / 8, rel=1e-12)


def test_a_mixture_of_four_bits_keeps_its_attention_in_sixteen():
    width = CATALOGUE.precisions["nvfp4"]
    llm = CATALOGUE.llms["qwen3-235b-a22b"].published
    dense = CATALOGUE.llms["qwen3-32b"].published
    assert float(weights_by_class(llm, width, ONE).streamed) > 2 * 6.9e9
    assert float(sum(weights_by_class(dense, width, ONE))) < 2 * 11e9


def test_a_recurrent_state_has_thirty_two_bits_and_is_read_and_written():
    record = CATALOGUE.llms["nemotron-nano-9b-v2"].published
    board, width = CATALOGUE.boards["H200"], CATALOGUE.precisions["fp8"]
    deployment = CATALOGUE.deployment(board, CATALOGUE.llms["nemotron-nano-9b-v2"], width, 1.0)
    cache = share_of(deployment, record, measured=True).cache
    elements = record.linear_layers * record.linear_state
    assert float(cache.state) == 4 * elements
    assert float(cache.state_moved) == 8 * elements
    half = replace(record, state_width=2.0)
    assert float(share_of(deployment, half, measured=True).cache.state) == 2 * elements


def test_boards_that_nobody_measured_have_power_laws_below_their_limit():
    for board in CATALOGUE.boards.values():
        assert 0 < board.logistic.idle < board.logistic.nominal < board.gpu.tdp
        assert 0 < board.utilization.idle < board.gpu.tdp
        assert board.gpu.link_bandwidth > 0


def test_the_driver_reports_about_what_the_data_sheet_says():
    for gpu in CATALOGUE.gpus.values():
        assert 0.85 * gpu.hbm_capacity < gpu.usable_memory < gpu.hbm_capacity
