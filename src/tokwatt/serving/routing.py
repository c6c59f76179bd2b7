"""Which pool serves a request, at what length, and what it is credited with: bookkeeping under named assumptions."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokwatt.serving.choices import Assumptions


@dataclass(frozen=True)
class Requests:
    """Kinds of request, shape (kind,) each; `weight` sums to 1 over all that arrive.

    `prompt_share` is that of a request's tokens, before they are rounded; `prompt` and `output` are
    whole.
    """

    weight: np.ndarray
    prompt: np.ndarray
    output: np.ndarray
    prompt_share: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """Tokens of each kind, prompt and output together."""
        return self.prompt + self.output

    def scaled(self, factor: np.ndarray | float) -> "Requests":
        """The same kinds with other weights."""
        return Requests(self.weight * factor, self.prompt, self.output, self.prompt_share)


class Traffic(NamedTuple):
    """Means over the requests of a pool, and the pool's share of all that arrive.

    k are the steps of a request, l its tokens at the end, m its tokens on the average over its
    steps. `credited` and `generated` are output tokens for each request that arrives anywhere, the
    other means are over the pool's own.
    """

    share: float
    credited: float
    generated: float
    prompts: float
    steps: float
    steps_ends: float
    steps_means: float
    steps2: float
    steps2_ends: float
    steps2_ends2: float
    longest_prompt: float


class Routed(NamedTuple):
    """Pools by their windows, and the share of requests that nobody serves."""

    windows: tuple[float, ...]
    pools: tuple[Traffic, ...]
    rejected: float


@dataclass(frozen=True)
class Topology:
    """One pool of a window, or a second one before it for requests of at most `split_length` tokens times `overflow`."""

    window: float
    split_length: float = 0.0
    overflow: float = 1.0


def lengths_of(
    knots: np.ndarray, fractions: np.ndarray, output_shares: np.ndarray | float
) -> Requests:
    """Requests of a length law, one kind for each whole length.

    Args:
        knots: shape (knot,), whole and rising.
        fractions: share of requests of at most so many tokens, shape (knot,).
        output_shares: output as a share of a request's tokens, for each bin between knots or for
            all.

    Returns:
        Kinds of 1 to `knots[-1]` tokens; prompts are rounded down, prompt and output are at least
        1.
    """
    length = np.arange(1.0, knots[-1] + 1)
    within = np.interp(np.append(0, length), np.append(0, knots), np.append(0, fractions))
    shares = 1 - np.broadcast_to(output_shares, knots.shape)[np.searchsorted(knots, length)]
    return split_of(np.diff(within), length, shares)


def pairs_of(prompt: np.ndarray, output: np.ndarray) -> Requests:
    """Requests of a trace, one kind for each row, all of equal weight."""
    return Requests(
        np.full(len(prompt), 1 / len(prompt)), prompt, output, prompt / (prompt + output)
    )


def smallest_window(requests: Requests) -> float:
    """The smallest power of two that holds every request."""
    return float(2 ** np.ceil(np.log2(requests.length[requests.weight > 0].max())))


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
        return Routed((topology.window,), (traffic(assumed, requests, served, chunk),), rejected)
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
        (traffic(assumed, short, squeezed, chunk), traffic(assumed, long, served, chunk)),
        rejected,
    )


def traffic(assumed: Assumptions, arriving: Requests, served: Requests, chunk: float) -> Traffic:
    """What a pool's requests ask of an instance.

    Args:
        assumed: whether what is credited is cut to whole tokens, and whether it is what was asked
            for or what is served.
        arriving: requests of the pool as they arrive.
        served: the same, as they are served.
        chunk: prompt tokens that a step takes in.

    Returns:
        The means; ones where nobody arrives.
    """
    share = float(served.weight.sum())
    if share <= 0:
        return Traffic(0.0, 0.0, 0.0, *[1.0] * (len(Traffic._fields) - 3))
    weight = served.weight / share
    chunks = np.ceil(served.prompt / chunk)
    steps, ends, means = chunks + served.output, served.length, served.prompt + served.output / 2
    credited = _credited(assumed, arriving if assumed.oversized == "clip_credit_all" else served)
    longest = served.prompt[np.argsort(served.prompt)][
        np.searchsorted(np.cumsum(weight[np.argsort(served.prompt)]), 0.99 * (1 - 1e-12))
    ]
    return Traffic(
        share=share,
        credited=share * credited,
        generated=share * float(weight @ served.output),
        prompts=float(weight @ served.prompt),
        steps=float(weight @ steps),
        steps_ends=float(weight @ (steps * ends)),
        steps_means=float(weight @ (steps * means)),
        steps2=float(weight @ steps**2),
        steps2_ends=float(weight @ (steps**2 * ends)),
        steps2_ends2=float(weight @ (steps * ends) ** 2),
        longest_prompt=float(longest),
    )


def _credited(assumed: Assumptions, requests: Requests) -> float:
    """Mean output; the paper takes a share of the mean length, a length being anywhere below the whole number it is rounded to."""
    weight = requests.weight / requests.weight.sum()
    if assumed.output_rounding == "none":
        return float(weight @ requests.output)
    share = 1 - float(weight @ requests.prompt_share)
    return float(max(1, int(share * (float(weight @ requests.length) - 0.5) + 1e-9)))


def _within(assumed: Assumptions, requests: Requests, window: float) -> tuple[Requests, float]:
    """Requests of the last pool as they are served, and the share that is not."""
    if assumed.oversized in ("clip", "clip_credit_all"):
        return _squeezed(assumed, requests, window), 0.0
    fits = requests.length <= window
    return requests.scaled(fits), float(requests.weight @ ~fits)


def _squeezed(assumed: Assumptions, requests: Requests, window: float) -> Requests:
    """Requests as a window serves them: compressed ones keep their output, clipped ones their proportions."""
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
    """The requests longer than a cut, those of its bin spread from one token to the bin's end as the paper does."""
    end = knots[knots > cut].min(initial=np.inf)
    inside = long.length <= end
    spread = long.weight[inside].sum() / inside.sum() if inside.any() else 0.0
    return Requests(
        np.where(inside, spread, long.weight), long.prompt, long.output, long.prompt_share
    )


def split_of(weight: np.ndarray, length: np.ndarray, prompt_share: np.ndarray | float) -> Requests:
    """Requests of whole lengths, their prompts rounded down; prompt and output are at least 1."""
    prompt = np.maximum(1.0, np.trunc(prompt_share * length))
    return Requests(
        weight,
        prompt,
        np.maximum(1.0, length - prompt),
        np.broadcast_to(prompt_share, length.shape),
    )
