"""Twelve plans of the consistent account, each simulated and planned anew until it holds."""

import itertools
from time import perf_counter

from benchmarks.timing import OURS, Row
from benchmarks.workers import catalogue
from tokwatt.accounts.answers import demanded
from tokwatt.planning.changes.verified import Verified
from tokwatt.planning.changes.verified import verified as simulated
from tokwatt.planning.plan import plan

LLMS = "llama-3.1-70b", "qwen3-235b-a22b"
WORKLOADS = {"azure": 1.0, "lmsys": 1.0, "agent_heavy": 5.0}
"""Requests, and how many times later their first token may come, as some prompts are long."""
TARGETS = {
    "median": {"latency_target": 1.0, "itl_target": 0.05, "itl_quantile": 0.5},
    "p99": {"latency_target": 2.0, "itl_target": 0.1, "itl_quantile": 0.99},
}
RATE = 20.0
"""Requests a second: few, so that each is simulated in seconds."""
SHARES = {"lmsys": {"output_share": "fifth"}, "agent_heavy": {"output_share": "fifth"}}
"""Workloads whose outputs nobody measured."""
NAMES = {"latency_target": "TTFT", "itl_target": "ITL"}


def verified(threads: int) -> list[Row]:
    """Whether each plan holds, by how much its targets were tightened, and its latencies."""
    took = []
    for llm, name, quantile in itertools.product(LLMS, WORKLOADS, TARGETS):
        targets = dict(TARGETS[quantile])
        targets["latency_target"] *= WORKLOADS[name]
        demand = demanded(catalogue(), arrival_rate=RATE, **targets)
        start = perf_counter()
        found = simulated(plan(catalogue(), name, demand, llm, changes=SHARES.get(name)))
        took.append(perf_counter() - start)
        print(f"{llm:16} {name:12} {quantile:7} {_said(found)}, {took[-1]:.0f} s", flush=True)
    return [Row("plan that holds", OURS, threads, "simulated", took, "s")]


def _said(found: Verified) -> str:
    """One line of a verified plan."""
    latencies = (
        f"{NAMES[name]} {found.simulated[name]:.4f} of {target:g} s"
        for name, target in found.targets.items()
    )
    pools = (f"{own.gpu} x{own.gpus} {own.precision}" for own in found.plan.names)
    said = "holds" if found.holds else "misses"
    return f"{said:6} margin {found.margin:5.1%}, {', '.join(latencies)}, {' + '.join(pools)}"


MEASURED = {"plans_verified": verified}
