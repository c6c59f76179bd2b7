"""Odd arguments of every public function: finite numbers, or one sentence."""

import math
import random

import numpy as np
import pytest
from fuzz import refusal, seeds

import tokwatt as tw
from tokwatt.accounts.answers.simulated import answer_of
from tokwatt.accounts.deployments import account_of
from tokwatt.equations import roofline
from tokwatt.params.traces.traces import Trace
from tokwatt.simulation.routers import ROUTERS

NUMBERS = [0.0, -0.0, -1.0, 1e-308, 5e-324, 1e308, math.nan, math.inf, -math.inf, 2.0**24 + 2]
NUMBERS += [1e5, 1e12, 10**400, -(10**400), 0.5, True, np.float64(3), np.int64(2), "abc", ""]
NAMES = ["", "nosuch", "\x1b[2J", "a\nb", "x" * 10**4, "$(touch pwned)", "../x", None, math.nan]


class Arguments:
    """Random arguments, all from one seed; most of them good."""

    def __init__(self, parameters, seed, folder):
        self.parameters, self.folder = parameters, folder
        self.chance = random.Random(seed)
        self.pick = self.chance.choice

    def number(self, *good):
        return self.pick(NUMBERS if self.chance.random() < 0.2 else good)

    def name(self, *good):
        return self.pick(NAMES if self.chance.random() < 0.1 else good)

    def some(self, **draws):
        """Some of these arguments."""
        return {name: draw() for name, draw in draws.items() if self.chance.random() < 0.4}

    def several(self, draw, *counts):
        return [draw() for _ in range(self.pick(counts))]

    def account(self):
        return self.some(
            account=lambda: self.name("consistent", "paper"),
            changes=lambda: {
                self.name("basis", "step"): self.name("gpu", "instance", "program", "kernels")
            },
        )

    def names(self):
        catalogue = self.parameters
        return tw.DeploymentNames(
            **self.some(
                llm=lambda: self.name(*catalogue.llms),
                gpu=lambda: self.name(*catalogue.gpus),
                gpus=lambda: self.number(1, 2, 4, 8, 8, 8),
                data_parallel=lambda: self.number(1, 1, 2),
                expert_parallel=lambda: self.number(None, 1, 8),
                precision=lambda: self.name(*catalogue.precisions),
                kv_precision=lambda: self.name(*catalogue.precisions),
                engine=lambda: self.name(*catalogue.engines),
                memory_utilization=lambda: self.number(0.9, 0.5),
                max_num_seqs=lambda: self.number(64),
                max_num_batched_tokens=lambda: self.number(2048),
            )
        )

    def demand(self):
        return tw.demanded(
            self.parameters,
            **self.some(
                arrival_rate=lambda: self.number(10.0, 1.0),
                latency_target=lambda: self.number(0.5, 5.0),
                itl_target=lambda: self.number(0.05, math.inf),
                itl_quantile=lambda: self.number(0.5, 0.99),
                ttft_quantile=lambda: self.number(0.5, 0.99),
                ttft_per_token=lambda: self.number(0.0, 1e-3),
                max_utilization=lambda: self.number(0.85, 0.5),
                output_share=lambda: self.number(0.2, 0.5),
                spare_instances=lambda: self.number(0.0, 1.0),
            ),
        )

    def requests(self):
        count = self.pick([1, 2, 20])
        lengths = [np.array([self.pick([1, 100, 5000]) for _ in range(count)]) for _ in range(2)]
        arrivals = self.pick([None, np.arange(float(count))])
        trace = Trace(name="mine.csv", prompt=lengths[0], output=lengths[1], arrivals=arrivals)
        return self.pick([trace, *[self.name("azure", "lmsys", "agent_heavy")] * 4])

    def point(self):
        numbers = self.some(
            context_window=lambda: self.number(None, 8192.0),
            prompt=lambda: self.number(None, 1000.0),
            output=lambda: self.number(None, 500.0),
            batch=lambda: self.number(None, 1.0, 64.0),
            utilization=lambda: self.number(1.0, 0.5),
        )
        return tw.point(self.parameters, self.names(), **numbers, **self.account())

    def operating_point(self):
        account = account_of(self.parameters, "consistent", tw.DeploymentNames())
        deployment = tw.DeploymentNames().deployment(self.parameters)
        numbers = [self.number(8192.0), self.number(0.5), self.number(4.0), self.number(8.0)]
        return tw.operating_point(account, deployment, *numbers, self.number(0.5, 1.0))

    def pools(self):
        """Requests, a demand, deployments and lengths that split."""
        splits = self.several(lambda: self.number(512.0, 4096.0, 8192.0), 0, 0, 1, 2)
        names = self.pick([self.names(), [self.names() for _ in range(len(splits) + 1)]])
        window = self.some(context_window=lambda: self.number(None, 16384.0, 65536.0))
        question = {"split_lengths": splits, **window, **self.account()}
        return (self.parameters, self.requests(), self.demand(), names), question

    def fleet(self):
        asked, question = self.pools()
        return tw.fleet(*asked, **question)

    def simulate(self):
        asked, question = self.pools()
        more = self.some(
            instances=lambda: self.several(lambda: self.number(1, 2), 0, 1, 2),
            router=lambda: self.name(*ROUTERS),
            process=lambda: self.name("poisson", "constant", "gamma", "daily"),
            seeds=lambda: self.several(lambda: self.number(0, 1), 0, 1, 2),
        )
        return answer_of(tw.simulate(*asked, count=self.number(20), **more, **question))

    def plan(self):
        options = self.some(
            gpu=lambda: tuple(self.several(lambda: self.name("H100", "B200"), 1, 2)),
            gpus=lambda: tuple(self.several(lambda: self.number(4, 8), 0, 1, 2)),
            precision=lambda: (self.name("fp8", "bfloat16"),),
            max_num_seqs=lambda: (self.number(None, 64),),
            expert_parallel=lambda: (self.number(None, 1),),
            data_parallel=lambda: (self.number(1, 2),),
            engine=lambda: self.name("vllm", "sglang"),
        )
        options = {"gpu": ("H100",), "gpus": (8,), "precision": ("fp8",)} | options
        budget = self.some(
            power=lambda: self.number(1e6, 1e5),
            inventory=lambda: {self.name("H100", "B200"): self.number(500, 64)},
            pools=lambda: self.number(1, 2),
        )
        return tw.plan(
            self.parameters,
            self.requests(),
            self.demand(),
            self.name("llama-3.1-70b", "llama-3.1-8b"),
            options=tw.Options(**options),
            objective=self.name("joules", "dollars", "carbon", "gpus"),
            budget=tw.Budget(**budget),
            candidates=self.pick([self.number(2, 4), [self.number(2048.0)]]),
            **self.account(),
        ).fleet

    def sweep(self):
        axes = {name: self.number(1.0, 2.0) for name in ("batch", "iteration_latency")}
        axes[self.pick(list(axes))] = self.several(lambda: self.number(1.0, 2.0), 0, 1, 3)
        tw.sweep(roofline.throughput, **axes)

    def open(self):
        return tw.open(str(self.name("made", "made.zarr"))[:60], self.place())

    def load(self):
        return tw.load(self.place()).check()

    def read_trace(self):
        columns = {self.name("prompt", "output", "time"): self.name("prompt", "when:ms")}
        return tw.read_trace(self.place(), self.pick([None, columns]))

    def place(self):
        """No file that can be read."""
        return self.pick([self.folder, "/dev/zero", "nowhere", "a\nb", "\x1b[2J", __file__])


def finite(answer):
    """Numbers of an answer lie within their intervals; those of an operating point are numbers."""
    if isinstance(answer, tuple):
        assert np.isfinite(answer).all() or answer.missing > 0
    for quantities in (answer.quantities, *answer.pools) if hasattr(answer, "pools") else ():
        for name, (value, low, high, _) in quantities.items():
            assert math.isfinite(value), name
            assert low is None or low <= value <= high, name


ASKED = ["point", "operating_point", "fleet", "simulate", "plan", "sweep", "open", "load"]
ASKED += ["read_trace", "point", "point", "fleet"]


@pytest.mark.fuzz
@pytest.mark.parametrize("function", dict.fromkeys(ASKED))
def test_odd_arguments_give_finite_numbers_or_one_sentence(function, parameters, tmp_path):
    for seed in seeds("arguments"):
        if ASKED[seed % len(ASKED)] == function:
            given = Arguments(parameters, seed, tmp_path)
            refusal(seed, lambda given=given: finite(getattr(given, function)()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda own: tw.point(own, {"llm": "x"}), r"names: is .*, wanted tokwatt.DeploymentNames"),
        (
            lambda own: tw.point(own, tw.DeploymentNames(gpus=True)),
            "gpus: is True, wanted a number",
        ),
        (lambda own: tw.point(own, changes="router=random"), "changes: is .*by choice"),
        (lambda own: tw.fleet(own, "mine.csv", tw.demanded(own)), "or a trace as tokwatt.read_"),
        (lambda own: tw.plan(own, 3, tw.demanded(own)), "requests: is 3, wanted a workload"),
        (lambda own: tw.simulate(own, seeds=3), "seeds: is 3, wanted a list"),
        (lambda own: tw.simulate(own, seeds=[]), "seeds: has none"),
        (
            lambda own: tw.plan(own, "azure", tw.demanded(own), options={"gpu": "H100"}),
            r"options: is .*, wanted tokwatt\.Options",
        ),
        (
            lambda own: tw.plan(
                own, "azure", tw.demanded(own), budget=tw.Budget(inventory=["H100"])
            ),
            r"inventory: is \['H100'\], wanted GPUs by name",
        ),
        (lambda own: tw.simulate(own, seeds=[0.5]), "seeds: is 0.5, wanted a whole number"),
        (lambda own: tw.simulate(own, seeds=[1, 2, 1]), "seeds: has 1 twice, wanted each once"),
        (lambda own: tw.simulate(own, count=1.5), "count: is 1.5, wanted a whole number"),
        (lambda own: tw.simulate(own, instances=3), "instances: is 3, wanted a list"),
        (lambda own: tw.read_trace("x", {"tyme": "when"}), "tyme.*did you mean 'time'"),
        (lambda own: tw.AssumptionSets(own).account("paper", {"rooter": "x"}), "mean 'router'"),
    ],
)
def test_an_argument_of_another_kind_is_told_what_is_wanted(ask, sentence, parameters):
    with pytest.raises(tw.ParameterError, match=sentence):
        ask(parameters)


def test_a_notebook_completes_the_public_names_and_shows_a_trace_in_a_line():
    assert set(dir(tw)) >= set(tw.__all__) and "import_module" not in dir(tw)
    shown = repr(Trace(name="a.csv", prompt=np.full(3, 1000.0), output=np.full(3, 5.0)))
    assert shown == "Trace('a.csv': 3 requests, mean prompt 1,000 and output 5 tok)"
