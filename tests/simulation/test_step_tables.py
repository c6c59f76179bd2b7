"""The table of steps is the account's own step."""

import numpy as np
import pytest

from tokwatt.accounts.deployments import DeploymentNames, account_of
from tokwatt.params.errors import ParameterError
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import step
from tokwatt.serving.steps.times import instance_of
from tokwatt.simulation.energy import exact_steps, power_together
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.steps import StepTable

LONGEST, MOST, TOKENS = 16384, 64, 2048
CASES = {
    "dense": (DeploymentNames(), "consistent", {}, 1e-5),
    "at the limit of power": (DeploymentNames(gpu="A100", gpus=4), "consistent", {}, 1e-4),
    "mixture": (
        DeploymentNames(llm="gpt-oss-120b", gpus=1, precision="bfloat16"),
        "consistent",
        {},
        1e-3,
    ),
    "sliding window": (DeploymentNames(llm="gemma-3-27b", gpus=1), "consistent", {}, 2e-3),
    "additive prefill": (DeploymentNames(), "paper", {"prefill": "additive"}, 1e-9),
    "paper": (DeploymentNames(profile="H100"), "paper", {}, 1e-9),
}


def table_of(parameters, names, account, changes):
    chosen = account_of(parameters, account, names, changes)
    instance = instance_of(chosen, names.deployment(parameters))
    return chosen, instance, StepTable(chosen, instance, Limits(MOST, TOKENS, 0, 16), LONGEST)


@pytest.mark.parametrize("case", CASES)
def test_the_table_agrees_with_the_step_of_the_account(parameters, case):
    names, account, changes, within = CASES[case]
    _, _, table = table_of(parameters, names, account, changes)
    rng = np.random.default_rng(1)
    batch = rng.integers(1, MOST + 1, 300)
    total = batch * rng.uniform(1, LONGEST, 300)
    prompts = np.where(np.arange(300) % 2, rng.integers(1, TOKENS + 1, 300), 0)
    attended = prompts * (prompts + 2 * rng.integers(0, 8000, 300))
    batch[prompts > 1500] = 0
    steps = exact_steps(table.account, table.instance, batch, total, prompts, attended)
    found = [
        table.filling(n, length, p, a) if p else table.decoding(n, length)
        for n, length, p, a in zip(
            *map(np.ndarray.tolist, (batch, total, prompts, attended)), strict=True
        )
    ]
    assert np.abs(np.array(found) / steps.duration - 1).max() < within
    assert (steps.power >= table.idle * (1 - 1e-9)).all()


@pytest.mark.parametrize("case", CASES)
def test_steps_that_only_decode_are_those_of_a_point(parameters, case):
    names, account, changes, _ = CASES[case]
    chosen, instance, table = table_of(parameters, names, account, changes)
    for batch, length in ((1, 700.0), (48, 3000.0)):
        own = step(chosen.assumed, instance, Load(batch * 1.0, length, 0.0, 0.0))
        assert table.decoding(batch, batch * length) == pytest.approx(float(own.latency), rel=2e-3)
        loads = (np.array([x]) for x in (batch, batch * length, 0, 0))
        steps = exact_steps(chosen, instance, *loads)
        latency, watts = steps.duration, steps.power
        assert latency[0] == pytest.approx(float(own.latency), rel=1e-12)
        gpus = 1 if chosen.assumed.basis == "gpu" else float(instance.gpus)
        assert watts[0] == pytest.approx(float(own.power) * gpus, rel=1e-12)


def test_prefill_that_hides_behind_decoding_is_refused(parameters):
    with pytest.raises(ParameterError, match="prefill: is overlapped"):
        table_of(parameters, DeploymentNames(), "paper", {"prefill": "overlapped"})


@pytest.mark.parametrize("case", ["dense", "mixture", "paper"])
def test_steps_together_draw_what_their_mean_step_does(parameters, case):
    """Alike ones as alone; prefill and decode more than one by one, by a concave law of use."""
    names, account, changes, _ = CASES[case]
    chosen, instance, _ = table_of(parameters, names, account, changes)
    columns = (np.array(it) for it in ([16, 16], [16e3, 16e3], [0, 1024], [0, 2e6]))
    steps = exact_steps(chosen, instance, *columns)
    counts = np.array([9.0, 1.0])
    apart = power_together(chosen, instance, steps, counts, np.array([0.0, 1.0]))
    assert apart == pytest.approx(steps.power, rel=1e-9)
    together = power_together(chosen, instance, steps, counts, np.zeros(2))
    joules, alone = (counts * steps.duration @ it for it in (together, steps.power))
    if chosen.assumed.power != "utilization":
        assert joules == alone
        return
    law, full = instance.utilization, counts @ steps.at_full_clock
    used, computing, launching = (
        counts @ it / full for it in (steps.moved, steps.compute_time, steps.launch_time)
    )
    watts = law.idle + law.memory * used / instance.gpu.hbm_bandwidth
    watts += law.compute * computing**0.5 + law.launch * launching
    boards = float(instance.gpus) * min(float(watts), float(law.limit))
    assert joules == pytest.approx(boards * (counts @ steps.duration), rel=1e-9)
    assert joules > alone and together[1] / together[0] == pytest.approx(
        steps.power[1] / steps.power[0]
    )
