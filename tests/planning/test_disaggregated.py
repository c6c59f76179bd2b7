"""Plans whose pools may have prefill and decode on instances of their own."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import yaml

from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.parts import Disaggregated
from tokwatt.params.errors import ParameterError
from tokwatt.planning.changes.break_even import AtRates, break_even_prices
from tokwatt.planning.changes.levers import APART, lever_waterfall
from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.columns.configurations import Configurations, Options
from tokwatt.planning.lines import plan_lines
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.planning.plan import plan, plan_of_columns
from tokwatt.planning.record import read_plan, record_of, write_plan
from tokwatt.planning.summary import summary
from tokwatt.serving.demand.traffic import PROMPTS
from tokwatt.serving.pools.disaggregated import Disaggregation

FEW = Options(
    gpu=("H100", "B200"),
    gpus=(4, 8),
    kv_precision=(None, "fp8"),
    max_num_seqs=(None,),
    max_num_batched_tokens=(None, 2048),
    disaggregated=True,
)


@pytest.fixture(scope="module")
def demand(parameters):
    numbers = {"latency_target": 1.5, "itl_target": 0.03, "itl_quantile": 0.99}
    return demanded(parameters, arrival_rate=100.0, **numbers)


@pytest.fixture(scope="module")
def found(parameters, demand):
    return plan(parameters, "azure", demand, options=FEW, candidates=4)


def pairs(columns):
    return [place for place, row in enumerate(columns.rows) if len(row.places) > 1]


@pytest.mark.parametrize("objective", ["joules", "dollars", "gpus"])
def test_the_best_pair_of_each_class_is_the_best_of_all_that_there_are(found, objective):
    columns, configurations = found.columns, found.columns.whole.configurations
    widths = [float(own.precision.kv) for own in configurations.deployments]
    price = {"joules": 0, "dollars": configurations.price, "gpus": 1 + 0 * configurations.price}
    prefill, decode = (
        own.power if objective == "joules" else own.gpus * price[objective][:, None]
        for own in (columns.parts["prefill"], columns.parts["decode"])
    )
    least = np.min(
        [
            prefill[a] + decode[b]
            for a, b in product(range(len(widths)), repeat=2)
            if widths[a] == widths[b]
        ],
        axis=0,
    )
    assert columns.cost(objective)[pairs(columns)].min(axis=0) == pytest.approx(least, rel=1e-12)


def test_other_requests_have_the_best_of_all_pairs_too(found):
    """At other arrival rates, where the best may be a pair that is none of the plan's own rows."""
    classes = AtRates.of(found.columns.classes, np.geomspace(0.01, 10, 32))
    columns = found.columns.of_requests(classes)
    widths = [float(own.precision.kv) for own in columns.whole.configurations.deployments]
    prefill, decode = columns.parts["prefill"].power, columns.parts["decode"].power
    alike = [
        prefill[a] + decode[b]
        for a, b in product(range(len(widths)), repeat=2)
        if widths[a] == widths[b]
    ]
    least = np.min(alike, axis=0)
    assert columns.power[pairs(columns)].min(axis=0) == pytest.approx(least, rel=1e-9)


def test_rows_are_fleets_of_the_account(parameters, demand, found):
    """Pools one apart and one together, of other GPUs each."""
    columns, rng = found.columns, np.random.default_rng(3)
    low, high = columns.classes.ends
    at = [int(np.flatnonzero((low == a) & (high == b))[0]) for a, b in ((0, 1), (1, 3))]
    feasible = [np.flatnonzero(np.isfinite(columns.power[:, it])) for it in at]
    for kinds in product((False, True), repeat=2):
        rows = [
            int(rng.choice([row for row in own if (len(columns.rows[row].places) > 1) == apart]))
            for own, apart in zip(feasible, kinds, strict=True)
        ]
        names = [columns.names[row] for row in rows]
        split = [float(columns.classes.windows[at[0]])]
        answer = fleet(parameters, "azure", demand, names, split_lengths=split)
        assert answer.power == pytest.approx(columns.power[rows, at].sum(), rel=1e-9)
        assert answer.gpus == pytest.approx(columns.gpus[rows, at].sum(), rel=1e-9)
        assert answer.throughput == pytest.approx(columns.generated, rel=1e-9)
        rent = columns.cost("dollars")[rows, at].sum()
        assert answer.dollars_per_token * answer.throughput == pytest.approx(rent, rel=1e-9)


def test_apart_costs_no_more_and_nothing_is_apart_where_a_cache_hardly_moves(found):
    together = found.columns.only(range(len(found.columns.whole.configurations.names)))
    plain = plan_of_columns(found.question, together)
    assert found.partition.cost < plain.partition.cost
    assert any(isinstance(names, Disaggregated) for names in found.names)
    own, costs = found.columns, []
    for slower in (10.0, 1e10):
        between = replace(own.between, transfer=own.between.transfer / slower)
        columns = Columns.of(
            own.account, own.whole.configurations, own.classes, own.demand, own.energy, between
        )
        costs.append(plan_of_columns(found.question, columns).partition.cost)
    assert found.partition.cost <= costs[0] * (1 + 1e-9)
    assert costs[1] == plain.partition.cost


def test_prefill_and_decode_share_the_work_of_a_request(found):
    """Prompts are prefilled once, and every output token is a step of decode."""
    chunk, classes = 512.0, found.columns.classes
    whole, prefill, decode = (classes.traffic(chunk, it) for it in ("both", "prefill", "decode"))
    assert (prefill.prompts == whole.prompts).all() and (prefill.generated == 0).all()
    for power in PROMPTS:
        assert (getattr(decode, power) == 0).all()
    assert (decode.generated == whole.generated).all()
    own = classes.requests
    chunks = own.weight @ np.ceil(own.prompt / chunk)
    everything = classes.bins - 1  # the class from the first edge to the last
    assert prefill.steps[everything] == pytest.approx(chunks / own.weight.sum())
    assert decode.steps[everything] == pytest.approx(own.weight @ own.output / own.weight.sum())


def test_within_an_inventory_it_is_the_best_of_all_rows_that_fit(parameters, demand):
    """One class, where every row can be tried by hand."""
    free = plan(parameters, "azure", demand, options=FEW, candidates=2)
    [names] = free.names
    columns, used = free.columns, {own.gpu for own in (names.prefill, names.decode)}
    least = {
        gpu: float(free.columns.gpus_of(gpu)[free.partition.configurations[0], 0]) for gpu in used
    }
    gpu = max(least, key=least.get)
    budget = Budget(inventory={gpu: int(least[gpu] - 1)})
    within = plan_of_columns(replace(free.question, budget=budget), columns)
    fits = columns.gpus_of(gpu)[:, 0] <= least[gpu] - 1
    assert within.partition.cost == pytest.approx(columns.power[fits, 0].min(), rel=1e-9)


def test_its_lever_is_what_it_costs_more_without(found):
    steps = {step.lever: step for step in lever_waterfall(found)}
    assert steps[APART].alone > 1
    said = summary(found)
    assert said["levers"][APART] == steps[APART].alone
    assert {pool["part"] for pool in said["pools"]} >= {"prefill", "decode"}
    assert any("prefill" in line for line in plan_lines(found, {}))


def test_it_is_read_back_as_it_was_written(tmp_path, found):
    path, written = tmp_path / "plan.yaml", record_of(found)
    write_plan(written, path)
    record = read_plan(path)
    assert record == written
    assert record.names == found.names and record.split_lengths == found.split_lengths


def of_another_window(plan):
    next(it for it in plan["pools"] if it["part"] == "prefill")["longest"] = 512.0


EDITS = {
    r"pools\[.*part is decode after both, wanted decode after": lambda plan: [
        it.update(part="decode") for it in plan["pools"]
    ],
    r"pools\[.*part is 'prefil', wanted one of both, prefill, decode": lambda plan: [
        it.update(part="prefil") for it in plan["pools"]
    ],
    r"pools\[.*longest is 512, wanted .*, as where they decode": of_another_window,
}


@pytest.mark.parametrize("sentence", EDITS)
def test_a_plan_that_was_edited_by_hand_is_refused_in_one_sentence(sentence, tmp_path, found):
    path = tmp_path / "plan.yaml"
    write_plan(record_of(found), path)
    plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    EDITS[sentence](plan)
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    with pytest.raises(ParameterError, match=rf"plan\.yaml: {sentence}"):
        read_plan(path)


def test_the_paper_s_account_knows_no_prefill_apart(parameters, demand):
    with pytest.raises(ParameterError, match="account: has prefill=free where prefill and decode"):
        plan(parameters, "azure", demand, options=FEW, candidates=2, account="paper")


def test_what_lies_between_is_a_record(parameters):
    between = Disaggregation.of(parameters)
    assert between.transfer > 0 and 0 < between.decode_share < 1


@pytest.mark.parametrize("gpu", FEW.gpu)
def test_a_gpu_is_bought_below_its_break_even_price_and_not_above(found, gpu):
    """Pairs of two kinds of GPU among the plans, whose rents without one are exact."""
    price, own = break_even_prices(found)[gpu], found.columns.whole.configurations
    bought = []
    for factor in (0.999, 1.001):
        deployments = tuple(
            replace(it, gpu=replace(it.gpu, price=price.break_even * factor))
            if names.gpu == gpu
            else it
            for names, it in zip(own.names, own.deployments, strict=True)
        )
        columns = found.columns.configured(Configurations(own.names, deployments))
        question = replace(found.question, objective="dollars")
        rows = plan_of_columns(question, columns).partition.configurations
        bought.append(any(gpu in found.columns.gpu_names[row] for row in rows))
    assert bought == [True, False]
