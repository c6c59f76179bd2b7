"""Kernel tables: interpolation, what they hold, and what is said of those that are wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from tokwatt.calibration import kernel_runs
from tokwatt.calibration.kernels import KernelConfig, Kernels
from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder
from tokwatt.serving.steps import kernels as kernel_step
from tokwatt.serving.steps.kernels import KernelSteps

DENSE = KernelConfig("B200", "llama-3.1-70b", "bfloat16", 8, 0)


@pytest.fixture(scope="module")
def tables():
    return Kernels(ParameterFolder(ROOT / "params"))


def test_a_table_says_at_its_points_what_it_holds(tables):
    batch, length = (
        grid.ravel() for grid in np.meshgrid(tables.batch, tables.length, indexing="ij")
    )
    step, sending = tables.times([DENSE] * len(batch), batch, length)
    np.testing.assert_allclose(step, tables.entries[DENSE.name].latency, rtol=1e-9)
    np.testing.assert_allclose(
        sending, tables.entries[DENSE.name].communication, rtol=1e-9, atol=1e-12
    )
    assert (sending < step).all()


@given(
    slope=st.floats(0, 2),
    other=st.floats(0, 2),
    batch=st.floats(0.5, 4096),
    length=st.floats(64, 3e5),
)
def test_powers_of_batch_and_length_are_interpolated_exactly(slope, other, batch, length):
    axes = (
        jnp.log(jnp.array([1.0, 8.0, 64.0, 2048.0])),
        jnp.log(jnp.array([128.0, 1024.0, 131072.0])),
    )
    values = jnp.exp(slope * axes[0][:, None] + other * axes[1][None, :])
    table = KernelSteps(log_batch=axes[0], log_length=axes[1], latency=values, communication=values)
    assert kernel_step.step_latency(table, batch, length) == pytest.approx(
        batch**slope * length**other, rel=1e-9
    )


def test_more_tokens_to_read_never_make_a_step_of_kernels_shorter(tables):
    for name, table in tables.tables.items():
        assert (np.diff(table.latency, axis=1) > -0.02 * np.asarray(table.latency)[:, 1:]).all(), (
            name
        )
        slope = jax.grad(lambda length, table=table: kernel_step.step_latency(table, 64.0, length))(
            4000.0
        )
        assert np.isfinite(slope) and slope > 0


def test_machines_without_kernels_are_not_numbers(tables):
    step, sending = tables.times(
        [DENSE, KernelConfig("A100", "llama-3.1-70b", "bfloat16", 8, 0)],
        np.array([8.0, 8.0]),
        np.array([1e3, 1e3]),
    )
    assert np.isfinite([step[0], sending[0]]).all() and np.isnan([step[1], sending[1]]).all()


def test_the_tables_come_from_measured_kernels_but_for_latent_attention(tables):
    for name, entry in tables.entries.items():
        assert entry.measured_share > (0.1 if "deepseek" in name else 0.85), name


def test_with_dispatch_the_bound_for_mixtures_of_experts_is_far_off(grids):
    table = xr.load_dataset(grids / "measured/measured_kernels.nc").sel(llm="qwen3-235b-a22b")
    assert float(table.tokens_per_joule_over_dense.sel(gpu="H100")) == pytest.approx(5.1, abs=0.02)
    assert (table.tokens_per_joule_with_sending < table.tokens_per_joule_without_sending).all()
    assert (table.tokens_per_joule_with_sending < table.tokens_per_joule / 5).all()
    assert float(table.tokens_per_joule_with_sending_over_dense.sel(gpu="H100")) < 1


def test_tables_of_a_wrong_size_are_named(damaged):
    folder = damaged("kernels", ["machines", DENSE.name, "latency"], {"value": [1.0], "unit": "ms"})
    with pytest.raises(
        ParameterError,
        match=r"kernels.yaml: machines.b200.*-tp8.latency.value has 1 numbers, wanted 72",
    ):
        Kernels(ParameterFolder(folder)).check()


def test_the_committed_tables_are_what_the_package_gives(tables):
    pytest.importorskip("aiconfigurator_core", reason="the extra `kernels` is not installed")
    found = kernel_runs.tabulated(ParameterFolder(ROOT / "params"))["machines"]
    assert set(found) == set(tables.entries)
    for name, entry in found.items():
        np.testing.assert_allclose(
            np.array(entry["latency"]["value"]) * 1e-3, tables.entries[name].latency, rtol=1e-3
        )


def test_without_its_package_kernels_are_asked_for(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "aiconfigurator_core.sdk.engine", None)
    with pytest.raises(
        ParameterError, match=r"needs the package aiconfigurator-core, wanted it installed: pip"
    ):
        kernel_runs.tabulated(ParameterFolder(ROOT / "params"))
