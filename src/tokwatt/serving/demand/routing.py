"""Which pool serves a request, and at what length, under an assumption set."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tokwatt.serving.choices import Assumptions, SplitBy
from tokwatt.serving.demand.requests import Requests, longest_of, split_of
from tokwatt.serving.demand.traffic import Part, Traffic, traffic_of
from tokwatt.units import Dimensionless, Tokens, TokensAxis


@dataclass(frozen=True)
class Topology:
    """Pools that share requests by their length, or by that of their prompts.

    Attributes:
        window: context window of the only pool, or of the long one.
        splits: longest request, or prompt, of each pool but the last; none for one pool only.
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
    if len(topology.splits) != 1 or assumed.split_by == "prompt":
        return _by_class(assumed, requests, topology, chunk, part)
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


def routed_tokens(split_by: SplitBy, prompt: TokensAxis, output: TokensAxis) -> TokensAxis:
    """The tokens of requests by which several pools share them, shape (request,)."""
    return prompt if split_by == "prompt" else prompt + output


def _by_class(
    assumed: Assumptions, requests: Requests, topology: Topology, chunk: float, part: Part
) -> Routed:
    """Each request in the first pool that takes as many tokens."""
    pools, rejected = [], 0.0
    windows, classes = zip(*_classes(assumed, requests, topology), strict=True)
    for window, own in zip(windows, classes, strict=True):
        served, missed = _within(assumed, own, window)
        pools.append(traffic_of(assumed, own, served, chunk, part))
        rejected += missed
    return Routed(windows, tuple(pools), rejected)


def _classes(
    assumed: Assumptions, requests: Requests, topology: Topology
) -> Iterator[tuple[Tokens, Requests]]:
    """Window and requests of each pool; one by prompts is as wide as its longest request."""
    routed = routed_tokens(assumed.split_by, requests.prompt, requests.output)
    for below, most in pairwise((0.0, *topology.splits)):
        own = requests.scaled((below < routed) & (routed <= most))
        longest = most if assumed.split_by == "length" else longest_of(own, most)
        yield min(longest, topology.window), own
    last = topology.splits[-1] if topology.splits else 0.0
    yield topology.window, requests.scaled(routed > last)


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
