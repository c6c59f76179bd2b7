"""Plans: the same numbers as the account's own fleets, and refusals that say what would do."""

import itertools
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.deployments import CONSERVING, DeploymentNames
from tokwatt.commands.workflow import app
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.binding import binding, extrapolated
from tokwatt.planning.changes.levers import LEVERS, LIMIT, cost_without, lever_waterfall
from tokwatt.planning.columns.classes import Classes, candidate_lengths
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.optimum.choice import shortest
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.planning.optimum.infeasible import common_factor, relaxations
from tokwatt.planning.plan import plan, plan_of_columns
from tokwatt.planning.planned_pools import PlannedPool, require_pools
from tokwatt.planning.question import Question, columns_of
from tokwatt.planning.record import read_plan, record_of, write_plan
from tokwatt.serving.choices import switched
from tokwatt.serving.demand.requests import Requests, smallest_window
from tokwatt.serving.demand.routing import Topology, route
from tokwatt.serving.demand.traffic import traffic_of
from tokwatt.simulation.arrivals import Arrived
from tokwatt.simulation.routers import Router

FEW = Options(
    gpu=("H100", "B200"),
    gpus=(4, 8),
    kv_precision=(None,),
    max_num_seqs=(None, 64),
    max_num_batched_tokens=(None, 2048),
)


def drawn_trace(seed=0, rows=400):
    """Requests of random lengths, half of them short."""
    rng = np.random.default_rng(seed)
    prompt = np.where(
        rng.random(rows) < 0.5, rng.integers(20, 400, rows), rng.lognormal(8, 1, rows)
    )
    return Trace(name="drawn", prompt=np.ceil(prompt), output=rng.integers(1, 900, rows) * 1.0)


def drawn_requests(seed, kinds):
    rng = np.random.default_rng(seed)
    prompt, output = rng.integers(1, 5000, kinds) * 1.0, rng.integers(1, 500, kinds) * 1.0
    return Requests(rng.dirichlet(np.ones(kinds)), prompt, output, prompt / (prompt + output))


@pytest.fixture(scope="module")
def demand(parameters):
    return demanded(parameters, arrival_rate=60.0, latency_target=1.5, itl_target=0.05)


@pytest.fixture(scope="module")
def found(parameters, demand):
    return plan(parameters, drawn_trace(), demand, options=FEW, candidates=7)


@pytest.fixture(scope="module")
def by_prompt(parameters, demand):
    by = {"split_by": "prompt"}
    return plan(parameters, drawn_trace(), demand, options=FEW, candidates=7, changes=by)


@pytest.mark.parametrize("pools", [1, 2, 4])
@pytest.mark.parametrize("split", ["found", "by_prompt"])
def test_columns_are_fleets_of_the_account(parameters, request, split, pools):
    found, rng = request.getfixturevalue(split), np.random.default_rng(pools)
    classes, asked = found.columns.classes, found.asked
    edges = np.sort(rng.choice(np.arange(1, classes.bins), pools - 1, replace=False))
    edges = [0, *edges, classes.bins]
    low, high = classes.ends
    at = [np.flatnonzero((low == a) & (high == b))[0] for a, b in itertools.pairwise(edges)]
    feasible = [rng.choice(np.flatnonzero(np.isfinite(found.columns.power[:, it]))) for it in at]
    names = [found.columns.names[it] for it in feasible]
    splits = classes.edges[edges[1:-1]].tolist()
    answer = fleet(**asked | {"names": names, "split_lengths": splits})
    windows = [pool["context_window"].value for pool in answer.pools]
    assert windows == classes.windows[at].tolist()
    assert answer.power == pytest.approx(found.columns.power[feasible, at].sum(), rel=1e-9)
    assert answer.gpus == pytest.approx(found.columns.gpus[feasible, at].sum(), rel=1e-9)
    price = [parameters.gpus[own.gpu].price for own in names]
    dollars = found.columns.gpus[feasible, at] @ price
    assert answer.dollars_per_token * answer.throughput == pytest.approx(dollars, rel=1e-9)


def test_a_plan_costs_what_its_fleet_does_and_no_more_than_any_one_pool(found):
    assert found.fleet.joules_per_token == pytest.approx(found.cost_per_token, rel=1e-9)
    assert found.partition.cost <= found.one_pool.cost
    assert found.fleet.first_token_p99 <= 1.5 and found.fleet.inter_token_latency <= 0.05


draws = st.integers(0, 10**6), st.integers(1, 60)
split_by = st.sampled_from(["length", "prompt"])


@settings(max_examples=30)
@given(*draws, st.sampled_from([64.0, 2048.0]), split_by)
def test_sums_of_a_class_are_those_of_its_requests(consistent, seed, kinds, chunk, by):
    requests, assumed = drawn_requests(seed, kinds), switched(consistent, {"split_by": by})
    routed = requests.length if by == "length" else requests.prompt
    longest = smallest_window(requests)
    classes = Classes(assumed, requests, candidate_lengths(assumed, requests, 6, longest))
    table = classes.traffic(chunk)
    for at, (low, high) in enumerate(zip(*classes.ends, strict=True)):
        inside = (routed > classes.edges[low]) & (routed <= classes.edges[high])
        own = requests.scaled(inside)
        wanted = traffic_of(assumed, own, own, chunk)
        assert wanted.share > 0
        assert [it[at] for it in table] == pytest.approx(list(wanted), rel=1e-9)
        assert requests.length[inside].max() <= classes.windows[at] <= classes.edges[-1]


@settings(max_examples=30)
@given(*draws, split_by)
def test_neighbouring_classes_are_the_pools_that_requests_are_shared_out_to(
    consistent, seed, kinds, by
):
    requests, assumed = drawn_requests(seed, kinds), switched(consistent, {"split_by": by})
    longest = smallest_window(requests)
    classes = Classes(assumed, requests, candidate_lengths(assumed, requests, 6, longest))
    topology = Topology(classes.edges[-1], tuple(classes.edges[1:-1]))
    routed = route(assumed, requests, classes.edges, topology, 2048.0, 0.0)
    table, (low, high) = classes.traffic(2048.0), classes.ends
    neighbours = np.flatnonzero(high == low + 1)
    assert list(routed.windows) == classes.windows[neighbours].tolist()
    assert routed.rejected == 0
    for at, pool in zip(neighbours, routed.pools, strict=True):
        assert [it[at] for it in table] == pytest.approx(list(pool), rel=1e-9)
    arriving = np.random.default_rng(seed).permutation(kinds)
    stream = Arrived(*[np.zeros(kinds)] * 4, np.full(kinds, -1), np.zeros(kinds))
    stream = stream._replace(prompt=requests.prompt[arriving], output=requests.output[arriving])
    router = Router("random", [1] * len(neighbours), topology.splits, seed, by)
    counted = np.bincount(router.route(stream)[0], requests.weight[arriving], len(neighbours))
    assert counted == pytest.approx([pool.share for pool in routed.pools], rel=1e-9)


def test_a_plan_by_prompts_is_read_back_as_it_was_written(tmp_path, by_prompt):
    rows = by_prompt.partition.configurations * 2
    two = by_prompt.partition._replace(edges=(0, 3, 6), configurations=rows)
    found = replace(by_prompt, proved=by_prompt.proved._replace(partition=two))
    write_plan(record_of(found), tmp_path / "plan.yaml")
    record = read_plan(tmp_path / "plan.yaml")
    assert record.changes == {"split_by": "prompt"} and record.names == found.names
    assert record.split_lengths == found.split_lengths == [by_prompt.columns.classes.edges[3]]
    assert found.fleet.pools[0]["context_window"].value > record.split_lengths[0]


def test_requests_of_one_output_are_split_alike_by_length_and_by_prompt(parameters, demand):
    prompt = np.sort(drawn_trace().prompt).astype(int)
    trace, prompts = Trace(name="even", prompt=prompt, output=0 * prompt + 80), prompt[[150, 300]]
    found = [
        plan(parameters, trace, demand, options=FEW, candidates=splits, changes={"split_by": by})
        for by, splits in (("length", prompts + 80), ("prompt", prompts))
    ]
    costs = [it.columns.power[np.isfinite(it.columns.power)] for it in found]
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)


@pytest.fixture(scope="module")
def consistent(found):
    return found.columns.account.assumed


@pytest.mark.parametrize("target", ["itl", "ttft"])
def test_the_smallest_relaxation_is_enough_and_less_is_not(found, target):
    name = {"itl": "itl_target", "ttft": "latency_target"}[target]
    short = found.columns.at(**{name: 1e-3})
    least = relaxations(short)[target]
    for factor, feasible in ((1 + 1e-6, True), (1 - 1e-6, False)):
        power = found.columns.at(**{name: least * factor}).power
        assert np.isfinite(shortest(power, found.columns.classes.bins).cost) == feasible


def test_targets_out_of_reach_are_refused_with_what_would_do(found):
    with pytest.raises(
        ParameterError, match=r"itl: is 0.001 s .* wanted itl of .* both .* as long"
    ):
        found.at(itl_target=1e-3)
    factor = common_factor(found.columns.at(itl_target=1e-3, latency_target=1e-2))
    assert found.at(itl_target=1e-3 * factor * 1.001, latency_target=1e-2 * factor * 1.001)


@pytest.mark.parametrize("target, key", [("itl", "itl_target"), ("ttft", "latency_target")])
def test_a_target_that_is_asked_for_is_enough_as_it_is_written(found, target, key):
    least = relaxations(found.columns.at(**{key: 1e-3}))[target]
    with pytest.raises(ParameterError) as late:
        found.at(**{key: 1e-3})
    written = float(re.search(rf"wanted {target} of (\S+) s", str(late.value))[1])
    assert found.at(**{key: written}) and least <= written <= 1.0001 * least


@pytest.mark.parametrize("rate", [40.0, 70.0])
def test_a_cap_that_is_asked_for_is_enough_as_it_is_written(parameters, demand, rate):
    often = replace(demand, arrival_rate=rate)
    asked = {"requests": drawn_trace(), "demand": often, "options": FEW, "candidates": 7}
    with pytest.raises(ParameterError) as hungry:
        plan(parameters, **asked, budget=Budget(power=100.0))
    watts = 1e3 * float(re.search(r"power_cap of (\S+) kW", str(hungry.value))[1])
    assert plan(parameters, **asked, budget=Budget(power=watts)).fleet.power <= watts


@pytest.mark.parametrize(
    "budget, message",
    [
        (Budget(power=100.0), r"power_cap: no fleet .* wanted power_cap of .* kW"),
        (Budget(inventory={"H100": 1, "B200": 1}), "inventory: .* wanted inventory of .* B200"),
        (Budget(inventory={"A100": 8}), "inventory: has A100, which no pool of the plan may have"),
    ],
)
def test_budgets_out_of_reach_are_refused_with_what_would_do(parameters, demand, budget, message):
    with pytest.raises(ParameterError, match=message):
        plan(parameters, drawn_trace(), demand, options=FEW, candidates=7, budget=budget)


def test_an_inventory_is_kept_and_proved(parameters, demand, found):
    free = found.columns.gpus
    most = int(
        np.nanmin(np.where(np.isfinite(free), free, np.nan)[:, found.columns.classes.bins - 1])
    )
    budget = Budget(inventory={"B200": most})
    kept = plan(parameters, drawn_trace(), demand, options=FEW, candidates=7, budget=budget)
    used = [pool["gpus"].value for pool in kept.fleet.pools]
    names = [own.gpu for own in kept.names]
    assert sum(n for n, gpu in zip(used, names, strict=True) if gpu == "B200") <= most
    assert kept.proved.gap <= 1e-3
    assert kept.partition.cost >= found.partition.cost * (1 - 1e-9)


def test_levers_taken_away_never_save(found):
    steps = lever_waterfall(found)
    assert {step.lever for step in steps[1:]} == set(LEVERS)
    assert steps[0].cost == pytest.approx(found.cost_per_token)
    assert all(np.diff([step.cost for step in steps]) >= -1e-12)
    assert all(step.alone >= 1 for step in steps)
    assert cost_without(found, list(LEVERS)) == steps[-1].cost


def test_a_target_on_the_median_first_token_costs_less_than_one_on_the_99th_percentile(found):
    half = found.at(ttft_quantile=0.5)
    assert half.partition.cost < found.partition.cost
    target = float(found.question.demand.latency_target)
    assert all(pool["first_token"].value <= target * (1 + 1e-9) for pool in half.fleet.pools)


def test_spare_instances_are_whole_ones_in_every_pool(found):
    spare = found.columns.at(spare_instances=1.0)
    more, own = spare.whole.instances, found.columns.whole.instances
    assert (more[np.isfinite(own)] == own[np.isfinite(own)] + 1).all()


def test_what_binds_is_said_of_every_pool(found):
    for part in found.parts:
        batch, instances = binding(part)
        assert batch in ("itl", "ttft", "KV cache", "max_num_seqs")
        assert instances in ("utilization", "ttft")
    assert any("measured" in phrase for phrase in extrapolated(found))


@pytest.mark.parametrize("account, told", [("paper", False), ("consistent", True)])
def test_only_what_stands_on_measured_runs_goes_beyond_them(parameters, demand, account, told):
    found = plan(parameters, "azure", demand, options=FEW, candidates=2, account=account)
    wide = fleet(parameters, "azure", demand, DeploymentNames(gpus=16), account=account)
    assert bool(extrapolated(found)) == bool(wide.basis.extrapolated) == told


def test_a_plan_is_read_back_as_it_was_written(tmp_path, parameters, demand, found):
    written = record_of(found)
    write_plan(written, tmp_path / "plan.yaml")
    record = read_plan(tmp_path / "plan.yaml")
    assert record == written
    assert record.names == found.names and record.split_lengths == found.split_lengths
    unbound = msgspec.structs.replace(written, demand=written.demand | {"itl_target": math.inf})
    write_plan(unbound, tmp_path / "unbound.yaml")
    assert read_plan(tmp_path / "unbound.yaml") == unbound
    text = (tmp_path / "plan.yaml").read_text(encoding="utf-8")
    for number in (".nan", "-1.0", "0", ".inf", "two", "1.5"):
        edited = re.sub("\n  instances: .*", f"\n  instances: {number}", text, count=1)
        (tmp_path / "plan.yaml").write_text(edited, encoding="utf-8")
        with pytest.raises(ParameterError, match=r"plan\.yaml: pools\[0\]\.instances is"):
            read_plan(tmp_path / "plan.yaml")
    (tmp_path / "plan.yaml").write_text("pools: 3\n", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"plan\.yaml: "):
        read_plan(tmp_path / "plan.yaml")


def test_pools_of_a_plan_rise_by_the_length_of_their_requests():
    pools = [PlannedPool(longest, 1.0, DeploymentNames()) for longest in (8192.0, 4096.0)]
    with pytest.raises(ParameterError, match=r"pools\[1\]\.longest is 4096, wanted more than the"):
        require_pools(Path("plan.yaml"), pools)


def test_the_command_writes_what_fleet_reads(tmp_path):
    options = "--gpu B200 --gpus 8 --precision fp8 --max-num-seqs 0 --max-num-batched-tokens 0"
    asked = (
        f"plan --workload azure --arrival-rate 50 --ttft 1s {options} --split-candidates 4 --json"
    )
    out = str(tmp_path / "plan.yaml")
    planned = CliRunner().invoke(app, [*asked.split(), "--out", out], catch_exceptions=False)
    read = CliRunner().invoke(app, ["fleet", "--plan", out, "--json"], catch_exceptions=False)
    numbers = json.loads(planned.output)["numbers"]
    assert json.loads(read.output)["power"]["value"] == numbers["power"]["value"]


WRONG_KEYS = {
    "gpu: B200": ("gpu: B9", r"plan\.yaml: pools\[0\]\.deployment\.gpu is 'B9', wanted"),
    "latency_target: {value: 1.5,": (
        "latency_target: {value: -1,",
        r"plan\.yaml: demand\.latency_target\.value is -1 s, wanted",
    ),
    "itl_target: {value: 0.05, unit: s}": (
        "itl_target: 50",
        r"plan\.yaml: demand\.itl_target is 50, wanted a number with its unit",
    ),
    "\n  instances: ": (
        "\n  instancez: ",
        r"pools\[0\]\.instancez is not a known key, wanted one of longest, instances, deployment,"
        r" part \(did you mean 'instances'",
    ),
    "gpu: B200,": (
        "gpv: B200,",
        r"pools\[0\]\.deployment\.gpv is not a known key, wanted one of llm, gpu, gpus, .* 'gpu'",
    ),
    "account: consistent": ("account: mine", r"plan\.yaml: account is 'mine', wanted"),
}


@pytest.mark.parametrize("right", WRONG_KEYS)
def test_what_is_wrong_in_a_plan_is_said_of_its_key(tmp_path, parameters, demand, right):
    wrong, sentence = WRONG_KEYS[right]
    options, out = replace(FEW, gpu="B200"), tmp_path / "plan.yaml"
    write_plan(record_of(plan(parameters, "azure", demand, options=options, candidates=2)), out)
    text = out.read_text(encoding="utf-8")
    assert right in text
    out.write_text(text.replace(right, wrong), encoding="utf-8")
    refused = CliRunner().invoke(app, ["fleet", "--plan", str(out)])
    assert re.search(sentence, str(refused.exception))


def test_a_plan_finds_its_trace_from_wherever_it_is_read(tmp_path, monkeypatch, found):
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    path = Path("plans/plan.yaml")
    write_plan(record_of(found, Path("requests.csv")), path)
    assert "trace: ../requests.csv" in path.read_text(encoding="utf-8")
    monkeypatch.chdir("plans")
    read = read_plan(Path("plan.yaml"))
    assert Path(str(read.trace)).resolve() == tmp_path / "requests.csv"


@pytest.mark.parametrize(
    "requests, objective, account, changes, cost",
    [
        ("azure", "dollars", "consistent", {"basis": "gpu"}, "dollars_per_token"),
        ("azure", "joules", "consistent", {"baseline": "given"}, "joules_per_token"),
        ("azure", "joules", "paper", {}, "joules_per_token"),
        (drawn_trace(), "joules", "paper", {}, "joules_per_token"),
    ],
)
def test_a_plan_costs_what_its_fleet_does_whatever_is_assumed(
    parameters, demand, requests, objective, account, changes, cost
):
    found = plan(
        parameters, requests, demand, options=FEW, objective=objective, candidates=3,
        account=account, changes=changes,
    )  # fmt: skip
    assert found.cost_per_token == pytest.approx(getattr(found.fleet, cost), rel=1e-9)
    if isinstance(requests, Trace):
        mean = requests.output.mean()
        assert found.columns.generated == pytest.approx(demand.arrival_rate * mean, rel=1e-9)


def test_a_plan_for_requests_beyond_the_given_window_is_one_sentence(parameters, demand):
    trace = Trace(name="long", prompt=np.full(3, 1e5), output=np.full(3, 1e3))
    with pytest.raises(ParameterError, match=r"^context_window: is 65536, which holds none"):
        plan(parameters, trace, demand, options=FEW, changes={"baseline": "given"})


def test_a_plan_of_no_requests_asks_for_some(tmp_path, parameters, demand):
    out = tmp_path / "plan.yaml"
    written = record_of(plan(parameters, "azure", demand, options=FEW, candidates=2))
    write_plan(msgspec.structs.replace(written, workload=None), out)
    read = CliRunner().invoke(app, ["fleet", "--plan", str(out)])
    assert "plan.yaml: names no requests, wanted the option --workload" in str(read.exception)


def test_no_limit_of_boards_stands_beside_a_law_without_one(parameters, demand):
    """Though the first of what may be chosen has none."""
    options = replace(FEW, power_limit=(None, 500.0))
    with pytest.raises(ParameterError, match="power_limit: is beside power=activity"):
        plan(parameters, "azure", demand, options=options, account="paper", candidates=2)
    pools = [DeploymentNames(), DeploymentNames(power_limit=500.0)]
    with pytest.raises(ParameterError, match="power_limit: is beside power=activity"):
        fleet(parameters, "azure", demand, pools, split_lengths=[4000.0], account="paper")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"gpu": ("H100", "H1000")}, "gpu: is 'H1000', wanted one of"),
        ({"precision": ("fp9",)}, "precision: is 'fp9', wanted one of"),
        ({"gpus": (3, 5)}, "gpus: is 3, 5, wanted numbers that divide the 64 heads"),
        ({"gpus": (3, 8)}, "gpus: is 3, wanted numbers that divide the 64 heads"),
        ({"gpus": (8, 16)}, "gpus: is 16 with data_parallel 1, wanted at most 8 GPUs in all"),
        ({"data_parallel": (1, 2)}, "with data_parallel 2, wanted .* data_parallel 1 where"),
        ({"data_parallel": (2,)}, "with data_parallel 2, wanted .* data_parallel 1 where"),
    ],
)
def test_what_nobody_has_is_refused(parameters, demand, options, message):
    with pytest.raises(ParameterError, match=message):
        plan(parameters, "azure", demand, options=replace(FEW, **options))


@pytest.mark.parametrize(
    "llm, precisions",
    [
        ("llama-3.1-70b", {"bfloat16", "fp8"}),
        ("deepseek-v3", {"bfloat16", "fp8", "fp8_block"}),
        ("gpt-oss-120b", {"bfloat16", "fp8", "mxfp4"}),
    ],
)
def test_a_plan_may_take_the_checkpoint_as_it_is_published(llm, precisions, parameters):
    assert {own.precision for own in Options().names(parameters, llm)} == precisions


def test_every_configuration_is_named_once(parameters):
    names = Options().names(parameters, "llama-3.1-70b")
    assert len(names) == len(set(names)) > 300
    assert DeploymentNames(precision="bfloat16") in names


@pytest.mark.parametrize("profile", ["H100", "B200"])
@pytest.mark.parametrize("workload", ["azure", "agent_heavy"])
def test_the_paper_s_two_choices_are_a_special_case(parameters, profile, workload):
    """Its account, its instances, its split: the cheaper of one pool and two as it counts them."""
    names, demand = DeploymentNames(profile=profile), demanded(parameters)
    one, two = (
        fleet(
            parameters,
            workload,
            demand,
            names,
            split_lengths=splits,
            account="paper",
            changes=CONSERVING,
        )
        for splits in ((), (4096.0,))
    )
    own = Question(parameters, workload, demand, "joules", Budget(), "paper", CONSERVING)
    found = plan_of_columns(own, columns_of(own, [names], [4096.0]))
    assert found.partition.cost == pytest.approx(min(one.power, two.power), rel=1e-9)
    assert found.fleet.tokens_per_joule == pytest.approx(
        max(one.tokens_per_joule, two.tokens_per_joule), rel=1e-9
    )
    least = found.columns.power.min(axis=0)  # up to 4K, all, from 4K on
    assert [least[1], least[0] + least[2]] == pytest.approx([one.power, two.power], rel=1e-9)


def test_boards_with_limits_are_a_lever_that_never_costs_joules(parameters, found):
    some = replace(FEW, gpu=("H100",), power_limit=(None, 400.0))
    own = plan(parameters, drawn_trace(), found.question.demand, options=some, candidates=4)
    steps = {step.lever: step.alone for step in lever_waterfall(own)}
    assert steps[LIMIT] >= 1
    without = replace(some, power_limit=(None,))
    free = plan(parameters, drawn_trace(), found.question.demand, options=without, candidates=4)
    assert free.partition.cost / own.partition.cost == pytest.approx(steps[LIMIT], rel=1e-9)
