"""Memory that servers logged in public, and what documents say fits: none of it was fitted to."""

import pytest

import tokwatt as tw
from tokwatt.params.errors import ParameterError


@pytest.mark.parametrize(
    ("names", "tokens"),
    [
        # LMCache, docs/source/getting_started/faq.rst
        ({"llm": "qwen3-8b", "gpus": 1}, 366_400),
        ({"llm": "qwen3-32b", "gpus": 2}, 275_760),
        ({"llm": "llama-3.1-70b", "gpus": 4}, 420_208),
        # a note on compute environments, one A100-SXM4-40GB, `GPU KV cache size`
        ({"llm": "llama-3.1-8b", "gpu": "A100-40GB", "gpus": 1}, 163_168),
    ],
)
def test_a_pool_holds_the_tokens_that_vllm_logged(names, tokens, parameters):
    point = tw.point(parameters, tw.DeploymentNames(**names), prompt=1000, output=500, batch=1)
    assert point.tokens == pytest.approx(tokens, rel=0.04)


def test_a_checkpoint_with_weights_of_four_bits_has_the_cache_that_sglang_logged(parameters):
    """Kimi-K2.5 in INT4 on eight GPUs: 160.63 GiB hold 2,454,421 tokens."""
    names = tw.DeploymentNames(llm="kimi-k2", gpu="MI325X", gpus=8, precision="int4")
    point = tw.point(parameters, names, prompt=1000, output=500, batch=1)
    assert point.cache / point.tokens == pytest.approx(160.63 * 2**30 / 2454421, rel=1e-3)


# SGLang, basic_usage/deepseek_v3; vLLM's recipe of Kimi-K2, whose FP8 weights take 16 H200.
FITS = {
    ("deepseek-v3", "H200", 8, "fp8"): True,
    ("deepseek-v3", "B200", 8, "fp8"): True,
    ("deepseek-v3", "MI300X", 8, "fp8"): True,
    ("deepseek-v3", "B200", 4, "nvfp4"): True,
    ("deepseek-v3", "MI355X", 4, "mxfp4"): True,
    ("deepseek-v3", "A100", 8, "int4"): True,
    ("deepseek-v3", "H100", 8, "fp8"): False,
    ("deepseek-v3", "H200", 8, "bfloat16"): False,
    ("deepseek-v3", "H200", 4, "fp8"): False,
    ("kimi-k2", "H200", 8, "fp8"): False,
    ("kimi-k2", "H200", 16, "fp8"): True,
}


@pytest.mark.parametrize("case", FITS)
def test_a_server_starts_where_its_documents_say_so(case, parameters):
    llm, gpu, gpus, precision = case
    names = tw.DeploymentNames(llm=llm, gpu=gpu, gpus=gpus, precision=precision)
    try:
        tw.point(parameters, names, prompt=1000, output=500, batch=1)
    except ParameterError as error:
        assert not FITS[case] and "does not fit" in str(error)
    else:
        assert FITS[case]
