"""The file of assumptions: complete, explained, and refused in one sentence where it is wrong."""

import numpy as np
import pytest

from tokwatt.accounts.headlines import Headlines
from tokwatt.commands import workflow
from tokwatt.params.errors import ParameterError
from tokwatt.serving import choices
from tokwatt.serving.catalogue import Catalogue


def test_every_choice_is_explained_with_a_source(params):
    explained = Catalogue(params).section("assumptions").raw["choices"]
    assert set(explained) == set(choices.choice_names())
    for name, choice in explained.items():
        assert set(choice["alternatives"]) == set(choices.alternatives(name))


def test_the_two_presets_differ_in_what_is_corrected_and_agree_on_who_serves_a_request(params):
    headlines = Headlines(Catalogue(params))
    paper, consistent = (vars(preset) for preset in headlines.presets.values())
    alike = {name for name in paper if paper[name] == consistent[name]}
    assert alike == {"split_by", "router"} == set(paper) - set(headlines.order)


def test_the_file_is_checked_with_everything_else(damaged):
    broken = damaged("assumptions", ["headlines", "law_40x", "published"], 0)
    with pytest.raises(ParameterError, match=r"headlines\.law_40x\.published"):
        workflow.check(broken)


@pytest.mark.parametrize(
    "path, value, words",
    [
        (
            ["presets", "paper", "basis"],
            "gpus",
            ["presets.paper.basis", "gpu, instance, server, facility", "'gpu'"],
        ),
        (
            ["presets", "paper", "lengths"],
            "exat",
            ["presets.paper.lengths", "did you mean 'exact'"],
        ),
        (
            ["presets", "consistent", "lengths"],
            "sampled",
            ["mixes lengths sampled", "start at one token"],
        ),
        (["choices", "power", "meaning"], "", ["choices.power.meaning", "wanted text"]),
        (["choices", "power", "label"], "", ["choices.power.label", "wanted text"]),
        (
            ["choices", "power", "alternatives", "logistic", "source"],
            None,
            ["alternatives.logistic.source"],
        ),
        (["order"], ["basis"], ["order", "each choice once"]),
        (
            ["impossible"],
            [{"when": {"lenghts": "pairs"}, "reason": "none"}],
            ["impossible[0].when.lenghts", "did you mean 'lengths'"],
        ),
        (
            ["constants", "facility_factor", "value"],
            -1,
            ["constants.facility_factor.value", "positive"],
        ),
        (
            ["cases", "h100_2k", "subject", "gpu"],
            "h100",
            ["cases.h100_2k.subject.gpu", "did you mean 'H100'"],
        ),
        (
            ["cases", "h100_2k", "subject", "profile"],
            "",
            ["cases.h100_2k.subject.profile", "calibrated"],
        ),
        (["cases", "h100_4k", "topology"], "three_pools", ["cases.h100_4k.topology"]),
        (
            ["headlines", "law_40x", "over"],
            "H100_128K",
            ["headlines.law_40x.over", "did you mean 'h100_128k'"],
        ),
        (["headlines", "law_40x", "published"], 0, ["headlines.law_40x.published"]),
        (
            ["readings", "law_whole", "changes"],
            {"power": "logistics"},
            ["readings.law_whole.changes.power"],
        ),
        (
            ["readings", "law_whole", "start"],
            "papers",
            ["readings.law_whole.start", "did you mean 'paper'"],
        ),
        (
            ["uncertain", "b200_power", "paths"],
            ["gpu.tpd"],
            ["uncertain.b200_power.paths", "gpu.tpd"],
        ),
        (["uncertain", "b200_power", "low"], 1.5, ["uncertain.b200_power.high"]),
        (
            ["output_shares", "azure", "shares", "value"],
            [0.5],
            ["output_shares.azure.shares.value", "18"],
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(damaged, path, value, words):
    with pytest.raises(ParameterError) as error:
        Headlines(Catalogue(damaged("assumptions", path, value))).check()
    message = str(error.value)
    assert "assumptions.yaml: " in message and message.endswith(".") and "\n" not in message
    assert not [word for word in words if word not in message], message


def test_output_shares_of_the_trace_give_its_mean_output(params):
    """153.8 tokens in the Azure trace, as near as lengths that are uniform in a bin come."""
    known = Headlines(Catalogue(params))
    requests = known.cases["azure_h100_homogeneous"].requests(known.presets["consistent"], 0.2)
    assert requests.weight @ requests.output == pytest.approx(153.8, rel=0.03)
    assert np.all(requests.output >= 1)
