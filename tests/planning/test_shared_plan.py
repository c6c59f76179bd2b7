"""One fleet for several traces: the account's own fleets, brute force, and the command."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.commands.workflow import app
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.changes.verified import verified
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.optimum.choice import class_place
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.planning.plan import plan
from tokwatt.planning.shared.lines import shared_lines, shared_verified_lines

FEW = Options(
    gpu=("H100", "B200"),
    gpus=(4, 8),
    kv_precision=(None,),
    max_num_seqs=(None, 64),
    max_num_batched_tokens=(None,),
)
LENGTHS = [500.0, 3000.0]
TARGETS = {"latency_target": 1.5, "itl_target": 0.05}


def drawn_trace(name, seed, mean, rows=200):
    """Requests of random lengths, half of them short."""
    rng = np.random.default_rng(seed)
    short, prompt = rng.random(rows) < 0.5, rng.lognormal(mean, 0.7, rows)
    prompt = np.ceil(np.where(short, rng.integers(20, 400, rows), prompt))
    return Trace(
        name=name,
        prompt=prompt,
        output=rng.integers(1, 400, rows) * 1.0,
        arrivals=np.cumsum(rng.exponential(0.1, rows)),
    )


TRACES = [drawn_trace("weekday", 0, 8.0), drawn_trace("launch", 1, 6.0)]


@pytest.fixture(scope="module")
def demands(parameters):
    return [demanded(parameters, arrival_rate=rate, **TARGETS) for rate in (60.0, 600.0)]


@pytest.fixture(scope="module", params=["joules", "dollars"])
def found(request, parameters, demands):
    asked = {"options": FEW, "objective": request.param, "candidates": LENGTHS}
    return plan(parameters, TRACES, demands, **asked)


def test_the_worst_trace_costs_what_brute_force_finds(found):
    """Every partition with every configuration, each pool as large as the neediest trace wants."""
    bins, objective = found.each[0].columns.classes.bins, found.question.objective
    each = [seen.columns for seen in found.each]
    costs = np.array([own.cost(objective) / own.generated for own in each])
    least = np.inf
    for pools in range(1, bins + 1):
        for inner in itertools.combinations(range(1, bins), pools - 1):
            places = [class_place(*it, bins) for it in itertools.pairwise((0, *inner, bins))]
            total = np.zeros((len(costs), *[1] * pools))
            for pool, at in enumerate(places):
                shape = [len(costs), *(-1 if it == pool else 1 for it in range(pools))]
                total = total + costs[:, :, at].reshape(shape)
            least = min(least, total.max(axis=0).min())
    assert found.worst.cost_per_token == pytest.approx(least, rel=1e-9)
    assert found.proved.partition.cost == pytest.approx(least, rel=1e-9) and not found.proved.gap


def test_each_trace_keeps_the_targets_on_the_same_instances(found):
    needed = np.array(found.instances).max(axis=0).tolist()
    for seen, trace in zip(found.each, TRACES, strict=True):
        demand = seen.question.demand
        window = found.each[0].columns.classes.edges[-1]
        answer = fleet(
            seen.question.catalogue, trace, demand, seen.names, least_instances=needed,
            split_lengths=seen.split_lengths, context_window=window,
        )  # fmt: skip
        assert [pool["instances"].value for pool in answer.pools] == needed
        assert answer.first_token_p99 <= 1.5 and answer.inter_token_latency <= 0.05
        assert answer.rejected == 0
        per_token = {"joules": answer.joules_per_token, "dollars": answer.dollars_per_token}
        assert per_token[found.question.objective] == pytest.approx(seen.cost_per_token, rel=1e-9)
        assert answer.power == pytest.approx(seen.fleet.power, rel=1e-9)


def test_columns_of_several_traces_are_fleets_with_the_instances_of_the_neediest(found):
    rng, columns = np.random.default_rng(3), [seen.columns for seen in found.each]
    edges = [0, 2, columns[0].classes.bins]
    at = [class_place(*it, columns[0].classes.bins) for it in itertools.pairwise(edges)]
    rows = [rng.choice(np.flatnonzero(np.isfinite(columns[0].power[:, it]))) for it in at]
    names = [columns[0].names[row] for row in rows]
    asked = {"split_lengths": [LENGTHS[1]], "context_window": columns[0].classes.edges[-1]}
    catalogue = found.question.catalogue
    own = [seen.question for seen in found.each]
    alone = [fleet(catalogue, it.requests, it.demand, names, **asked) for it in own]
    sizes = [[pool["instances"].value for pool in answer.pools] for answer in alone]
    most = np.max(sizes, axis=0).tolist()
    for it, table in zip(own, columns, strict=True):
        answer = fleet(catalogue, it.requests, it.demand, names, least_instances=most, **asked)
        assert answer.power == pytest.approx(table.power[rows, at].sum(), rel=1e-9)
        assert answer.gpus == table.gpus[rows, at].sum()


def test_a_fleet_for_two_traces_costs_no_less_than_the_plan_of_each_alone(found, parameters):
    for seen, alone in zip(found.each, found.plans_alone, strict=True):
        assert seen.cost_per_token >= alone.cost_per_token * (1 - 1e-9)
        assert found.worst.cost_per_token >= alone.cost_per_token * (1 - 1e-9)
    longest, demand = TRACES[0], found.question.demand
    asked = {"options": FEW, "objective": found.question.objective, "candidates": LENGTHS}
    itself = plan(parameters, longest, demand, **asked)
    assert found.plans_alone[0].cost_per_token == pytest.approx(itself.cost_per_token, rel=1e-9)


def test_a_trace_given_twice_is_planned_as_once(parameters, demands):
    asked = {"options": FEW, "candidates": 6}
    once = plan(parameters, TRACES[0], demands[0], **asked)
    twice = plan(parameters, [TRACES[0]] * 2, demands[0], **asked)
    assert twice.worst.names == once.names and twice.worst.longest == once.longest
    assert twice.worst.cost_per_token == pytest.approx(once.cost_per_token, rel=1e-9)
    assert twice.worst.fleet.power == pytest.approx(once.fleet.power, rel=1e-9)
    assert twice.names == ["weekday (1)", "weekday (2)"]


def test_instances_that_nobody_asks_anything_of_draw_what_idle_boards_do(parameters, demands):
    short = replace(TRACES[1], prompt=np.minimum(TRACES[1].prompt, 300.0))
    asked = {"split_lengths": [3000.0], "context_window": 16384.0}
    none, some = (
        fleet(parameters, short, demands[1], least_instances=it, **asked) for it in ((), (0, 3))
    )
    assert none.pools[1]["instances"].value == 0 and some.pools[1]["instances"].value == 3
    idle = float(DeploymentNames().deployment(parameters).utilization.idle)
    assert some.power - none.power == pytest.approx(24 * idle, rel=1e-5)


def test_budgets_are_kept_under_each_trace(parameters, demands, found):
    asked = {"options": FEW, "objective": found.question.objective, "candidates": LENGTHS}
    most = int(found.worst.fleet.gpus) - 8
    kept = plan(parameters, TRACES, demands, budget=Budget(inventory={"B200": most}), **asked)
    pairs = list(zip(kept.worst.names, kept.worst.fleet.pools, strict=True))
    assert sum(pool["gpus"].value for names, pool in pairs if names.gpu == "B200") <= most
    assert kept.worst.cost_per_token >= found.worst.cost_per_token and kept.proved.gap <= 1e-3
    with pytest.raises(ParameterError, match=r"power_cap: no fleet .* wanted power_cap of .* kW"):
        plan(parameters, TRACES, demands, budget=Budget(power=100.0), **asked)


def test_prefill_and_decode_apart_have_the_instances_of_the_neediest_trace(parameters, demands):
    some = replace(FEW, gpu=("B200",), max_num_seqs=(None,), disaggregated=True)
    late = [replace(own, itl_quantile=0.99, itl_target=0.03) for own in demands]
    found = plan(parameters, TRACES, late, options=some, candidates=LENGTHS)
    assert any(part.own.part == "decode" for part in found.worst.parts)
    for seen in found.each:
        assert seen.fleet.joules_per_token == pytest.approx(seen.cost_per_token, rel=1e-9)
        sizes = [pool["instances"].value for pool in seen.fleet.pools]
        assert sizes == np.max(found.instances, axis=0).tolist()


def test_a_screen_names_the_worst_trace_and_the_plan_of_each(found):
    text = "\n".join(shared_lines(found))
    assert f"in {found.names[found.each.index(found.worst)]}, the worst of 2 traces" in text
    assert all(f"\n{name} " in text for name in found.names) and "here x" in text


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"itl_target": 1e-3}, "itl: is 0.001 s .* wanted itl of .* for weekday"),
        ({"itl_target": 0.04}, "itl_target: is 0.05 for one trace and 0.04 for another"),
        ({}, "demand: has 1 demands for 2 traces"),
    ],
)
def test_what_no_fleet_can_do_for_all_is_refused(parameters, demands, changed, message):
    same = "for weekday" in message
    asked = [replace(own, **changed) for own in demands] if same else [demands[0]]
    asked += [replace(demands[1], **changed)] if changed and not same else []
    with pytest.raises(ParameterError, match=message):
        plan(parameters, TRACES, asked, options=FEW, candidates=LENGTHS)


@pytest.mark.slow
def test_every_trace_is_served_request_by_request(found):
    checked = verified(found)
    assert checked.holds and len(checked.answers) == 2
    latest = max(answer.simulated_first_token_p99 for answer in checked.answers)
    assert checked.simulated["latency_target"] == latest
    assert len(list(shared_verified_lines(checked))) == 3


@pytest.fixture
def files(tmp_path):
    """The traces as files."""
    paths = [tmp_path / f"{trace.name}.csv" for trace in TRACES]
    for path, trace in zip(paths, TRACES, strict=True):
        columns = np.column_stack([trace.arrivals, trace.prompt, trace.output])
        head = "time_s,prompt_tokens,completion_tokens"
        np.savetxt(path, columns, fmt=["%.3f", "%d", "%d"], delimiter=",", header=head, comments="")
    return [str(path) for path in paths]


ASKED = "--gpu B200 --gpus 8 --precision fp8 --max-num-seqs 0 --max-num-batched-tokens 0"


def invoked(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_writes_one_fleet_that_serves_each_file(tmp_path, files):
    asked = ["plan", "--trace", files[0], "--trace", files[1], *ASKED.split(), "--ttft", "1s"]
    out = tmp_path / "plan.yaml"
    planned = invoked(*asked, "--split-candidates", 4, "--json", "--out", out)
    said = json.loads(planned.output)
    written = yaml.safe_load(out.read_text(encoding="utf-8"))
    assert [str(tmp_path / own["trace"]) for own in written["traces"]] == files
    for path, own in zip(files, said["traces"].values(), strict=True):
        read = json.loads(invoked("fleet", "--plan", out, "--trace", path, "--json").output)
        for name in ("power", "instances", "joules_per_token"):
            assert read[name]["value"] == own["numbers"][name]["value"]
    refused = invoked("fleet", "--plan", out)
    assert "is for 2 traces, wanted one of" in str(refused.exception)


@pytest.mark.parametrize("view", ["--day", "--draws", "--sensitivity"])
def test_views_of_one_trace_are_refused_beside_several(files, view):
    refused = invoked("plan", "--trace", files[0], "--trace", files[1], view)
    assert f"{view}: is beside 2 traces, wanted one" in str(refused.exception)


def test_least_instances_are_one_number_for_each_pool(parameters, demands):
    with pytest.raises(ParameterError, match="least_instances: has 2 numbers, wanted 1, one for"):
        fleet(parameters, "azure", demands[0], least_instances=(1, 2))
