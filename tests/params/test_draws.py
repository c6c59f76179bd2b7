"""Joint draws of the calibrated parameters: their spread, their middle, what stays together."""

from dataclasses import fields

import numpy as np
import pytest

from tokwatt.accounts.answers import point
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.calibration.records import Calibrated
from tokwatt.params.calibrated import DrawnValues
from tokwatt.params.errors import ParameterError
from tokwatt.params.parameters import ParameterFolder
from tokwatt.params.specs import StepParameters

BOARDS = [("H100", "vllm"), ("B200", "sglang"), ("GB200", "tensorrt-llm")]
NAMES = [field.name for field in fields(StepParameters)]
UNCAPPED = np.array(["efficiency" not in name for name in NAMES])


def logs(values, gpu, engine):
    step, law = values.step(gpu, engine), values.power(gpu, 1000.0)
    numbers = [getattr(step, name) for name in NAMES]
    return np.log([*numbers, law.idle, law.memory, law.compute, law.launch])


@pytest.fixture(scope="module")
def drawn(parameters):
    return [DrawnValues(parameters).at(place) for place in range(parameters.draws)]


@pytest.mark.parametrize(("gpu", "engine"), BOARDS)
def test_their_spread_is_the_jackknife_of_what_is_fitted_without_each_llm(
    parameters, drawn, gpu, engine
):
    """The marginals as the calibration's own reader of its files has them."""
    calibrated = Calibrated(parameters)
    rows = calibrated.model.measured.client_runs.iloc[:1].assign(gpu=gpu, engine=engine, release="")
    records = calibrated.model.records
    whole = calibrated.fitted.logs(records, rows)[:-1, 0]
    without = [held.logs(records, rows)[:-1, 0] for held in calibrated.held_out.values()]
    jackknife = np.sqrt(((np.array(without) - whole) ** 2).sum(0))
    draws = np.array([logs(values, gpu, engine)[: len(NAMES)] for values in drawn])
    seen = UNCAPPED & (jackknife > 0.01)
    assert seen.sum() > 6
    np.testing.assert_allclose(draws.std(0)[seen], jackknife[seen], rtol=0.4)
    np.testing.assert_allclose(draws.mean(0)[UNCAPPED], whole[UNCAPPED], atol=2e-3)


def test_numbers_that_move_together_do_so_in_draws(drawn):
    """A pair that mirrors each other leaves the middle where it is, in every number at once."""
    even, odd = (np.array([logs(v, "H100", "vllm") for v in drawn[side::2]]) for side in (0, 1))
    middles = ((even + odd) / 2)[:, [*UNCAPPED, True, True, True, True]]
    np.testing.assert_allclose(middles, np.broadcast_to(middles[0], middles.shape), atol=1e-9)


def test_a_point_lies_in_the_middle_of_its_draws(parameters):
    names = DeploymentNames(llm="llama-3.1-70b", gpu="H100", gpus=8)
    ask = {"batch": 64, "prompt": 2000, "output": 500}
    whole = point(parameters, names, **ask)
    drawn = [point(parameters.drawn(place), names, **ask) for place in range(0, 24)]
    for name in ("inter_token_latency", "throughput", "power"):
        found = np.array([float(getattr(answer, name)) for answer in drawn])
        low, high = np.quantile(found, (0.25, 0.75))
        assert low <= float(getattr(whole, name)) <= high, name
        assert 0 < found.std() / found.mean() < 0.3, name


def test_draws_stay_the_same_and_end(parameters):
    first, again = (parameters.drawn(5).boards["H100"] for _ in range(2))
    assert vars(first.utilization) == vars(again.utilization)
    assert vars(first.utilization) != vars(parameters.boards["H100"].utilization)
    with pytest.raises(ParameterError, match="draw: is 64, wanted a number from 0 to 63"):
        parameters.drawn(parameters.draws)


def test_a_board_without_work_stays_below_its_limit_at_every_draw(parameters):
    """Else a step would last for ever, and the plan of that draw say nothing of the board."""
    for place in range(parameters.draws):
        for name, board in parameters.drawn(place).boards.items():
            assert 0 < board.utilization.idle < board.utilization.limit, (place, name)


@pytest.mark.parametrize("path", [["gpus", "H100", "layer_overhead"], ["boards", "H100", "idle"]])
@pytest.mark.parametrize("values", [[0.1], [0.1, 0.2]])
def test_lists_that_lack_an_llm_are_refused(path, values, damaged):
    folder = damaged("measured/held_out", ["value", *path, "value"], values)
    with pytest.raises(ParameterError, match=r"held_out\.yaml: value\..* numbers, wanted \d+, one"):
        logs(DrawnValues(ParameterFolder(folder)), "H100", "vllm")
