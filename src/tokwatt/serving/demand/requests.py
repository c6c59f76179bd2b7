"""Requests of a workload or a trace: prompts, outputs, and how often each kind arrives."""

from dataclasses import dataclass

import numpy as np

from tokwatt.units import DimensionlessAxis, Tokens, TokensAxis


@dataclass(frozen=True)
class Requests:
    """Kinds of request, shape (kind,) each; `weight` sums to 1 over all that arrive.

    `prompt_share` is that of a request's tokens, before they are rounded; `prompt` and `output` are
    whole.
    """

    weight: DimensionlessAxis
    prompt: TokensAxis
    output: TokensAxis
    prompt_share: DimensionlessAxis

    @property
    def length(self) -> np.ndarray:
        """Tokens of each kind, prompt and output together."""
        return self.prompt + self.output

    def scaled(self, factor: DimensionlessAxis) -> "Requests":
        """The same kinds with other weights."""
        return Requests(self.weight * factor, self.prompt, self.output, self.prompt_share)


def lengths_of(
    knots: TokensAxis, fractions: DimensionlessAxis, output_shares: DimensionlessAxis
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


def pairs_of(prompt: TokensAxis, output: TokensAxis, weight: DimensionlessAxis) -> Requests:
    """Requests of a trace, one kind for each row."""
    return Requests(weight, prompt * 1.0, output * 1.0, prompt / (prompt + output))


def longest_of(requests: Requests, otherwise: Tokens = 1.0) -> Tokens:
    """The longest request that arrives, or another number where none does."""
    arriving = requests.length[requests.weight > 0]
    return float(arriving.max()) if arriving.size else otherwise


def smallest_window(requests: Requests) -> Tokens:
    """The smallest power of two that holds every request."""
    return float(2 ** np.ceil(np.log2(longest_of(requests))))


def split_of(
    weight: DimensionlessAxis, length: TokensAxis, prompt_share: DimensionlessAxis
) -> Requests:
    """Requests of whole lengths, their prompts rounded down; prompt and output are at least 1."""
    prompt = np.maximum(1.0, np.trunc(prompt_share * length))
    return Requests(
        weight,
        prompt,
        np.maximum(1.0, length - prompt),
        np.broadcast_to(prompt_share, length.shape),
    )
