"""Assumption sets: one that contradicts itself is refused, any other gives a number."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.serving import choices
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import load
from tokwatt.serving.choices import switched

CASES = ("azure_h100_fleetopt", "qwen_8k", "h100_4k")
ANY = st.fixed_dictionaries(
    {
        name: st.sampled_from(["exact"] if name == "lengths" else choices.alternatives(name))
        for name in choices.choice_names()
    }
)


@pytest.fixture(scope="module")
def headlines(params):
    return Headlines(load(params))


def contradiction(headlines, changes):
    """What a set must not be all at once, where it is."""
    for rule in headlines.section.raw["impossible"]:
        refused = {
            name: wanted if isinstance(wanted, list) else [wanted]
            for name, wanted in rule["when"].items()
        }
        if all(changes[name] in wanted for name, wanted in refused.items()):
            return refused
    return {}


def resolved(headlines, changes):
    """The same with the last choice of each contradiction made otherwise."""
    while refused := contradiction(headlines, changes):
        name, wanted = refused.popitem()
        other = next(other for other in choices.alternatives(name) if other not in wanted)
        changes = changes | {name: other}
    return changes


def test_a_fleet_without_end_draws_power_without_end(headlines):
    """By kernels too, whose tables begin at a batch of one."""
    changes = {"step": "kernels", "batch_rounding": "none", "target": "first_token"}
    changes |= {"prefill": "additive", "lengths": "exact", "search_start": "fewest"}
    changes |= {"oversized": "clip_credit_all", "output_share": "trace"}
    case = headlines.cases["azure_h100_fleetopt"]
    account = Account(headlines.mixture(switched(case.paper, changes)), headlines.constants)
    demand = replace(headlines.demand, latency_target=1e-3)
    found = case.evaluate(account, demand, case.traffic(account, demand))
    assert (found.instances, found.power, found.tokens_per_joule) == (np.inf, np.inf, 0)


@pytest.mark.slow
@settings(max_examples=25)
@given(ANY)
def test_a_set_without_contradiction_gives_a_number(headlines, changes):
    changes = resolved(headlines, changes)
    for case in CASES:
        measured = headlines.cases[case].deployment.profile is not None
        if changes["step"] == "calibrated" and not measured:
            continue
        found = headlines.result(case, changes)
        assert found.tokens_per_joule >= 0 and found.power > 0, (case, changes)


@settings(max_examples=40)
@given(ANY)
def test_a_set_that_contradicts_itself_is_refused(headlines, changes):
    assume(contradiction(headlines, changes))
    with pytest.raises(ParameterError, match="wanted a mixture that makes sense"):
        headlines.result("azure_h100_fleetopt", changes)


def test_a_target_on_the_first_token_needs_more_instances_where_prompts_are_long(headlines):
    """Windows are reserved and the bound on utilization is loose, so that the wait decides."""
    case = headlines.cases["azure_h100_homogeneous"]
    demand = replace(headlines.demand, latency_target=0.3, max_utilization=0.999)
    counts = {}
    for target in ("wait", "first_token"):
        changes = {"target": target, "kv_allocation": "reserved"}
        account = Account(switched(headlines.presets["consistent"], changes), headlines.constants)
        fleet = case.evaluate(account, demand, case.traffic(account, demand))
        counts[target] = float(fleet.instances)
    assert counts["wait"] < counts["first_token"]
