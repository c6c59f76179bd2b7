"""Where the calibration holds: measured runs fit, impossible ones are refused, others are said."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from tokwatt.calibration import domain
from tokwatt.calibration.records import Calibrated
from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.section import Section

RUN = {
    "gpu": "H100",
    "llm": "llama-3.1-70b",
    "precision": "bfloat16",
    "task": "lm-arena-chat",
    "gpus": 8,
    "expert_parallel": 0.0,
    "batch": 64.0,
    "prompt": 150.0,
    "output": 500.0,
}
DEEPSEEK = {"llm": "deepseek-v3", "precision": "fp8", "expert_parallel": 1.0}


def options(run):
    return Section(ROOT / "params", run, key="option")


@pytest.fixture(scope="module")
def calibrated():
    return Calibrated(ParameterFolder(ROOT / "params"))


def test_measured_runs_fit_in_memory_but_for_a_few_that_preempted_sequences(calibrated):
    rows = calibrated.model.measured.runs.assign(prompt=125.0)
    weights, cache, capacity = domain.memory(calibrated.model, rows)
    assert (weights < capacity).all()
    assert np.mean(weights + cache > capacity) < 0.03
    assert (weights + cache).max() < 1.2 * capacity.max()


def test_memory_is_weights_and_tokens_as_counted_by_hand(calibrated):
    """70B parameters at 2 bytes over 8 GPUs; one KV head a GPU: 2 x 2 x 128 x 80 bytes a token."""
    row = pd.DataFrame([RUN | {"prompt": 1000.0}])
    weights, cache, _ = domain.memory(calibrated.model, row)
    assert weights[0] == pytest.approx(70.553706496e9 * 2 / 8, rel=1e-4)
    assert cache[0] == pytest.approx(64 * 1250 * 2 * 2 * 128 * 80, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            DEEPSEEK | {"gpus": 1},
            r"option.llm does not fit: 671.* GB of weights .*wanted at most 8",
        ),
        ({"batch": 1e5, "prompt": 1e5}, r"option.llm does not fit: 17.64 GB of weights and"),
        ({"batch": 1e18}, r"option.batch is 1e\+18, wanted a number from 1 to 1048576"),
        ({"batch": float("nan")}, r"option.batch is nan, wanted a number from 1 to 1048576"),
        ({"batch": float("inf")}, r"option.batch is inf, wanted"),
        ({"prompt": -1.0}, r"option.prompt is -1.0, wanted a number from 0 to 16777216"),
        ({"output": 0.0}, r"option.output is 0.0, wanted a number from 1 to"),
        ({"gpus": 3}, r"option.gpus is 3, wanted one of 1, 2, 4, 8, as measured and as 64 heads"),
        ({"gpus": 10**6}, r"option.gpus is 1000000, wanted one of 1, 2, 4, 8"),
        ({"expert_parallel": 1.0}, r"option.expert_parallel is on, wanted a mixture of experts"),
    ],
)
def test_what_nobody_can_serve_gets_no_price(calibrated, changes, message):
    with pytest.raises(ParameterError, match=message):
        domain.check_served(calibrated.model, options(RUN | changes))


def test_a_run_like_measured_ones_is_served_and_not_extrapolated(calibrated):
    domain.check_served(calibrated.model, options(RUN))
    assert domain.extrapolations(calibrated, RUN) == []


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"batch": 1.0}, "batch 1 (measured: 7.936 to 2047)"),
        ({"prompt": 5000.0}, "prompt 5000 (measured: 125.3 to 200)"),
        ({"output": 20.0}, "output 20 (measured: 350 to 9199)"),
        ({"precision": "fp8"}, "fp8 for an LLM of its kind (dense)"),
    ],
)
def test_what_was_not_measured_is_said(calibrated, changes, phrase):
    assert domain.extrapolations(calibrated, RUN | changes) == [phrase]
