"""Which pool serves a request, and at what length, under an assumption set."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokwatt.serving.choices import Assumptions
from tokwatt.serving.requests import Requests, split_of
from tokwatt.serving.traffic import Traffic, traffic_of


@dataclass(frozen=True)
class Topology:
    """One pool, or two that share requests at a length.

    Attributes:
        window: context window of the only pool, or of the long one.
        split_length: longest request of the short pool; 0 for one pool only.
        overflow: how much longer a request may be that it takes nevertheless.
    """

    window: float
    split_length: float = 0.0
    overflow: float = 1.0


class Routed(NamedTuple):
    """Pools by their windows, and the share of requests that nobody serves."""

    windows: tuple[float, ...]
    pools: tuple[Traffic, ...]
    rejected: float


def route(
    assumed: Assumptions,
    requests: Requests,
    knots: np.ndarray,
    topology: Topology,
    chunk: float,
    compressible: float,
) -> Routed:
    """Share requests out over the pools of a topology.

    Args:
        assumed: what becomes of requests too long for their pool, where the long pool begins, what
            is credited.
        requests: all that arrive.
        knots: of their law, which the paper's long pool needs.
        topology: the pools.
        chunk: prompt tokens that a step takes in.
        compressible: share of the overflow that can be compressed, where that is assumed.

    Returns:
        The traffic of each pool. Nothing is served at more than its window; what no window holds is
        rejected, or clipped where that is assumed.
    """
    if topology.split_length == 0:
        served, rejected = _within(assumed, requests, topology.window)
        return Routed((topology.window,), (traffic_of(assumed, requests, served, chunk),), rejected)
    split, cut = topology.split_length, float(int(topology.overflow * topology.split_length))
    fitting = requests.length <= split
    overflowing = (requests.length <= cut) & ~fitting
    window = split
    if assumed.oversized == "reject":
        to_short = fitting.astype(float)
    elif assumed.oversized == "compress":
        shrinkable = overflowing & (requests.output < split)
        to_short = fitting + compressible * shrinkable
    else:
        to_short = (fitting | overflowing).astype(float)
        window = cut if assumed.oversized == "fitting_window" else split
    short, long = requests.scaled(to_short), requests.scaled(1 - to_short)
    if assumed.long_pool == "from_one":
        long = _from_one(long, knots, cut if assumed.oversized != "reject" else split)
    served, rejected = _within(assumed, long, topology.window)
    squeezed = _squeezed(assumed, short, window)
    return Routed(
        (window, topology.window),
        (traffic_of(assumed, short, squeezed, chunk), traffic_of(assumed, long, served, chunk)),
        rejected,
    )


def _within(assumed: Assumptions, requests: Requests, window: float) -> tuple[Requests, float]:
    """Requests of the last pool as they are served, and the share that is not."""
    if assumed.oversized in ("clip", "clip_credit_all"):
        return _squeezed(assumed, requests, window), 0.0
    fits = requests.length <= window
    return requests.scaled(fits), float(requests.weight @ ~fits)


def _squeezed(assumed: Assumptions, requests: Requests, window: float) -> Requests:
    """Requests as a window serves them: compression keeps outputs, clipping proportions."""
    fits = requests.length <= window
    if assumed.oversized == "compress":
        prompt = np.where(fits, requests.prompt, np.maximum(1, window - requests.output))
        return Requests(requests.weight, prompt, requests.output, requests.prompt_share)
    clipped = split_of(requests.weight, np.minimum(requests.length, window), requests.prompt_share)
    prompt, output = (
        np.where(fits, requests.prompt, clipped.prompt),
        np.where(fits, requests.output, clipped.output),
    )
    return Requests(requests.weight, prompt, output, requests.prompt_share)


def _from_one(long: Requests, knots: np.ndarray, cut: float) -> Requests:
    """Requests longer than a cut, those of its bin spread from one token on as in the paper."""
    end = knots[knots > cut].min(initial=np.inf)
    inside = long.length <= end
    spread = long.weight[inside].sum() / inside.sum() if inside.any() else 0.0
    return Requests(
        np.where(inside, spread, long.weight), long.prompt, long.output, long.prompt_share
    )
