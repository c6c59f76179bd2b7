import json
from pathlib import Path

import hypothesis
import jax
import pytest

from tokwatt import catalogue
from tokwatt.replay.instances import Computed

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
hypothesis.settings.register_profile("tokwatt", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tokwatt")

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "tests" / "reference"


@pytest.fixture(scope="session")
def parameters():
    return catalogue.load(ROOT / "params")


@pytest.fixture(scope="session")
def profiles(parameters):
    return parameters.profiles


@pytest.fixture(scope="session")
def knots(parameters):
    """The workloads as the replay takes them: pairs of length and fraction."""
    laws = parameters.workloads
    return {name: list(zip(laws[name].lengths.tolist(), laws[name].fractions.tolist(), strict=True)) for name in laws}


@pytest.fixture(scope="session")
def computed(parameters):
    """Builds an instance of the replay from names in the catalogues."""

    def build(llm, gpu, layout):
        curve = parameters.power_fractions
        return Computed(parameters.gpus[gpu], parameters.llms[llm], parameters.servings[layout], curve)

    return build


@pytest.fixture(scope="session")
def expected():
    return json.loads((REFERENCE / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def exact():
    return json.loads((REFERENCE / "exact.json").read_text(encoding="utf-8"))["configs"]
