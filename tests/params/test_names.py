"""A name that is unknown is refused with the names there are, and the one that was meant if any."""

import pytest

import tokwatt as tw
from tokwatt.params.errors import nearest
from tokwatt.params.records.names import Named

CATALOGUES = ("gpus", "llms", "boards", "precisions", "profiles", "workloads")
MACHINES = ("A100", "H100", "H200", "B200", "GB200", "GB300", "L40S")
MEANT = {
    "h100": "H100",
    "gb-200": "GB200",
    "H100-SXM": "H100",
    "nvidia/H200": "H200",
    "meta-llama/Llama-3.1-70B": "llama-3.1-70b",
    "meta-llama/Llama-3.1-70B-Instruct": "llama-3.1-70b",
    "Qwen3_32B": "qwen3-32b",
    "Qwen/Qwen3-235B-A22B-Thinking": "qwen3-235b-a22b",
    "lama-3.1-70b": "llama-3.1-70b",
    "bflaot16": "bfloat16",
    "azur": "azure",
}
LLMS = ("llama-3.1-70b", "llama-3.1-8b", "qwen3-32b", "qwen3-235b-a22b")


@pytest.mark.parametrize("name", MEANT)
def test_another_spelling_hints_the_name_that_was_meant(name):
    options = (*MACHINES, *LLMS, "bfloat16", "float16", "azure")
    assert nearest(name, options) == f" (did you mean {MEANT[name]!r}?)"


@pytest.mark.parametrize(
    "name", ["H101", "B300", "B100", "H20", "L40", "GH200", "MI300X", "TPU", "A10", ""]
)
def test_another_machine_is_no_hint(name):
    assert nearest(name, MACHINES) == ""


@pytest.mark.parametrize("name", ["qwen3-3b", "llama-3.1-7b", "llama-3.2-70b"])
def test_another_size_is_no_hint(name):
    assert nearest(name, LLMS) == ""


@pytest.mark.parametrize("name", CATALOGUES)
def test_an_unknown_name_of_a_catalogue_is_refused_with_those_there_are(parameters, name):
    entries = getattr(parameters, name)
    assert isinstance(entries, Named)
    with pytest.raises(tw.ParameterError) as caught:
        entries["H101"]
    assert str(caught.value).startswith(f"{entries.kind}: is 'H101', wanted one of ")
    assert all(known in str(caught.value) for known in entries)
    assert entries.get("H101") is None
    assert "H101" not in entries


def test_an_unknown_assumption_set_is_refused(parameters):
    with pytest.raises(tw.ParameterError, match=r"^account: is 'papers'.*did you mean 'paper'"):
        tw.AssumptionSets(parameters).account("papers")
