"""The same question asked in several ways: a point or a fleet, a study and a case of the paper."""

import random
from dataclasses import replace

import jax
import numpy as np
import pytest

from tokwatt import grid
from tokwatt.accounts.answers import demanded, fleet, point
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.studies import models

RANDOM = random.Random(13)
MACHINES, FLEETS = 200, 30
QUANTITIES = ("concurrency", "batch", "iteration_latency", "throughput", "power")
SIZED = ("instances", "gpus", "throughput", "power", "tokens_per_joule", "rejected")
LATENCIES = {
    "inter_token_latency": "median_latency",
    "inter_token_latency_p99": "late_latency",
    "first_token": "median_first_token",
    "first_token_p99": "late_first_token",
}


def machines(parameters):
    """Random deployments with a window and prompts for each output token."""
    for _ in range(MACHINES):
        ranks = RANDOM.choice([1, 2, 4, 8])
        names = DeploymentNames(
            llm=RANDOM.choice(list(parameters.llms)),
            gpu=RANDOM.choice(list(parameters.gpus)),
            gpus=ranks,
            precision=RANDOM.choice(["bfloat16", "fp8"]),
        )
        yield names, RANDOM.choice([2048.0, 8192.0, 50_000.0]), RANDOM.choice([0.5, 4.0, 30.0])


def test_a_point_is_that_of_a_study(parameters):
    account = AssumptionSets(parameters).account("consistent")

    @jax.jit
    def of_study(board, llm, precision, ranks, window, ratio):
        return models.instances(
            parameters, account, board, llm, precision, ranks, window, prompt_ratio=ratio
        )

    answered = 0
    for names, window, ratio in machines(parameters):
        parts = parameters.boards[names.gpu], parameters.llms[names.llm]
        width = parameters.precisions[names.precision]
        studied = of_study(*parts, width, float(names.gpus), window, ratio)
        output = window / 2 / (ratio + 0.5)
        try:
            asked = point(
                parameters, names, context_window=window, prompt=ratio * output, output=output
            )
        except ParameterError as refused:
            starts = f"{refused}".startswith(("llm", "context_window", "gpus"))
            assert starts, refused
            continue
        answered += 1
        for name in (*QUANTITIES, "tokens_per_joule"):
            assert getattr(asked, name) == pytest.approx(float(getattr(studied, name)), rel=1e-9)
        assert asked.inter_token_latency == pytest.approx(float(studied.median_latency), rel=1e-9)
    assert answered > MACHINES / 3


def test_a_sweep_is_the_points_in_it(parameters):
    account = AssumptionSets(parameters).account("consistent")
    windows = np.array([2048.0, 8192.0, 32768.0])
    boards = {name: parameters.boards[name] for name in ("H100", "B200")}
    llm, precision = parameters.llms["qwen3-32b"], parameters.precisions["fp8"]

    def swept(context_window, gpu):
        return models.instances(parameters, account, gpu, llm, precision, 2.0, context_window)

    table = grid.sweep(swept, context_window=windows, gpu=boards)
    for window in windows:
        for gpu in boards:
            names = DeploymentNames(llm="qwen3-32b", gpu=gpu, gpus=2, precision="fp8")
            asked = point(parameters, names, context_window=window)
            found = table.sel(context_window=window, gpu=gpu)
            for name in (*QUANTITIES, "tokens_per_joule"):
                assert getattr(asked, name) == pytest.approx(float(found[name]), rel=1e-9)


def test_a_fleet_is_that_of_a_study(parameters):
    changes = {"output_share": "fifth", "baseline": "given"}
    account = AssumptionSets(parameters).account("consistent", changes)

    @jax.jit
    def of_study(board, llm, ranks, workload, split, window, demand):
        return models.fleets(
            parameters,
            account,
            board,
            llm,
            parameters.precisions["bfloat16"],
            ranks,
            workload,
            split,
            1.0,
            window,
            **vars(demand),
        )

    answered = 0
    for _ in range(FLEETS):
        workload = RANDOM.choice(list(parameters.workloads))
        split, window = RANDOM.choice([0.0, 2048.0, 4096.0]), RANDOM.choice([8192.0, 65536.0])
        demand = demanded(
            parameters,
            arrival_rate=RANDOM.choice([3.0, 100.0, 5000.0]),
            latency_target=RANDOM.choice([0.5, 2.0, 10.0]),
        )
        names = DeploymentNames(
            llm=RANDOM.choice(["llama-3.1-8b", "llama-3.1-70b", "qwen3-30b-a3b"]),
            gpu=RANDOM.choice(["H100", "H200", "B200"]),
            gpus=8,
        )
        parts = parameters.boards[names.gpu], parameters.llms[names.llm]
        law = parameters.workloads[workload]
        studied = of_study(*parts, 8.0, law, split, window, demand)
        try:
            asked = fleet(
                parameters,
                workload,
                demand,
                names,
                split_lengths=(split,) if split else (),
                context_window=window,
                changes=changes,
            )
        except ParameterError as refused:
            assert str(refused).startswith(("ttft", "itl")), refused
            assert not np.isfinite(studied.tokens_per_joule) or studied.tokens_per_joule == 0
            continue
        answered += 1
        for name, theirs in (dict(zip(SIZED, SIZED, strict=True)) | LATENCIES).items():
            wanted = float(getattr(studied, theirs))
            assert getattr(asked, name) == pytest.approx(wanted, rel=1e-9, abs=1e-12), name
    assert answered > FLEETS / 3


@pytest.mark.parametrize("case", ["azure_h100_homogeneous", "azure_h100_fleetopt"])
def test_a_fleet_is_that_of_the_headlines(parameters, case):
    headlines = Headlines(parameters)
    wanted = headlines.result(case, vars(headlines.presets["consistent"]))
    splits = headlines.cases[case].splits
    names = DeploymentNames(llm="llama-3.1-70b", gpu="H100", gpus=8)
    asked = fleet(parameters, "azure", headlines.demand, names, split_lengths=splits)
    for name, theirs in (dict(zip(SIZED, SIZED, strict=True)) | LATENCIES).items():
        assert getattr(asked, name) == pytest.approx(float(getattr(wanted, theirs)), rel=1e-9)


def test_a_point_is_that_of_the_headlines(parameters):
    headlines = Headlines(parameters)
    case = headlines.cases["h100_4k"]
    assumed = replace(case.paper, **vars(headlines.presets["consistent"]))
    wanted = headlines.result("h100_4k", vars(headlines.presets["consistent"]))
    ratio = case.prompt_ratio(assumed, float(headlines.demand.output_share))
    output = 2048 / (ratio + 0.5)
    names = DeploymentNames(llm="llama-3.1-70b", gpu="H100", gpus=8)
    asked = point(parameters, names, context_window=4096, prompt=ratio * output, output=output)
    assert asked.tokens_per_joule == pytest.approx(float(wanted.tokens_per_joule), rel=1e-9)
