"""The plan of the explorer against that of the package, over the same options and splits."""

import numpy as np
import pytest
from scripts import FLEET, call, context_of

from tokwatt.accounts.answers import demanded
from tokwatt.accounts.explorer import Explorer
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces.traces import Trace
from tokwatt.planning.columns.columns import OBJECTIVES
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.planning.plan import plan

py_mini_racer = pytest.importorskip("py_mini_racer")

LLM = "llama-3.1-8b"
GPUS, WIDTHS, PRECISIONS = ("H100", "B200"), (1, 4), ("bfloat16", "fp8")
OPTIONS = Options(
    gpu=GPUS,
    gpus=WIDTHS,
    precision=PRECISIONS,
    kv_precision=(None,),
    max_num_seqs=(None,),
    max_num_batched_tokens=(None,),
)
SPLITS = [512, 2048, 8192]


@pytest.fixture(scope="module")
def javascript(parameters):
    explorer = Explorer(parameters)
    keys = [key for key in explorer.choices() if (key.account, key.llm) == ("consistent", LLM)]
    context = context_of(py_mini_racer, explorer, keys)
    context.eval(
        """
        function planFor(kinds, demand, offered, splits, objective) {
          const requests = Object.fromEntries(
            Object.entries(kinds).map(([name, values]) => [name, Float64Array.from(values)]),
          );
          const data = {
            ...DATA, workloads: { own: { requests } }, demand: { ...DATA.demand, ...demand },
          };
          const readies = offered.map((state) =>
            Cases.prepare(data, { ...state, workload: "own", changes: {} }));
          return Plans.planOf(readies, splits, objective);
        }
        """
    )
    offered = [
        {"account": "consistent", "llm": LLM, "gpu": gpu}
        | {"tensor_parallel": width, "precision": precision}
        for gpu in GPUS
        for width in WIDTHS
        for precision in PRECISIONS
    ]

    def run(trace, demand, objective):
        order = np.argsort(trace.total, kind="stable")
        prompt, output = trace.prompt[order], trace.output[order]
        share = prompt / (prompt + output)
        values = {"weight": trace.weights, "prompt": prompt, "output": output, "promptShare": share}
        kinds = {name: each.tolist() for name, each in values.items()}
        return call(context, "planFor", kinds, demand, offered, SPLITS, objective)

    return run


def drawn(seed):
    """Requests of which half are short."""
    rng = np.random.default_rng(seed)
    short = rng.random(500) < 0.5
    prompt = np.where(short, rng.integers(20, 400, 500), rng.lognormal(8, 0.8, 500))
    return Trace(name="drawn", prompt=np.ceil(prompt), output=rng.integers(1, 900, 500) * 1.0)


TARGETS = {"latency_target": 0.4, "itl_target": 0.02}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("rate", [3.0, 400.0])
def test_a_plan_of_the_page_is_that_of_the_package(objective, rate, javascript, parameters):
    trace, targets = drawn(int(rate)), {"arrival_rate": rate, **TARGETS}
    wanted = plan(
        parameters,
        trace,
        demanded(parameters, **targets),
        LLM,
        options=OPTIONS,
        objective=objective,
        budget=Budget(pools=2),
        candidates=SPLITS,
    )
    found = javascript(trace, targets, objective)
    assert found["cost"] == pytest.approx(wanted.partition.cost, rel=1e-6)
    assert found["whole"]["cost"] == pytest.approx(wanted.one_pool.cost, rel=1e-6)
    assert [own["pool"]["window"] for own in found["pools"]] == wanted.longest
    for ours, names, theirs in zip(found["pools"], wanted.names, wanted.fleet.pools, strict=True):
        state = ours["ready"]["state"]
        assert [state["gpu"], state["tensor_parallel"]] == [names.gpu, names.gpus]
        assert state["precision"] == names.precision
        for name, other in FLEET.items():
            assert ours["pool"][name] == pytest.approx(theirs[other].value, rel=1e-6), name


def test_where_the_package_finds_no_fleet_the_page_finds_none(javascript, parameters):
    targets = {"arrival_rate": 5.0, "latency_target": 1e-3}
    with pytest.raises(ParameterError):
        plan(
            parameters, drawn(0), demanded(parameters, **targets), LLM,
            options=OPTIONS, budget=Budget(pools=2), candidates=SPLITS,
        )  # fmt: skip
    assert javascript(drawn(0), targets, "joules") is None
