"""What AIConfigurator and this program choose and predict for requests of one length on H100.

AIConfigurator composes a step of vLLM from kernels that NVIDIA measured, and recommends how wide an
instance should be (tensor parallel) and how full, so that they take the fewest GPUs. Its time per
output token (TPOT) is a mean, its time to first token (TTFT) is without a wait for a free place,
and its instances are always full. The planner is asked for the same. One difference is left: its
running requests are those that prefill or decode, ours those that decode.
"""

from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import tokwatt as tw
from benchmarks.workers import catalogue
from tokwatt.params.traces.traces import Trace

LLM, SYSTEM = "llama-3.1-70b", "h100_sxm"
MODELS = {
    "bfloat16": "meta-llama/Meta-Llama-3.1-70B",
    "fp8": "nvidia/Llama-3.1-70B-Instruct-FP8",
}
"""AIConfigurator's names of the LLM by precision; with fp8 both have a KV cache of 8 bits."""
WIDTHS = 1, 2, 4, 8
RATE = 200.0
"""Requests a second: so many that rounding to whole instances matters little."""
HALVINGS = 12


class Case(NamedTuple):
    """Requests of one length, and the targets on the median TTFT and on the mean TPOT [s]."""

    precision: str
    prompt: int
    output: int
    ttft: float
    tpot: float


class Layout(NamedTuple):
    """GPUs of an instance, its running requests, and prompt tokens of a step that has any.

    AIConfigurator chooses the last too. The planner's prompts come one by one, within the engine's
    own limit, which hardly moves its predictions here.
    """

    gpus: int
    batch: int
    chunk: int


class Predicted(NamedTuple):
    """What an instance does: latencies [s], and output tokens per second of each of its GPUs."""

    tpot: float
    ttft: float
    throughput: float


def recommended(case: Case) -> list[Layout]:
    """AIConfigurator's best layout of each width, that of the fewest GPUs first.

    Prefill and decode are on the same instances.
    """
    from aiconfigurator.cli import cli_recommend

    found = cli_recommend(
        MODELS[case.precision],
        SYSTEM,
        target_request_rate=RATE,
        backend="vllm",
        database_mode="SILICON",
        isl=case.prompt,
        osl=case.output,
        ttft=case.ttft * 1e3,
        tpot=case.tpot * 1e3,
        strict_sla=True,
    )
    best = found.best_configs["agg"][["tp", "bs", "ctx_tokens"]]
    return [Layout(*map(int, row)) for row in best.itertuples(index=False)]


def planned(case: Case, least: str = "gpus") -> list[Layout]:
    """The planner's layout of each width, that of the fewest GPUs, or of the least power, first."""
    fleets = sorted(_fleets(case), key=lambda plan: getattr(plan.fleet, least))
    return [_layout(case, plan) for plan in fleets]


@cache
def _fleets(case: Case) -> list[Any]:
    """The fullest fleet of each width that has any."""
    found = (_fullest(case, gpus) for gpus in WIDTHS)
    return [plan for plan in found if plan]


def _fullest(case: Case, gpus: int) -> Any:
    """The plan of the fewest instances whose mean TPOT keeps its target; None where none does.

    The planner has targets on the median and the 99th percentile. The median hardly sees steps
    with a prompt in them: its target is bisected until the mean holds.
    """
    low, high, best = 0.0, case.tpot, None
    for _ in range(HALVINGS):
        target = (low + high) / 2
        plan = _plan(case, gpus, target)
        if plan and by_steps(case, _layout(case, plan)).tpot > case.tpot:
            high = target
        else:
            low, best = target, plan or best
    return best


def _plan(case: Case, gpus: int, median_target: float) -> Any:
    """The plan of one width; None where nothing of it fits or keeps the target."""
    prompt, output = np.array([[case.prompt], [case.output]], dtype=float)
    requests = Trace(name="fixed", prompt=prompt, output=output)
    demand = tw.demanded(
        catalogue(),
        arrival_rate=RATE,
        latency_target=case.ttft,
        ttft_quantile=0.5,
        itl_target=median_target,
        max_utilization=1.0,
    )
    options = tw.Options(
        gpu=("H100",),
        gpus=(gpus,),
        precision=(case.precision,),
        kv_precision=(None,),
        max_num_seqs=(None,),
        max_num_batched_tokens=(None,),
    )
    with suppress(tw.ParameterError):
        return tw.plan(catalogue(), requests, demand, LLM, options=options, objective="gpus")
    return None


def _layout(case: Case, plan: Any) -> Layout:
    """What a plan of one pool runs."""
    batch = plan.fleet.pools[0]["batch"].value
    return Layout(plan.names[0].gpus, int(batch), case.prompt)


def by_steps(case: Case, layout: Layout) -> Predicted | None:
    """What the consistent account says of a layout."""
    names = tw.DeploymentNames(llm=LLM, gpus=layout.gpus, precision=case.precision)
    lengths = {"prompt": case.prompt, "output": case.output}
    try:
        point = tw.point(catalogue(), names, **lengths, batch=layout.batch)
    except tw.ParameterError:
        return None
    throughput = point.throughput / layout.gpus
    return Predicted(point.iteration_latency, point.first_token, throughput)


def by_kernels(case: Case, layout: Layout) -> Predicted | None:
    """What AIConfigurator says of a layout."""
    from aiconfigurator.cli.api import cli_estimate

    found = cli_estimate(
        MODELS[case.precision],
        SYSTEM,
        backend_name="vllm",
        isl=case.prompt,
        osl=case.output,
        batch_size=layout.batch,
        ctx_tokens=layout.chunk,
        tp_size=layout.gpus,
    )
    if found.kv_cache_warning:
        return None
    return Predicted(found.tpot / 1e3, found.ttft / 1e3, float(found.raw["tokens/s/gpu"]))
