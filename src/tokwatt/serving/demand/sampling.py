"""Request lengths as the paper's program draws them, and the same law summed exactly."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from tokwatt.units import Dimensionless, DimensionlessAxis, Requests, Tokens, TokensAxis

Knots = Sequence[tuple[Tokens, Dimensionless]]
"""Pairs of (tokens, share of requests of at most so many), in rising order."""


def sampled(
    knots: Knots,
    window: Tokens,
    smallest: Tokens = 1,
    seed: Dimensionless = 42,
    count: Requests = 3000,
) -> tuple[TokensAxis, DimensionlessAxis]:
    """Draw lengths with CPython's generator and give each draw the same weight.

    A bin that begins above the window yields the window itself, without a second draw. Equal calls,
    such as those for two GPUs, share their draws.
    """
    return _sampled(tuple(knots), window, smallest, seed, count)


@lru_cache(maxsize=256)
def _sampled(
    knots: Knots, window: Tokens, smallest: Tokens, seed: Dimensionless, count: Requests
) -> tuple[TokensAxis, DimensionlessAxis]:
    generator = random.Random(seed)
    uniform, bits = generator.random, generator.getrandbits
    fractions = [fraction for _, fraction in knots]
    bins = [
        _bin(low, high, window, smallest) for (low, _), (high, _) in pairwise([(0.0, 0.0), *knots])
    ]
    lengths = np.empty(count)
    for draw in range(count):
        low, width, digits = bins[bisect_left(fractions, uniform())]
        step = bits(digits)
        while step >= width:  # as `randint` goes about it, at a third of its cost
            step = bits(digits)
        lengths[draw] = low + step
    weights = np.full(count, 1 / count)
    lengths.flags.writeable = weights.flags.writeable = False
    return lengths, weights


def _bin(below: Tokens, knot: Tokens, window: Tokens, smallest: Tokens) -> tuple[int, int, int]:
    """Shortest length of a bin, its number of lengths, and the random bits that choose one."""
    low, high = max(smallest, int(below) + 1), min(int(window), int(knot))
    return (
        (low, high - low + 1, (high - low + 1).bit_length()) if low <= high else (int(window), 1, 0)
    )


def summed(
    knots: Knots, window: Tokens, smallest: Tokens = 1
) -> tuple[TokensAxis, DimensionlessAxis]:
    """Every length the sampler can draw, with its probability."""
    lengths, weights, previous, below = [], [], 0, 0.0
    for knot, fraction in knots:
        low, high = max(smallest, previous + 1), min(int(window), int(knot))
        inside = np.arange(low, high + 1) if low <= high else np.array([int(window)])
        lengths.append(inside)
        weights.append(np.full(len(inside), max(0.0, fraction - below) / len(inside)))
        previous, below = int(knot), max(below, fraction)
    return np.concatenate(lengths).astype(float), np.concatenate(weights)


def share_within(knots: Knots, length: Tokens) -> Dimensionless:
    """Share of requests of at most `length` tokens, by lines between the knots and the origin."""
    return float(
        np.interp(
            length, [0.0, *(knot for knot, _ in knots)], [0.0, *(fraction for _, fraction in knots)]
        )
    )


def split(knots: Knots, length: Tokens) -> tuple[Knots, Knots]:
    """Cut a distribution in two; the first bin of the upper part begins at one token."""
    share = min(max(share_within(knots, length), 1e-6), 1 - 1e-6)
    lower = [(knot, fraction / share) for knot, fraction in knots if knot <= length]
    upper = [
        (knot, max(0.0, (fraction - share) / (1 - share)))
        for knot, fraction in knots
        if knot > length
    ]
    lower = (
        [*lower[:-1], (lower[-1][0], 1.0)]
        if lower and lower[-1][0] == length
        else [*lower, (length, 1.0)]
    )
    upper = [*upper[:-1], (upper[-1][0], 1.0)] if upper else [(length + 1, 1.0)]
    return lower, upper


def mean_output(knots: Knots, output_share: Dimensionless) -> Tokens:
    """Output tokens credited to each request of a law, cut to a whole number."""
    ends = np.array([knot for knot, _ in knots])
    masses = np.diff([fraction for _, fraction in knots], prepend=0.0)
    middles = ends - np.diff(ends, prepend=0.0) / 2
    return max(1, int(output_share * float(masses @ middles / masses.sum())))
