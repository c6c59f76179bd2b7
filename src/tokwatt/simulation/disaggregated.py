"""Prefill on instances of its own, whose KV cache goes over a link to those that decode."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tokwatt.simulation.arrivals import Arrived, arrived, repeated
from tokwatt.simulation.recorder import Finished
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import SimulatedRun, run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.units import SecondsAxis, TokensAxis

Transfer = Callable[[TokensAxis], SecondsAxis]
"""How long the KV cache of prompts takes from an instance to another."""


class Stage(NamedTuple):
    """Pools of instances that do the same part for a request, or all of it.

    Attributes:
        tables: steps of the instances of each pool.
        limits: what those hold.
        router: of requests to pools and instances.
    """

    tables: Sequence[StepTable]
    limits: Sequence[Limits]
    router: Router


def run_disaggregated(
    first: Stage,
    decode: Stage,
    transfers: Sequence[Transfer | None],
    requests: Iterable[Arrived],
    progress: Callable[[int], None] = lambda served: None,
) -> SimulatedRun:
    """Serve requests by pools of which some prefill and decode on instances of their own.

    Args:
        first: pools that prefill, or that do everything.
        decode: the same pools, those that decode; of no instances where the first do everything.
        transfers: between both; None where there is none. Transfers do not wait for each other, and
            prefill gives its blocks away as soon as it ends.
        requests: in the order of arrival, a few at a time.
        progress: called with the number of requests of each batch.

    Returns:
        What became of them. The token that prefill makes is dropped, as the instance that decodes
        computes the last token of the prompt once more: its first token is the first that comes.

    Source: as vLLM serves it behind a proxy; arXiv:2401.09670 for the parts.
    """
    asked: list[Arrived] = []

    def kept() -> Iterator[Arrived]:
        for part in requests:
            asked.append(part)
            yield part

    apart = np.array([transfer is not None for transfer in transfers])
    filled = run_pools(
        first.tables, first.limits, kept(), first.router, progress, prefills=apart.tolist()
    )
    whole = Arrived(*(np.concatenate(columns) for columns in zip(*asked, strict=True)))
    ready = filled.finished.arrival + filled.finished.latency
    pools = filled.finished.pool.astype(int)
    for pool, transfer in enumerate(transfers):
        if transfer is not None:
            ready[pools == pool] += transfer(whole.prompt[pools == pool])
    onward = np.flatnonzero(apart[pools])
    if not len(onward):
        return filled
    stream = arrived(
        ready[onward],
        whole.prompt[onward],
        whole.output[onward],
        reused=whole.prompt[onward],
        priority=whole.priority[onward],
    )
    order = onward[np.argsort(ready[onward], kind="stable")]
    decoded = run_pools(decode.tables, decode.limits, repeated(stream), decode.router)
    finished = _joined(filled.finished, decoded.finished, order)
    return SimulatedRun(
        finished,
        filled.recorders + decoded.recorders,
        filled.blocked or decoded.blocked,
        finished.ended - float(whole.arrival[0]),
        filled.arriving,
    )


def _joined(filled: Finished, decoded: Finished, order: np.ndarray) -> Finished:
    """Both halves of each request; `order` are the numbers of those that went on to decode."""
    found = {name: np.array(column) for name, column in filled._asdict().items()}
    before = decoded.arrival - filled.arrival[order]
    for name in ("queued", "preempted", "joules"):
        found[name][order] += getattr(decoded, name)
    for name in ("first_token", "latency"):
        found[name][order] = before + getattr(decoded, name)
    for name in ("output", "itl_p50", "itl_p99"):
        found[name][order] = getattr(decoded, name)
    return Finished(**found)
