"""AIConfigurator's layouts beside the planner's: its extra is opt-in."""

import sys

import pytest

from benchmarks import layouts
from benchmarks.layout_peers import Case, by_steps, planned
from benchmarks.timing import OURS

DENSE = Case("bfloat16", 4000, 500, ttft=2.0, tpot=0.05)
FACTOR = 1.25
"""How far the two may be apart in latency and throughput of the same layout."""


def test_without_the_package_nothing_is_measured_and_it_says_why(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "aiconfigurator", None)
    assert layouts.chosen(1) == []
    assert "tokwatt[layouts]" in capsys.readouterr().err


@pytest.mark.slow
def test_the_planner_s_instances_are_as_full_as_the_mean_allows():
    [best, *_] = planned(DENSE)
    fuller = best._replace(batch=best.batch * 9 // 8)
    assert by_steps(DENSE, best).tpot <= DENSE.tpot < by_steps(DENSE, fuller).tpot


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what the package is warned of is not ours
@pytest.mark.parametrize("case", [DENSE, DENSE._replace(precision="fp8")])
def test_aiconfigurator_chooses_the_planner_s_width_and_predicts_alike(case):
    pytest.importorskip("aiconfigurator.cli", reason="the extra `layouts` is not installed")
    own = layouts.compared(case)
    assert own.agree
    for name in ("tpot", "throughput"):
        assert all(1 / FACTOR < ratio < FACTOR for ratio in own.ratios(name)), name
    assert all(own.predicted[name][name].tpot <= case.tpot for name in (OURS, layouts.THEIRS))
