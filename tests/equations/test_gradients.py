"""Every equation compiles, maps over its arguments and differentiates, as sweeps and fits need."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from public import EQUATIONS, public_functions

FUNCTIONS = public_functions(*EQUATIONS)
KNOTS, FRACTIONS = np.array([10.0, 20.0, 40.0]), np.array([0.2, 0.7, 1.0])
CURVE = {"idle": 300.0, "nominal": 600.0, "steepness": 0.9, "log2_midpoint": 4.2}

# A point off every kink and every whole number, where the rounded functions are locally flat.
ARGUMENTS = {
    "lengths.decode_steps": {"prompt": 2500.5, "output": 300.0, "prefill_chunk": 1024.0},
    "lengths.fraction_within": {"length": 13.0, "knots": KNOTS, "fractions": FRACTIONS},
    "lengths.length_masses": {
        "lengths": np.array([3.5, 13.5, 27.5]),
        "knots": KNOTS,
        "fractions": FRACTIONS,
    },
    "lengths.running_sums": {"values": np.arange(1.0, 7.0).reshape(3, 2)},
    "memory.activation_bytes": {"rows": 8192.0, "columns": 4096.0, "element_width": 2.0},
    "memory.kv_blocks": {"budget": 6e10, "kv_bytes": 327680.0, "block_size": 16.0},
    "memory.kv_budget": {
        "capacity": 8.59e10,
        "memory_fraction": 0.9,
        "weights": 1.7e10,
        "workspace": 4.1e8,
    },
    "memory.kv_bytes_per_token": {
        "layers": 80.0,
        "kv_heads": 8.0,
        "head_dim": 128.0,
        "kv_width": 2.0,
    },
    "memory.kv_pool": {
        "usable": 8.5e10,
        "memory_fraction": 0.9,
        "weights": 1.7e10,
        "not_cache": 5e9,
        "free_fraction": 0.9,
    },
    "memory.held_sequences": {"budget": 6e10, "sequence": 3.3e8},
    "memory.latent_bytes_per_token": {
        "layers": 61.0,
        "kv_latent": 512.0,
        "rope_dim": 64.0,
        "kv_width": 2.0,
    },
    "memory.rank_heads": {"kv_heads": 8.5, "tensor_parallel": 2.0},
    "memory.scaled_sequences": {
        "max_sequences": 256.0,
        "calibration_length": 8192.0,
        "context_window": 9000.0,
    },
    "memory.whole_blocks": {"length": 9000.5, "block_size": 16.0},
    "memory.weight_bytes": {"parameters": 7e10, "weight_width": 2.0, "tensor_parallel": 8.0},
    "percentiles.gamma_quantile": {"mean": 900.0, "square": 1.5e6, "probability": 0.9},
    "percentiles.late_wait": {"delayed": 0.6, "wait": 0.2, "scv": 1.5, "probability": 0.9},
    "percentiles.wait_scv": {"utilization": 0.6, "mean": 0.2, "square": 0.1, "cube": 0.2},
    "percentiles.mean_wait": {"utilization": 0.6, "arrival_rate": 4.0, "square": 0.05},
    "percentiles.quantile_of_sum": {"mean": 0.3, "deviations": np.array([0.2, -0.1])},
    "power.activity_power": {
        "activity": 0.4,
        "tdp": 700.0,
        "idle_fraction": 0.43,
        "nominal_fraction": 0.86,
    },
    "power.clock_stretch": {"demand": 900.0, "idle": 233.0, "limit": 675.0, "exponent": 3.0},
    "power.logistic_power": {"batch": 40.0, **CURVE},
    "power.window_spread": {"correlation": 0.5},
    "power.utilization_power": {
        "bandwidth": 0.5,
        "arithmetic": 0.2,
        "idle": 233.0,
        "memory": 203.0,
        "compute": 750.0,
    },
    "erlang.erlang_b": {"servers": 64.0, "offered_load": 60.0},
    "erlang.erlang_c": {"servers": 64.0, "offered_load": 60.0},
    "queueing.instances_required": {
        "arrival_rate": 1000.0,
        "service_rate": 8.37,
        "service_scv": 1.6,
        "concurrency": 16.0,
        "latency_target": 0.5,
        "max_utilization": 0.85,
    },
    "queueing.instances_searched": {
        "arrival_rate": 1000.0,
        "service_rate": 8.37,
        "service_scv": 1.6,
        "concurrency": 16.0,
        "latency_target": 0.5,
        "max_utilization": 0.85,
    },
    "queueing.wait_quantile": {
        "servers": 20.0,
        "arrival_rate": 18.0,
        "service_rate": 1.0,
        "service_scv": 1.5,
        "probability": 0.9,
    },
    "roofline.dispatch_bytes": {
        "hidden": 4096.0,
        "active_experts": 8.0,
        "width": 2.0,
        "expert_parallel": 8.0,
    },
    "roofline.expert_layer_time": {
        "kernel_latency": 5e-4,
        "reference_bandwidth": 3.35e12,
        "bandwidth": 8e12,
        "exponent": 0.7,
    },
    "roofline.throughput": {"batch": 128.0, "iteration_latency": 0.02},
    "roofline.tokens_per_dollar": {"throughput": 5000.0, "price": 1e-3},
    "roofline.tokens_per_joule": {"throughput": 5000.0, "power": 580.0},
    "roofline.weight_time": {"weights": 1.7e10, "bandwidth": 2.7e12},
    "weights.attention_parameters": {
        "hidden": 8192.0,
        "query_heads": 64.0,
        "kv_heads": 8.0,
        "head_dim": 128.0,
    },
    "weights.expert_coverage": {"share": 0.0625, "batch": 24.0},
    "weights.feed_forward_parameters": {"hidden": 8192.0, "width": 28672.0, "matrices": 3.0},
    "weights.latent_attention_parameters": {
        "hidden": 7168.0,
        "query_heads": 128.0,
        "kv_latent": 512.0,
        "rope_dim": 64.0,
        "query_latent": 1536.0,
        "nope_dim": 128.0,
        "value_dim": 128.0,
    },
}
ROUNDED = {
    "lengths.decode_steps": ["prompt", "prefill_chunk"],
    "memory.kv_budget": ["capacity", "memory_fraction"],
    "memory.whole_blocks": ["length"],
    **{
        name: list(ARGUMENTS[name])
        for name in (
            "memory.held_sequences",
            "memory.kv_blocks",
            "memory.rank_heads",
            "memory.scaled_sequences",
            "queueing.instances_required",
            "queueing.instances_searched",
        )
    },
}
each_function = pytest.mark.parametrize("name", ARGUMENTS)


def total(name):
    """The function's sum against scales of some of its arguments, all others held."""
    values = ARGUMENTS[name]
    return lambda scales: jnp.sum(
        FUNCTIONS[name](**{**values, **{key: scales[key] * values[key] for key in scales}})
    )


def test_every_equation_has_arguments_here():
    assert set(ARGUMENTS) == set(FUNCTIONS)


@each_function
def test_compiled_equals_eager(name):
    function, values = FUNCTIONS[name], ARGUMENTS[name]
    np.testing.assert_allclose(jax.jit(function)(**values), function(**values), rtol=1e-12)


@each_function
def test_mapped_equals_a_loop(name):
    function, values = FUNCTIONS[name], ARGUMENTS[name]
    points = [{key: scale * value for key, value in values.items()} for scale in (0.97, 1.01)]
    stacked = {key: jnp.stack([jnp.asarray(point[key]) for point in points]) for key in values}
    mapped = jax.vmap(lambda point: function(**point))(stacked)
    np.testing.assert_allclose(
        mapped, np.stack([function(**point) for point in points]), rtol=1e-12
    )


@pytest.mark.parametrize(
    "name", [name for name in ARGUMENTS if set(ARGUMENTS[name]) - set(ROUNDED.get(name, ()))]
)
def test_both_gradients_agree_with_central_differences(name):
    function, step = jax.jit(total(name)), 1e-5
    ones = dict.fromkeys(sorted(set(ARGUMENTS[name]) - set(ROUNDED.get(name, ()))), 1.0)
    forward, reverse = (jax.jit(slopes(function))(ones) for slopes in (jax.jacfwd, jax.grad))
    for argument in ones:
        higher, lower = (float(function(ones | {argument: 1 + change})) for change in (step, -step))
        slope = pytest.approx((higher - lower) / (2 * step), rel=1e-6, abs=1e-8 * abs(higher))
        assert (forward[argument], reverse[argument]) == (slope, slope), argument


@pytest.mark.parametrize("name", ROUNDED)
def test_a_rounded_argument_has_no_gradient(name):
    for differentiate in (jax.jacfwd, jax.grad):
        slopes = differentiate(total(name))(dict.fromkeys(ROUNDED[name], 1.0))
        assert set(map(float, slopes.values())) == {0}
