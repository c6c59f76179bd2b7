"""The explorer's equations in JavaScript against those of the package, state by state."""

import contextlib
import json
import math
import random
import re
from importlib.resources import files

import pytest
from scripts import FLEET, context_of

from tokwatt.accounts import cases
from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.accounts.explorer import ADJUSTABLE, Explorer, InstanceKey
from tokwatt.params.errors import ParameterError
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import load
from tokwatt.serving.choices import alternatives, switched
from tokwatt.serving.point import operating_point

py_mini_racer = pytest.importorskip("py_mini_racer")

RANDOM = random.Random(20260317)
START = InstanceKey("consistent", "H100", "llama-3.1-70b", "bfloat16", 8)
PROFILED = START._replace(account="paper")
COMPUTED = PROFILED._replace(llm="llama-3.1-8b", tensor_parallel=1)
PAIRS = {
    "concurrency": "concurrency",
    "latency": "iteration_latency",
    "median": "median_latency",
    "late": "late_latency",
    "throughput": "throughput",
    "power": "power",
    "tokensPerJoule": "tokens_per_joule",
    "missing": "missing",
}


@pytest.fixture(scope="module")
def explorer(parameters):
    return Explorer(parameters)


@pytest.fixture(scope="module")
def sampled(explorer):
    """Some machines of each account, the calibrated ones among them."""
    every = list(explorer.choices())
    calibrated = [choice for choice in every if explorer.profile(choice)]
    return calibrated + RANDOM.sample(every, 20)


@pytest.fixture(scope="module")
def javascript(explorer, sampled):
    context = context_of(py_mini_racer, explorer, [*sampled, START, PROFILED, COMPUTED])

    def run(expression, **names):
        given = "".join(f"const {name} = {json.dumps(value)};" for name, value in names.items())
        return json.loads(
            context.eval(f"(() => {{ {given} return JSON.stringify({expression}); }})()")
        )

    return run


def case(explorer, choice, workload, window, split, overflow):
    law = explorer.catalogue.workloads[workload]
    topology = "two_pools" if split else "homogeneous"
    fields = {
        "gpu": choice.gpu,
        "deployment": explorer.deployment(choice),
        "workload": law,
        "shares": explorer.known.shares(workload, law),
        "window": window,
        "topology": topology,
        "splits": (float(split),) if split else (),
        "overflow_factor": overflow,
        "paper": explorer.mixtures[explorer.mixture(choice)],
    }
    return cases.Case(**fields)


def states(explorer, sampled):
    """A random state of the explorer for each machine, with its mixture and its case in Python."""
    for choice in sampled:
        workload, window = (
            RANDOM.choice(["azure", "lmsys", "agent_heavy"]),
            RANDOM.choice([1024, 4096, 8192, 65536, 100_000]),
        )
        split, overflow = RANDOM.choice([0, 512, 1536, 4096, 5000]), RANDOM.choice([1, 1.5, 2, 3.3])
        chosen = case(explorer, choice, workload, window, split, overflow)
        changes = possible_changes(explorer, chosen.paper)
        if switched(chosen.paper, changes).output_share == "trace":
            workload = "azure"  # the only one whose output share is measured
            chosen = case(explorer, choice, workload, window, split, overflow)
        state = {
            **choice._asdict(),
            "workload": workload,
            "window": window,
            "longWindow": window,
            "changes": changes,
        }
        yield state, switched(chosen.paper, changes), chosen


def possible_changes(explorer, start):
    """Some choices made otherwise, as far as the mixture makes sense."""
    changes = {}
    for name in ["basis", *RANDOM.sample(ADJUSTABLE, 4)]:
        wanted = {**changes, name: RANDOM.choice(alternatives(name))}
        with contextlib.suppress(ParameterError):
            explorer.known.mixture(switched(start, wanted))
            changes = wanted
    return changes


def same(found, wanted):
    """Whether a number from JSON is the number wanted; what is not finite is null there."""
    return (
        found is None
        if not math.isfinite(wanted)
        else found == pytest.approx(float(wanted), rel=1e-6)
    )


def test_an_instance_is_that_of_the_account(explorer, sampled, javascript):
    demand = explorer.known.demand
    for state, assumed, chosen in states(explorer, sampled):
        utilization, ratio = (
            RANDOM.choice([0.2, 0.85, 1]),
            chosen.prompt_ratio(assumed, demand.output_share),
        )
        window, fill = state["window"], explorer.offer.mean_fill
        account = Account(assumed, explorer.known.constants)
        wanted = operating_point(
            account, chosen.deployment, window, fill, ratio, utilization=utilization
        )
        found = javascript(
            "Cases.instanceAt(Cases.prepare(DATA, state), state.window, utilization)",
            state=state,
            utilization=utilization,
        )
        for ours, theirs in PAIRS.items():
            assert same(found[ours], getattr(wanted, theirs)), (ours, state)


@pytest.mark.slow
def test_a_fleet_is_that_of_the_cases(explorer, sampled, javascript):
    known = explorer.known
    for state, assumed, chosen in states(explorer, sampled):
        account = Account(assumed, known.constants)
        wanted = chosen.evaluate(account, known.demand, chosen.traffic(account, known.demand))
        topology = {"split": sum(chosen.splits), "overflow": chosen.overflow_factor}
        found = javascript(
            "Cases.fleetAt(Cases.prepare(DATA, state), topology.split, topology.overflow)",
            state=state,
            topology=topology,
        )
        if not math.isfinite(wanted.instances):  # a fleet that does not exist
            assert found["instances"] is None
            continue
        for ours, theirs in {
            "instances": "instances",
            "tokensPerJoule": "tokens_per_joule",
            "power": "power",
            "rejected": "rejected",
        }.items():
            assert same(found[ours], getattr(wanted, theirs)), (ours, topology, json.dumps(state))


def test_a_workload_without_a_measured_output_share_is_said_to_have_none(sampled, javascript):
    for workload, share in (("azure", True), ("lmsys", False), ("agent_heavy", False)):
        state = {**sampled[0]._asdict(), "workload": workload, "longWindow": 65536}
        for alternative in ("fifth", "trace"):
            changed = {**state, "changes": {"output_share": alternative}}
            unmeasured = javascript("Cases.prepare(DATA, state).unmeasured", state=changed)
            assert unmeasured == (alternative == "trace" and not share)


@pytest.mark.parametrize("workload", ["lmsys", "agent_heavy"])
def test_a_fleet_of_a_stated_output_share_is_that_of_the_command(workload, parameters, javascript):
    names = DeploymentNames(precision="bfloat16")
    asked, stated = {"latency_target": 60.0, "output_share": 0.3}, {"output_share": "fifth"}
    demand = demanded(parameters, **asked)
    wanted = fleet(parameters, workload, demand, names, split_lengths=[2048], changes=stated)
    found = javascript(
        "((data) => Cases.fleetAt(Cases.prepare(data, state), 2048, 1))"
        "({ ...DATA, demand: { ...DATA.demand, ...asked } })",
        state={**START._asdict(), "workload": workload, "changes": stated},
        asked=asked,
    )
    assert found["tokensPerJoule"] == pytest.approx(wanted.tokens_per_joule, rel=1e-6)
    for pool, theirs in zip(found["pools"], wanted.pools, strict=True):
        for name, other in FLEET.items():
            assert same(pool[name], theirs[other].value), name


@pytest.mark.parametrize("split", [0, 1536])
@pytest.mark.parametrize(
    "choice, names",
    [
        (PROFILED, DeploymentNames(profile="H100")),
        (COMPUTED, DeploymentNames(llm="llama-3.1-8b", gpus=1, precision="bfloat16")),
    ],
)
def test_a_fleet_of_the_papers_account_is_that_of_the_command(
    choice, names, split, parameters, javascript
):
    """Its profile is the page's where the paper has one; the page sums lengths exactly."""
    own = {"split_lengths": [split] if split else (), "changes": {"lengths": "exact"}}
    wanted = fleet(parameters, "lmsys", demanded(parameters), names, account="paper", **own)
    found = javascript(
        "Cases.fleetAt(Cases.prepare(DATA, state), split, 1)",
        state={
            **choice._asdict(),
            "workload": "lmsys",
            "longWindow": 65536,
        },
        split=split,
    )
    assert found["tokensPerJoule"] == pytest.approx(wanted.tokens_per_joule, rel=1e-6)
    for pool, theirs in zip(found["pools"], wanted.pools, strict=True):
        for name, other in FLEET.items():
            assert same(pool[name], theirs[other].value), name


def test_it_offers_what_the_command_answers(explorer, parameters):
    """mxfp4 narrows experts alone, which a dense LLM has not."""
    offered = {(choice.llm, choice.precision) for choice in explorer.choices()}
    assert ("gpt-oss-120b", "mxfp4") in offered and ("llama-3.1-70b", "fp8") in offered
    assert ("llama-3.1-70b", "mxfp4") not in offered
    for llm, precision in offered:
        DeploymentNames(llm=llm, precision=precision).deployment(parameters)


@pytest.mark.parametrize("folder", ["equations", "serving"])
def test_a_script_that_repeats_the_account_has_a_module_of_its_path(folder):
    package, static = files("tokwatt"), files("tokwatt.reports.site") / "static"
    scripts = [script.relative_to(static) for script in (static / folder).rglob("*.js")]
    assert scripts and all((package / script.with_suffix(".py")).is_file() for script in scripts)


def test_an_offer_that_is_not_there_is_nothing(javascript):
    state = {
        "account": "paper",
        "gpu": "H100",
        "llm": "kimi-k2",
        "precision": "bfloat16",
        "tensor_parallel": 8,
    }
    assert javascript("Cases.prepare(DATA, state)", state=state) is None


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            ["accounts", "paper", "start"],
            "papers",
            "views.yaml: accounts.paper.start is 'papers'",
        ),
        (
            ["accounts", "paper", "changes", "lengths"],
            "sampled",
            "takes lengths sampled, wanted lengths exact",
        ),
        (
            ["accounts", "paper", "uncalibrated"],
            {},
            "views.yaml: accounts.paper.uncalibrated is missing",
        ),
        (["accounts", "consistent", "start"], 3, "views.yaml: accounts.consistent"),
        (["calibrated", "llm"], "llama", "views.yaml: calibrated.llm is 'llama'"),
        (["printed", "gpt-7"], {}, "views.yaml: printed.gpt-7 is 'gpt-7'"),
        (
            ["energy", "grid_intensity", "unit"],
            "kg",
            "views.yaml: energy.grid_intensity.unit is 'kg'",
        ),
        (
            ["explorer", "tensor_parallel", "value"],
            8,
            "views.yaml: explorer.tensor_parallel.value is 8",
        ),
    ],
)
def test_what_is_wrong_with_the_views_is_said_in_one_sentence(path, value, sentence, damaged):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        Explorer(load(damaged("views", path, value))).check()


def test_a_target_on_the_median_first_token_is_none_that_the_page_shows(damaged):
    folder = damaged("assumptions", ["demand", "ttft_quantile", "value"], 0.5)
    sentence = "assumptions.yaml: demand.ttft_quantile is 0.5, wanted 0.99"
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        Explorer(load(folder)).check()
