"""Classes of requests by length or prompt: each run of neighbours between candidate lengths."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.requests import Requests
from tokwatt.serving.demand.routing import routed_tokens
from tokwatt.serving.demand.traffic import PROMPT_QUANTILE, Part, Traffic, beside_part, work_of
from tokwatt.units import DimensionlessAxis, Tokens, TokensAxis

QUANTILES = {"long_prompt": PROMPT_QUANTILE, "median_prompt": 0.5}
"""Of the prompts of a class, by their names in `Traffic`."""
ROUNDING = 1e-12
"""Share of a quantile that sums of weights may be off by."""


def served_within(requests: Requests, longest: Tokens) -> Requests:
    """The kinds of request that arrive and that a window holds."""
    kept = (requests.weight > 0) & (requests.length <= longest)
    return Requests(*(values[kept] for values in vars(requests).values()))


def candidate_lengths(
    assumed: Assumptions, requests: Requests, candidates: int, longest: Tokens
) -> np.ndarray:
    """Lengths that may split requests, from 0 to the window of the last pool.

    Args:
        assumed: whether they are those of requests or of prompts.
        requests: all that arrive.
        candidates: at most so many, both ends among them.
        longest: that window.

    Returns:
        Lengths between which requests, and their tokens, are about equally many.
    """
    arriving = served_within(requests, longest)
    routed = routed_tokens(assumed.split_by, arriving.prompt, arriving.output)
    order = np.argsort(routed, kind="stable")
    length, weight = routed[order], arriving.weight[order]
    tokens = weight * arriving.length[order]
    passed = np.cumsum(weight / weight.sum() + tokens / tokens.sum()) / 2
    wanted = np.arange(1, candidates - 1) / (candidates - 1)
    inner = length[np.minimum(np.searchsorted(passed, wanted), len(length) - 1)]
    return np.unique([0.0, *inner[inner < length[-1]], longest])


@dataclass(frozen=True)
class Classes:
    """Requests sorted by length, or by prompt, in bins between candidate lengths.

    Attributes:
        assumed: which tokens split them, and whether the last step of prefill yields a token.
        requests: all that arrive and are served.
        edges: candidate lengths, shape (bin + 1,), the first 0, the last the longest window.
    """

    assumed: Assumptions
    requests: Requests
    edges: TokensAxis

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last edge of each class, shape (class,)."""
        low, high = np.triu_indices(self.bins + 1, 1)
        return low, high

    @property
    def windows(self) -> np.ndarray:
        """Context window of each class: its last edge, or the longest of its requests."""
        high = self.ends[1]
        if self.assumed.split_by == "length":
            return self.edges[high]
        longest = np.zeros(self.bins)
        np.maximum.at(longest, self._bin, self.requests.length)
        within = [np.maximum.accumulate(longest[start:]) for start in range(self.bins)]
        return np.where(high < self.bins, np.concatenate(within), self.edges[-1])

    def traffic(self, chunk: Tokens, part: Part = "both") -> Traffic:
        """What each class asks of an instance, shape (class,), as `traffic.traffic_of` has it."""
        own = self.requests
        powers = work_of(self.assumed, own.prompt, own.output, chunk, part)
        share = self._sums(np.ones_like(own.weight))
        means = {name: _ratio(self._sums(power), share) for name, power in powers.items()}
        generated = self._sums(own.output)
        found = Traffic(
            share=share, credited=generated, generated=generated, **self._prompts, **means
        )
        return found._replace(**beside_part(found, part))

    @cached_property
    def _bin(self) -> np.ndarray:
        """Bin of each kind of request."""
        own = self.requests
        routed = routed_tokens(self.assumed.split_by, own.prompt, own.output)
        return np.searchsorted(self.edges, np.asarray(routed)) - 1

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums over each class, as differences of running sums."""
        weighted = np.bincount(self._bin, self.requests.weight * values, self.bins)
        running = np.append(0.0, np.cumsum(weighted))
        low, high = self.ends
        return running[high] - running[low]

    @cached_property
    def _prompts(self) -> dict[str, np.ndarray]:
        """Quantiles of the prompts of each class: a table of bins by prompts, summed along both."""
        prompts, place = np.unique(self.requests.prompt, return_inverse=True)
        shape = self.bins, len(prompts)
        cells = np.bincount(
            self._bin * len(prompts) + place, self.requests.weight, shape[0] * shape[1]
        )
        running = np.cumsum(np.cumsum(cells.reshape(shape), axis=0), axis=1)
        running = np.concatenate([np.zeros((1, shape[1])), running])
        found: dict[str, list[np.ndarray]] = {name: [] for name in QUANTILES}
        for low in range(self.bins):
            within = running[low + 1 :] - running[low]
            for name, quantile in QUANTILES.items():
                wanted = quantile * (1 - ROUNDING) * within[:, -1:]
                found[name].append(prompts[np.argmax(within >= wanted, axis=1)])
        return {name: np.concatenate(rows) for name, rows in found.items()}


def _ratio(total: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A mean; 1, a finite stand-in, over a class without requests."""
    used = share > 0
    return np.where(used, total, 1.0) / np.where(used, share, 1.0)


def at_rates(traffic: Traffic, place: int, factors: DimensionlessAxis) -> Traffic:
    """One class at shares of its arrival rate, as classes of their own, shape (factor,)."""
    several = Traffic(*(np.full(len(factors), each[place]) for each in traffic))
    return several._replace(
        share=several.share * factors,
        credited=several.credited * factors,
        generated=several.generated * factors,
    )
