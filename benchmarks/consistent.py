"""The consistent account: operating points beside NumPy, sized fleets, simulation, plans.

The NumPy twin takes an instance as plain numbers: the constants of its forward passes and of its
law of power. Everything that depends on the grid it works out anew.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.timing import OURS, Row, rates, seconds, shared
from benchmarks.workers import account, catalogue, equal, streamed_sweep

WINDOWS = np.round(np.geomspace(1024, 131072, 4096))
SHARES = np.linspace(0.01, 1, 1024)
LLMS = {"dense": "llama-3.1-70b", "experts": "qwen3-235b-a22b"}
FILL, PROMPT_RATIO, GPUS = 0.5, 4.0, 8.0
SPLITS = np.unique(np.round(np.geomspace(256, 6000, 64)))
ARRIVALS = np.geomspace(10, 10000, 8192)
BOUNDS = {
    "latency_target": 1.0,
    "itl_target": 0.1,
    "itl_quantile": 0.5,
    "max_utilization": 0.85,
    "output_share": 0.2,
    "overflow_factor": 1.0,
    "context_window": 65536.0,
}
RATES, SERVED, SERVED_BY_PEER, REPEATS = (100.0, 1000.0, 10000.0), 50_000, 2000, 3


def deployed(llm: str) -> dict[str, object]:
    """What stays fixed: eight H100 with an LLM in bfloat16."""
    known = catalogue()
    return {
        "gpu": known.boards["H100"],
        "llm": known.llms[llm],
        "precision": known.precisions["bfloat16"],
        "tensor_parallel": GPUS,
    }


def sweep(model: str, axes: dict, fixed: dict, quantities: dict[str, str]) -> Any:
    """A grid of the consistent account."""
    from tokwatt.studies import models

    function = partial(getattr(models, model), catalogue(), consistent())
    return streamed_sweep(function, axes, fixed, quantities)


def consistent() -> Any:
    return account({"basis": "instance"}, "consistent")


def instance_with(llm: str) -> Any:
    """The same instance as plain numbers."""
    import jax

    from tokwatt.serving.steps.times import instance_of

    own = deployed(llm)
    deployment = catalogue().deployment(own["gpu"], own["llm"], own["precision"], GPUS, GPUS)
    return jax.tree.map(float, instance_of(consistent(), deployment))


def points(threads: int) -> list[Row]:
    """Tokens per joule over window and utilization, of a dense LLM and of a mixture of experts."""
    rows = []
    for kind, llm in LLMS.items():
        fixed = deployed(llm) | {"mean_fill": FILL, "prompt_ratio": PROMPT_RATIO}
        streamed = sweep(
            "instances",
            {"context_window": WINDOWS, "utilization": SHARES},
            fixed,
            {"tokens_per_joule": "tok/J"},
        )
        instance = instance_with(llm)
        evaluate, blocks = streamed.evaluate, list(streamed.blocks)
        parts = [(WINDOWS[region[0]][:, None], SHARES[region[1]][None]) for region in blocks]
        for region, part in zip(blocks[::3], parts[::3], strict=True):
            ours = evaluate(region)["tokens_per_joule"]
            equal(ours, tokens_per_joule(instance, *part))
        with shared(threads) as spread:
            programs: dict[str, tuple[Callable, int]] = {
                OURS: (partial(spread, evaluate, blocks), streamed.points),
                "NumPy in blocks": (
                    partial(spread, lambda part, it=instance: tokens_per_joule(it, *part), parts),
                    streamed.points,
                ),
            }
            rows += rates(f"consistent points, {kind}", threads, "points/s", programs)
    return rows


def tokens_per_joule(instance: Any, window: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Tokens per joule of an instance at a share of what it holds, in NumPy."""
    costs, law, length = instance.costs, instance.utilization, FILL * window
    cache = instance.cache
    each = cache.held * length + cache.sliding * np.minimum(length, cache.window) + cache.state
    most = np.minimum(instance.kv_budget / each, instance.max_sequences)
    batch = share * instance.data_parallel * most
    output = length / (PROMPT_RATIO + 0.5)
    prompts, prefills = PROMPT_RATIO * batch, batch / output
    prompt = np.maximum(1.0, prompts / prefills)
    let = np.minimum(1.0, costs.chunk / np.maximum(prompts, 1.0))
    batch, prompts, prefills = batch * let, prompts * let, prefills * let
    filled = np.minimum(1.0, np.maximum(-np.expm1(-prefills), prompts / costs.chunk))
    decoding = one_pass(costs, batch, length, 0.0, prompt)
    filling = one_pass(costs, batch, length, prompts / filled, prompt)
    latency, moved, computed = (
        (1 - filled) * a + filled * b for a, b in zip(decoding, filling, strict=True)
    )
    demand = (
        law.idle
        + law.memory * moved / instance.gpu.hbm_bandwidth / latency
        + law.compute * np.sqrt(computed / latency)
        + law.launch * costs.expert_launch / latency
    )
    above = np.maximum(1.0, (demand - law.idle) / (law.limit - law.idle))
    kept = latency * above ** (1 / law.clock_exponent)
    return batch / kept / (GPUS * np.minimum(demand, law.limit))


def one_pass(
    costs: Any, batch: np.ndarray, length: np.ndarray, prompts: Any, prompt: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Duration of a forward pass, bytes that a GPU reads, and its arithmetic as time."""
    cache, ranks = costs.cache, costs.data_parallel
    tokens, own_batch, own_prompts = batch + prompts, batch / ranks, prompts / ranks
    own = own_batch + own_prompts
    read, expert_time = 0.0, 0.0
    if costs.experts:
        read = -np.expm1(
            (costs.independence * tokens + 1 - costs.independence) * np.log1p(-costs.expert_share)
        )
        missed = np.exp(-tokens * costs.expert_share / 2)
        touched = np.maximum(0.3, costs.experts / costs.expert_parallel * (1 - missed**2))
        spread = np.sqrt(2 * np.log(costs.expert_parallel)) * missed / np.sqrt(touched)
        uneven = np.minimum(2.0, 1 + spread)
        expert_time = np.hypot(costs.expert_read * read * uneven, costs.expert_math * tokens)
    dense_math = costs.dense_math * own + costs.head_math * (own_batch + own_prompts / prompt)
    sliding = cache.sliding * np.minimum(length, cache.window)
    scanned = own_batch * (cache.read * length + sliding + cache.state_moved)
    seen = np.minimum(prompt, 2 * cache.window)
    attention = own_prompts * (costs.prompt_math * prompt + costs.sliding_math * seen)
    message = costs.message * own
    around = message + (costs.tensor_parallel / 2 - 1) * np.minimum(message, 2e6)
    latency = (
        np.hypot(costs.dense_read, dense_math)
        + expert_time
        + np.hypot(scanned * costs.scan, own_batch * length * costs.latent_math)
        + attention
        + costs.reduce * around
        + costs.exchange * message
        + costs.launch
        + costs.expert_launch
        + np.where(prompts > 0, costs.prompt_launch, 0.0)
        + costs.sequence * batch
    )
    moved = costs.streamed + costs.routed * read + scanned
    grouped = 0.0 if costs.latent_math else 2 * costs.prompt_math
    windowed = 2 * costs.sliding_math * np.minimum(length, cache.window)
    attending = own_batch * ((costs.latent_math + grouped) * length + windowed)
    return latency, moved, dense_math + costs.expert_math * tokens + attention + attending


def fleets(threads: int) -> list[Row]:
    """Two-pool fleets that keep both targets, over split length and arrival rate."""
    rows = []
    for kind, llm in LLMS.items():
        fixed = deployed(llm) | BOUNDS | {"workload": catalogue().workloads["azure"]}
        axes = {"split_length": SPLITS, "arrival_rate": ARRIVALS}
        streamed = sweep(
            "fleets", axes, fixed, {"instances": "instance", "tokens_per_joule": "tok/J"}
        )
        # A study with a grid of this size computes it in one block; larger ones share blocks.
        halves = [
            replace(streamed, axes=axes | {"split_length": part})
            for part in np.split(SPLITS[: len(SPLITS) // 2 * 2], 2)
        ]
        calls = [partial(half.evaluate, next(iter(half.blocks))) for half in halves]
        count = sum(half.points for half in halves)
        with shared(threads) as spread:
            programs: dict[str, tuple[Callable, int]] = {
                OURS: (partial(spread, lambda call: call(), calls), count)
            }
            rows += rates(f"consistent fleets, {kind}", threads, "fleets/s", programs)
    return rows


def simulated(threads: int) -> list[Row]:
    """Requests of the Azure workload through the fleet that `fleet` says, one core.

    fleet-sim serves the same kinds of request by as many instances, without their steps.
    """
    from tokwatt.accounts.answers import demanded, fleet
    from tokwatt.accounts.simulated import simulate

    rows = []
    for rate in RATES:
        demand = demanded(catalogue(), arrival_rate=rate)
        run = partial(simulate, catalogue(), "azure", demand, count=SERVED)
        instances = fleet(catalogue(), "azure", demand).quantities["instances"].value
        programs: dict[str, tuple[Callable[[], Any], int]] = {OURS: (run, SERVED)}
        if importlib.util.find_spec("fleet_sim"):
            law = peers.law_of(catalogue().workloads["azure"])
            theirs = partial(peers.fleet_sim_served, law, rate, int(instances), SERVED_BY_PEER)
            programs["fleet-sim"] = theirs, SERVED_BY_PEER
        rows += rates(f"simulation, {rate:,.0f} requests/s", threads, "requests/s", programs)
    return rows


def planned(threads: int) -> list[Row]:
    """Seconds to plan for the Azure workload at 1,000 requests per second."""
    from tokwatt.accounts.answers import demanded
    from tokwatt.planning.plan import plan

    demand = demanded(catalogue(), arrival_rate=1000.0)
    run = partial(plan, catalogue(), "azure", demand)
    first = seconds(run)
    warm = [seconds(run) for _ in range(REPEATS)]
    return [
        Row("plan", OURS, threads, "first", [first], "s"),
        Row("plan", OURS, threads, "again", warm, "s"),
    ]


MEASURED = {f"consistent_{work.__name__}": work for work in (points, fleets, simulated, planned)}
