"""Published LLMs weigh, stream and keep what their publishers say."""

import dataclasses
import inspect
import math

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from public import public_functions
from strategies import between, head_dims, heads, layer_counts, whole

from tokwatt import units
from tokwatt.equations import memory, weights
from tokwatt.params.specs import Llm
from tokwatt.serving.gpu import cache
from tokwatt.serving.gpu import llm as of

# Parameters in billions. The total is that of the language model's checkpoint, without layers that
# predict further tokens; where the publisher only rounds (Llama 4, GLM-4.5-Air), that of our
# reference table. Active is what the publisher calls so, with or without embeddings, or None for a
# dense LLM.
PUBLISHED = {
    "llama-3.1-8b": (8.03, None),
    "llama-3.1-70b": (70.55, None),
    "llama-3.1-405b": (405.85, None),
    "llama-4-scout": (107.77, 17),
    "llama-4-maverick": (400.71, 17),
    "qwen3-8b": (8.19, None),
    "qwen3-14b": (14.77, None),
    "qwen3-32b": (32.76, None),
    "qwen3-30b-a3b": (30.53, 3.3),
    "qwen3-235b-a22b": (235.09, 22),
    "qwen3-coder-480b-a35b": (480.15, 35),
    "qwen3-next-80b-a3b": (79.674391296, 3.874929408),
    "qwen3.5-397b-a17b": (397, 17),
    "deepseek-v3": (671.03, 37),
    "kimi-k2": (1026.41, 32),
    "glm-4.5-air": (106.85, 12),
    "glm-5": (744, 40),
    "minimax-m2": (228.69, 10),
    "gpt-oss-20b": (20.91, 3.61),
    "gpt-oss-120b": (116.83, 5.13),
    "mixtral-8x7b": (46.70, 12.9),
    "mixtral-8x22b": (140.62, 39),
    "mistral-nemo-12b": (12.25, None),
    "gemma-3-12b": (11.77, None),
    "gemma-3-27b": (27.01, None),
    "nemotron-nano-9b-v2": (8.89, None),
}
# Bytes of keys and values of 16 bits per token: in layers that keep every token, and in all layers.
KV_BYTES = {
    "llama-3.1-8b": (131072, 131072),
    "llama-3.1-70b": (327680, 327680),
    "llama-3.1-405b": (516096, 516096),
    "llama-4-scout": (49152, 196608),
    "llama-4-maverick": (49152, 196608),
    "qwen3-8b": (147456, 147456),
    "qwen3-14b": (163840, 163840),
    "qwen3-32b": (262144, 262144),
    "qwen3-30b-a3b": (98304, 98304),
    "qwen3-235b-a22b": (192512, 192512),
    "qwen3-coder-480b-a35b": (253952, 253952),
    "qwen3-next-80b-a3b": (24576, 24576),
    "qwen3.5-397b-a17b": (30720, 30720),
    "deepseek-v3": (70272, 70272),
    "kimi-k2": (70272, 70272),
    "glm-4.5-air": (188416, 188416),
    "glm-5": (89856 + 78 * 132, 89856 + 78 * 132),
    "minimax-m2": (253952, 253952),
    "gpt-oss-20b": (24576, 49152),
    "gpt-oss-120b": (36864, 73728),
    "mixtral-8x7b": (131072, 131072),
    "mixtral-8x22b": (229376, 229376),
    "mistral-nemo-12b": (163840, 163840),
    "gemma-3-12b": (65536, 393216),
    "gemma-3-27b": (81920, 507904),
    "nemotron-nano-9b-v2": (16384, 16384),
}
# What the energy measurements were made with.
MEASURED = [
    *(
        "llama-3.1-8b",
        "llama-3.1-70b",
        "llama-3.1-405b",
        "llama-4-scout",
        "llama-4-maverick",
        "qwen3-8b",
        "qwen3-14b",
    ),
    *(
        "qwen3-235b-a22b",
        "qwen3-coder-480b-a35b",
        "deepseek-v3",
        "gpt-oss-20b",
        "gemma-3-12b",
        "nemotron-nano-9b-v2",
    ),
]
# In the catalogue for the tables of the paper alone.
ONLY_IN_THE_PAPER = {"mistral-7b", "qwen2.5-32b"}
FUNCTIONS = public_functions("serving.gpu.llm")


@pytest.fixture
def architectures(parameters):
    return {
        name: record.published
        for name, record in parameters.llms.items()
        if name not in ONLY_IN_THE_PAPER
    }


def kv(architecture, tensor_parallel=1.0):
    return float(cache.cache_bytes_per_token(architecture, 2.0, tensor_parallel))


@st.composite
def anything(draw):
    """LLMs of every kind, mixed as no publisher would."""
    layers = draw(st.integers(1, 60))
    linear = draw(st.integers(0, layers))
    sliding = draw(st.integers(0, layers - linear))
    experts = draw(st.integers(0, 200))
    kv_heads = draw(st.integers(1, 16))
    optional = {
        name: float(draw(st.integers(0, 2000)))
        for name in ("feed_forward", "shared_feed_forward", "expert_feed_forward")
    }
    latent = {
        name: float(draw(st.integers(0, 600)))
        for name in ("kv_latent", "rope_dim", "query_latent", "nope_dim", "value_dim")
    }
    return Llm(
        layers=float(layers),
        hidden=float(draw(st.integers(1, 4000))),
        query_heads=float(kv_heads * draw(st.integers(1, 8))),
        kv_heads=float(kv_heads),
        head_dim=float(draw(st.integers(1, 256))),
        vocabulary=float(draw(st.integers(1, 200_000))),
        experts=float(experts),
        active_experts=float(draw(st.integers(0, experts))),
        dense_layers=float(draw(st.integers(0, layers))),
        tied_embeddings=float(draw(st.booleans())),
        attention_gate=float(draw(st.booleans())),
        sliding_layers=float(sliding),
        sliding_window=float(draw(st.integers(0, 4096))),
        linear_layers=float(linear),
        linear_state=float(draw(st.integers(0, 10**6))),
        linear_parameters=float(draw(st.integers(0, 10**8))),
        **optional,
        **(latent if draw(st.booleans()) else {}),
    )


def test_every_published_architecture_is_compared(architectures):
    assert set(architectures) == set(PUBLISHED) == set(KV_BYTES)
    assert set(MEASURED) <= set(architectures)


@pytest.mark.parametrize("name", PUBLISHED)
def test_totals_are_those_published(name, architectures):
    assert float(of.total_parameters(architectures[name])) / 1e9 == pytest.approx(
        PUBLISHED[name][0], rel=0.006
    )


@pytest.mark.parametrize("name", [name for name, (_, active) in PUBLISHED.items() if active])
def test_active_parameters_are_those_published_give_or_take_the_embeddings(name, architectures):
    architecture, published = architectures[name], PUBLISHED[name][1] * 1e9
    active, table = (
        float(of.active_parameters(architecture)),
        float(of.embedding_parameters(architecture)),
    )
    assert (active - table) * 0.955 < published < (active + table) * 1.045


@pytest.mark.parametrize("name", ["mixtral-8x7b", "qwen3-next-80b-a3b"])
def test_a_publisher_that_counts_both_tables_adds_the_input_embedding_to_what_is_multiplied(
    name, architectures
):
    architecture, published = architectures[name], PUBLISHED[name][1] * 1e9
    assert float(
        of.active_parameters(architecture) + of.embedding_parameters(architecture)
    ) == pytest.approx(published, rel=0.002)


def test_gpt_oss_counts_only_what_is_multiplied(architectures):
    assert float(of.active_parameters(architectures["gpt-oss-120b"])) / 1e9 == pytest.approx(
        5.13, rel=0.001
    )
    assert float(of.active_parameters(architectures["gpt-oss-20b"])) / 1e9 == pytest.approx(
        3.61, rel=0.001
    )


def test_qwen3_next_is_its_checkpoint_but_for_norms_and_gates(architectures):
    architecture = architectures["qwen3-next-80b-a3b"]
    norms = 2048 * (2 * 48 + 1) + 12 * 2 * 256
    shared_gates = 48 * 2048
    assert float(of.total_parameters(architecture)) + norms + shared_gates == 79_674_391_296


@pytest.mark.parametrize("name", KV_BYTES)
def test_kv_bytes_are_those_of_the_configuration(name, architectures):
    full, every = KV_BYTES[name]
    assert kv(architectures[name]) == full
    assert full + float(cache.sliding_bytes_per_token(architectures[name], 2.0, 1.0)) == every


def test_a_latent_is_not_sharded(architectures):
    assert kv(architectures["deepseek-v3"], 8.0) == kv(architectures["deepseek-v3"]) == 70_272


def test_llama_70b_keeps_40_kib_on_each_of_eight_gpus(architectures):
    assert kv(architectures["llama-3.1-70b"], 8.0) == 40_960


def test_four_heads_on_eight_gpus_are_held_twice(architectures):
    qwen = architectures["qwen3-235b-a22b"]
    assert kv(qwen, 4.0) == kv(qwen, 8.0) == 48_128
    assert 8 * kv(qwen, 8.0) == 2 * kv(qwen)


def test_the_state_of_a_hybrid_does_not_grow_and_is_shared(architectures):
    nano = architectures["nemotron-nano-9b-v2"]
    recurrence, convolution = 128 * 80 * 128, 3 * (128 * 80 + 2 * 8 * 128)
    assert float(cache.state_bytes(nano, 2.0, 1.0)) == 27 * 2 * (recurrence + convolution)
    assert float(cache.state_bytes(nano, 2.0, 8.0)) * 8 == float(cache.state_bytes(nano, 2.0, 1.0))
    assert float(cache.state_bytes(architectures["llama-3.1-8b"], 2.0, 1.0)) == 0


def test_tied_embeddings_are_counted_once_and_streamed(architectures):
    gemma = architectures["gemma-3-27b"]
    untied = dataclasses.replace(gemma, tied_embeddings=0.0)
    assert (
        of.streamed_parameters(gemma)
        == of.streamed_parameters(untied)
        == of.total_parameters(gemma)
    )
    assert of.total_parameters(untied) - of.total_parameters(gemma) == 262_208 * 5376


@given(anything())
def test_the_parts_add_up_and_a_token_never_multiplies_more_than_there_is(architecture):
    total, lookup = (
        float(of.total_parameters(architecture)),
        float(of.embedding_parameters(architecture)),
    )
    streamed, routed = (
        float(of.streamed_parameters(architecture)),
        float(of.routed_parameters(architecture)),
    )
    assert total == streamed + routed + lookup * (1 - architecture.tied_embeddings)
    assert 0 < streamed <= float(of.active_parameters(architecture)) <= total


@given(anything().filter(lambda architecture: architecture.experts > 0))
def test_one_expert_more_never_shrinks_anything(architecture):
    more = dataclasses.replace(architecture, experts=architecture.experts + 1)
    for count in (
        of.total_parameters,
        of.routed_parameters,
        of.streamed_parameters,
        of.active_parameters,
    ):
        assert count(more) >= count(architecture)


@given(anything())
def test_choosing_every_expert_multiplies_everything_but_the_lookup(architecture):
    every = dataclasses.replace(
        architecture, active_experts=architecture.experts, tied_embeddings=1.0
    )
    assert of.active_parameters(every) == of.total_parameters(every)


@given(anything(), st.integers(1, 64), st.integers(1, 64))
def test_more_gpus_never_hold_more_each_and_never_less_together(architecture, one, other):
    few, many = sorted((float(one), float(other)))
    for held in (cache.cache_bytes_per_token, cache.sliding_bytes_per_token, cache.state_bytes):
        alone, fewer, more = (float(held(architecture, 2.0, gpus)) for gpus in (1.0, few, many))
        assert more <= fewer * (1 + 1e-12)
        assert more * many >= alone * (1 - 1e-12)


@given(st.integers(1, 256), st.integers(1, 256))
def test_a_gpu_holds_whole_heads_and_at_least_one(kv_heads, gpus):
    assert int(memory.rank_heads(float(kv_heads), float(gpus))) == math.ceil(kv_heads / gpus)


@given(layer_counts, heads, whole(1, 1024), between(1, 4))
def test_a_latent_is_smaller_than_the_heads_it_stands_for(layers, kv_heads, latent, width):
    whole_heads = memory.kv_bytes_per_token(layers, kv_heads, latent, width)
    assert memory.latent_bytes_per_token(layers, latent, latent, width) <= whole_heads * (1 + 1e-12)


@given(
    st.integers(1, 8000),
    st.integers(1, 128),
    head_dims,
    head_dims,
    head_dims,
    st.integers(1, 2000),
    st.integers(0, 2000),
)
def test_latent_attention_counts_its_projections(
    hidden, query_heads, rope, nope, value, kv_latent, query_latent
):
    queries = (
        hidden * query_latent + query_latent * query_heads * (nope + rope)
        if query_latent
        else hidden * query_heads * (nope + rope)
    )
    rest = (
        hidden * (kv_latent + rope)
        + kv_latent * query_heads * (nope + value)
        + query_heads * value * hidden
    )
    given = map(float, (hidden, query_heads, kv_latent, rope, query_latent, nope, value))
    assert int(weights.latent_attention_parameters(*given)) == queries + rest


def test_a_feed_forward_block_without_a_gate_has_two_matrices():
    assert weights.feed_forward_parameters(4480.0, 15680.0, 2.0) == 2 * 4480 * 15680
    assert weights.feed_forward_parameters(4096.0, 12288.0, 3.0) == 3 * 4096 * 12288


@pytest.mark.parametrize(
    "name", ["total_parameters", "active_parameters", "streamed_parameters", "routed_parameters"]
)
def test_a_catalogue_stacks_and_maps_to_what_each_architecture_has(name, architectures):
    function = getattr(of, name)
    stacked = jax.tree.map(lambda *values: jnp.array(values), *architectures.values())
    mapped = jax.jit(jax.vmap(function))(stacked)
    assert mapped.tolist() == [float(function(each)) for each in architectures.values()]


def test_kv_bytes_map_over_architectures_and_gpus(architectures):
    stacked = jax.tree.map(lambda *values: jnp.array(values), *architectures.values())
    gpus = jnp.array([1.0, 2.0, 3.0, 8.0, 49.0])
    over_gpus = jax.vmap(cache.cache_bytes_per_token, in_axes=(None, None, 0))
    mapped = jax.jit(jax.vmap(over_gpus, in_axes=(0, None, None)))(stacked, 2.0, gpus)
    assert mapped.tolist() == [
        [kv(each, float(count)) for count in gpus] for each in architectures.values()
    ]


def test_bytes_have_a_gradient_in_their_width(architectures):
    llm = architectures["deepseek-v3"]
    slope = jax.grad(lambda width: cache.cache_bytes_per_token(llm, width, 8.0))(2.0)
    assert float(slope) == 70_272 / 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_is_and_in_which_unit(name):
    assert units.units_of(FUNCTIONS[name])["return"]
    assert (inspect.getdoc(FUNCTIONS[name]) or "")[:1].isupper()
