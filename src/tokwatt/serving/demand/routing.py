"""Which pool serves a request, and at what length, under an assumption set."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.requests import Requests, split_of
from tokwatt.serving.demand.traffic import Part, Traffic, traffic_of
from tokwatt.units import Dimensionless, Tokens, TokensAxis


@dataclass(frozen=True)
class Topology:
    """Pools that share requests by their length.

    Attributes:
        window: context window of the only pool, or of the long one.
        splits: longest request of each pool but the last; none for one pool only.
        overflow: how much longer a request may be that it takes nevertheless.
    """

    window: float
    splits: tuple[float, ...] = ()
    overflow: float = 1.0


class Routed(NamedTuple):
    """Pools by their windows, and the share of requests that nobody serves."""

    windows: tuple[float, ...]
    pools: tuple[Traffic, ...]
    rejected: float

    @property
    def apart(self) -> list["Routed"]:
        """Each pool by itself."""
        pools = zip(self.windows, self.pools, strict=True)
        return [Routed((window,), (traffic,), 0.0) for window, traffic in pools]


def route(
    assumed: Assumptions,
    requests: Requests,
    knots: TokensAxis,
    topology: Topology,
    chunk: Tokens,
    compressible: Dimensionless,
    part: Part = "both",
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
        part: what the instances of the pools do for a request.

    Returns:
        The traffic of each pool. Nothing is served at more than its window; what no window holds is
        rejected, or clipped where that is assumed.
    """
    if len(topology.splits) != 1:
        return _by_length(assumed, requests, (*topology.splits, topology.window), chunk, part)
    split = topology.splits[0]
    cut = float(int(topology.overflow * split))
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
        (
            traffic_of(assumed, short, squeezed, chunk, part),
            traffic_of(assumed, long, served, chunk, part),
        ),
        rejected,
    )


def _by_length(
    assumed: Assumptions,
    requests: Requests,
    windows: tuple[float, ...],
    chunk: float,
    part: Part,
) -> Routed:
    """Each request in the pool of the smallest window that holds it."""
    pools, below = [], 0.0
    for window in windows[:-1]:
        own = requests.scaled((below < requests.length) & (requests.length <= window))
        pools.append(traffic_of(assumed, own, own, chunk, part))
        below = window
    last = requests.scaled(requests.length > below)
    served, rejected = _within(assumed, last, windows[-1])
    pools.append(traffic_of(assumed, last, served, chunk, part))
    return Routed(windows, tuple(pools), rejected)


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
