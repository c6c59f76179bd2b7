"""Prefill on instances of its own, whose KV cache goes over a link to those that decode."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from tokwatt.simulation.arrivals import Arrived, arrived, repeated
from tokwatt.simulation.recorder import Finished, latency_counts
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import SimulatedRun, run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.units import Bytes, BytesPerSecond, BytesPerToken, SecondsAxis


class Link(NamedTuple):
    """What the KV cache of a prompt takes on its way.

    Attributes:
        per_token: bytes of a token's cache on all GPUs of an instance.
        state: bytes beside, of a recurrent state.
        bandwidth: of the link of an instance.
    """

    per_token: BytesPerToken
    state: Bytes
    bandwidth: BytesPerSecond


def run_disaggregated(
    table: StepTable,
    limits: Limits,
    requests: Iterable[Arrived],
    routers: tuple[Router, Router],
    link: Link,
    progress: Callable[[int], None] = lambda served: None,
) -> SimulatedRun:
    """Serve requests by instances that prefill and others, of the same kind, that decode.

    Args:
        table: steps of both.
        limits: what they hold.
        requests: in the order of arrival, a few at a time.
        routers: of the pool that prefills and of the one that decodes.
        link: between them; transfers do not wait for each other.
        progress: called with the number of requests of each batch.

    Returns:
        What became of them: the first token comes from prefill, and the time to the second one has
        the transfer in it.
    """
    asked: list[Arrived] = []

    def prompts() -> Iterator[Arrived]:
        for part in requests:
            asked.append(part)
            yield part._replace(output=np.ones_like(part.output))

    filled = run_pools([table], [limits], prompts(), routers[0], progress)
    whole = Arrived(*(np.concatenate(columns) for columns in zip(*asked, strict=True)))
    beside = table.first_token + table.first_token_prompt * whole.prompt
    ready = whole.arrival + filled.finished.latency - beside
    sent = (link.per_token * whole.prompt + link.state) / link.bandwidth
    longer = np.flatnonzero(whole.output > 1)
    # The cache of the prompt is there; the token that prefill has made is all that is computed.
    stream = arrived(
        (ready + sent)[longer],
        whole.prompt[longer] + 1,
        whole.output[longer] - 1,
        reused=whole.prompt[longer],
        priority=whole.priority[longer],
    )
    order = longer[np.argsort((ready + sent)[longer], kind="stable")]
    decoded = run_pools([table], [limits], repeated(stream), routers[1])
    finished = _joined(filled.finished, decoded.finished, table, whole.arrival, order)
    gaps = decoded.finished.arrival + decoded.finished.queued - ready[order]
    decoded.recorders[0].histogram += latency_counts(np.maximum(gaps, sent[order]))
    ended = float((finished.arrival + finished.latency).max())
    return SimulatedRun(
        finished,
        filled.recorders + decoded.recorders,
        filled.blocked or decoded.blocked,
        ended - float(whole.arrival[0]),
        filled.arriving,
    )


def _joined(
    filled: Finished, decoded: Finished, table: StepTable, arrival: SecondsAxis, order: np.ndarray
) -> Finished:
    """Both halves of each request; `order` are the numbers of those that went on to decode."""
    added = table.first_token + table.first_token_prompt * decoded.prompt
    latency, joules, output = (np.array(x) for x in (filled.latency, filled.joules, filled.output))
    itl_p50, itl_p99 = np.array(filled.itl_p50), np.array(filled.itl_p99)
    beside = table.first_token + table.first_token_prompt * filled.prompt[order]
    latency[order] = decoded.arrival + decoded.latency - added - arrival[order] + beside
    joules[order] += decoded.joules
    output[order] += decoded.output
    itl_p50[order], itl_p99[order] = decoded.itl_p50, decoded.itl_p99
    preempted = np.array(filled.preempted)
    preempted[order] += decoded.preempted
    return filled._replace(
        latency=latency,
        joules=joules,
        output=output,
        itl_p50=itl_p50,
        itl_p99=itl_p99,
        preempted=preempted,
    )
