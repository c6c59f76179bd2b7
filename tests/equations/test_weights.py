import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    expert_counts,
    head_counts,
    head_dims,
    hidden_sizes,
    layer_counts,
    vocabularies,
    widths,
)

from tokwatt.equations.weights import attention_parameters, feed_forward_parameters
from tokwatt.params.specs import Llm
from tokwatt.serving.gpu.llm import active_parameters, routed_parameters, streamed_parameters

LABELS = ["Llama-3.1-8B", "Llama-3.1-70B", "Llama-3.1-405B", "Qwen3-235B-A22B", "DeepSeek-V3"]


def all_parameters(llm):
    return streamed_parameters(llm) + routed_parameters(llm)


@pytest.mark.parametrize("label", LABELS)
def test_counts_are_those_of_the_program_to_the_last_parameter(label, parameters, expected):
    llm = parameters.llms[label.lower()].paper
    profile = expected["table2"][label]["H100"]["profile"]
    assert int(all_parameters(llm)) == profile["param_count"]
    assert int(active_parameters(llm)) == profile["active_param_count"]
    assert llm.head_dim == profile["head_dim"]


def test_the_expected_counts_cover_every_llm_of_table_2(expected):
    assert set(expected["table2"]) == set(LABELS)


def test_no_llm_of_the_catalogue_activates_more_than_it_has(parameters):
    for record in parameters.llms.values():
        for llm in (record.published, record.paper):
            assert active_parameters(llm) <= all_parameters(llm)


@given(hidden_sizes, head_counts, head_counts, head_dims)
def test_attention_counts_its_four_projections(hidden, query_heads, kv_heads, head_dim):
    queries_and_output = 2 * hidden * (query_heads * head_dim)
    keys_and_values = 2 * hidden * (kv_heads * head_dim)
    counted = attention_parameters(
        float(hidden), float(query_heads), float(kv_heads), float(head_dim)
    )
    assert int(counted) == queries_and_output + keys_and_values


@given(vocabularies, hidden_sizes, st.integers(1, 130), widths)
def test_counts_are_exact_integers(vocabulary, hidden, layers, width):
    block = feed_forward_parameters(float(hidden), float(width), 3.0)
    assert int(vocabulary * hidden + layers * block) == (
        vocabulary * hidden + layers * 3 * hidden * width
    )


@given(hidden_sizes, widths, expert_counts, expert_counts, layer_counts)
def test_active_parameters_never_exceed_the_total(hidden, width, one, other, layers):
    active, experts = sorted((one, other))
    llm = Llm(
        layers=layers,
        query_heads=32.0,
        kv_heads=8.0,
        head_dim=128.0,
        hidden=float(hidden),
        vocabulary=32000.0,
        expert_feed_forward=float(width),
        experts=float(experts),
        active_experts=float(active),
    )
    assert active_parameters(llm) <= all_parameters(llm)


def test_a_dense_llm_activates_everything(parameters):
    llm = parameters.llms["llama-3.1-70b"].paper
    assert active_parameters(llm) == all_parameters(llm) == 69501714432
