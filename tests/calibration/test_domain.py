"""Where the calibration holds: measured runs fit in memory, and what was not measured is said."""

import jax
import numpy as np
import pytest
from conftest import ROOT

from tokwatt.calibration import domain
from tokwatt.calibration.intervals import DENSE
from tokwatt.calibration.records import Calibrated
from tokwatt.params.parameters import ParameterFolder
from tokwatt.serving.instance import held_bytes

RUN = {"batch": 64.0, "prompt": 150.0, "output": 500.0}


@pytest.fixture(scope="module")
def calibrated():
    return Calibrated(ParameterFolder(ROOT / "params"))


def test_measured_runs_fit_in_memory_but_for_one_in_ten(calibrated):
    """Their weights always do; the rest asked for more requests than the KV cache pool holds."""
    rows = calibrated.model.measured.runs
    arrays = calibrated.model.arrays(rows.assign(prompt=125.0))
    share, mix = arrays.share, arrays.mix
    held = mix.batch * jax.vmap(held_bytes)(share, mix.residents)
    assert (share.kv_budget > 0).all()
    assert np.mean(held > share.kv_budget) < 0.11


def test_a_run_like_measured_ones_is_not_extrapolated(calibrated):
    assert domain.outside(calibrated, "H100", DENSE, "bfloat16", RUN) == []


@pytest.mark.parametrize(
    ("changes", "precision", "phrase"),
    [
        ({"batch": 1.0}, "bfloat16", "batch 1 (measured: 7.936 to 2047)"),
        ({"prompt": 5000.0}, "bfloat16", "prompt 5000 (measured: 125.3 to 200)"),
        ({"output": 20.0}, "bfloat16", "output 20 (measured: 350 to 9199)"),
        ({}, "fp8", "fp8 for an LLM of its kind (dense)"),
    ],
)
def test_what_was_not_measured_is_said(calibrated, changes, precision, phrase):
    assert domain.outside(calibrated, "H100", DENSE, precision, RUN | changes) == [phrase]
