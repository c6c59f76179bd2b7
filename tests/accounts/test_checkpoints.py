"""The precision that an answer takes where none is asked for."""

import pytest

from tokwatt.accounts.answers import point
from tokwatt.accounts.deployments import DeploymentNames


@pytest.mark.parametrize(
    ("llm", "precision"),
    [("gpt-oss-20b", "mxfp4"), ("deepseek-v3", "fp8_block"), ("llama-3.1-70b", "bfloat16")],
)
def test_it_is_that_of_the_checkpoint_and_said(parameters, llm, precision):
    asked = point(parameters, DeploymentNames(llm=llm, gpu="B200"), context_window=4096)
    named = DeploymentNames(llm=llm, gpu="B200", precision=precision)
    assert asked == point(parameters, named, context_window=4096)
    assert asked.basis.precision == precision and precision in asked.basis.sentence
